-- name: try_lock$
-- Become the one relay, for as long as this session lasts; answers whether it worked, at once.
-- (Not pg_advisory_lock: a statement that waits for hours holds its snapshot, and vacuum with it.)
SELECT pg_try_advisory_lock(:namespace, :lock);

-- name: read_log
-- The next rows of the log in seq order, at most so many rows and, but for the first, so many bytes of values.
-- One statement for both tables: of two, the second could see a commit that the first did not, and skip its rows.
SELECT seq, client_id, version, group_id, joined, source, moment, changed_at, cause, actor, reason, run_id,
       traceparent, topic, key, value, header_names, header_values, timestamp_ms
FROM (
    SELECT merged.*, sum(size) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) - size AS size_before
    FROM (
        (SELECT seq, client_id::text, version, group_id::text, joined, source, moment, changed_at, cause, actor,
                reason, run_id, traceparent, NULL::text AS topic, NULL::bytea AS key, NULL::bytea AS value,
                NULL::text[] AS header_names, NULL::bytea[] AS header_values, NULL::bigint AS timestamp_ms,
                0 AS size
         FROM membership_history
         WHERE seq >= :position
         ORDER BY seq
         LIMIT :row_limit)
        UNION ALL
        (SELECT seq, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                topic, key, value, header_names, header_values, timestamp_ms, coalesce(octet_length(value), 0)
         FROM outgoing_records
         WHERE seq >= :position
         ORDER BY seq
         LIMIT :row_limit)
        ORDER BY seq
        LIMIT :row_limit
    ) AS merged
) AS measured
WHERE size_before <= :byte_limit
ORDER BY seq;

-- name: client_states
-- Version and memberships of clients as they are now, from one snapshot.
SELECT c.client_id::text, c.version, c.deleted_at IS NOT NULL AND c.registered_at IS NULL AS deleted,
       m.groups, m.sources, m.since
FROM unnest(:client_ids::text[]) AS wanted (client_id)
JOIN clients AS c ON c.client_id = wanted.client_id COLLATE "C"
CROSS JOIN LATERAL (
    SELECT array_agg(group_id::text ORDER BY group_id) AS groups,
           array_agg(source ORDER BY group_id) AS sources,
           array_agg(since ORDER BY group_id) AS since
    FROM memberships
    WHERE memberships.client_id = c.client_id
) AS m;

-- name: mirror$
-- Where the relay was, as this database knows it: perhaps behind Kafka's position, never ahead.
SELECT next_seq FROM relay_position;

-- name: move_mirror!
-- Follow Kafka's position: back too, where an operator has set it back (what is pruned would else be missed).
UPDATE relay_position SET next_seq = :next_seq WHERE next_seq <> :next_seq;

-- name: last_seq$
-- The last number given to a row of the log, 0 for none; rows of transactions that failed leave holes.
SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM log_seq;

-- name: prune!
-- Delete a chunk of the records that were sent, oldest first.
DELETE FROM outgoing_records
WHERE seq IN (
    SELECT seq FROM outgoing_records
    WHERE seq < (SELECT next_seq FROM relay_position)
    ORDER BY seq
    LIMIT :row_limit
);

-- name: keep_row$
-- Move an outgoing record to the kept ones; answers its id there, NULL when the row is gone.
INSERT INTO kept_records (topic, key, value, header_names, header_values, timestamp_ms)
SELECT topic, key, value, header_names, header_values, timestamp_ms
FROM outgoing_records
WHERE seq = :seq AND kind = 'record'
RETURNING kept_id;

-- name: replace_row!
-- Put a small record in the place of one that was kept.
UPDATE outgoing_records
SET key = :key, value = :value, header_names = :header_names, header_values = :header_values, timestamp_ms = NULL
WHERE seq = :seq;

-- name: keep_message$
-- Keep a message that stands in no row; one for each key, the newest.
WITH older AS (DELETE FROM kept_records WHERE topic = :topic AND key = :key)
INSERT INTO kept_records (topic, key, value, header_names, header_values)
VALUES (:topic, :key, :value, :header_names, :header_values)
RETURNING kept_id;

-- name: wait_for_disk!
-- In this transaction, commit only when it is on disk (the relay's session does not otherwise wait).
SET LOCAL synchronous_commit = on;

-- name: notify!
-- Wake a relay in another process.
NOTIFY membership_log;
