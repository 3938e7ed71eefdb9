-- name: start!
-- Write a run. One without chunks yet has a total of 0 until it is planned.
INSERT INTO runs (run_id, kind, groups, task, total, planned, started_at, told_at, cause, actor, reason)
VALUES (:run_id, :kind, :groups, :task, :total, :planned, :started_at, :started_at, :cause, :actor, :reason);

-- name: start_ended!
-- Write a run that is over before it began.
INSERT INTO runs (run_id, kind, groups, state, task, total, planned, started_at, finished_at, told_at, cause, ended)
VALUES (:run_id, :kind, :groups, 'cancelled', '{}', 0, true, :now, :now, :now, :cause, :ended);

-- name: add_groups!
-- The groups that a run checks.
INSERT INTO run_groups (run_id, group_id) SELECT :run_id, unnest(:groups::text[]);

-- name: add_chunks!
-- Cut the clients named into chunks of a run.
INSERT INTO run_chunks (run_id, number, client_ids, clients)
SELECT :run_id, (place - 1) / :size, array_agg(client_id ORDER BY client_id COLLATE "C"), count(*)
FROM unnest(:client_ids::text[]) WITH ORDINALITY AS u (client_id, place)
GROUP BY (place - 1) / :size;

-- name: add_chunks_of_group!
-- Cut all who are in a group, or pinned to it, into chunks of a run.
INSERT INTO run_chunks (run_id, number, client_ids, clients)
SELECT :run_id, (place - 1) / :size, array_agg(client_id ORDER BY client_id), count(*)
FROM (
    SELECT client_id, row_number() OVER (ORDER BY client_id) AS place
    FROM (
        SELECT client_id FROM memberships WHERE group_id = :group_id
        UNION
        SELECT client_id FROM pins WHERE group_id = :group_id
    ) AS of_group
) AS placed
GROUP BY (place - 1) / :size;

-- name: add_chunks_of_everybody!
-- Cut all ids into ranges for a run; those that are registered by now count.
INSERT INTO run_chunks (run_id, number, after_id, last_id, clients)
SELECT :run_id, number, lag(last_id, 1, '') OVER (ORDER BY number), last_id, clients
FROM (
    SELECT (place - 1) / :size AS number, max(client_id) AS last_id, count(*) AS clients
    FROM (
        SELECT client_id, row_number() OVER (ORDER BY client_id) AS place
        FROM clients
        WHERE registered_at IS NOT NULL
    ) AS placed
    GROUP BY (place - 1) / :size
) AS ranges;

-- name: add_chunks_of_owed!
-- Cut the clients to whom something is owed into chunks.
INSERT INTO run_chunks (run_id, number, client_ids, clients)
SELECT :run_id, (place - 1) / :size, array_agg(client_id ORDER BY client_id), count(*)
FROM (
    SELECT client_id, row_number() OVER (ORDER BY client_id) AS place
    FROM (
        SELECT client_id FROM owed_checks
        UNION
        SELECT client_id::text FROM clients WHERE ip IS NOT NULL AND geoip_build IS NULL
    ) AS of_owed
) AS placed
GROUP BY (place - 1) / :size;

-- name: is_going$
-- Whether a run of a kind is going or held.
SELECT EXISTS (SELECT FROM runs WHERE state IN ('running', 'held') AND kind = :kind);

-- name: try_lock$
-- Be the only one to start runs of some kind until the transaction ends.
SELECT pg_try_advisory_xact_lock(:namespace, :lock);

-- name: add_chunks_of_run!
-- Cut the clients that another run changed into chunks.
INSERT INTO run_chunks (run_id, number, client_ids, clients)
SELECT :run_id, (place - 1) / :size, array_agg(client_id ORDER BY client_id), count(*)
FROM (
    SELECT client_id, row_number() OVER (ORDER BY client_id) AS place
    FROM (SELECT DISTINCT client_id FROM membership_history WHERE run_id = :undone) AS changed
) AS placed
GROUP BY (place - 1) / :size;

