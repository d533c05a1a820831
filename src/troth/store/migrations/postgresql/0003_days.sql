-- What a lot's entries say of it, and what was taken back of an entry.
CREATE INDEX entry_lot ON entry (lot) WHERE lot IS NOT NULL;
CREATE INDEX entry_corrects ON entry (corrects) WHERE corrects IS NOT NULL;
CREATE INDEX lot_ends ON lot (expires_at) WHERE expires_at IS NOT NULL AND granted > spent + returned;

-- Where a request stands in the chain; batch 0 for those posted before this was kept.
ALTER TABLE usage ADD COLUMN desk bigint NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN batch bigint NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN place bigint NOT NULL DEFAULT 0;
CREATE INDEX usage_batch ON usage (desk, batch);

-- The hours of a day summed once, when it is closed; `day` counts from 1970-01-01 (UTC).
CREATE TABLE rollup_day (
  day bigint NOT NULL,
  org bytea NOT NULL,
  api_key bytea NOT NULL,
  model text NOT NULL,
  count bigint NOT NULL,
  failed bigint NOT NULL,
  tokens_in bigint NOT NULL,
  tokens_cached bigint NOT NULL,
  tokens_out bigint NOT NULL,
  images bigint NOT NULL,
  audio_ms bigint NOT NULL,
  characters bigint NOT NULL,
  charged bigint NOT NULL,
  cost bigint NOT NULL,
  PRIMARY KEY (day, org, api_key, model)
);
CREATE TRIGGER rollup_day_stays BEFORE UPDATE OR DELETE ON rollup_day
  FOR EACH ROW EXECUTE FUNCTION stays();
CREATE TRIGGER rollup_day_remains BEFORE TRUNCATE ON rollup_day EXECUTE FUNCTION stays();
REVOKE UPDATE, DELETE, TRUNCATE ON rollup_day FROM CURRENT_USER;
