-- Budgets of organizations, projects and keys, alerts, codes and uptime credits.
ALTER TABLE organization ADD COLUMN zone text NOT NULL DEFAULT 'UTC';

CREATE TABLE project (
  ref bytea NOT NULL PRIMARY KEY,
  org bytea NOT NULL REFERENCES organization (ref),
  name text NOT NULL,
  created_at bigint NOT NULL,
  UNIQUE (org, name)
);
ALTER TABLE api_key ADD COLUMN project bytea REFERENCES project (ref);

-- Which purses a request of an owner draws on; limit, mode and zone stand in `budget_rule`.
CREATE TABLE budget_owner (
  owner bytea NOT NULL,
  period text NOT NULL CHECK (period IN ('day', 'week', 'month', 'total')),
  purse bytea NOT NULL,
  kind text NOT NULL CHECK (kind IN ('organization', 'project', 'key')),
  org bytea NOT NULL REFERENCES organization (ref),
  PRIMARY KEY (owner, period)
);
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
  id bytea NOT NULL PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('budget', 'low_balance')),
  org bytea NOT NULL REFERENCES organization (ref),
  subject text NOT NULL,
  period text NOT NULL,
  since bigint NOT NULL,
  level bigint NOT NULL,
  used_nusd bigint NOT NULL,
  limit_nusd bigint NOT NULL,
  days bigint NOT NULL,
  created_at bigint NOT NULL,
  sent_at bigint,
  tries bigint NOT NULL DEFAULT 0,
  next_at bigint,
  UNIQUE (kind, subject, period, since, level)
);
CREATE INDEX alert_due ON alert (next_at) WHERE next_at IS NOT NULL;

CREATE TABLE alert_contact (
  org bytea NOT NULL PRIMARY KEY REFERENCES organization (ref),
  address text NOT NULL,
  language text NOT NULL CHECK (language IN ('en', 'de', 'fr'))
);

-- A code's text is nowhere: `digest` is SHA-256 of its 16 random bytes.
CREATE TABLE campaign (
  ref bytea NOT NULL PRIMARY KEY,
  name text NOT NULL UNIQUE,
  cap_nusd bigint NOT NULL CHECK (cap_nusd >= 0),
  granted_nusd bigint NOT NULL DEFAULT 0,
  created_at bigint NOT NULL,
  CHECK (cap_nusd = 0 OR granted_nusd <= cap_nusd)
);
CREATE TABLE code (
  ref bytea NOT NULL PRIMARY KEY,
  digest bytea NOT NULL UNIQUE,
  campaign bytea REFERENCES campaign (ref),
  amount_nusd bigint NOT NULL CHECK (amount_nusd > 0),
  uses_max bigint NOT NULL CHECK (uses_max > 0),
  uses bigint NOT NULL DEFAULT 0,
  expires_at bigint NOT NULL,
  credit_days bigint NOT NULL CHECK (credit_days >= 0),
  created_at bigint NOT NULL,
  revoked_at bigint,
  CHECK (uses <= uses_max)
);
CREATE TABLE redemption (
  code bytea NOT NULL REFERENCES code (ref),
  org bytea NOT NULL REFERENCES organization (ref),
  at bigint NOT NULL,
  PRIMARY KEY (code, org)
);
CREATE TABLE redeem_attempt (
  org bytea NOT NULL PRIMARY KEY REFERENCES organization (ref),
  minute bigint NOT NULL,
  count bigint NOT NULL
);
CREATE TABLE uptime_credit (
  month bigint NOT NULL,
  org bytea NOT NULL REFERENCES organization (ref),
  amount_nusd bigint NOT NULL CHECK (amount_nusd > 0),
  downtime_ms bigint NOT NULL,
  at bigint NOT NULL,
  PRIMARY KEY (month, org)
);

-- What a key has used, hour by hour.
CREATE INDEX rollup_key ON rollup_hour (api_key, hour);
