-- name: lock
-- Lock providers in id order and read them.
SELECT provider_id, name, active, authorization_methods, changed_at, change_order
FROM providers
WHERE provider_id = ANY (:provider_ids::text[])
ORDER BY provider_id
FOR UPDATE;

-- name: store!
-- Write a provider.
INSERT INTO providers (provider_id, name, active, authorization_methods, changed_at, change_order)
VALUES (:provider_id, :name, :active, :authorization_methods, :changed_at, :change_order)
ON CONFLICT (provider_id) DO UPDATE
SET name = excluded.name,
    active = excluded.active,
    authorization_methods = excluded.authorization_methods,
    changed_at = excluded.changed_at,
    change_order = excluded.change_order;

-- name: active
-- The providers that are active.
SELECT provider_id, name, active, authorization_methods, changed_at, change_order
FROM providers
WHERE active
ORDER BY provider_id;
