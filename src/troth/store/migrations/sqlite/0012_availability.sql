-- Minutes in which the service answered, a bit each, the first minute of the day (UTC) first: `up`, or
-- `upstream`, when most calls failed behind us. A minute without either bit, nobody answered.
CREATE TABLE availability (
  day INTEGER NOT NULL,
  endpoint TEXT NOT NULL,
  up BLOB NOT NULL CHECK (length(up) = 180),
  upstream BLOB NOT NULL CHECK (length(upstream) = 180),
  PRIMARY KEY (day, endpoint)
) STRICT, WITHOUT ROWID;

-- What was announced, and when; one that has begun stays as it was announced.
CREATE TABLE maintenance (
  ref BLOB NOT NULL PRIMARY KEY CHECK (length(ref) = 16),
  announced_at INTEGER NOT NULL,
  starts_at INTEGER NOT NULL,
  ends_at INTEGER NOT NULL CHECK (ends_at > starts_at),
  is_emergency INTEGER NOT NULL CHECK (is_emergency IN (0, 1)),
  cancelled_at INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX maintenance_end ON maintenance (ends_at);