-- name: add_chunks_of_leaves!
-- Cut those who are to leave, and are not held, into chunks of a run. They are counted as checked already.
INSERT INTO run_chunks (run_id, number, client_ids, clients)
SELECT :run_id, :first + (place - 1) / :size, array_agg(client_id ORDER BY client_id), 0
FROM (
    SELECT client_id, row_number() OVER (ORDER BY client_id) AS place
    FROM (
        SELECT DISTINCT l.client_id
        FROM run_leaves AS l
        JOIN run_groups AS g ON g.run_id = l.run_id AND g.group_id = l.group_id
        WHERE l.run_id = :run_id AND g.dropped IS NULL AND NOT g.held
    ) AS leaving
) AS placed
GROUP BY (place - 1) / :size;

-- name: unplanned^
-- A run that has no chunks yet, locked; none where another worker is at it.
SELECT run_id, kind, task FROM runs
WHERE state = 'running' AND NOT planned
ORDER BY started_at
LIMIT 1
FOR NO KEY UPDATE SKIP LOCKED;

-- name: planned!
-- The chunks of a run are there: its total is known.
UPDATE runs
SET planned = true,
    total = (SELECT coalesce(sum(clients), 0) FROM run_chunks WHERE run_id = :run_id)
WHERE run_id = :run_id;

-- name: claim^
-- Take a chunk, in turn over the runs, and hold it until the transaction ends; none where others have them all.
DELETE FROM run_chunks
WHERE (run_id, number) = (
    SELECT c.run_id, c.number
    FROM run_chunks AS c
    JOIN runs AS r ON r.run_id = c.run_id
    WHERE r.state = 'running' AND r.planned AND r.kind = ANY (:kinds::text[])
    ORDER BY c.number, c.run_id
    LIMIT 1
    FOR UPDATE OF c SKIP LOCKED
)
RETURNING run_id, number, client_ids, after_id, last_id, clients;

-- name: put_back!
-- What is left of a range of ids that was claimed and is not done whole.
INSERT INTO run_chunks (run_id, number, after_id, last_id, clients)
VALUES (:run_id, :number, :after_id, :last_id, :clients);

-- name: order^
-- What a run is to do.
SELECT kind, groups, task, actor, reason, cause FROM runs WHERE run_id = :run_id;

-- name: count^
-- Add what a chunk came to. The run's row is held until the transaction ends, so that its chunks end one by one.
UPDATE runs
SET checked = checked + :checked, joined = joined + :joined, "left" = "left" + :left,
    to_leave = greatest(to_leave + :to_leave, 0),
    skipped = (SELECT coalesce(jsonb_object_agg(why, many), '{}')
               FROM (SELECT why, sum(many::bigint) AS many
                     FROM (SELECT * FROM jsonb_each_text(skipped)
                           UNION ALL SELECT * FROM jsonb_each_text(:skipped::jsonb)) AS each (why, many)
                     GROUP BY why) AS added)
WHERE run_id = :run_id
RETURNING state;

-- name: is_through$
-- Whether nothing of a run is left to be done.
SELECT NOT EXISTS (SELECT FROM run_chunks WHERE run_id = :run_id);

-- name: lock^
-- A run, held until the transaction ends.
SELECT run_id, kind, state, groups FROM runs WHERE run_id = :run_id FOR NO KEY UPDATE;

-- name: groups_checked
-- The groups that a run still checks.
SELECT group_id, held FROM run_groups WHERE run_id = :run_id AND dropped IS NULL ORDER BY group_id;

-- name: collect_leaves!
-- Remember who is to leave.
INSERT INTO run_leaves (run_id, group_id, client_id, moment)
SELECT :run_id, u.group_id, u.client_id, u.moment
FROM unnest(:client_ids::text[], :group_ids::text[], :moments::text[]) AS u (client_id, group_id, moment)
ON CONFLICT DO NOTHING;

