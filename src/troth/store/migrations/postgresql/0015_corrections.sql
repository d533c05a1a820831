-- What of a provider's cost is in the books, by day of the request: `entry` was the first of it.
CREATE TABLE provider_day (
  provider text NOT NULL,
  day bigint NOT NULL,
  cost bigint NOT NULL CHECK (cost > 0),
  entry bytea NOT NULL REFERENCES entry (id),
  PRIMARY KEY (provider, day)
);

-- Entries that a person accepted because a provider's bill said otherwise, and what each is about: the
-- provider's cost (up or down), or credit for what a customer was charged too much.
CREATE TABLE correction (
  entry bytea NOT NULL PRIMARY KEY REFERENCES entry (id),
  what text NOT NULL CHECK (what IN ('cost', 'charge')),
  provider text NOT NULL,
  upstream text NOT NULL,
  day bigint NOT NULL,
  model text NOT NULL,
  org bytea,
  lot bytea REFERENCES lot (id),
  amount bigint NOT NULL CHECK (amount <> 0 AND (what = 'cost' OR amount > 0)),
  at bigint NOT NULL
);
CREATE INDEX correction_line ON correction (provider, day);
CREATE INDEX correction_org ON correction (org) WHERE org IS NOT NULL;
CREATE TRIGGER correction_stays BEFORE UPDATE OR DELETE ON correction
  FOR EACH ROW EXECUTE FUNCTION stays();
CREATE TRIGGER correction_remains BEFORE TRUNCATE ON correction EXECUTE FUNCTION stays();
REVOKE UPDATE, DELETE, TRUNCATE ON correction FROM CURRENT_USER;

-- Which requests a customer's correction is about; it goes with their rows.
CREATE TABLE correction_part (
  request bytea NOT NULL,
  correction bytea NOT NULL REFERENCES correction (entry),
  amount bigint NOT NULL CHECK (amount > 0),
  PRIMARY KEY (request, correction)
);
