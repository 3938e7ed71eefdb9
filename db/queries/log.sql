-- name: lock!
-- Take the log until the transaction ends: the last lock of all, so that seq order = commit order.
SELECT pg_advisory_xact_lock(:namespace, :lock);

-- name: append_record*!
-- Append a record that goes out as it is.
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