-- name: forget_leaves$
-- Forget who was to leave, as it is done: of these clients, of groups that are not held. Answers of how many.
-- MATERIALIZED here and below: client by client by the key, whatever the planner thinks of tables that were small a moment ago.
WITH of_clients AS MATERIALIZED (
    SELECT l.ctid AS place, l.group_id
    FROM unnest(:client_ids::text[]) AS u (client_id)
    JOIN run_leaves AS l ON l.run_id = :run_id AND l.client_id = u.client_id
), gone AS (
    DELETE FROM run_leaves
    WHERE ctid = ANY (ARRAY(
        SELECT o.place
        FROM of_clients AS o
        JOIN run_groups AS g ON g.run_id = :run_id AND g.group_id = o.group_id
        WHERE NOT g.held))
    RETURNING 1
)
SELECT count(*) FROM gone;

-- name: leaves_of
-- Which of these clients are to leave which groups that are still checked and not held.
WITH of_clients AS MATERIALIZED (
    SELECT l.client_id, l.group_id, l.moment
    FROM unnest(:client_ids::text[]) AS u (client_id)
    JOIN run_leaves AS l ON l.run_id = :run_id AND l.client_id = u.client_id
)
SELECT o.client_id, o.group_id, o.moment
FROM of_clients AS o
JOIN run_groups AS g ON g.run_id = :run_id AND g.group_id = o.group_id
WHERE g.dropped IS NULL AND NOT g.held;

-- name: count_leaves
-- The groups that a run still checks, with how many are to leave, how many members they have, and from what on they are held.
WITH leaving AS MATERIALIZED (
    SELECT group_id, count(*) AS leaving FROM run_leaves WHERE run_id = :run_id GROUP BY group_id
)
SELECT g.group_id, n.leaving, m.members, d.hold_leaves_percent, d.hold_leaves_count
FROM run_groups AS g
JOIN groups AS d ON d.group_id = g.group_id
JOIN leaving AS n ON n.group_id = g.group_id
CROSS JOIN LATERAL (SELECT count(*) AS members FROM memberships AS m WHERE m.group_id = g.group_id) AS m
WHERE g.run_id = :run_id AND g.dropped IS NULL
ORDER BY g.group_id;

-- name: hold_groups!
-- The leaves of these groups of a run wait for an operator.
UPDATE run_groups AS g
SET held = true, members = u.members
FROM unnest(:groups::text[], :members::bigint[]) AS u (group_id, members)
WHERE g.run_id = :run_id AND g.group_id = u.group_id;

-- name: held_groups
-- What of a run is held: each group with how many are to leave it, of how many, and the first of them.
WITH leaving AS MATERIALIZED (
    SELECT group_id, count(*) AS leaving, array_agg(client_id ORDER BY client_id) FILTER (WHERE place <= :sample) AS sample
    FROM (SELECT group_id, client_id, row_number() OVER (PARTITION BY group_id ORDER BY client_id) AS place
          FROM run_leaves WHERE run_id = :run_id) AS placed
    GROUP BY group_id
)
SELECT g.group_id, g.members, coalesce(n.leaving, 0) AS leaving, coalesce(n.sample, '{}') AS sample
FROM run_groups AS g
LEFT JOIN leaving AS n ON n.group_id = g.group_id
WHERE g.run_id = :run_id AND g.held AND g.dropped IS NULL
ORDER BY g.group_id;

-- name: hold!
-- All that is not held is done.
UPDATE runs SET state = 'held', held_at = :now, told_at = :now WHERE run_id = :run_id;

-- name: release!
-- What is held may go on.
UPDATE run_groups SET held = false WHERE run_id = :run_id;

-- name: resume!
-- A held run goes on.
UPDATE runs SET state = 'running', held_at = NULL, told_at = :now WHERE run_id = :run_id;

-- name: set_to_leave!
-- How many are to leave what a run still checks.
UPDATE runs
SET to_leave = (SELECT count(*) FROM run_leaves AS l
                JOIN run_groups AS g ON g.run_id = l.run_id AND g.group_id = l.group_id
                WHERE l.run_id = :run_id AND g.dropped IS NULL)
WHERE run_id = :run_id;

-- name: drop_group
-- A group falls out of the runs of these kinds that are going or held; answers those runs, locked, in order.
WITH going AS (
    SELECT r.run_id FROM runs AS r
    JOIN run_groups AS g ON g.run_id = r.run_id
    WHERE g.group_id = :group_id AND g.dropped IS NULL AND r.state IN ('running', 'held')
      AND r.kind = ANY (:kinds::text[])
    ORDER BY r.run_id
    FOR NO KEY UPDATE OF r
)
UPDATE run_groups AS g
SET dropped = :why
FROM going
WHERE g.run_id = going.run_id AND g.group_id = :group_id
RETURNING g.run_id;

