-- Checks whose outcome is unknown as an address could not be looked up (mission B5): done when it can be.
CREATE TABLE owed_checks (
    client_id text COLLATE "C" NOT NULL,
    group_id  text COLLATE "C" NOT NULL,
    moment    text NOT NULL CHECK (moment IN ('registration', 'change', 'schedule', 'forced')),
    owed_at   timestamptz NOT NULL,
    cause     text NOT NULL,                         -- of the check: a record, or a run
    PRIMARY KEY (client_id, group_id)
);
CREATE INDEX owed_checks_of_group ON owed_checks (group_id);
COMMENT ON TABLE owed_checks IS 'Checks to be done with the moment they had, when addresses can be looked up again.';

-- Leaves of an owed check keep its moment; NULL = the run's own.
ALTER TABLE run_leaves ADD COLUMN moment text;

-- Addresses that were never looked up, also of clients that are not registered yet.
CREATE INDEX clients_not_looked_up ON clients (client_id) WHERE ip IS NOT NULL AND geoip_build IS NULL;
