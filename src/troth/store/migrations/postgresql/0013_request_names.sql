-- Names that callers gave to requests (Idempotency-Key), for a day: keyed hashes of organization and
-- name, and of what was asked; the request that has the name. form_key names a key in memory only.
CREATE TABLE request_name (
  mark bytea NOT NULL PRIMARY KEY,
  form_key bytea NOT NULL,
  form bytea NOT NULL,
  request bytea NOT NULL,
  at bigint NOT NULL
);
CREATE INDEX request_name_at ON request_name (at);
