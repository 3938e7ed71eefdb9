-- name: hold_rules$
-- Hold the rules as they are until the transaction ends, with others; answers their version.
SELECT hold_rules(:namespace, :lock);

-- name: lock_rules!
-- Hold the rules alone until the transaction ends: waits for the batches under way.
SELECT pg_advisory_xact_lock(:namespace, :lock);

-- name: raise_rules_version$
-- Raise the version of the rule set; answers the new one.
UPDATE rule_set SET version = version + 1 RETURNING version;

-- name: groups_since
-- The rules of groups written after a version of the rule set.
SELECT group_id, state, upon_registration, coalesce(upon_change, upon_registration OR periodic) AS upon_change,
       exclude, keep_manual
FROM groups
WHERE rules_version > :version
ORDER BY group_id;

-- name: conditions_since
-- The conditions of groups written after a version of the rule set, in the order given.
SELECT c.group_id, c.condition_group, c.type, c.comparison, c.value, c.parameter, c.include_inactive
FROM conditions AS c
JOIN groups AS g ON g.group_id = c.group_id
WHERE g.rules_version > :version
ORDER BY c.group_id, c.position;

-- name: group^
-- One group.
SELECT * FROM groups WHERE group_id = :group_id;

-- name: lock_group^
-- One group, kept as it is until the transaction ends.
SELECT * FROM groups WHERE group_id = :group_id FOR NO KEY UPDATE;

-- name: conditions
-- The conditions of one group, in the order given.
SELECT condition_group, type, comparison, value, parameter, include_inactive
FROM conditions
WHERE group_id = :group_id
ORDER BY position;

-- name: names
-- The ids of all groups that are there.
SELECT group_id FROM groups WHERE state = 'active';

-- name: with_digest
-- The groups that are there whose conditions have a digest, but one, in the order of ids.
SELECT group_id::text
FROM groups
WHERE conditions_digest = :digest AND group_id <> :but AND state = 'active'
ORDER BY group_id
LIMIT :row_limit;

-- name: begin_deletion!
-- From here on a group counts as not there.
UPDATE groups
SET state = 'deleting', updated_at = :updated_at, updated_by = :updated_by, rules_version = :rules_version
WHERE group_id = :group_id;

-- name: end_deletion!
-- Nobody is in a group any more.
UPDATE groups SET state = 'deleted' WHERE group_id = :group_id;

-- name: members_and_pinned
-- Some of those who are in a group or pinned to it. Limited in each part too: a group may have millions.
(SELECT client_id FROM memberships WHERE group_id = :group_id ORDER BY client_id LIMIT :limit)
UNION
(SELECT client_id FROM pins WHERE group_id = :group_id ORDER BY client_id LIMIT :limit)
LIMIT :limit;

-- name: store!
-- Write a group.
INSERT INTO groups (group_id, name, description, currency_rates, allow_service_suspension, allow_service_deletion,
                    ignore_service_limit, upon_registration, upon_change, periodic, schedule, timezone, exclude,
                    keep_manual, hold_leaves_percent, hold_leaves_count, conditions_digest, version, updated_at,
                    updated_by, rules_version)
VALUES (:group_id, :name, :description, :currency_rates, :allow_service_suspension, :allow_service_deletion,
        :ignore_service_limit, :upon_registration, :upon_change, :periodic, :schedule, :timezone, :exclude,
        :keep_manual, :hold_leaves_percent, :hold_leaves_count, :conditions_digest, :version, :updated_at,
        :updated_by, :rules_version)
ON CONFLICT (group_id) DO UPDATE
SET name = excluded.name,
    description = excluded.description,
    currency_rates = excluded.currency_rates,
    allow_service_suspension = excluded.allow_service_suspension,
    allow_service_deletion = excluded.allow_service_deletion,
    ignore_service_limit = excluded.ignore_service_limit,
    upon_registration = excluded.upon_registration,
    upon_change = excluded.upon_change,
    periodic = excluded.periodic,
    schedule = excluded.schedule,
    timezone = excluded.timezone,
    exclude = excluded.exclude,
    keep_manual = excluded.keep_manual,
    hold_leaves_percent = excluded.hold_leaves_percent,
    hold_leaves_count = excluded.hold_leaves_count,
    conditions_digest = excluded.conditions_digest,
    version = excluded.version,
    updated_at = excluded.updated_at,
    updated_by = excluded.updated_by,
    rules_version = excluded.rules_version,
    state = 'active';

-- name: erase_conditions!
-- Erase the conditions of a group, before others take their place.
DELETE FROM conditions WHERE group_id = :group_id;

-- name: store_condition*!
-- Write a condition.
INSERT INTO conditions (group_id, position, condition_group, type, comparison, value, parameter, include_inactive)
VALUES (:group_id, :position, :condition_group, :type, :comparison, :value, :parameter, :include_inactive);
