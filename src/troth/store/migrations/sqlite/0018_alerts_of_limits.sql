-- Of a budget whose limit was changed somebody is told again: once for each limit.
ALTER TABLE alert RENAME TO alert_before;
CREATE TABLE alert (
  id BLOB NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL CHECK (
    kind IN (
      'budget', 'budget_stop', 'low_balance', 'credit_ends', 'card_confirm', 'automatic_off',
      'closing', 'closed'
    )
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
  next_at INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO alert SELECT * FROM alert_before;
DROP TABLE alert_before;
CREATE INDEX alert_due ON alert (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX alert_org ON alert (org, created_at);
CREATE UNIQUE INDEX alert_told ON alert (
  kind, subject, period, since, level,
  CASE WHEN kind IN ('budget', 'budget_stop') THEN limit_nusd ELSE 0 END
);
