-- name: lock
-- Lock clients and read all that is kept of those that are there (see the function).
SELECT * FROM lock_clients(:client_ids);

-- name: write_net$
-- Write what is different of locked clients, the log last (see the function).
SELECT write_net(
    :created::client_input[], :facts::client_input[], :versions::version_input[],
    :payers::payer_input[], :payers_gone::key_input[],
    :verifications::verification_input[], :verifications_gone::key_input[],
    :memberships::membership_input[], :memberships_gone::key_input[],
    :pins::pin_input[], :pins_gone::key_input[],
    :past_facts::past_facts_input[], :past_pins::past_pin_input[], :forgotten::text[],
    :history::history_input[], :snapshots::text[], :namespace, :log_lock
);

-- name: pinned_to
-- Which of these clients are pinned to a group.
SELECT client_id FROM pins WHERE group_id = :group_id AND client_id = ANY (:client_ids::text[]);

-- name: with_expired_pins
-- Some clients with pins that have expired, those that expired first.
SELECT client_id FROM pins WHERE expires_at <= :now ORDER BY expires_at LIMIT :limit;
