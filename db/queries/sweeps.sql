-- name: read_clients
-- What checks read of the registered clients of a range of ids, in their order (see the function).
SELECT *
FROM read_clients(:after_id, :last_id, :groups::text[], :with_parameters, :with_payers, :with_verifications);
