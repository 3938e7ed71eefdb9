-- name: answer$
-- The answer that a command of this id was given; nothing where it was not done yet.
SELECT answer FROM commands WHERE command_id = :command_id;

-- name: store!
-- Keep the answer of a command.
INSERT INTO commands (command_id, answer) VALUES (:command_id, :answer);
