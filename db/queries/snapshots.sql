-- name: group_ids
-- The ids of groups that follow an id, deleted groups too.
SELECT group_id::text FROM groups WHERE group_id > :after ORDER BY group_id LIMIT :row_limit;

-- name: client_ids
-- The ids of clients that follow an id, and whether client-memberships has ever said something of each.
SELECT client_id::text, version > 0 OR deleted_at IS NOT NULL AS published
FROM clients
WHERE client_id > :after
ORDER BY client_id
LIMIT :row_limit;
