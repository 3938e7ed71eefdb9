-- Pins (mission B6), runs with their chunks, and groups that can be deleted.

ALTER TABLE memberships DROP CONSTRAINT memberships_source_check;
ALTER TABLE memberships ADD CONSTRAINT memberships_source_check CHECK (source IN ('rule', 'manual', 'pin'));
-- To list, count and empty a group.
CREATE INDEX memberships_of_group ON memberships (group_id, client_id);

-- A client held in or out of a group. What would be without it stands beneath, and is kept in step.
CREATE TABLE pins (
    client_id         text COLLATE "C" NOT NULL REFERENCES clients,
    group_id          text COLLATE "C" NOT NULL REFERENCES groups,
    held_in           boolean NOT NULL,
    said_at           timestamptz NOT NULL,          -- the time of the command
    expires_at        timestamptz,                   -- NULL = until it is unpinned
    cause             text NOT NULL,
    actor             text NOT NULL,
    reason            text,
    beneath_source    text CHECK (beneath_source IN ('rule', 'manual')),  -- NULL = not in the group
    beneath_since     timestamptz,
    beneath_source_at timestamptz,
    beneath_cause     text,
    beneath_actor     text,
    beneath_reason    text,
    PRIMARY KEY (client_id, group_id),
    CHECK (num_nulls(beneath_source, beneath_since, beneath_source_at, beneath_cause) IN (0, 4))
);
CREATE INDEX pins_expiry ON pins (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX pins_of_group ON pins (group_id, client_id);
CREATE TYPE pin_input AS (
    client_id text, group_id text, held_in boolean, said_at timestamptz, expires_at timestamptz, cause text,
    actor text, reason text, beneath_source text, beneath_since timestamptz, beneath_source_at timestamptz,
    beneath_cause text, beneath_actor text, beneath_reason text
);

-- A deleted group's row stays: its version goes on when it is made again, and the history refers to it.
ALTER TABLE groups ADD COLUMN state text NOT NULL DEFAULT 'active'
    CHECK (state IN ('active', 'deleting', 'deleted'));

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
CREATE INDEX runs_going ON runs (run_id) WHERE state = 'running';

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
