-- Whether anything is left of a lot: a column of its own, as on PostgreSQL.
ALTER TABLE lot ADD COLUMN is_open INTEGER NOT NULL
  GENERATED ALWAYS AS (granted > spent + returned) VIRTUAL;
DROP INDEX lot_open;
DROP INDEX lot_ends;
CREATE INDEX lot_open ON lot (book) WHERE is_open = 1;
CREATE INDEX lot_ends ON lot (expires_at) WHERE is_open = 1 AND expires_at IS NOT NULL;
