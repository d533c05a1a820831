-- Who may ask, what was asked and what it cost. References are 16 bytes, times unix milliseconds.
CREATE TABLE organization (
  ref BLOB NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,
  frozen_at INTEGER
) STRICT, WITHOUT ROWID;

-- `hash` is bcrypt's; the key itself is nowhere. `models` and `networks` are JSON lists.
CREATE TABLE api_key (
  ref BLOB NOT NULL PRIMARY KEY,
  public_id TEXT NOT NULL UNIQUE,
  org BLOB NOT NULL REFERENCES organization (ref),
  name TEXT NOT NULL,
  hash TEXT NOT NULL,
  models TEXT NOT NULL,
  networks TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER,
  replaced_by BLOB,
  requests_per_minute INTEGER NOT NULL CHECK (requests_per_minute >= 0),
  tokens_per_minute INTEGER NOT NULL CHECK (tokens_per_minute >= 0),
  concurrency INTEGER NOT NULL CHECK (concurrency >= 0),
  day_limit INTEGER NOT NULL CHECK (day_limit >= 0),
  month_limit INTEGER NOT NULL CHECK (month_limit >= 0),
  day_purse BLOB,
  month_purse BLOB,
  may_read_wallet INTEGER NOT NULL CHECK (may_read_wallet IN (0, 1)),
  rate_slot INTEGER UNIQUE
) STRICT, WITHOUT ROWID;
CREATE INDEX api_key_org ON api_key (org);

-- Every price that was ever in force, so that an old receipt can be explained.
CREATE TABLE price (
  price_set TEXT NOT NULL,
  model TEXT NOT NULL,
  upstream TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('sale', 'cost')),
  unit TEXT NOT NULL,
  tier_start INTEGER NOT NULL,
  amount INTEGER NOT NULL CHECK (amount >= 0),
  per INTEGER NOT NULL CHECK (per > 0),
  effective_at INTEGER NOT NULL,
  PRIMARY KEY (price_set, model, upstream, kind, unit, tier_start)
) STRICT, WITHOUT ROWID;

-- One row a request: metadata only. `quantities` and `attempts` are JSON of closed shapes.
CREATE TABLE usage (
  request BLOB NOT NULL PRIMARY KEY,
  org BLOB NOT NULL,
  api_key BLOB NOT NULL,
  project TEXT NOT NULL,
  endpoint TEXT NOT NULL,
  model_asked TEXT NOT NULL,
  model_served TEXT NOT NULL,
  provider TEXT NOT NULL,
  upstream TEXT NOT NULL,
  region TEXT NOT NULL,
  price_set TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  first_byte_ms INTEGER NOT NULL,
  latency_ms INTEGER NOT NULL,
  status INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  streamed INTEGER NOT NULL,
  usage_source TEXT NOT NULL,
  quantities TEXT NOT NULL,
  reserved INTEGER NOT NULL,
  charged INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  clamped INTEGER NOT NULL,
  attempts TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_org ON usage (org, request);

-- Written in the transaction of the charge; `hour` counts from 1970-01-01 (UTC).
CREATE TABLE rollup_hour (
  hour INTEGER NOT NULL,
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
  PRIMARY KEY (hour, org, api_key, model)
) STRICT, WITHOUT ROWID;

-- What administrators changed; each entry's hash covers the one before.
CREATE TABLE audit_entry (
  n INTEGER NOT NULL PRIMARY KEY,
  at INTEGER NOT NULL,
  uid INTEGER NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  other TEXT NOT NULL,
  amount INTEGER NOT NULL,
  prev_hash BLOB NOT NULL,
  hash BLOB NOT NULL
) STRICT;
CREATE TRIGGER audit_entry_kept BEFORE UPDATE ON audit_entry
BEGIN SELECT raise(ABORT, 'audit entries are not changed'); END;
CREATE TRIGGER audit_entry_stays BEFORE DELETE ON audit_entry
BEGIN SELECT raise(ABORT, 'audit entries are not deleted'); END;
