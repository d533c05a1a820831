-- What callers asked for under an Idempotency-Key, for a day: keyed hashes of key and form, and
-- references of what was made.
CREATE TABLE deed (
  mark BLOB NOT NULL PRIMARY KEY,
  form BLOB NOT NULL,
  made TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX deed_at ON deed (at);
