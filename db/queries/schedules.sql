-- name: set_schedule!
-- Check a group at these moments from now on, unless it is so already.
INSERT INTO schedules (group_id, schedule, timezone, dealt_at, next_at)
VALUES (:group_id, :schedule, :timezone, :now, :next_at)
ON CONFLICT (group_id) DO UPDATE
SET schedule = excluded.schedule, timezone = excluded.timezone, dealt_at = excluded.dealt_at,
    next_at = excluded.next_at
WHERE (schedules.schedule, schedules.timezone) IS DISTINCT FROM (excluded.schedule, excluded.timezone);

-- name: unset!
-- Do not check a group by the clock any more.
DELETE FROM schedules WHERE group_id = :group_id;

-- name: try_lock$
-- Be the only one to deal with schedules until the transaction ends.
SELECT pg_try_advisory_xact_lock(:namespace, :lock);

-- name: due
-- Those whose next moment has come.
SELECT group_id, schedule, timezone, dealt_at, next_at
FROM schedules
WHERE next_at <= :now
ORDER BY next_at, group_id;

-- name: astray
-- Those that were dealt with beyond a moment to come.
SELECT group_id, schedule, timezone, dealt_at, next_at
FROM schedules
WHERE dealt_at > :beyond
ORDER BY group_id;

-- name: deal!
-- All moments of a group up to now are dealt with.
UPDATE schedules SET dealt_at = :now, next_at = :next_at WHERE group_id = :group_id;
