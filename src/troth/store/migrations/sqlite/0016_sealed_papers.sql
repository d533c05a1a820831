-- Keys of subjects, sealed with the key of the data folder: one for who an organization is, one for its
-- documents. When a key is gone, what was sealed with it is gone, from old copies too.
CREATE TABLE subject_key (
  org BLOB NOT NULL REFERENCES organization (ref),
  what TEXT NOT NULL CHECK (what IN ('party', 'papers')),
  key_sealed BLOB NOT NULL,
  PRIMARY KEY (org, what)
) STRICT, WITHOUT ROWID;

-- `is_sealed` is 0 for what an earlier build kept open, until the desk has sealed it.
ALTER TABLE party RENAME TO party_before;
CREATE TABLE party (
  org BLOB NOT NULL PRIMARY KEY REFERENCES organization (ref),
  details_sealed BLOB NOT NULL,
  is_sealed INTEGER NOT NULL CHECK (is_sealed IN (0, 1)),
  changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO party SELECT org, CAST(json_object('name', name, 'address', json(address),
  'country', country, 'vat_id', vat_id, 'language', language) AS BLOB), 0, changed_at
FROM party_before;
DROP TABLE party_before;

ALTER TABLE document ADD COLUMN is_sealed INTEGER NOT NULL DEFAULT 0 CHECK (is_sealed IN (0, 1));
DROP TRIGGER document_stays;
CREATE TRIGGER document_stays BEFORE UPDATE ON document
WHEN NOT (OLD.is_sealed = 0 AND NEW.is_sealed = 1 AND OLD.number = NEW.number
  AND OLD.series = NEW.series AND OLD.n = NEW.n AND OLD.kind = NEW.kind AND OLD.org = NEW.org
  AND OLD.subject = NEW.subject AND OLD.mirrors IS NEW.mirrors AND OLD.about IS NEW.about
  AND OLD.issued_at = NEW.issued_at AND OLD.keep_until = NEW.keep_until
  AND OLD.gross_cents = NEW.gross_cents AND OLD.tax_cents = NEW.tax_cents
  AND OLD.sha256 = NEW.sha256) BEGIN
  SELECT RAISE(ABORT, 'documents are immutable');
END;
