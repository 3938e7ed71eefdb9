-- name: read_clients
-- What checks read of the registered clients of a range of ids, in their order (see the function).
SELECT *
FROM read_clients(:after_id, :last_id, :groups::text[], :with_parameters, :with_payers, :with_verifications);

-- name: read_next_clients
-- The same of the next registered clients.
SELECT *
FROM read_clients(
    :after_id,
    (SELECT max(client_id)
     FROM (SELECT client_id FROM clients
           WHERE client_id > :after_id AND registered_at IS NOT NULL
           ORDER BY client_id
           LIMIT :row_limit) AS next),
    :groups::text[], :with_parameters, :with_payers, :with_verifications);

-- name: count_clients$
-- How many clients are registered.
SELECT count(*) FROM clients WHERE registered_at IS NOT NULL;
