-- name: of_clients
-- The memberships and the pins of locked clients; of a pin also what is beneath it.
SELECT client_id, group_id, source, since, source_at, cause, actor, reason,
       NULL::boolean AS held_in, NULL::timestamptz AS said_at, NULL::timestamptz AS expires_at,
       NULL::text AS pin_cause, NULL::text AS pin_actor, NULL::text AS pin_reason
FROM memberships
WHERE client_id = ANY (string_to_array(:client_ids, E'\n'))
UNION ALL
SELECT client_id, group_id, beneath_source, beneath_since, beneath_source_at, beneath_cause, beneath_actor,
       beneath_reason, held_in, said_at, expires_at, cause, actor, reason
FROM pins
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

-- name: store_pins!
-- Write pins, with what is beneath them.
INSERT INTO pins (client_id, group_id, held_in, said_at, expires_at, cause, actor, reason, beneath_source,
                  beneath_since, beneath_source_at, beneath_cause, beneath_actor, beneath_reason)
SELECT * FROM unnest(:pins::pin_input[])
ON CONFLICT (client_id, group_id) DO UPDATE
SET held_in = excluded.held_in,
    said_at = excluded.said_at,
    expires_at = excluded.expires_at,
    cause = excluded.cause,
    actor = excluded.actor,
    reason = excluded.reason,
    beneath_source = excluded.beneath_source,
    beneath_since = excluded.beneath_since,
    beneath_source_at = excluded.beneath_source_at,
    beneath_cause = excluded.beneath_cause,
    beneath_actor = excluded.beneath_actor,
    beneath_reason = excluded.beneath_reason;

-- name: erase_pins!
-- Erase pins.
DELETE FROM pins AS p
USING unnest(:client_ids::text[], :group_ids::text[]) AS u (client_id, group_id)
WHERE p.client_id = u.client_id AND p.group_id = u.group_id;

-- name: expired_pins
-- Some clients with pins that have expired, those that expired first.
SELECT client_id
FROM pins
WHERE expires_at <= :now
ORDER BY expires_at
LIMIT :limit;

-- name: next_expiry$
-- When the next pin expires.
SELECT expires_at FROM pins WHERE expires_at IS NOT NULL ORDER BY expires_at LIMIT 1;
