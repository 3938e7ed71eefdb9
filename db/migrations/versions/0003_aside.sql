-- Commands that were taken and are done aside: they hold up neither the commands behind them nor the events.
-- A row holds the command's record as it came, and is deleted in the transaction that answers it.
CREATE SEQUENCE aside_turn AS bigint;
CREATE TABLE aside_commands (
    aside_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    turn          bigint NOT NULL DEFAULT nextval('aside_turn'),  -- the lowest comes next; each step sends to the end
    command_id    text,                              -- what names it, so that it is done once; NULL = its record
    topic         text NOT NULL,
    partition     int NOT NULL,
    kafka_offset  bigint NOT NULL,
    timestamp_ms  bigint NOT NULL,
    key           bytea,
    value         bytea NOT NULL,
    header_names  text[] NOT NULL,
    header_values bytea[] NOT NULL,
    taken_at      timestamptz NOT NULL,              -- the worker's clock then
    progress      jsonb,                             -- what its next step begins with; NULL = it was not begun
    failures      int NOT NULL DEFAULT 0 CHECK (failures >= 0)
);
CREATE INDEX aside_commands_turn ON aside_commands (turn);
-- Of two with one id the second waits for the first.
CREATE INDEX aside_commands_id ON aside_commands (command_id, aside_id) WHERE command_id IS NOT NULL;
COMMENT ON TABLE aside_commands IS 'Commands done aside that are not answered yet.';

-- (None for the changes of a group: it would cost each batch about 15 % where all its events lead to changes. They are
-- looked for from the newest back, aside and piece by piece.)

-- Clients of whom something is unknown to the rules: those whose country by address is.
CREATE INDEX clients_geoip_unknown ON clients (client_id) WHERE registered_at IS NOT NULL AND geoip_build IS NULL;

-- The runs of a group.
CREATE INDEX runs_of_group ON runs USING gin (groups);
