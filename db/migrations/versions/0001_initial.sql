-- Client groups: the first schema.
--
-- Ids are text COLLATE "C", so that Python's sort order and PostgreSQL's are the same and every
-- transaction locks rows in one order. Times are timestamptz in UTC. A column `…_order` breaks ties
-- between records of the same time: see db/stamps.py.

-- The id of something. Columns that refer to a row by its id are plain text: the row's own was checked.
CREATE DOMAIN id AS text COLLATE "C" CHECK (length(VALUE) BETWEEN 1 AND 64 AND VALUE !~ '[[:cntrl:]]');

CREATE TABLE clients (
    client_id            id PRIMARY KEY,
    registered_at        timestamptz,                -- the newest registration; NULL = not registered
    deleted_at           timestamptz,                -- the newest deletion; what is not newer is ignored
    version              bigint NOT NULL DEFAULT 0 CHECK (version >= 0),  -- joins and leaves so far
    country              text,
    ip                   text,
    geoip_country        text,                       -- found for ip; NULL = not in the database, or never looked up
    geoip_build          bigint,                     -- build epoch of the GeoIP database asked; NULL = never looked up
    provider_id          text,
    authorization_method text,
    request_parameters   jsonb,                      -- name -> text; NULL = none passed
    -- When the five facts that events name were said. Nearly always one record said them all, so one
    -- stamp stands for all of them; `said_otherwise` gives those of the others, as {"country":
    -- ["2026-11-22T10:15:00+00:00", 4096]}, and null for a fact of which nothing was ever said.
    said_at              timestamptz,
    said_order           bigint,
    said_otherwise       jsonb CHECK (jsonb_typeof(said_otherwise) = 'object'),
    CHECK (registered_at > deleted_at),
    CHECK (geoip_country IS NULL OR geoip_build IS NOT NULL),
    CHECK (geoip_build IS NULL OR ip IS NOT NULL),
    CHECK ((said_at IS NULL) = (said_order IS NULL)),
    CHECK (said_at IS NOT NULL OR (said_otherwise IS NULL AND country IS NULL AND ip IS NULL AND provider_id IS NULL
                                   AND authorization_method IS NULL AND request_parameters IS NULL))
) WITH (fillfactor = 80);
COMMENT ON TABLE clients IS 'Facts of a client, each with its own time; a row exists from the first event or command on.';

CREATE TABLE payers (
    client_id    text COLLATE "C" NOT NULL,
    payer_id     text COLLATE "C" NOT NULL CHECK (length(payer_id) BETWEEN 1 AND 64),
    status       text CHECK (status IN ('legal_entity', 'individual', 'sole_proprietor')),
    active       boolean NOT NULL,
    deleted      boolean NOT NULL,                   -- kept, so that an older record cannot bring it back
    changed_at   timestamptz NOT NULL,
    change_order bigint NOT NULL,
    PRIMARY KEY (client_id, payer_id),
    CHECK (deleted OR status IS NOT NULL)
);

CREATE TABLE verifications (
    client_id     text COLLATE "C" NOT NULL,
    method        text NOT NULL CHECK (method IN ('email', 'phone', 'manual', 'payment_method')),
    passed_at     timestamptz,                       -- the newest `passed`
    passed_order  bigint,
    revoked_at    timestamptz,                       -- the newest `revoked`; takes an older `passed` back
    revoked_order bigint,
    failed_at     timestamptz,                       -- the newest `failed`; takes nothing back
    failed_order  bigint,
    PRIMARY KEY (client_id, method),
    CHECK (num_nonnulls(passed_at, revoked_at, failed_at) > 0),
    CHECK ((passed_at IS NULL) = (passed_order IS NULL)),
    CHECK ((revoked_at IS NULL) = (revoked_order IS NULL)),
    CHECK ((failed_at IS NULL) = (failed_order IS NULL))
);

CREATE TABLE providers (
    provider_id           id PRIMARY KEY,
    name                  text,
    active                boolean NOT NULL,
    authorization_methods text[] NOT NULL DEFAULT '{}',
    changed_at            timestamptz NOT NULL,
    change_order          bigint NOT NULL
);

