-- Documents for people and tax offices. What is frozen stays; numbers of a series have no gap.
-- `keep_until` and other days count from 1970-01-01 (UTC); amounts are whole cents.
CREATE TABLE document_series (
  series text NOT NULL PRIMARY KEY,
  n bigint NOT NULL CHECK (n >= 0),
  hash bytea NOT NULL
);

CREATE TABLE document (
  number text NOT NULL PRIMARY KEY,
  series text NOT NULL REFERENCES document_series (series),
  n bigint NOT NULL CHECK (n > 0),
  kind text NOT NULL CHECK (kind IN ('receipt', 'invoice', 'statement', 'credit_note')),
  org bytea NOT NULL,
  subject text NOT NULL UNIQUE,
  mirrors text,
  about bytea,
  issued_at bigint NOT NULL,
  keep_until bigint NOT NULL,
  gross_cents bigint NOT NULL,
  tax_cents bigint NOT NULL,
  body bytea NOT NULL,
  sha256 bytea NOT NULL,
  UNIQUE (series, n)
);
CREATE INDEX document_org ON document (org, issued_at);
CREATE INDEX document_mirrors ON document (mirrors);
CREATE INDEX document_about ON document (about);

-- What stood in a series and was deleted when its time was over: number and hash, nothing else.
CREATE TABLE document_gone (
  series text NOT NULL,
  n bigint NOT NULL,
  sha256 bytea NOT NULL,
  PRIMARY KEY (series, n)
);

-- Months whose statements are all written.
CREATE TABLE document_month (
  month bigint NOT NULL PRIMARY KEY,
  issued_at bigint NOT NULL
);

-- Nothing of an organization is deleted while this stands; without one, nothing at all.
CREATE TABLE legal_hold (
  id bytea NOT NULL PRIMARY KEY,
  org bytea,
  reference text NOT NULL,
  placed_at bigint NOT NULL,
  lifted_at bigint
);

-- Who an organization is on documents. `address` is a JSON list of lines.
CREATE TABLE party (
  org bytea NOT NULL PRIMARY KEY REFERENCES organization (ref),
  name text NOT NULL,
  address text NOT NULL,
  country text NOT NULL,
  vat_id text NOT NULL,
  language text NOT NULL,
  changed_at bigint NOT NULL
);

-- What providers cost and what was charged for it: by day of the request, upstream, model, and by
-- where the counts came from. Tokens are 0 for requests older than this table.
CREATE TABLE rollup_supply (
  day bigint NOT NULL,
  provider text NOT NULL,
  upstream text NOT NULL,
  model text NOT NULL,
  usage_source text NOT NULL,
  count bigint NOT NULL,
  tokens_in bigint NOT NULL,
  tokens_out bigint NOT NULL,
  charged bigint NOT NULL,
  cost bigint NOT NULL,
  PRIMARY KEY (day, provider, upstream, model, usage_source)
);

CREATE FUNCTION document_remains() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.keep_until >= coalesce((SELECT day FROM open_day WHERE id = 1), 0)
    OR EXISTS (SELECT 1 FROM legal_hold WHERE lifted_at IS NULL AND (org IS NULL OR org = OLD.org))
  THEN
    RAISE integrity_constraint_violation USING MESSAGE = 'this document must be kept';
  END IF;
  INSERT INTO document_gone (series, n, sha256) VALUES (OLD.series, OLD.n, OLD.sha256);
  RETURN OLD;
END $$;
CREATE FUNCTION document_series_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.n <> OLD.n + 1 OR NEW.series <> OLD.series THEN
    RAISE integrity_constraint_violation USING MESSAGE = 'a series grows by one';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER document_stays BEFORE UPDATE ON document
  FOR EACH ROW EXECUTE FUNCTION stays();
CREATE TRIGGER document_remains BEFORE DELETE ON document
  FOR EACH ROW EXECUTE FUNCTION document_remains();
CREATE TRIGGER document_whole BEFORE TRUNCATE ON document EXECUTE FUNCTION stays();
CREATE TRIGGER document_gone_stays BEFORE UPDATE OR DELETE ON document_gone
  FOR EACH ROW EXECUTE FUNCTION stays();
CREATE TRIGGER document_gone_whole BEFORE TRUNCATE ON document_gone EXECUTE FUNCTION stays();
CREATE TRIGGER document_series_grows BEFORE UPDATE ON document_series
  FOR EACH ROW EXECUTE FUNCTION document_series_grows();
CREATE TRIGGER document_series_remains BEFORE DELETE ON document_series
  FOR EACH ROW EXECUTE FUNCTION stays();
REVOKE UPDATE, TRUNCATE ON document FROM CURRENT_USER;
REVOKE UPDATE, DELETE, TRUNCATE ON document_gone FROM CURRENT_USER;

INSERT INTO rollup_supply (day, provider, upstream, model, usage_source, count, tokens_in,
  tokens_out, charged, cost)
SELECT started_at / 86400000, provider, upstream, model_served, usage_source, count(*), 0, 0,
  sum(charged), sum(cost)
FROM usage GROUP BY 1, 2, 3, 4, 5;
