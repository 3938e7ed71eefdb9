-- name: owe!
-- Remember checks that could not be decided. One that may take out stands above one that only adds.
INSERT INTO owed_checks (client_id, group_id, moment, owed_at, cause)
SELECT * FROM unnest(:client_ids::text[], :group_ids::text[], :moments::text[], :owed_at::timestamptz[],
                     :causes::text[])
ON CONFLICT (client_id, group_id) DO UPDATE
SET moment = excluded.moment, owed_at = excluded.owed_at, cause = excluded.cause
WHERE owed_checks.moment = 'registration' OR excluded.moment <> 'registration';

-- name: settle!
-- Forget checks that are done, or that something newer stands above.
DELETE FROM owed_checks AS o
USING unnest(:client_ids::text[], :group_ids::text[]) AS u (client_id, group_id)
WHERE o.client_id = u.client_id AND o.group_id = u.group_id;

-- name: forget_clients!
-- Forget all that is owed to these clients.
DELETE FROM owed_checks WHERE client_id = ANY (:client_ids::text[]);

-- name: forget_group!
-- Forget all that is owed about a group: its conditions are others now.
DELETE FROM owed_checks WHERE group_id = :group_id;

-- name: of_clients
-- What is owed to these clients.
SELECT client_id, group_id, moment FROM owed_checks WHERE client_id = ANY (:client_ids::text[]);

-- name: groups
-- The groups of which checks are owed.
SELECT DISTINCT group_id FROM owed_checks ORDER BY group_id;

-- name: is_any$
-- Whether a check is owed, or an address was never looked up.
SELECT EXISTS (SELECT FROM owed_checks)
    OR EXISTS (SELECT FROM clients WHERE ip IS NOT NULL AND geoip_build IS NULL);

-- name: count$
-- How many checks are owed.
SELECT count(*) FROM owed_checks;

-- name: addresses
-- The addresses of a range of clients, and what was found for them.
SELECT client_id, ip, geoip_country, geoip_build IS NOT NULL AS looked_up
FROM clients
WHERE client_id > :after_id AND client_id <= :last_id AND ip IS NOT NULL
ORDER BY client_id;
