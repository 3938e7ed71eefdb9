-- Commands with a step of many seconds are claimed apart, so that the short ones need not wait behind them.
ALTER TABLE aside_commands ADD COLUMN long boolean NOT NULL DEFAULT false;
