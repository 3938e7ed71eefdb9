-- name: summaries
-- The groups behind an id, in the order of ids, each with counts. `warnings` counts the values of conditions that are
-- not on offer. Members are counted in their index: 10 million a second.
WITH page AS MATERIALIZED (
    SELECT group_id, name, version, updated_at, updated_by, upon_registration,
           coalesce(upon_change, upon_registration OR periodic) AS upon_change, periodic
    FROM groups
    WHERE group_id > :after AND state = 'active'
    ORDER BY group_id
    LIMIT :row_limit
)
SELECT p.group_id::text AS "group", p.name, p.version, p.updated_at, p.updated_by, p.upon_registration, p.upon_change,
       p.periodic, c.conditions, m.members, r.used_by, c.warnings
FROM page AS p
CROSS JOIN LATERAL (SELECT count(*) AS members FROM memberships WHERE group_id = p.group_id) AS m
CROSS JOIN LATERAL (SELECT count(*) AS used_by FROM group_references WHERE group_id = p.group_id AND used) AS r
CROSS JOIN LATERAL (
    SELECT count(*) AS conditions,
           coalesce(sum(CASE type
               WHEN 'provider' THEN (SELECT count(*) FROM unnest(value) AS u WHERE u <> ALL (:providers::text[]))
               WHEN 'authorization_method'
                   THEN (SELECT count(*) FROM unnest(value) AS u WHERE u <> ALL (:methods::text[]))
           END), 0)::bigint AS warnings
    FROM conditions
    WHERE group_id = p.group_id
) AS c
ORDER BY p.group_id;

-- name: member_count$
-- How many are in a group.
SELECT count(*) FROM memberships WHERE group_id = :group_id;

-- name: members
-- The clients in a group behind an id, in the order of ids.
SELECT client_id::text, source, since
FROM memberships
WHERE group_id = :group_id AND client_id > :after
ORDER BY client_id
LIMIT :row_limit;
