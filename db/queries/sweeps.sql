-- name: read_clients
-- What checks read of the registered clients of a range of ids (see the function).
SELECT * FROM read_clients(:after_id, :last_id, :groups::text[]);
