-- What every posting changes is in no index, and its page has room for the next version of the row:
-- so PostgreSQL writes neither an index nor another page, and cleans up as it goes.
ALTER TABLE lot ADD COLUMN is_open bigint NOT NULL
  GENERATED ALWAYS AS (CASE WHEN granted > spent + returned THEN 1 ELSE 0 END) STORED;
DROP INDEX lot_open;
DROP INDEX lot_ends;
CREATE INDEX lot_open ON lot (book) WHERE is_open = 1;
CREATE INDEX lot_ends ON lot (expires_at) WHERE is_open = 1 AND expires_at IS NOT NULL;
ALTER TABLE book SET (fillfactor = 70);
ALTER TABLE budget SET (fillfactor = 70);
ALTER TABLE chain SET (fillfactor = 10);
ALTER TABLE lease SET (fillfactor = 70);
ALTER TABLE lot SET (fillfactor = 70);
ALTER TABLE rollup_hour SET (fillfactor = 70);
ALTER TABLE rollup_supply SET (fillfactor = 70);
