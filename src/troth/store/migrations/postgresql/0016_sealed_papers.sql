-- Keys of subjects, sealed with the key of the data folder: one for who an organization is, one for its
-- documents. When a key is gone, what was sealed with it is gone, from old copies too.
CREATE TABLE subject_key (
  org bytea NOT NULL REFERENCES organization (ref),
  what text NOT NULL CHECK (what IN ('party', 'papers')),
  key_sealed bytea NOT NULL,
  PRIMARY KEY (org, what)
);

-- `is_sealed` is 0 for what an earlier build kept open, until the desk has sealed it.
ALTER TABLE party ADD COLUMN details_sealed bytea;
ALTER TABLE party ADD COLUMN is_sealed bigint NOT NULL DEFAULT 0 CHECK (is_sealed IN (0, 1));
UPDATE party SET details_sealed = convert_to(json_build_object('name', name, 'address',
  address::json, 'country', country, 'vat_id', vat_id, 'language', language)::text, 'UTF8');
ALTER TABLE party ALTER COLUMN details_sealed SET NOT NULL;
ALTER TABLE party ALTER COLUMN is_sealed DROP DEFAULT;
ALTER TABLE party DROP COLUMN name;
ALTER TABLE party DROP COLUMN address;
ALTER TABLE party DROP COLUMN country;
ALTER TABLE party DROP COLUMN vat_id;
ALTER TABLE party DROP COLUMN language;

ALTER TABLE document ADD COLUMN is_sealed bigint NOT NULL DEFAULT 0 CHECK (is_sealed IN (0, 1));
CREATE FUNCTION document_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.is_sealed = 0 AND NEW.is_sealed = 1
    AND (OLD.number, OLD.series, OLD.n, OLD.kind, OLD.org, OLD.subject, OLD.issued_at,
         OLD.keep_until, OLD.gross_cents, OLD.tax_cents, OLD.sha256)
      = (NEW.number, NEW.series, NEW.n, NEW.kind, NEW.org, NEW.subject, NEW.issued_at,
         NEW.keep_until, NEW.gross_cents, NEW.tax_cents, NEW.sha256)
    AND (OLD.mirrors, OLD.about) IS NOT DISTINCT FROM (NEW.mirrors, NEW.about)
  THEN
    RETURN NEW;
  END IF;
  RAISE integrity_constraint_violation USING MESSAGE = 'documents are immutable';
END $$;
DROP TRIGGER document_stays ON document;
CREATE TRIGGER document_stays BEFORE UPDATE ON document
  FOR EACH ROW EXECUTE FUNCTION document_stays();
GRANT UPDATE (body, is_sealed) ON document TO CURRENT_USER;
