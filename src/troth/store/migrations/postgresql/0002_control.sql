-- Who may ask, what was asked and what it cost. References are 16 bytes, times unix milliseconds.
CREATE TABLE organization (
  ref bytea NOT NULL PRIMARY KEY,
  name text NOT NULL UNIQUE,
  created_at bigint NOT NULL,
  frozen_at bigint
);

-- `hash` is bcrypt's; the key itself is nowhere. `models` and `networks` are JSON lists.
CREATE TABLE api_key (
  ref bytea NOT NULL PRIMARY KEY,
  public_id text NOT NULL UNIQUE,
  org bytea NOT NULL REFERENCES organization (ref),
  name text NOT NULL,
  hash text NOT NULL,
  models text NOT NULL,
  networks text NOT NULL,
  created_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  revoked_at bigint,
  replaced_by bytea,
  requests_per_minute bigint NOT NULL CHECK (requests_per_minute >= 0),
  tokens_per_minute bigint NOT NULL CHECK (tokens_per_minute >= 0),
  concurrency bigint NOT NULL CHECK (concurrency >= 0),
  day_limit bigint NOT NULL CHECK (day_limit >= 0),
  month_limit bigint NOT NULL CHECK (month_limit >= 0),
  day_purse bytea,
  month_purse bytea,
  may_read_wallet bigint NOT NULL CHECK (may_read_wallet IN (0, 1)),
  rate_slot bigint UNIQUE
);
CREATE INDEX api_key_org ON api_key (org);

-- Every price that was ever in force, so that an old receipt can be explained.
CREATE TABLE price (
  price_set text NOT NULL,
  model text NOT NULL,
  upstream text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('sale', 'cost')),
  unit text NOT NULL,
  tier_start bigint NOT NULL,
  amount bigint NOT NULL CHECK (amount >= 0),
  per bigint NOT NULL CHECK (per > 0),
  effective_at bigint NOT NULL,
  PRIMARY KEY (price_set, model, upstream, kind, unit, tier_start)
);

-- One row a request: metadata only. `quantities` and `attempts` are JSON of closed shapes.
CREATE TABLE usage (
  request bytea NOT NULL PRIMARY KEY,
  org bytea NOT NULL,
  api_key bytea NOT NULL,
  project text NOT NULL,
  endpoint text NOT NULL,
  model_asked text NOT NULL,
  model_served text NOT NULL,
  provider text NOT NULL,
  upstream text NOT NULL,
  region text NOT NULL,
  price_set text NOT NULL,
  started_at bigint NOT NULL,
  first_byte_ms bigint NOT NULL,
  latency_ms bigint NOT NULL,
  status bigint NOT NULL,
  outcome text NOT NULL,
  streamed bigint NOT NULL,
  usage_source text NOT NULL,
  quantities text NOT NULL,
  reserved bigint NOT NULL,
  charged bigint NOT NULL,
  cost bigint NOT NULL,
  clamped bigint NOT NULL,
  attempts text NOT NULL
);
CREATE INDEX usage_org ON usage (org, request);

-- Written in the transaction of the charge; `hour` counts from 1970-01-01 (UTC).
CREATE TABLE rollup_hour (
  hour bigint NOT NULL,
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
  PRIMARY KEY (hour, org, api_key, model)
);

-- What administrators changed; each entry's hash covers the one before.
CREATE TABLE audit_entry (
  n bigint NOT NULL PRIMARY KEY,
  at bigint NOT NULL,
  uid bigint NOT NULL,
  action text NOT NULL,
  subject text NOT NULL,
  other text NOT NULL,
  amount bigint NOT NULL,
  prev_hash bytea NOT NULL,
  hash bytea NOT NULL
);
CREATE TRIGGER audit_entry_stays BEFORE UPDATE OR DELETE ON audit_entry
  FOR EACH ROW EXECUTE FUNCTION stays();
CREATE TRIGGER audit_entry_remains BEFORE TRUNCATE ON audit_entry EXECUTE FUNCTION stays();
REVOKE UPDATE, DELETE, TRUNCATE ON audit_entry FROM CURRENT_USER;
