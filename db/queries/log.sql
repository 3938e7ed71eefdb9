-- name: lock!
-- Take the log until the transaction ends: the last lock of all, so that seq order = commit order.
SELECT pg_advisory_xact_lock(:namespace, :lock);

-- name: append_history!
-- Append membership changes in the order given.
INSERT INTO membership_history (seq, client_id, version, group_id, joined, source, moment, changed_at, cause,
                                actor, reason, run_id, traceparent)
SELECT nextval('log_seq'), h.client_id, h.version, h.group_id, h.joined, h.source, h.moment, h.changed_at,
       h.cause, h.actor, h.reason, h.run_id, h.traceparent
FROM (
    SELECT *
    FROM unnest(:history::history_input[]) WITH ORDINALITY
    ORDER BY ordinality
) AS h;

-- name: append_snapshots!
-- Append the order to publish the present memberships of clients.
INSERT INTO outgoing_records (seq, kind, key)
SELECT nextval('log_seq'), 'client_snapshot', convert_to(u.client_id, 'UTF8')
FROM unnest(:client_ids::text[]) AS u (client_id);

-- name: append_record!
-- Append one record that goes out as it is.
INSERT INTO outgoing_records (seq, kind, topic, key, value, header_names, header_values, timestamp_ms)
VALUES (nextval('log_seq'), 'record', :topic, :key, :value, :header_names, :header_values, :timestamp_ms);

-- name: keep_record$
-- Keep a record larger than its topic takes; answers its id.
INSERT INTO kept_records (topic, key, value, header_names, header_values, timestamp_ms)
VALUES (:topic, :key, :value, :header_names, :header_values, :timestamp_ms)
RETURNING kept_id;

-- name: append_trace!
-- Say in which order records were taken (TRACE_INPUTS).
INSERT INTO input_trace (seq, topic, partition, kafka_offset)
SELECT nextval('log_seq'), t.topic, t.partition, t.kafka_offset
FROM (
    SELECT *
    FROM unnest(:topic::text[], :partition::int[], :kafka_offset::bigint[])
        WITH ORDINALITY AS u (topic, partition, kafka_offset, place)
    ORDER BY u.place
) AS t;
