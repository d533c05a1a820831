-- Names that callers gave to requests (Idempotency-Key), for a day: keyed hashes of organization and
-- name, and of what was asked; the request that has the name. form_key names a key in memory only.
CREATE TABLE request_name (
  mark BLOB NOT NULL PRIMARY KEY,
  form_key BLOB NOT NULL,
  form BLOB NOT NULL,
  request BLOB NOT NULL,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX request_name_at ON request_name (at);
