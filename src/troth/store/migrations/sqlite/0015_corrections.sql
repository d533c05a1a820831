-- What of a provider's cost is in the books, by day of the request: `entry` was the first of it.
CREATE TABLE provider_day (
  provider TEXT NOT NULL,
  day INTEGER NOT NULL,
  cost INTEGER NOT NULL CHECK (cost > 0),
  entry BLOB NOT NULL REFERENCES entry (id),
  PRIMARY KEY (provider, day)
) STRICT, WITHOUT ROWID;

-- Entries that a person accepted because a provider's bill said otherwise, and what each is about: the
-- provider's cost (up or down), or credit for what a customer was charged too much.
CREATE TABLE correction (
  entry BLOB NOT NULL PRIMARY KEY REFERENCES entry (id),
  what TEXT NOT NULL CHECK (what IN ('cost', 'charge')),
  provider TEXT NOT NULL,
  upstream TEXT NOT NULL,
  day INTEGER NOT NULL,
  model TEXT NOT NULL,
  org BLOB,
  lot BLOB REFERENCES lot (id),
  amount INTEGER NOT NULL CHECK (amount <> 0 AND (what = 'cost' OR amount > 0)),
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX correction_line ON correction (provider, day);
CREATE INDEX correction_org ON correction (org) WHERE org IS NOT NULL;
CREATE TRIGGER correction_stays BEFORE UPDATE ON correction BEGIN
  SELECT RAISE(ABORT, 'corrections are immutable');
END;
CREATE TRIGGER correction_remains BEFORE DELETE ON correction BEGIN
  SELECT RAISE(ABORT, 'corrections are immutable');
END;

-- Which requests a customer's correction is about; it goes with their rows.
CREATE TABLE correction_part (
  request BLOB NOT NULL,
  correction BLOB NOT NULL REFERENCES correction (entry),
  amount INTEGER NOT NULL CHECK (amount > 0),
  PRIMARY KEY (request, correction)
) STRICT, WITHOUT ROWID;
