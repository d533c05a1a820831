-- Prices keep how their tiers count and the least quantity charged, and are never changed.
ALTER TABLE price ADD COLUMN tier_mode text NOT NULL DEFAULT 'whole';
ALTER TABLE price ADD COLUMN min_quantity bigint NOT NULL DEFAULT 0;

-- What was accepted for a model at a provider, from when on; of two for one moment the later holds.
CREATE TABLE price_version (
  place bigint NOT NULL PRIMARY KEY,
  model text NOT NULL,
  upstream text NOT NULL,
  effective_at bigint NOT NULL,
  source text NOT NULL,
  checked_on text NOT NULL,
  created_by bigint NOT NULL,
  created_at bigint NOT NULL
);
CREATE TABLE price_line (
  place bigint NOT NULL,
  kind text NOT NULL CHECK (kind IN ('sale', 'cost')),
  unit text NOT NULL,
  tier_start bigint NOT NULL CHECK (tier_start >= 0),
  tier_mode text NOT NULL CHECK (tier_mode IN ('whole', 'marginal')),
  amount bigint NOT NULL CHECK (amount >= 0),
  per bigint NOT NULL CHECK (per > 0),
  min_quantity bigint NOT NULL CHECK (min_quantity >= 0),
  PRIMARY KEY (place, kind, unit, tier_start)
);

-- An organization that goes on at the prices of an earlier set until a time; its last row counts.
CREATE TABLE price_pin (
  place bigint NOT NULL PRIMARY KEY,
  org bytea NOT NULL REFERENCES organization (ref),
  price_set text NOT NULL,
  ends_at bigint NOT NULL,
  created_by bigint NOT NULL,
  created_at bigint NOT NULL
);
CREATE INDEX price_pin_org ON price_pin (org);

CREATE TRIGGER price_stays BEFORE UPDATE OR DELETE ON price
  FOR EACH ROW EXECUTE FUNCTION stays();
CREATE TRIGGER price_remains BEFORE TRUNCATE ON price EXECUTE FUNCTION stays();
REVOKE UPDATE, DELETE, TRUNCATE ON price FROM CURRENT_USER;
CREATE TRIGGER price_version_stays BEFORE UPDATE OR DELETE ON price_version
  FOR EACH ROW EXECUTE FUNCTION stays();
CREATE TRIGGER price_version_remains BEFORE TRUNCATE ON price_version EXECUTE FUNCTION stays();
REVOKE UPDATE, DELETE, TRUNCATE ON price_version FROM CURRENT_USER;
CREATE TRIGGER price_line_stays BEFORE UPDATE OR DELETE ON price_line
  FOR EACH ROW EXECUTE FUNCTION stays();
CREATE TRIGGER price_line_remains BEFORE TRUNCATE ON price_line EXECUTE FUNCTION stays();
REVOKE UPDATE, DELETE, TRUNCATE ON price_line FROM CURRENT_USER;
CREATE TRIGGER price_pin_stays BEFORE UPDATE OR DELETE ON price_pin
  FOR EACH ROW EXECUTE FUNCTION stays();
CREATE TRIGGER price_pin_remains BEFORE TRUNCATE ON price_pin EXECUTE FUNCTION stays();
REVOKE UPDATE, DELETE, TRUNCATE ON price_pin FROM CURRENT_USER;
