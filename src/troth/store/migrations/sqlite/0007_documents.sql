-- Documents for people and tax offices. What is frozen stays; numbers of a series have no gap.
-- `keep_until` and other days count from 1970-01-01 (UTC); amounts are whole cents.
CREATE TABLE document_series (
  series TEXT NOT NULL PRIMARY KEY,
  n INTEGER NOT NULL CHECK (n >= 0),
  hash BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE document (
  number TEXT NOT NULL PRIMARY KEY,
  series TEXT NOT NULL REFERENCES document_series (series),
  n INTEGER NOT NULL CHECK (n > 0),
  kind TEXT NOT NULL CHECK (kind IN ('receipt', 'invoice', 'statement', 'credit_note')),
  org BLOB NOT NULL,
  subject TEXT NOT NULL UNIQUE,
  mirrors TEXT,
  about BLOB,
  issued_at INTEGER NOT NULL,
  keep_until INTEGER NOT NULL,
  gross_cents INTEGER NOT NULL,
  tax_cents INTEGER NOT NULL,
  body BLOB NOT NULL,
  sha256 BLOB NOT NULL,
  UNIQUE (series, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX document_org ON document (org, issued_at);
CREATE INDEX document_mirrors ON document (mirrors);
CREATE INDEX document_about ON document (about);

-- What stood in a series and was deleted when its time was over: number and hash, nothing else.
CREATE TABLE document_gone (
  series TEXT NOT NULL,
  n INTEGER NOT NULL,
  sha256 BLOB NOT NULL,
  PRIMARY KEY (series, n)
) STRICT, WITHOUT ROWID;

-- Months whose statements are all written.
CREATE TABLE document_month (
  month INTEGER NOT NULL PRIMARY KEY,
  issued_at INTEGER NOT NULL
) STRICT;

-- Nothing of an organization is deleted while this stands; without one, nothing at all.
CREATE TABLE legal_hold (
  id BLOB NOT NULL PRIMARY KEY,
  org BLOB,
  reference TEXT NOT NULL,
  placed_at INTEGER NOT NULL,
  lifted_at INTEGER
) STRICT, WITHOUT ROWID;

-- Who an organization is on documents. `address` is a JSON list of lines.
CREATE TABLE party (
  org BLOB NOT NULL PRIMARY KEY REFERENCES organization (ref),
  name TEXT NOT NULL,
  address TEXT NOT NULL,
  country TEXT NOT NULL,
  vat_id TEXT NOT NULL,
  language TEXT NOT NULL,
  changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What providers cost and what was charged for it: by day of the request, upstream, model, and by
-- where the counts came from. Tokens are 0 for requests older than this table.
CREATE TABLE rollup_supply (
  day INTEGER NOT NULL,
  provider TEXT NOT NULL,
  upstream TEXT NOT NULL,
  model TEXT NOT NULL,
  usage_source TEXT NOT NULL,
  count INTEGER NOT NULL,
  tokens_in INTEGER NOT NULL,
  tokens_out INTEGER NOT NULL,
  charged INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  PRIMARY KEY (day, provider, upstream, model, usage_source)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER document_stays BEFORE UPDATE ON document BEGIN
  SELECT RAISE(ABORT, 'documents are immutable');
END;
CREATE TRIGGER document_remains BEFORE DELETE ON document
WHEN OLD.keep_until >= coalesce((SELECT day FROM open_day WHERE id = 1), 0)
  OR EXISTS (SELECT 1 FROM legal_hold WHERE lifted_at IS NULL AND (org IS NULL OR org = OLD.org))
BEGIN
  SELECT RAISE(ABORT, 'this document must be kept');
END;
CREATE TRIGGER document_leaves AFTER DELETE ON document BEGIN
  INSERT INTO document_gone (series, n, sha256) VALUES (OLD.series, OLD.n, OLD.sha256);
END;
CREATE TRIGGER document_gone_stays BEFORE UPDATE ON document_gone BEGIN
  SELECT RAISE(ABORT, 'documents are immutable');
END;
CREATE TRIGGER document_gone_remains BEFORE DELETE ON document_gone BEGIN
  SELECT RAISE(ABORT, 'documents are immutable');
END;
CREATE TRIGGER document_series_grows BEFORE UPDATE ON document_series
WHEN NEW.n <> OLD.n + 1 OR NEW.series <> OLD.series BEGIN
  SELECT RAISE(ABORT, 'a series grows by one');
END;
CREATE TRIGGER document_series_remains BEFORE DELETE ON document_series BEGIN
  SELECT RAISE(ABORT, 'a series remains');
END;

INSERT INTO rollup_supply (day, provider, upstream, model, usage_source, count, tokens_in,
  tokens_out, charged, cost)
SELECT started_at / 86400000, provider, upstream, model_served, usage_source, count(*), 0, 0,
  sum(charged), sum(cost)
FROM usage GROUP BY 1, 2, 3, 4, 5;
