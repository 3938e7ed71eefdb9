-- name: store$
-- Write a reference to a group unless something newer is known of it; answers whether it was written.
INSERT INTO group_references (group_id, kind, ref_id, title, used, changed_at, change_order)
VALUES (:group_id, :kind, :ref_id, :title, :used, :changed_at, :change_order)
ON CONFLICT (group_id, kind, ref_id) DO UPDATE
SET title = excluded.title,
    used = excluded.used,
    changed_at = excluded.changed_at,
    change_order = excluded.change_order
WHERE (group_references.changed_at, group_references.change_order)
    < (excluded.changed_at, excluded.change_order)
RETURNING true;

-- name: of_group
-- What refers to a group.
SELECT kind, ref_id, title
FROM group_references
WHERE group_id = :group_id AND used
ORDER BY kind, ref_id;