CREATE TABLE groups (
    group_id                 id PRIMARY KEY,
    name                     text NOT NULL CHECK (btrim(name) <> ''),
    description              text NOT NULL DEFAULT '',
    currency_rates           jsonb NOT NULL DEFAULT '{}',  -- "EUR/USD" -> decimal as text
    allow_service_suspension boolean NOT NULL DEFAULT false,
    allow_service_deletion   boolean NOT NULL DEFAULT false,
    ignore_service_limit     boolean NOT NULL DEFAULT false,
    upon_registration        boolean NOT NULL DEFAULT false,
    upon_change              boolean,                -- NULL = on where upon_registration or periodic is on
    periodic                 boolean NOT NULL DEFAULT false,
    schedule                 text,
    timezone                 text NOT NULL DEFAULT 'UTC',
    exclude                  boolean NOT NULL DEFAULT false,
    keep_manual              boolean NOT NULL DEFAULT false,
    hold_leaves_percent      numeric CHECK (hold_leaves_percent >= 0),
    hold_leaves_count        bigint CHECK (hold_leaves_count >= 0),
    version                  bigint NOT NULL CHECK (version > 0),
    updated_at               timestamptz NOT NULL,
    updated_by               text NOT NULL,
    -- A deleted group's row stays: its version goes on when it is made again, and the history refers to it.
    state                    text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'deleting', 'deleted')),
    rules_version            bigint NOT NULL,        -- rule_set.version at which this row was last written
    CHECK (NOT periodic OR schedule IS NOT NULL),
    CHECK ((hold_leaves_percent IS NULL) = (hold_leaves_count IS NULL))
);
CREATE INDEX groups_rules_version ON groups (rules_version);

CREATE TABLE conditions (
    group_id         text COLLATE "C" NOT NULL REFERENCES groups,
    position         int NOT NULL CHECK (position >= 0),   -- its place in the list as it was given
    condition_group  int NOT NULL CHECK (condition_group >= 1),
    type             text NOT NULL,
    comparison       text NOT NULL,
    value            text[],                         -- one element for comparisons with one value
    parameter        text,
    include_inactive boolean NOT NULL DEFAULT false,
    PRIMARY KEY (group_id, position),
    CHECK ((type = 'request_parameter') = (parameter IS NOT NULL)),
    CHECK (NOT include_inactive OR type = 'payer_status'),
    CHECK ((comparison IN ('is_set', 'is_not_set')) = (value IS NULL))
);

-- Every definition that a group had.
CREATE TABLE group_versions (
    group_id      text COLLATE "C" NOT NULL REFERENCES groups,
    rules_version bigint NOT NULL,                   -- rule_set.version from which on it held
    version       bigint NOT NULL,
    changed_at    timestamptz NOT NULL,
    actor         text NOT NULL,
    reason        text,
    cause         text NOT NULL,                     -- topic/partition/offset of the command
    definition    jsonb,                             -- NULL = the group was deleted
    PRIMARY KEY (group_id, rules_version)
);

-- What refers to a group (mission R1); also to groups that do not exist.
CREATE TABLE group_references (
    group_id     id NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('tariff', 'promotion', 'contract_template', 'segment_condition',
                                               'vat_setting', 'payment_method', 'affiliate_program')),
    ref_id       id NOT NULL,
    title        text,
    used         boolean NOT NULL,                   -- false is kept, so that an older record cannot bring it back
    changed_at   timestamptz NOT NULL,
    change_order bigint NOT NULL,
    PRIMARY KEY (group_id, kind, ref_id)
);

-- One row: raised by every change of rules, read by every batch under the rule set's advisory lock.
CREATE TABLE rule_set (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version  bigint NOT NULL
);
INSERT INTO rule_set (version) VALUES (0);

CREATE TABLE memberships (
    client_id  text COLLATE "C" NOT NULL,
    group_id   text COLLATE "C" NOT NULL,
    source     text NOT NULL CHECK (source IN ('rule', 'manual', 'pin')),
    since      timestamptz NOT NULL,                 -- when the client joined
    source_at  timestamptz NOT NULL,                 -- when it came to be by this source
    cause      text NOT NULL,                        -- topic/partition/offset or run/<run_id>
    actor      text,
    reason     text,
    PRIMARY KEY (client_id, group_id)
);

-- To list a group's members and to empty it.
CREATE INDEX memberships_of_group ON memberships (group_id, client_id);
COMMENT ON TABLE memberships IS 'Who is in which group, pins counted.';

