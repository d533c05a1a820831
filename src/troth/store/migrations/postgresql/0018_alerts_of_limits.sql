-- Of a budget whose limit was changed somebody is told again: once for each limit.
ALTER TABLE alert DROP CONSTRAINT alert_kind_subject_period_since_level_key;
CREATE UNIQUE INDEX alert_told ON alert (
  kind, subject, period, since, level,
  (CASE WHEN kind IN ('budget', 'budget_stop') THEN limit_nusd ELSE 0 END)
);
