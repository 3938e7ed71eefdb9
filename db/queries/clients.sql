-- name: lock
-- Lock clients in id order and read their rows; NO KEY, so that references to them can still be checked.
SELECT client_id, registered_at, deleted_at, version, country, ip, geoip_country, geoip_build, provider_id,
       authorization_method, request_parameters, said_at, said_order, said_otherwise
FROM clients
WHERE client_id = ANY (string_to_array(:client_ids, E'\n'))
ORDER BY client_id
FOR NO KEY UPDATE;

-- name: payers
-- The payers of clients, the deleted ones too.
SELECT client_id, payer_id, status, active, deleted, changed_at, change_order
FROM payers
WHERE client_id = ANY (string_to_array(:client_ids, E'\n'));

-- name: verifications
-- What is known of the verification methods of clients.
SELECT client_id, method, passed_at, passed_order, revoked_at, revoked_order, failed_at, failed_order
FROM verifications
WHERE client_id = ANY (string_to_array(:client_ids, E'\n'));

-- name: insert_clients!
-- Write clients not seen before. Fails where another transaction has written one of them meanwhile.
INSERT INTO clients (client_id, registered_at, deleted_at, version, country, ip, geoip_country, geoip_build,
                     provider_id, authorization_method, request_parameters, said_at, said_order, said_otherwise)
SELECT * FROM unnest(:clients::client_input[]);

-- name: store_facts!
-- Write the rows of locked clients: facts and version.
UPDATE clients AS c
SET registered_at = u.registered_at,
    deleted_at = u.deleted_at,
    version = u.version,
    country = u.country,
    ip = u.ip,
    geoip_country = u.geoip_country,
    geoip_build = u.geoip_build,
    provider_id = u.provider_id,
    authorization_method = u.authorization_method,
    request_parameters = u.request_parameters,
    said_at = u.said_at,
    said_order = u.said_order,
    said_otherwise = u.said_otherwise
FROM unnest(:clients::client_input[]) AS u
WHERE c.client_id = u.client_id;

-- name: store_versions!
-- Write the versions of locked clients whose facts stayed as they were.
UPDATE clients AS c
SET version = u.version
FROM unnest(:client_ids::text[], :version::bigint[]) AS u (client_id, version)
WHERE c.client_id = u.client_id;

-- name: store_payers!
-- Write payers of locked clients.
INSERT INTO payers (client_id, payer_id, status, active, deleted, changed_at, change_order)
SELECT * FROM unnest(:payers::payer_input[])
ON CONFLICT (client_id, payer_id) DO UPDATE
SET status = excluded.status,
    active = excluded.active,
    deleted = excluded.deleted,
    changed_at = excluded.changed_at,
    change_order = excluded.change_order;

-- name: erase_payers!
-- Erase payers of locked clients: the client was deleted.
DELETE FROM payers AS p
USING unnest(:client_ids::text[], :payer_ids::text[]) AS u (client_id, payer_id)
WHERE p.client_id = u.client_id AND p.payer_id = u.payer_id;

-- name: store_verifications!
-- Write verification methods of locked clients.
INSERT INTO verifications (client_id, method, passed_at, passed_order, revoked_at, revoked_order,
                           failed_at, failed_order)
SELECT * FROM unnest(:verifications::verification_input[])
ON CONFLICT (client_id, method) DO UPDATE
SET passed_at = excluded.passed_at,
    passed_order = excluded.passed_order,
    revoked_at = excluded.revoked_at,
    revoked_order = excluded.revoked_order,
    failed_at = excluded.failed_at,
    failed_order = excluded.failed_order;

-- name: erase_verifications!
-- Erase verification methods of locked clients: the client was deleted.
DELETE FROM verifications AS v
USING unnest(:client_ids::text[], :method::text[]) AS u (client_id, method)
WHERE v.client_id = u.client_id AND v.method = u.method;
