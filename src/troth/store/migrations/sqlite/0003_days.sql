-- What a lot's entries say of it, and what was taken back of an entry.
CREATE INDEX entry_lot ON entry (lot) WHERE lot IS NOT NULL;
CREATE INDEX entry_corrects ON entry (corrects) WHERE corrects IS NOT NULL;
CREATE INDEX lot_ends ON lot (expires_at) WHERE expires_at IS NOT NULL AND granted > spent + returned;

-- Where a request stands in the chain; batch 0 for those posted before this was kept.
ALTER TABLE usage ADD COLUMN desk INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN batch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN place INTEGER NOT NULL DEFAULT 0;
CREATE INDEX usage_batch ON usage (desk, batch);

-- The hours of a day summed once, when it is closed; `day` counts from 1970-01-01 (UTC).
CREATE TABLE rollup_day (
  day INTEGER NOT NULL,
  org BLOB NOT NULL,
  api_key BLOB NOT NULL,
  model TEXT NOT NULL,
  count INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  tokens_in INTEGER NOT NULL,
  tokens_cached INTEGER NOT NULL,
  tokens_out INTEGER NOT NULL,
  images INTEGER NOT NULL,
  audio_ms INTEGER NOT NULL,
  characters INTEGER NOT NULL,
  charged INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  PRIMARY KEY (day, org, api_key, model)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER rollup_day_stays BEFORE UPDATE ON rollup_day BEGIN
  SELECT RAISE(ABORT, 'closed days are immutable');
END;
CREATE TRIGGER rollup_day_remains BEFORE DELETE ON rollup_day BEGIN
  SELECT RAISE(ABORT, 'closed days are immutable');
END;
