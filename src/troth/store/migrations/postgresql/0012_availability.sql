-- Minutes in which the service answered, a bit each, the first minute of the day (UTC) first: `up`, or
-- `upstream`, when most calls failed behind us. A minute without either bit, nobody answered.
CREATE TABLE availability (
  day bigint NOT NULL,
  endpoint text NOT NULL,
  up bytea NOT NULL CHECK (length(up) = 180),
  upstream bytea NOT NULL CHECK (length(upstream) = 180),
  PRIMARY KEY (day, endpoint)
);

-- What was announced, and when; one that has begun stays as it was announced.
CREATE TABLE maintenance (
  ref bytea NOT NULL PRIMARY KEY CHECK (length(ref) = 16),
  announced_at bigint NOT NULL,
  starts_at bigint NOT NULL,
  ends_at bigint NOT NULL CHECK (ends_at > starts_at),
  is_emergency bigint NOT NULL CHECK (is_emergency IN (0, 1)),
  cancelled_at bigint NOT NULL DEFAULT 0
);
CREATE INDEX maintenance_end ON maintenance (ends_at);
