-- name: newest
-- All runs from below a place, newest first.
SELECT run_id, kind, groups, state, checked, total, joined, "left", to_leave, skipped, started_at, finished_at, actor,
       reason, ended
FROM runs
WHERE (started_at, run_id) < (:started_at, :run_id)
ORDER BY started_at DESC, run_id DESC
LIMIT :row_limit;

-- name: newest_of_group
-- The runs of a group from below a place, newest first. They are found first, by their own index.
WITH of_group AS MATERIALIZED (SELECT * FROM runs WHERE groups @> ARRAY[:group_id::text])
SELECT run_id, kind, groups, state, checked, total, joined, "left", to_leave, skipped, started_at, finished_at, actor,
       reason, ended
FROM of_group
WHERE (started_at, run_id) < (:started_at, :run_id)
ORDER BY started_at DESC, run_id DESC
LIMIT :row_limit;