-- A client held in a group or out of it. What would be without it stands beneath, and is kept in step; of a membership
-- by rule only that it is there.
CREATE TABLE pins (
    client_id         text COLLATE "C" NOT NULL,
    group_id          text COLLATE "C" NOT NULL,
    held_in           boolean NOT NULL,
    said_at           timestamptz NOT NULL,          -- the time of the command
    expires_at        timestamptz,                   -- NULL = until it is unpinned
    cause             text NOT NULL,
    actor             text NOT NULL,
    reason            text,
    beneath_source    text CHECK (beneath_source IN ('rule', 'manual')),  -- NULL = not in the group
    beneath_source_at timestamptz,
    beneath_cause     text,
    beneath_actor     text,
    beneath_reason    text,
    PRIMARY KEY (client_id, group_id),
    CHECK (num_nonnulls(beneath_source_at, beneath_cause) = CASE beneath_source WHEN 'manual' THEN 2 ELSE 0 END)
);
CREATE INDEX pins_expiry ON pins (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX pins_of_group ON pins (group_id, client_id);

-- The log: membership_history and outgoing_records take their seq from one sequence, drawn under the
-- log's advisory lock, so that the order of seq is the order of commits and a reader by position
-- skips nothing.
CREATE SEQUENCE log_seq AS bigint;

CREATE TABLE membership_history (
    seq         bigint PRIMARY KEY,
    client_id   text COLLATE "C" NOT NULL,
    version     bigint NOT NULL CHECK (version > 0),
    group_id    text COLLATE "C" NOT NULL,
    joined      boolean NOT NULL,                    -- false = left
    source      text NOT NULL CHECK (source IN ('rule', 'manual', 'pin')),
    moment      text NOT NULL CHECK (moment IN ('registration', 'change', 'schedule', 'forced', 'manual', 'pin',
                                                'undo', 'client_deleted', 'group_deleted')),
    changed_at  timestamptz NOT NULL,
    cause       text NOT NULL,
    actor       text,
    reason      text,
    run_id      text,
    traceparent text,
    rules_version bigint,                            -- rule_set.version under which it came; NULL = not kept
    UNIQUE (client_id, version)
);

-- A statement that would leave a gap between a client's versions, or a client's row out of step with
-- its history, fails. A trigger for each statement, not a foreign key for each row: it costs one query a batch.
CREATE FUNCTION membership_history_has_no_gap() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong text;
BEGIN
    SELECT a.client_id INTO wrong
    FROM (SELECT client_id, min(version) AS first, max(version) AS last, count(*) AS versions
          FROM added GROUP BY client_id) AS a
    LEFT JOIN clients AS c ON c.client_id = a.client_id
    WHERE a.last - a.first + 1 <> a.versions
       OR c.version IS DISTINCT FROM a.last
       OR (a.first > 1 AND NOT EXISTS (SELECT FROM membership_history AS h
                                       WHERE h.client_id = a.client_id AND h.version = a.first - 1))
    LIMIT 1;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'the versions of client % would have a gap', wrong
            USING ERRCODE = 'integrity_constraint_violation', TABLE = 'membership_history';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER membership_history_has_no_gap AFTER INSERT ON membership_history
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION membership_history_has_no_gap();

-- Facts of registered clients as they were until they changed, to explain the past with; those of now are the client's
-- own. A row without facts says that the client was deleted then: whatever was before is erased. One column of bytes, as
-- most rows are never looked at, and columns of their own cost each event more.
CREATE TABLE past_facts (
    client_id    text COLLATE "C" NOT NULL,
    place        bigint GENERATED BY DEFAULT AS IDENTITY,  -- for one client in the order of time
    until        timestamptz NOT NULL,               -- the worker's clock when they changed
    last_version bigint NOT NULL,                    -- the client's versions up to here came before that, and
    decided      bigint[],                           -- these, which were given in the same transaction
    facts        bytea,                              -- JSON, as db/evidence.py writes it; NULL = they are erased
    PRIMARY KEY (client_id, place)
);
CREATE INDEX past_facts_until ON past_facts (until);

-- Pins that ended or were replaced, to explain the past with.
CREATE TABLE past_pins (
    client_id  text COLLATE "C" NOT NULL,
    group_id   text COLLATE "C" NOT NULL,
    place      bigint GENERATED ALWAYS AS IDENTITY,
    held_in    boolean NOT NULL,
    said_at    timestamptz NOT NULL,
    until      timestamptz NOT NULL,                 -- the worker's clock when it ended
    expires_at timestamptz,
    actor      text NOT NULL,
    reason     text,
    PRIMARY KEY (client_id, group_id, place)
);
CREATE INDEX past_pins_until ON past_pins (until);

-- The moment up to which the two were pruned: what was before cannot be explained.
CREATE TABLE evidence_horizon (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    oldest   timestamptz                             -- NULL = all is there
);
INSERT INTO evidence_horizon DEFAULT VALUES;

-- What goes out besides membership changes: answers, dead letters, group records, and snapshots
-- owed to clients whose membership changed only in its source.
CREATE TABLE outgoing_records (
    seq           bigint PRIMARY KEY,
    kind          text NOT NULL CHECK (kind IN ('record', 'client_snapshot')),
    topic         text,
    key           bytea,                             -- for a client_snapshot: the client's id in UTF-8
    value         bytea,                             -- NULL = tombstone
    header_names  text[] NOT NULL DEFAULT '{}',
    header_values bytea[] NOT NULL DEFAULT '{}',
    timestamp_ms  bigint,                            -- NULL = the time of sending
    CHECK ((kind = 'record') = (topic IS NOT NULL)),
    CHECK (kind = 'record' OR key IS NOT NULL),
    CHECK (cardinality(header_names) = cardinality(header_values))
);

-- Dead letters and answers larger than their topic takes; a small record on the topic names the row.
CREATE TABLE kept_records (
    kept_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic         text NOT NULL,
    key           bytea,
    value         bytea,
    header_names  text[] NOT NULL,
    header_values bytea[] NOT NULL,
    timestamp_ms  bigint,
    kept_at       timestamptz NOT NULL DEFAULT now()
);

-- The next offset to take of each partition; moves in the transaction that does the work.
CREATE TABLE input_positions (
    topic       text NOT NULL,
    partition   int NOT NULL CHECK (partition >= 0),
    next_offset bigint NOT NULL CHECK (next_offset >= 0),
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

-- A mirror of the relay's position in Kafka, where group offsets may expire.
CREATE TABLE relay_position (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    next_seq bigint NOT NULL
);
INSERT INTO relay_position (next_seq) VALUES (1);

-- Answers by command id: a command that comes again is answered again and does nothing.
CREATE TABLE commands (
    command_id text PRIMARY KEY CHECK (length(command_id) BETWEEN 1 AND 200),
    answer     bytea NOT NULL,
    done_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX commands_done_at ON commands (done_at);

-- With the setting TRACE_INPUTS on: in which order the transactions took the records (for the chaos oracle).
CREATE TABLE input_trace (
    seq       bigint NOT NULL,
    topic     text NOT NULL,
    partition int NOT NULL,
    kafka_offset bigint NOT NULL,
    PRIMARY KEY (seq)
);

-- Rows as writers hand them over, many to a statement: one array of these costs the driver a fraction
-- of what an array for each column does. Names and order are those of the tables' columns.
CREATE TYPE client_input AS (
    client_id text, registered_at timestamptz, deleted_at timestamptz, version bigint, country text, ip text,
    geoip_country text, geoip_build bigint, provider_id text, authorization_method text,
    request_parameters jsonb, said_at timestamptz, said_order bigint, said_otherwise jsonb
);
CREATE TYPE payer_input AS (
    client_id text, payer_id text, status text, active boolean, deleted boolean, changed_at timestamptz,
    change_order bigint
);
CREATE TYPE verification_input AS (
    client_id text, method text, passed_at timestamptz, passed_order bigint, revoked_at timestamptz,
    revoked_order bigint, failed_at timestamptz, failed_order bigint
);
CREATE TYPE membership_input AS (
    client_id text, group_id text, source text, since timestamptz, source_at timestamptz, cause text,
    actor text, reason text
);
CREATE TYPE pin_input AS (
    client_id text, group_id text, held_in boolean, said_at timestamptz, expires_at timestamptz, cause text,
    actor text, reason text, beneath_source text, beneath_source_at timestamptz, beneath_cause text,
    beneath_actor text, beneath_reason text
);
CREATE TYPE history_input AS (
    client_id text, version bigint, group_id text, joined boolean, source text, moment text,
    changed_at timestamptz, cause text, actor text, reason text, run_id text, traceparent text
);

CREATE TYPE past_facts_input AS (
    client_id text, until timestamptz, last_version bigint, decided bigint[], facts bytea
);
CREATE TYPE past_pin_input AS (
    client_id text, group_id text, held_in boolean, said_at timestamptz, until timestamptz, expires_at timestamptz,
    actor text, reason text
);

-- References that nothing may leave dangling. A trigger for each statement, not a foreign key for each row: those
-- took a third of the server's time. They can be this simple as clients and groups are never deleted and keep
-- their ids, so that what is there when a reference is written stays there.
CREATE FUNCTION refuse_unknown_clients() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    missing text;
BEGIN
    SELECT a.client_id INTO missing FROM added AS a
    WHERE NOT EXISTS (SELECT FROM clients AS c WHERE c.client_id = a.client_id) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'there is no client %', missing
            USING ERRCODE = 'foreign_key_violation', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION refuse_unknown_groups() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    missing text;
BEGIN
    SELECT a.group_id INTO missing FROM (SELECT DISTINCT group_id FROM added) AS a
    WHERE NOT EXISTS (SELECT FROM groups AS g WHERE g.group_id = a.group_id) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'there is no group %', missing
            USING ERRCODE = 'foreign_key_violation', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION refuse_to_lose_ids() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never deleted and keep their ids: others refer to them', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
END $$;
CREATE TRIGGER clients_exist AFTER INSERT ON payers
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION refuse_unknown_clients();
CREATE TRIGGER clients_exist AFTER INSERT ON verifications
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION refuse_unknown_clients();
CREATE TRIGGER clients_exist AFTER INSERT ON memberships
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION refuse_unknown_clients();
CREATE TRIGGER groups_exist AFTER INSERT ON memberships
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION refuse_unknown_groups();
CREATE TRIGGER clients_exist AFTER INSERT ON pins
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION refuse_unknown_clients();
CREATE TRIGGER groups_exist AFTER INSERT ON pins
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION refuse_unknown_groups();
CREATE TRIGGER groups_exist AFTER INSERT ON membership_history
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION refuse_unknown_groups();
CREATE TRIGGER clients_stay BEFORE DELETE OR UPDATE OF client_id ON clients
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_lose_ids();
CREATE TRIGGER groups_stay BEFORE DELETE OR UPDATE OF group_id ON groups
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_lose_ids();

-- The steps of a batch's transaction, each one round trip. At rest these are most of the time that an event takes,
-- and under load a lane waits for each of them.

-- Holds the rules as they are until the transaction ends, and answers their version. Each statement of a volatile
-- function sees what is committed by then, so that the version is read after the lock is granted.
CREATE FUNCTION hold_rules(namespace int, lock int) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(namespace, lock);
    RETURN (SELECT version FROM rule_set);
END $$;

CREATE TYPE payer_state AS (
    payer_id text, status text, active boolean, deleted boolean, changed_at timestamptz, change_order bigint
);
CREATE TYPE verification_state AS (
    method text, passed_at timestamptz, passed_order bigint, revoked_at timestamptz, revoked_order bigint,
    failed_at timestamptz, failed_order bigint
);
CREATE TYPE membership_state AS (
    group_id text, source text, since timestamptz, source_at timestamptz, cause text, actor text, reason text
);
CREATE TYPE pin_state AS (
    group_id text, held_in boolean, said_at timestamptz, expires_at timestamptz, cause text, actor text, reason text,
    beneath_source text, beneath_source_at timestamptz, beneath_cause text, beneath_actor text, beneath_reason text
);

-- Locks clients in the order of their ids (parted by newlines) and answers all that is kept of those that are there;
-- of memberships by rule, which are the most, only the groups. NO KEY, so that others can still refer to them.
CREATE FUNCTION lock_clients(ids text) RETURNS TABLE (
    client_id text, registered_at timestamptz, deleted_at timestamptz, version bigint, country text, ip text,
    geoip_country text, geoip_build bigint, provider_id text, authorization_method text,
    request_parameters jsonb, said_at timestamptz, said_order bigint, said_otherwise jsonb,
    payers payer_state[], verifications verification_state[], by_rule text[], otherwise membership_state[],
    pins pin_state[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    locked text[];
BEGIN
    locked := ARRAY(SELECT c.client_id::text FROM clients AS c
                    WHERE c.client_id = ANY (string_to_array(ids, E'\n'))
                    ORDER BY c.client_id FOR NO KEY UPDATE);
    RETURN QUERY
    SELECT c.client_id::text, c.registered_at, c.deleted_at, c.version, c.country, c.ip, c.geoip_country,
           c.geoip_build, c.provider_id, c.authorization_method, c.request_parameters, c.said_at, c.said_order,
           c.said_otherwise,
           (SELECT array_agg((p.payer_id, p.status, p.active, p.deleted, p.changed_at, p.change_order)::payer_state)
            FROM payers AS p WHERE p.client_id = c.client_id),
           (SELECT array_agg((v.method, v.passed_at, v.passed_order, v.revoked_at, v.revoked_order, v.failed_at,
                              v.failed_order)::verification_state)
            FROM verifications AS v WHERE v.client_id = c.client_id),
           m.by_rule, m.otherwise,
           (SELECT array_agg((n.group_id, n.held_in, n.said_at, n.expires_at, n.cause, n.actor, n.reason,
                              n.beneath_source, n.beneath_source_at, n.beneath_cause, n.beneath_actor,
                              n.beneath_reason)::pin_state)
            FROM pins AS n WHERE n.client_id = c.client_id)
    FROM clients AS c
    CROSS JOIN LATERAL (
        SELECT array_agg(m.group_id::text) FILTER (WHERE m.source = 'rule') AS by_rule,
               array_agg((m.group_id, m.source, m.since, m.source_at, m.cause, m.actor, m.reason)::membership_state)
                   FILTER (WHERE m.source <> 'rule') AS otherwise
        FROM memberships AS m WHERE m.client_id = c.client_id
    ) AS m
    WHERE c.client_id = ANY (locked);
END $$;

CREATE TYPE key_input AS (client_id text, key text);
CREATE TYPE version_input AS (client_id text, version bigint);

-- Writes what is different of locked clients; the log, which is held from there on, last.
CREATE FUNCTION write_net(
    created client_input[], facts client_input[], versions version_input[],
    payers payer_input[], payers_gone key_input[],
    verifications verification_input[], verifications_gone key_input[],
    memberships membership_input[], memberships_gone key_input[], pins pin_input[], pins_gone key_input[],
    past_facts past_facts_input[], past_pins past_pin_input[], forgotten text[],
    history history_input[], snapshots text[], namespace int, log_lock int
) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    IF cardinality(created) > 0 THEN
        INSERT INTO clients (client_id, registered_at, deleted_at, version, country, ip, geoip_country, geoip_build,
                             provider_id, authorization_method, request_parameters, said_at, said_order,
                             said_otherwise)
        SELECT * FROM unnest(created);
    END IF;
    IF cardinality(facts) > 0 THEN
        UPDATE clients AS c
        SET registered_at = u.registered_at, deleted_at = u.deleted_at, version = u.version, country = u.country,
            ip = u.ip, geoip_country = u.geoip_country, geoip_build = u.geoip_build, provider_id = u.provider_id,
            authorization_method = u.authorization_method, request_parameters = u.request_parameters,
            said_at = u.said_at, said_order = u.said_order, said_otherwise = u.said_otherwise
        FROM unnest(facts) AS u
        WHERE c.client_id = u.client_id;
    END IF;
    IF cardinality(versions) > 0 THEN
        UPDATE clients AS c SET version = u.version FROM unnest(versions) AS u WHERE c.client_id = u.client_id;
    END IF;
    IF cardinality(payers_gone) > 0 THEN
        DELETE FROM payers AS p USING unnest(payers_gone) AS u
        WHERE p.client_id = u.client_id AND p.payer_id = u.key;
    END IF;
    IF cardinality(payers) > 0 THEN
        INSERT INTO payers (client_id, payer_id, status, active, deleted, changed_at, change_order)
        SELECT * FROM unnest(payers)
        ON CONFLICT (client_id, payer_id) DO UPDATE
        SET status = excluded.status, active = excluded.active, deleted = excluded.deleted,
            changed_at = excluded.changed_at, change_order = excluded.change_order;
    END IF;
    IF cardinality(verifications_gone) > 0 THEN
        DELETE FROM verifications AS v USING unnest(verifications_gone) AS u
        WHERE v.client_id = u.client_id AND v.method = u.key;
    END IF;
    IF cardinality(verifications) > 0 THEN
        INSERT INTO verifications (client_id, method, passed_at, passed_order, revoked_at, revoked_order, failed_at,
                                   failed_order)
        SELECT * FROM unnest(verifications)
        ON CONFLICT (client_id, method) DO UPDATE
        SET passed_at = excluded.passed_at, passed_order = excluded.passed_order,
            revoked_at = excluded.revoked_at, revoked_order = excluded.revoked_order,
            failed_at = excluded.failed_at, failed_order = excluded.failed_order;
    END IF;
    IF cardinality(memberships_gone) > 0 THEN
        DELETE FROM memberships AS m USING unnest(memberships_gone) AS u
        WHERE m.client_id = u.client_id AND m.group_id = u.key;
    END IF;
    IF cardinality(memberships) > 0 THEN
        INSERT INTO memberships (client_id, group_id, source, since, source_at, cause, actor, reason)
        SELECT * FROM unnest(memberships)
        ON CONFLICT (client_id, group_id) DO UPDATE
        SET source = excluded.source, source_at = excluded.source_at, cause = excluded.cause,
            actor = excluded.actor, reason = excluded.reason;
    END IF;
    IF cardinality(pins_gone) > 0 THEN
        DELETE FROM pins AS p USING unnest(pins_gone) AS u WHERE p.client_id = u.client_id AND p.group_id = u.key;
    END IF;
    IF cardinality(pins) > 0 THEN
        INSERT INTO pins (client_id, group_id, held_in, said_at, expires_at, cause, actor, reason, beneath_source,
                          beneath_source_at, beneath_cause, beneath_actor, beneath_reason)
        SELECT * FROM unnest(pins)
        ON CONFLICT (client_id, group_id) DO UPDATE
        SET held_in = excluded.held_in, said_at = excluded.said_at, expires_at = excluded.expires_at,
            cause = excluded.cause, actor = excluded.actor, reason = excluded.reason,
            beneath_source = excluded.beneath_source, beneath_source_at = excluded.beneath_source_at,
            beneath_cause = excluded.beneath_cause, beneath_actor = excluded.beneath_actor,
            beneath_reason = excluded.beneath_reason;
    END IF;
    IF cardinality(forgotten) > 0 THEN
        DELETE FROM past_facts AS f USING unnest(forgotten) AS u (client_id) WHERE f.client_id = u.client_id;
        DELETE FROM past_pins AS p USING unnest(forgotten) AS u (client_id) WHERE p.client_id = u.client_id;
    END IF;
    IF cardinality(past_facts) > 0 THEN
        INSERT INTO past_facts (client_id, until, last_version, decided, facts)
        SELECT f.client_id, f.until, f.last_version, f.decided, f.facts
        FROM (SELECT * FROM unnest(past_facts) WITH ORDINALITY ORDER BY ordinality) AS f;
    END IF;
    IF cardinality(past_pins) > 0 THEN
        INSERT INTO past_pins (client_id, group_id, held_in, said_at, until, expires_at, actor, reason)
        SELECT * FROM unnest(past_pins);
    END IF;
    IF cardinality(history) > 0 OR cardinality(snapshots) > 0 THEN
        PERFORM pg_advisory_xact_lock(namespace, log_lock);
    END IF;
    IF cardinality(history) > 0 THEN
        INSERT INTO membership_history (seq, client_id, version, group_id, joined, source, moment, changed_at, cause,
                                        actor, reason, run_id, traceparent, rules_version)
        SELECT nextval('log_seq'), h.client_id, h.version, h.group_id, h.joined, h.source, h.moment, h.changed_at,
               h.cause, h.actor, h.reason, h.run_id, h.traceparent, (SELECT r.version FROM rule_set AS r)
        FROM (SELECT * FROM unnest(history) WITH ORDINALITY ORDER BY ordinality) AS h;
    END IF;
    IF cardinality(snapshots) > 0 THEN
        INSERT INTO outgoing_records (seq, kind, key)
        SELECT nextval('log_seq'), 'client_snapshot', convert_to(u.client_id, 'UTF8')
        FROM unnest(snapshots) AS u (client_id);
    END IF;
END $$;
