-- Prices keep how their tiers count and the least quantity charged, and are never changed.
ALTER TABLE price ADD COLUMN tier_mode TEXT NOT NULL DEFAULT 'whole';
ALTER TABLE price ADD COLUMN min_quantity INTEGER NOT NULL DEFAULT 0;
CREATE TRIGGER price_kept BEFORE UPDATE ON price
BEGIN SELECT raise(ABORT, 'prices are not changed'); END;
CREATE TRIGGER price_stays BEFORE DELETE ON price
BEGIN SELECT raise(ABORT, 'prices are not deleted'); END;

-- What was accepted for a model at a provider, from when on; of two for one moment the later holds.
CREATE TABLE price_version (
  place INTEGER NOT NULL PRIMARY KEY,
  model TEXT NOT NULL,
  upstream TEXT NOT NULL,
  effective_at INTEGER NOT NULL,
  source TEXT NOT NULL,
  checked_on TEXT NOT NULL,
  created_by INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE price_line (
  place INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('sale', 'cost')),
  unit TEXT NOT NULL,
  tier_start INTEGER NOT NULL CHECK (tier_start >= 0),
  tier_mode TEXT NOT NULL CHECK (tier_mode IN ('whole', 'marginal')),
  amount INTEGER NOT NULL CHECK (amount >= 0),
  per INTEGER NOT NULL CHECK (per > 0),
  min_quantity INTEGER NOT NULL CHECK (min_quantity >= 0),
  PRIMARY KEY (place, kind, unit, tier_start)
) STRICT, WITHOUT ROWID;

-- An organization that goes on at the prices of an earlier set until a time; its last row counts.
CREATE TABLE price_pin (
  place INTEGER NOT NULL PRIMARY KEY,
  org BLOB NOT NULL REFERENCES organization (ref),
  price_set TEXT NOT NULL,
  ends_at INTEGER NOT NULL,
  created_by INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX price_pin_org ON price_pin (org);

CREATE TRIGGER price_version_kept BEFORE UPDATE ON price_version
BEGIN SELECT raise(ABORT, 'prices are not changed'); END;
CREATE TRIGGER price_version_stays BEFORE DELETE ON price_version
BEGIN SELECT raise(ABORT, 'prices are not deleted'); END;
CREATE TRIGGER price_line_kept BEFORE UPDATE ON price_line
BEGIN SELECT raise(ABORT, 'prices are not changed'); END;
CREATE TRIGGER price_line_stays BEFORE DELETE ON price_line
BEGIN SELECT raise(ABORT, 'prices are not deleted'); END;
CREATE TRIGGER price_pin_kept BEFORE UPDATE ON price_pin
BEGIN SELECT raise(ABORT, 'pins are not changed'); END;
CREATE TRIGGER price_pin_stays BEFORE DELETE ON price_pin
BEGIN SELECT raise(ABORT, 'pins are not deleted'); END;
