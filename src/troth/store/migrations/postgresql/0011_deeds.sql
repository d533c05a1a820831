-- What callers asked for under an Idempotency-Key, for a day: keyed hashes of key and form, and
-- references of what was made.
CREATE TABLE deed (
  mark bytea NOT NULL PRIMARY KEY,
  form bytea NOT NULL,
  made text NOT NULL,
  at bigint NOT NULL
);
CREATE INDEX deed_at ON deed (at);
