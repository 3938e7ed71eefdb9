-- name: of_clients
-- The memberships of locked clients.
SELECT client_id, group_id, source, since, source_at, cause, actor, reason
FROM memberships
WHERE client_id = ANY (string_to_array(:client_ids, E'\n'));

-- name: store!
-- Write memberships: new ones, and ones whose source changed.
INSERT INTO memberships (client_id, group_id, source, since, source_at, cause, actor, reason)
SELECT * FROM unnest(:memberships::membership_input[])
ON CONFLICT (client_id, group_id) DO UPDATE
SET source = excluded.source,
    source_at = excluded.source_at,
    cause = excluded.cause,
    actor = excluded.actor,
    reason = excluded.reason;

-- name: erase!
-- Erase memberships: the client left.
DELETE FROM memberships AS m
USING unnest(:client_ids::text[], :group_ids::text[]) AS u (client_id, group_id)
WHERE m.client_id = u.client_id AND m.group_id = u.group_id;
