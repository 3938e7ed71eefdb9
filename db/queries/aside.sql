-- name: put!
-- Put a command aside.
INSERT INTO aside_commands (command_id, topic, partition, kafka_offset, timestamp_ms, key, value, header_names,
                            header_values, taken_at, long)
VALUES (:command_id, :topic, :partition, :kafka_offset, :timestamp_ms, :key, :value, :header_names, :header_values,
        :taken_at, :long);

-- name: claim^
-- The command whose turn it is, held until the transaction ends; none where others have them all.
SELECT a.aside_id, a.command_id, a.topic, a.partition, a.kafka_offset, a.timestamp_ms, a.key, a.value, a.header_names,
       a.header_values, a.taken_at, a.progress
FROM aside_commands AS a
WHERE a.long = :long
  AND NOT EXISTS (SELECT FROM aside_commands AS b WHERE b.command_id = a.command_id AND b.aside_id < a.aside_id)
ORDER BY a.turn
LIMIT 1
FOR UPDATE OF a SKIP LOCKED;

-- name: keep!
-- Keep how far a command got, and let the others have their turn.
UPDATE aside_commands
SET progress = :progress, failures = 0, turn = nextval('aside_turn')
WHERE aside_id = :aside_id;

-- name: defer!
-- Let the others have their turn.
UPDATE aside_commands SET turn = nextval('aside_turn') WHERE aside_id = :aside_id;

-- name: remove!
-- A command was answered.
DELETE FROM aside_commands WHERE aside_id = :aside_id;

-- name: fail$
-- Count a failure of a command and let the others have their turn; answers how many there are, none if it is gone.
UPDATE aside_commands
SET failures = failures + 1, turn = nextval('aside_turn')
WHERE aside_id = :aside_id
RETURNING failures;
