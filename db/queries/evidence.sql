-- name: at_time^
-- The state of a client's facts that ended first after a time.
SELECT client_id::text, until, last_version, decided, facts
FROM past_facts
WHERE client_id = :client_id AND until > :at
ORDER BY place
LIMIT 1;

-- name: of_version^
-- The state of a client's facts that a version was decided by: it says so itself, or was the first to end after it.
SELECT client_id::text, until, last_version, decided, facts
FROM past_facts
WHERE client_id = :client_id AND (last_version >= :version OR :version = ANY (decided))
ORDER BY :version = ANY (decided) IS TRUE DESC, place
LIMIT 1;

-- name: pin_at^
-- The pin of a client to a group that held at a time and has ended since.
SELECT client_id::text, group_id::text, held_in, said_at, until, expires_at, actor, reason
FROM past_pins
WHERE client_id = :client_id AND group_id = :group_id AND until > :at AND said_at <= :at
ORDER BY place
LIMIT 1;

-- name: version_at^
-- The last version of a client up to a time.
SELECT version, changed_at, rules_version
FROM membership_history
WHERE client_id = :client_id AND changed_at <= :at
ORDER BY version DESC
LIMIT 1;

-- name: version^
-- One version of a client.
SELECT version, changed_at, rules_version FROM membership_history WHERE client_id = :client_id AND version = :version;

-- name: oldest$
-- The moment up to which all was pruned.
SELECT oldest FROM evidence_horizon;

-- name: raise_horizon!
-- From here on, what ended before a time counts as gone.
UPDATE evidence_horizon SET oldest = :before WHERE oldest IS NULL OR oldest < :before;

-- name: prune$
-- Delete some of what ended before a time, the oldest first; answers how many rows.
WITH facts AS (
    DELETE FROM past_facts AS f
    USING (SELECT client_id, place FROM past_facts WHERE until < :before ORDER BY until LIMIT :row_limit) AS o
    WHERE f.client_id = o.client_id AND f.place = o.place
    RETURNING 1
), pins AS (
    DELETE FROM past_pins AS p
    USING (SELECT client_id, group_id, place FROM past_pins WHERE until < :before ORDER BY until LIMIT :row_limit) AS o
    WHERE p.client_id = o.client_id AND p.group_id = o.group_id AND p.place = o.place
    RETURNING 1
)
SELECT (SELECT count(*) FROM facts) + (SELECT count(*) FROM pins);

-- name: going_to_leave$
-- The run that found that a client is to leave a group, and has not let it leave.
SELECT r.run_id
FROM runs AS r
JOIN run_leaves AS l ON l.run_id = r.run_id AND l.group_id = :group_id AND l.client_id = :client_id
WHERE r.state IN ('running', 'held')
ORDER BY r.started_at DESC
LIMIT 1;
