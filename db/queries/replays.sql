-- name: kept_record^
-- A record that is kept in the place of one too large for its topic.
SELECT topic, key, value, header_names, header_values, timestamp_ms FROM kept_records WHERE kept_id = :kept_id;

-- name: count
-- Count one replay more for each dead letter that this command has not put back yet; answers those.
INSERT INTO replayed_letters AS r (topic, partition, kafka_offset, timestamp_ms, times, command)
SELECT :topic, u.partition, u.kafka_offset, u.timestamp_ms, 1, :command
FROM unnest(:partitions::int[], :offsets::bigint[], :timestamps::bigint[]) AS u (partition, kafka_offset, timestamp_ms)
ORDER BY 2, 3, 4
ON CONFLICT (topic, partition, kafka_offset, timestamp_ms) DO UPDATE
SET times = r.times + 1, command = excluded.command
WHERE r.command <> excluded.command
RETURNING partition, kafka_offset, timestamp_ms, times;
