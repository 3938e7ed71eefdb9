-- name: of_client
-- The changes of a client, or those in one group, newest first, from below a version.
SELECT client_id::text, group_id::text, joined, version, source, moment, changed_at, cause, actor, reason, run_id,
       version AS place
FROM membership_history
WHERE client_id = :client_id AND version < :before AND (:group_id::text IS NULL OR group_id = :group_id)
ORDER BY version DESC
LIMIT :row_limit;

-- name: last$
-- The place of the newest change of all, 0 where there is none.
SELECT coalesce(max(seq), 0) FROM membership_history;

-- name: places_of_group
-- Where the changes of a group stand between two places, newest first. There is no index by group: all rows between
-- the places are looked at, 2 million a second.
SELECT seq FROM membership_history
WHERE seq >= :lowest AND seq < :before AND group_id = :group_id
ORDER BY seq DESC
LIMIT :row_limit;

-- name: at_places
-- The changes at these places, newest first.
SELECT client_id::text, group_id::text, joined, version, source, moment, changed_at, cause, actor, reason, run_id,
       seq AS place
FROM membership_history
WHERE seq = ANY (:places::bigint[])
ORDER BY seq DESC;
