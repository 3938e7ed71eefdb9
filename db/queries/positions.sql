-- name: read_positions
-- The next offset to take of each partition asked for; a partition without a row is missing.
SELECT p.topic, p.partition, p.next_offset
FROM input_positions AS p
JOIN unnest(:topics::text[], :partitions::int[]) AS w (topic, partition) USING (topic, partition);

-- name: create_positions!
-- A first position for partitions that have none; one that exists stays as it is.
INSERT INTO input_positions (topic, partition, next_offset)
SELECT * FROM unnest(:topics::text[], :partitions::int[], :next_offsets::bigint[])
ORDER BY 1, 2
ON CONFLICT DO NOTHING;

-- name: advance_positions
-- Moves each position that still is at its start; the rows are locked in one order, whoever asks.
WITH slices AS (
    SELECT * FROM unnest(:topics::text[], :partitions::int[], :starts::bigint[], :ends::bigint[])
        AS s (topic, partition, first_offset, end_offset)
), locked AS MATERIALIZED (
    SELECT p.topic, p.partition, s.end_offset
    FROM input_positions AS p
    JOIN slices AS s USING (topic, partition)
    WHERE p.next_offset = s.first_offset
    ORDER BY p.topic, p.partition
    FOR UPDATE OF p
)
UPDATE input_positions AS p SET next_offset = l.end_offset
FROM locked AS l
WHERE p.topic = l.topic AND p.partition = l.partition
RETURNING p.topic, p.partition;

-- name: set_position$
-- An operator's word: sets one position whatever it was, and says what it was (NULL = there was none).
INSERT INTO input_positions AS p (topic, partition, next_offset)
VALUES (:topic, :partition, :next_offset)
ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset
RETURNING (SELECT q.next_offset FROM input_positions AS q WHERE q.topic = p.topic AND q.partition = p.partition);

-- name: list_positions
-- All positions, for an operator to look at.
SELECT topic, partition, next_offset FROM input_positions ORDER BY topic, partition;

-- name: relay_backlog$
-- How many rows of the log the relay has not sent yet, by its mirrored position.
SELECT (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM log_seq) + 1
       - (SELECT next_seq FROM relay_position);
