-- name: keep!
-- Keep the definition of a group that was written just now.
INSERT INTO group_versions (group_id, rules_version, version, changed_at, actor, reason, cause, definition)
SELECT :group_id, :rules_version, version, :at, :actor, :reason, :cause, :definition
FROM groups WHERE group_id = :group_id;

-- name: at_rules^
-- The definition of a group under a version of the rule set.
SELECT version, changed_at, actor, reason, cause, definition, rules_version
FROM group_versions
WHERE group_id = :group_id AND rules_version <= :rules_version
ORDER BY rules_version DESC
LIMIT 1;

-- name: at_time^
-- The definition of a group at a time.
SELECT version, changed_at, actor, reason, cause, definition, rules_version
FROM group_versions
WHERE group_id = :group_id AND changed_at <= :at
ORDER BY rules_version DESC
LIMIT 1;

-- name: of_group
-- The definitions of a group from below a version of the rule set, the newest first.
SELECT version, changed_at, actor, reason, cause, definition, rules_version
FROM group_versions
WHERE group_id = :group_id AND rules_version < :before
ORDER BY rules_version DESC
LIMIT :row_limit;
