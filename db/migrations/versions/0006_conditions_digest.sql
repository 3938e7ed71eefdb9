-- By this, groups that ask the same are found among all.
ALTER TABLE groups ADD COLUMN conditions_digest text;  -- of rules.normal_form; NULL = no conditions
CREATE INDEX groups_conditions_digest ON groups (conditions_digest, group_id) WHERE conditions_digest IS NOT NULL;
