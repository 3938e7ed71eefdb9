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
    skipped     jsonb NOT NULL DEFAULT '{}',         -- why -> how many were left as they are
    started_at  timestamptz NOT NULL,
    held_at     timestamptz,
    finished_at timestamptz,
    told_at     timestamptz NOT NULL,                -- when its progress was last put on assignment-runs
    cause       text NOT NULL,                       -- topic/partition/offset of the command
    actor       text,
    reason      text,
    ended       text,                                -- why it failed, or was cancelled
    cleared     boolean NOT NULL DEFAULT false,      -- it is over, and nothing is left of its chunks and leaves
    CHECK ((finished_at IS NULL) = (state IN ('running', 'held'))),
    CHECK (state <> 'held' OR held_at IS NOT NULL),
    CHECK (state <> 'failed' OR ended IS NOT NULL),
    CHECK (finished_at IS NOT NULL OR NOT cleared)
);
CREATE INDEX runs_started ON runs (started_at DESC, run_id);
CREATE INDEX runs_going ON runs (started_at) WHERE state IN ('running', 'held');
-- Of which something may be left to be deleted.
CREATE INDEX runs_not_cleared ON runs (run_id) WHERE state IN ('done', 'cancelled', 'failed') AND NOT cleared;

-- The groups that a run checks. One that is dropped is not checked any more.
CREATE TABLE run_groups (
    run_id   text NOT NULL REFERENCES runs ON DELETE CASCADE,
    group_id text COLLATE "C" NOT NULL,
    dropped  text,                                   -- why; NULL = it is being checked
    held     boolean NOT NULL DEFAULT false,         -- its leaves wait for an operator
    members  bigint,                                 -- how many it had when its leaves were counted
    PRIMARY KEY (run_id, group_id)
);
CREATE INDEX run_groups_of_group ON run_groups (group_id) WHERE dropped IS NULL;

-- Who no longer matches, as far as the run has come: leaves are applied at its end. One index only: of two the planner
-- takes the wrong one, as this table was empty when it was analyzed last.
CREATE TABLE run_leaves (
    run_id    text NOT NULL REFERENCES runs ON DELETE CASCADE,
    group_id  text COLLATE "C" NOT NULL,
    client_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (run_id, client_id, group_id)
);

CREATE TABLE run_chunks (
    run_id     text NOT NULL REFERENCES runs ON DELETE CASCADE,
    number     int NOT NULL CHECK (number >= 0),
    client_ids text[] COLLATE "C",                   -- these clients; or
    after_id   text COLLATE "C",                     -- all that are registered, beyond this one
    last_id    text COLLATE "C",                     -- and up to this one
    clients    int NOT NULL CHECK (clients >= 0),    -- how many it counts for
    failures   int NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, number),
    CHECK (num_nonnulls(after_id, last_id) = CASE WHEN client_ids IS NULL THEN 2 ELSE 0 END)
);
-- Chunks are taken in turn over the runs: the first of each, then the second of each.
CREATE INDEX run_chunks_turn ON run_chunks (number, run_id);
COMMENT ON TABLE run_chunks IS 'Chunks still to be done; one that is done is deleted.';

-- What a run changed, to undo it.
CREATE INDEX membership_history_of_run ON membership_history (run_id, client_id) WHERE run_id IS NOT NULL;

-- When groups are checked by the clock (mission T3).
CREATE TABLE schedules (
    group_id text COLLATE "C" PRIMARY KEY REFERENCES groups,
    schedule text NOT NULL,                          -- cron, five fields
    timezone text NOT NULL,
    dealt_at timestamptz NOT NULL,                   -- all due moments up to here are dealt with
    next_at  timestamptz NOT NULL,                   -- the next due moment
    CHECK (next_at > dealt_at)
);
CREATE INDEX schedules_next ON schedules (next_at);
CREATE INDEX schedules_dealt ON schedules (dealt_at);

-- What checks read of the registered clients of a range of ids, in one snapshot: a stable function uses its caller's.
-- Each table is read once along its key and the five are merged. Left to itself, the planner looks for each client in
-- each table, and for its memberships by each of the groups (20 times slower): hence the settings. Payers are bits by
-- status and, three higher, inactive ones; verifications bits by method; groups are parted by newlines.
CREATE FUNCTION read_clients(
    after text, last text, group_ids text[], with_parameters boolean, with_payers boolean, with_verifications boolean
) RETURNS TABLE (
    client_id text, country text, looked_up boolean, geoip_country text, provider_id text, authorization_method text,
    request_parameters jsonb, payers int, verifications int, by_rule text, by_hand text, pinned boolean,
    has_failed_lookup boolean
) LANGUAGE sql STABLE
SET enable_mergejoin = on
SET enable_nestloop = off
SET enable_material = off
SET enable_sort = off
SET enable_incremental_sort = off
SET enable_bitmapscan = off
AS $$
    SELECT c.client_id::text, c.country, c.geoip_build IS NOT NULL, c.geoip_country, c.provider_id,
           c.authorization_method, CASE WHEN with_parameters THEN c.request_parameters END, p.kinds, v.methods,
           m.by_rule, m.by_hand, n.client_id IS NOT NULL, c.ip IS NOT NULL AND c.geoip_build IS NULL
    FROM clients AS c
    LEFT JOIN (
        SELECT client_id, bit_or(CASE status WHEN 'legal_entity' THEN 1 WHEN 'individual' THEN 2 ELSE 4 END
                                 << CASE WHEN active THEN 0 ELSE 3 END) AS kinds
        FROM payers
        WHERE with_payers AND client_id > after AND client_id <= last AND NOT deleted
        GROUP BY client_id
    ) AS p ON p.client_id = c.client_id
    LEFT JOIN (
        SELECT client_id, bit_or(CASE method WHEN 'email' THEN 1 WHEN 'phone' THEN 2 WHEN 'manual' THEN 4 ELSE 8 END)
                   AS methods
        FROM verifications
        WHERE with_verifications AND client_id > after AND client_id <= last AND passed_at IS NOT NULL
          AND (revoked_at IS NULL OR (passed_at, passed_order) > (revoked_at, revoked_order))
        GROUP BY client_id
    ) AS v ON v.client_id = c.client_id
    LEFT JOIN (
        SELECT client_id, string_agg(group_id, E'\n') FILTER (WHERE source = 'rule') AS by_rule,
               string_agg(group_id, E'\n') FILTER (WHERE source = 'manual') AS by_hand
        FROM memberships
        WHERE client_id > after AND client_id <= last AND group_id = ANY (group_ids)
        GROUP BY client_id
    ) AS m ON m.client_id = c.client_id
    LEFT JOIN (
        SELECT DISTINCT client_id FROM pins
        WHERE client_id > after AND client_id <= last AND group_id = ANY (group_ids)
    ) AS n ON n.client_id = c.client_id
    WHERE c.client_id > after AND c.client_id <= last AND c.registered_at IS NOT NULL
    ORDER BY c.client_id
$$;
