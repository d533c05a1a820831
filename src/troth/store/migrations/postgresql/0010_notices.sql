-- More kinds of alerts; contacts' addresses are sealed; accounts that will be closed at a time.
ALTER TABLE alert DROP CONSTRAINT alert_kind_check;
ALTER TABLE alert ADD CONSTRAINT alert_kind_check CHECK (
  kind IN ('budget', 'budget_stop', 'low_balance', 'credit_ends', 'closing', 'closed')
);
CREATE INDEX alert_org ON alert (org, created_at);

-- `is_sealed` is 0 for what an earlier build kept open, until the next start seals it.
ALTER TABLE alert_contact ADD COLUMN address_sealed bytea;
ALTER TABLE alert_contact ADD COLUMN is_sealed bigint NOT NULL DEFAULT 1;
UPDATE alert_contact SET address_sealed = convert_to(address, 'UTF8'), is_sealed = 0;
ALTER TABLE alert_contact ALTER COLUMN address_sealed SET NOT NULL;
ALTER TABLE alert_contact DROP COLUMN address;

CREATE TABLE closing_plan (
  org bytea NOT NULL PRIMARY KEY REFERENCES organization (ref),
  closes_at bigint NOT NULL,
  planned_at bigint NOT NULL
);
