-- What touches more clients than one transaction should goes on as a run, in chunks that the workers share.
CREATE TABLE runs (
    run_id      text PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('schedule', 'forced', 'undo', 'members', 'delete', 'geoip', 'owed')),
    groups      text[] NOT NULL,
    state       text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'held', 'done', 'cancelled', 'failed')),
    task        jsonb NOT NULL,                      -- what a chunk's clients are to undergo
    total       bigint NOT NULL CHECK (total >= 0),
    planned     boolean NOT NULL,                    -- its chunks are there, and the total is known
    checked     bigint NOT NULL DEFAULT 0 CHECK (checked BETWEEN 0 AND total),
    joined      bigint NOT NULL DEFAULT 0 CHECK (joined >= 0),
    "left"      bigint NOT NULL DEFAULT 0 CHECK ("left" >= 0),
    to_leave    bigint NOT NULL DEFAULT 0 CHECK (to_leave >= 0),
    started_at  timestamptz NOT NULL,
    finished_at timestamptz,
    told_at     timestamptz NOT NULL,                -- when its progress was last put on assignment-runs
    cause       text NOT NULL,                       -- topic/partition/offset of the command
    actor       text,
    reason      text,
    error       text,                                -- why it failed
    CHECK ((finished_at IS NULL) = (state IN ('running', 'held'))),
    CHECK ((error IS NOT NULL) = (state = 'failed'))
);
CREATE INDEX runs_started ON runs (started_at DESC, run_id);
CREATE INDEX runs_going ON runs (started_at) WHERE state = 'running';

CREATE TABLE run_chunks (
    run_id     text NOT NULL REFERENCES runs ON DELETE CASCADE,
    number     int NOT NULL CHECK (number >= 0),
    client_ids text[] COLLATE "C" NOT NULL,
    failures   int NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, number)
);
-- Chunks are taken in turn over the runs: the first of each, then the second of each.
CREATE INDEX run_chunks_turn ON run_chunks (number, run_id);
COMMENT ON TABLE run_chunks IS 'Chunks still to be done; one that is done is deleted.';
