-- Budgets of organizations, projects and keys, alerts, codes and uptime credits.
ALTER TABLE organization ADD COLUMN zone TEXT NOT NULL DEFAULT 'UTC';

CREATE TABLE project (
  ref BLOB NOT NULL PRIMARY KEY,
  org BLOB NOT NULL REFERENCES organization (ref),
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (org, name)
) STRICT, WITHOUT ROWID;
ALTER TABLE api_key ADD COLUMN project BLOB REFERENCES project (ref);

-- Which purses a request of an owner draws on; limit, mode and zone stand in `budget_rule`.
CREATE TABLE budget_owner (
  owner BLOB NOT NULL,
  period TEXT NOT NULL CHECK (period IN ('day', 'week', 'month', 'total')),
  purse BLOB NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('organization', 'project', 'key')),
  org BLOB NOT NULL REFERENCES organization (ref),
  PRIMARY KEY (owner, period)
) STRICT, WITHOUT ROWID;
CREATE INDEX budget_owner_purse ON budget_owner (purse);
CREATE INDEX budget_owner_org ON budget_owner (org);
INSERT INTO budget_owner (owner, period, purse, kind, org)
  SELECT ref, 'day', day_purse, 'key', org FROM api_key WHERE day_purse IS NOT NULL;
INSERT INTO budget_owner (owner, period, purse, kind, org)
  SELECT ref, 'month', month_purse, 'key', org FROM api_key WHERE month_purse IS NOT NULL;
ALTER TABLE api_key DROP COLUMN day_limit;
ALTER TABLE api_key DROP COLUMN month_limit;
ALTER TABLE api_key DROP COLUMN day_purse;
ALTER TABLE api_key DROP COLUMN month_purse;

CREATE INDEX budget_unwarned ON budget (ends_at) WHERE warned < 100;

-- What somebody is told, once: `since` is the start of the period, or the last credit; `level` is
-- percent of a limit, or days of balance. References and numbers only.
CREATE TABLE alert (
  id BLOB NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('budget', 'low_balance')),
  org BLOB NOT NULL REFERENCES organization (ref),
  subject TEXT NOT NULL,
  period TEXT NOT NULL,
  since INTEGER NOT NULL,
  level INTEGER NOT NULL,
  used_nusd INTEGER NOT NULL,
  limit_nusd INTEGER NOT NULL,
  days INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  sent_at INTEGER,
  tries INTEGER NOT NULL DEFAULT 0,
  next_at INTEGER,
  UNIQUE (kind, subject, period, since, level)
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_due ON alert (next_at) WHERE next_at IS NOT NULL;

CREATE TABLE alert_contact (
  org BLOB NOT NULL PRIMARY KEY REFERENCES organization (ref),
  address TEXT NOT NULL,
  language TEXT NOT NULL CHECK (language IN ('en', 'de', 'fr'))
) STRICT, WITHOUT ROWID;

-- A code's text is nowhere: `digest` is SHA-256 of its 16 random bytes.
CREATE TABLE campaign (
  ref BLOB NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  cap_nusd INTEGER NOT NULL CHECK (cap_nusd >= 0),
  granted_nusd INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  CHECK (cap_nusd = 0 OR granted_nusd <= cap_nusd)
) STRICT, WITHOUT ROWID;
CREATE TABLE code (
  ref BLOB NOT NULL PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,
  campaign BLOB REFERENCES campaign (ref),
  amount_nusd INTEGER NOT NULL CHECK (amount_nusd > 0),
  uses_max INTEGER NOT NULL CHECK (uses_max > 0),
  uses INTEGER NOT NULL DEFAULT 0,
  expires_at INTEGER NOT NULL,
  credit_days INTEGER NOT NULL CHECK (credit_days >= 0),
  created_at INTEGER NOT NULL,
  revoked_at INTEGER,
  CHECK (uses <= uses_max)
) STRICT, WITHOUT ROWID;
CREATE TABLE redemption (
  code BLOB NOT NULL REFERENCES code (ref),
  org BLOB NOT NULL REFERENCES organization (ref),
  at INTEGER NOT NULL,
  PRIMARY KEY (code, org)
) STRICT, WITHOUT ROWID;
CREATE TABLE redeem_attempt (
  org BLOB NOT NULL PRIMARY KEY REFERENCES organization (ref),
  minute INTEGER NOT NULL,
  count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE uptime_credit (
  month INTEGER NOT NULL,
  org BLOB NOT NULL REFERENCES organization (ref),
  amount_nusd INTEGER NOT NULL CHECK (amount_nusd > 0),
  downtime_ms INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (month, org)
) STRICT, WITHOUT ROWID;

-- What a key has used, hour by hour.
CREATE INDEX rollup_key ON rollup_hour (api_key, hour);