-- name: still_checks$
-- Whether a run has any group left to check.
SELECT EXISTS (SELECT FROM run_groups WHERE run_id = :run_id AND dropped IS NULL);

-- name: finish!
-- A run is over.
UPDATE runs
SET state = :state, finished_at = :finished_at, told_at = :finished_at, ended = :ended,
    to_leave = CASE WHEN :state = 'done' THEN 0 ELSE to_leave END
WHERE run_id = :run_id;

-- name: tell$
-- Whether it is time to put the progress of a run on its topic again.
UPDATE runs SET told_at = :now WHERE run_id = :run_id AND told_at + interval '1 second' <= :now RETURNING true;

-- name: fail_chunk$
-- Count a failure of a chunk; answers how many there are.
UPDATE run_chunks SET failures = failures + 1 WHERE run_id = :run_id AND number = :number RETURNING failures;

-- name: not_cleared$
-- A run that is over and of which something may be left; none where others have them all.
SELECT run_id FROM runs
WHERE state IN ('done', 'cancelled', 'failed') AND NOT cleared
ORDER BY run_id
LIMIT 1
FOR NO KEY UPDATE SKIP LOCKED;

-- name: drop_chunks$
-- Forget chunks that were left of a run that is over, but those that others hold at this moment; answers how many.
WITH left_over AS (
    SELECT run_id, number FROM run_chunks WHERE run_id = :run_id LIMIT :limit FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM run_chunks AS c USING left_over AS s WHERE c.run_id = s.run_id AND c.number = s.number RETURNING 1
)
SELECT count(*) FROM gone;

-- name: drop_leaves$
-- Forget leaves that a run collected that is over; answers how many.
WITH left_over AS (
    SELECT run_id, client_id, group_id FROM run_leaves WHERE run_id = :run_id LIMIT :limit
), gone AS (
    DELETE FROM run_leaves AS l USING left_over AS s
    WHERE l.run_id = s.run_id AND l.client_id = s.client_id AND l.group_id = s.group_id
    RETURNING 1
)
SELECT count(*) FROM gone;

-- name: cleared!
-- Nothing is left of a run, unless somebody holds a chunk of it yet.
UPDATE runs SET cleared = true
WHERE run_id = :run_id AND NOT EXISTS (SELECT FROM run_chunks WHERE run_id = :run_id);

-- name: run^
-- One run.
SELECT run_id, kind, groups, state, checked, total, joined, "left", to_leave, skipped, started_at, finished_at, actor,
       reason, ended
FROM runs
WHERE run_id = :run_id;

-- name: dropped_groups
-- The groups that fell out of a run, and why.
SELECT group_id, dropped FROM run_groups WHERE run_id = :run_id AND dropped IS NOT NULL ORDER BY group_id;

-- name: going
-- The runs on a group that are going or held, and their states.
SELECT run_id, kind, state FROM runs
WHERE state IN ('running', 'held') AND groups @> ARRAY[:group_id::text]
ORDER BY started_at;

-- name: held_since
-- Runs that are held since before a moment.
SELECT run_id FROM runs WHERE state = 'held' AND held_at <= :before ORDER BY run_id FOR NO KEY UPDATE SKIP LOCKED;

-- name: changed_by
-- What a run changed of these clients' memberships, and whether it is the newest change of that membership.
SELECT h.client_id, h.group_id, h.joined, h.source,
       NOT EXISTS (SELECT FROM membership_history AS n
                   WHERE n.client_id = h.client_id AND n.group_id = h.group_id AND n.version > h.version) AS newest,
       (SELECT m.cause FROM memberships AS m WHERE m.client_id = h.client_id AND m.group_id = h.group_id) AS cause
FROM membership_history AS h
WHERE h.run_id = :run_id AND h.client_id = ANY (:client_ids::text[])
ORDER BY h.client_id, h.version;
