-- More kinds of alerts; contacts' addresses are sealed; accounts that will be closed at a time.
ALTER TABLE alert RENAME TO alert_before;
CREATE TABLE alert (
  id BLOB NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL CHECK (
    kind IN ('budget', 'budget_stop', 'low_balance', 'credit_ends', 'closing', 'closed')
  ),
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
INSERT INTO alert SELECT * FROM alert_before;
DROP TABLE alert_before;
CREATE INDEX alert_due ON alert (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX alert_org ON alert (org, created_at);

-- `is_sealed` is 0 for what an earlier build kept open, until the next start seals it.
ALTER TABLE alert_contact RENAME TO alert_contact_before;
CREATE TABLE alert_contact (
  org BLOB NOT NULL PRIMARY KEY REFERENCES organization (ref),
  address_sealed BLOB NOT NULL,
  is_sealed INTEGER NOT NULL DEFAULT 1,
  language TEXT NOT NULL CHECK (language IN ('en', 'de', 'fr'))
) STRICT, WITHOUT ROWID;
INSERT INTO alert_contact SELECT org, CAST(address AS BLOB), 0, language FROM alert_contact_before;
DROP TABLE alert_contact_before;

CREATE TABLE closing_plan (
  org BLOB NOT NULL PRIMARY KEY REFERENCES organization (ref),
  closes_at INTEGER NOT NULL,
  planned_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
