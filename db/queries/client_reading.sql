-- name: card^
-- All that is known of a client, in one statement: as it is at one moment, and without a lock.
SELECT c.client_id::text, c.registered_at, c.deleted_at, c.version, c.country, c.ip, c.geoip_country, c.geoip_build,
       c.provider_id, c.authorization_method, c.request_parameters, c.said_at, c.said_order, c.said_otherwise,
       (SELECT array_agg((p.payer_id, p.status, p.active, p.deleted, p.changed_at, p.change_order)::payer_state)
        FROM payers AS p WHERE p.client_id = c.client_id) AS payers,
       (SELECT array_agg((v.method, v.passed_at, v.passed_order, v.revoked_at, v.revoked_order, v.failed_at,
                          v.failed_order)::verification_state)
        FROM verifications AS v WHERE v.client_id = c.client_id) AS verifications,
       (SELECT array_agg((m.group_id, m.source, m.since, m.source_at, m.cause, m.actor, m.reason)::membership_state
                         ORDER BY m.group_id)
        FROM memberships AS m WHERE m.client_id = c.client_id) AS memberships,
       (SELECT array_agg((n.group_id, n.held_in, n.said_at, n.expires_at, n.cause, n.actor, n.reason, n.beneath_source,
                          n.beneath_source_at, n.beneath_cause, n.beneath_actor, n.beneath_reason)::pin_state
                         ORDER BY n.group_id)
        FROM pins AS n WHERE n.client_id = c.client_id) AS pins
FROM clients AS c
WHERE c.client_id = :client_id;

-- name: not_located
-- Facts of registered clients whose country by address is not known, in the order of ids, without locks.
SELECT c.client_id::text, c.registered_at, c.deleted_at, c.version, c.country, c.ip, c.geoip_country, c.geoip_build,
       c.provider_id, c.authorization_method, c.request_parameters, c.said_at, c.said_order, c.said_otherwise,
       (SELECT array_agg((p.payer_id, p.status, p.active, p.deleted, p.changed_at, p.change_order)::payer_state)
        FROM payers AS p WHERE p.client_id = c.client_id) AS payers,
       (SELECT array_agg((v.method, v.passed_at, v.passed_order, v.revoked_at, v.revoked_order, v.failed_at,
                          v.failed_order)::verification_state)
        FROM verifications AS v WHERE v.client_id = c.client_id) AS verifications
FROM clients AS c
WHERE c.registered_at IS NOT NULL AND c.geoip_build IS NULL
ORDER BY c.client_id
LIMIT :row_limit;

-- name: exists$
-- Whether anything was ever heard of a client.
SELECT EXISTS (SELECT FROM clients WHERE client_id = :client_id);
