-- name: start!
-- Write a run. One without chunks yet has a total of 0 until it is planned.
INSERT INTO runs (run_id, kind, groups, task, total, planned, started_at, told_at, cause, actor, reason)
VALUES (:run_id, :kind, :groups, :task, :total, :planned, :started_at, :started_at, :cause, :actor, :reason);

-- name: add_chunks!
-- Cut the clients named into chunks of a run.
INSERT INTO run_chunks (run_id, number, client_ids)
SELECT :run_id, (place - 1) / :size, array_agg(client_id ORDER BY client_id COLLATE "C")
FROM unnest(:client_ids::text[]) WITH ORDINALITY AS u (client_id, place)
GROUP BY (place - 1) / :size;

-- name: add_chunks_of_group!
-- Cut all who are in a group, or pinned to it, into chunks of a run.
INSERT INTO run_chunks (run_id, number, client_ids)
SELECT :run_id, (place - 1) / :size, array_agg(client_id ORDER BY client_id)
FROM (
    SELECT client_id, row_number() OVER (ORDER BY client_id) AS place
    FROM (
        SELECT client_id FROM memberships WHERE group_id = :group_id
        UNION
        SELECT client_id FROM pins WHERE group_id = :group_id
    ) AS of_group
) AS placed
GROUP BY (place - 1) / :size;

-- name: unplanned^
-- A run that has no chunks yet, locked; none where another worker is at it.
SELECT run_id, task FROM runs
WHERE state = 'running' AND NOT planned
ORDER BY started_at
LIMIT 1
FOR NO KEY UPDATE SKIP LOCKED;

-- name: planned!
-- The chunks of a run are there: its total is known.
UPDATE runs
SET planned = true,
    total = (SELECT coalesce(sum(cardinality(client_ids)), 0) FROM run_chunks WHERE run_id = :run_id)
WHERE run_id = :run_id;

-- name: claim^
-- Take a chunk, in turn over the runs, and hold it until the transaction ends; none where others have them all.
DELETE FROM run_chunks
WHERE (run_id, number) = (
    SELECT c.run_id, c.number
    FROM run_chunks AS c
    JOIN runs AS r ON r.run_id = c.run_id
    WHERE r.state = 'running' AND r.planned
    ORDER BY c.number, c.run_id
    LIMIT 1
    FOR UPDATE OF c SKIP LOCKED
)
RETURNING run_id, number, client_ids;

-- name: task^
-- What a run is to do.
SELECT kind, groups, task, actor, reason, cause FROM runs WHERE run_id = :run_id;

-- name: count!
-- Add what a chunk came to. The run's row is held until the transaction ends, so that its chunks end one by one.
UPDATE runs
SET checked = checked + :checked, joined = joined + :joined, "left" = "left" + :left
WHERE run_id = :run_id;

-- name: is_through$
-- Whether nothing of a run is left to be done.
SELECT NOT EXISTS (SELECT FROM run_chunks WHERE run_id = :run_id);

-- name: finish!
-- A run is over.
UPDATE runs
SET state = :state, finished_at = :finished_at, told_at = :finished_at, error = :error
WHERE run_id = :run_id;

-- name: tell$
-- Whether it is time to put the progress of a run on its topic again.
UPDATE runs SET told_at = :now WHERE run_id = :run_id AND told_at + interval '1 second' <= :now RETURNING true;

-- name: fail_chunk$
-- Count a failure of a chunk; answers how many there are.
UPDATE run_chunks SET failures = failures + 1 WHERE run_id = :run_id AND number = :number RETURNING failures;

-- name: drop_chunks!
-- Forget what is left of a run.
DELETE FROM run_chunks WHERE run_id = :run_id;

-- name: run^
-- One run.
SELECT run_id, kind, groups, state, checked, total, joined, "left", to_leave, started_at, finished_at, actor, reason,
       error
FROM runs
WHERE run_id = :run_id;

-- name: going$
-- A run on a group that is going.
SELECT run_id FROM runs
WHERE state = 'running' AND groups @> ARRAY[:group_id::text]
LIMIT 1;
