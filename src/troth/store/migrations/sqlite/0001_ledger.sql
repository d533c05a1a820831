-- The books. Amounts are nano-USD, times unix milliseconds, days the days since 1970-01-01 (UTC).
-- A book's `posted` grows with credits and falls with debits, so that all books sum to zero.
CREATE TABLE book (
  id BLOB NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  org_ref TEXT,
  posted INTEGER NOT NULL DEFAULT 0,
  held INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0),
  floor0 INTEGER NOT NULL CHECK (floor0 IN (0, 1)),
  epoch INTEGER NOT NULL DEFAULT 0,
  CHECK (floor0 = 0 OR posted - held >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE budget_rule (
  purse BLOB NOT NULL PRIMARY KEY,
  period TEXT NOT NULL CHECK (period IN ('day', 'week', 'month', 'total')),
  zone TEXT NOT NULL,
  mode TEXT NOT NULL CHECK (mode IN ('hard', 'alert', 'off')),
  limit_nusd INTEGER NOT NULL CHECK (limit_nusd >= 0),
  epoch INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE budget (
  purse BLOB NOT NULL,
  starts_at INTEGER NOT NULL,
  ends_at INTEGER NOT NULL,
  mode TEXT NOT NULL CHECK (mode IN ('hard', 'alert')),
  limit_nusd INTEGER NOT NULL CHECK (limit_nusd >= 0),
  spent INTEGER NOT NULL DEFAULT 0 CHECK (spent >= 0),
  held INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0),
  first_epoch INTEGER NOT NULL,
  warned INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (purse, starts_at)
) STRICT, WITHOUT ROWID;

CREATE TABLE lot (
  id BLOB NOT NULL PRIMARY KEY,
  book BLOB NOT NULL REFERENCES book (id),
  kind TEXT NOT NULL CHECK (kind IN ('paid', 'promo', 'sla')),
  granted INTEGER NOT NULL CHECK (granted > 0),
  spent INTEGER NOT NULL DEFAULT 0 CHECK (spent >= 0),
  returned INTEGER NOT NULL DEFAULT 0 CHECK (returned >= 0),
  expires_at INTEGER,
  created_at INTEGER NOT NULL,
  CHECK (spent + returned <= granted)
) STRICT, WITHOUT ROWID;
CREATE INDEX lot_open ON lot (book) WHERE granted > spent + returned;

CREATE TABLE batch (
  desk INTEGER NOT NULL,
  n INTEGER NOT NULL,
  prev_hash BLOB NOT NULL,
  hash BLOB NOT NULL,
  charges_root BLOB NOT NULL,
  receipts_root BLOB NOT NULL,
  entries_root BLOB NOT NULL,
  count INTEGER NOT NULL,
  day INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (desk, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE chain (
  desk INTEGER NOT NULL PRIMARY KEY,
  n INTEGER NOT NULL,
  hash BLOB NOT NULL
) STRICT;

CREATE TABLE entry (
  id BLOB NOT NULL PRIMARY KEY,
  desk INTEGER NOT NULL,
  batch INTEGER NOT NULL,
  kind TEXT NOT NULL,
  dr BLOB NOT NULL REFERENCES book (id),
  cr BLOB NOT NULL REFERENCES book (id),
  amount INTEGER NOT NULL CHECK (amount > 0),
  lot BLOB REFERENCES lot (id),
  corrects BLOB REFERENCES entry (id),
  day INTEGER NOT NULL,
  at INTEGER NOT NULL,
  CHECK (dr <> cr)
) STRICT, WITHOUT ROWID;
CREATE INDEX entry_batch ON entry (desk, batch);
CREATE INDEX entry_day ON entry (day);

CREATE TABLE charge (
  desk INTEGER NOT NULL,
  batch INTEGER NOT NULL,
  n INTEGER NOT NULL,
  dr BLOB NOT NULL,
  cr BLOB NOT NULL,
  lot BLOB,
  amount INTEGER NOT NULL CHECK (amount > 0),
  count INTEGER NOT NULL CHECK (count >= 0),
  day INTEGER NOT NULL,
  PRIMARY KEY (desk, batch, n),
  CHECK (dr <> cr)
) STRICT, WITHOUT ROWID;
CREATE INDEX charge_day ON charge (day);

CREATE TABLE seen (
  reservation BLOB NOT NULL PRIMARY KEY,
  day INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE orphan (
  reservation BLOB NOT NULL PRIMARY KEY,
  seat BLOB NOT NULL,
  amount INTEGER NOT NULL,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE seat (
  id BLOB NOT NULL PRIMARY KEY,
  desk INTEGER NOT NULL,
  slot INTEGER NOT NULL,
  opened_at INTEGER NOT NULL,
  valid_until INTEGER NOT NULL,
  closed_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX seat_live ON seat (valid_until) WHERE closed_at IS NULL;

CREATE TABLE lease (
  purse BLOB NOT NULL,
  seat BLOB NOT NULL REFERENCES seat (id),
  epoch INTEGER NOT NULL,
  granted INTEGER NOT NULL,
  settled INTEGER NOT NULL DEFAULT 0,
  op INTEGER NOT NULL,
  recall INTEGER NOT NULL DEFAULT 0,
  starts_at INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (purse, seat),
  CHECK (settled BETWEEN 0 AND granted)
) STRICT, WITHOUT ROWID;
CREATE INDEX lease_seat ON lease (seat);

CREATE TABLE open_day (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  day INTEGER NOT NULL
) STRICT;

CREATE TABLE day_close (
  day INTEGER NOT NULL,
  book BLOB NOT NULL REFERENCES book (id),
  opening INTEGER NOT NULL,
  paid_in INTEGER NOT NULL,
  charged INTEGER NOT NULL,
  paid_out INTEGER NOT NULL,
  closing INTEGER NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (day, book),
  CHECK (opening + paid_in - charged - paid_out = closing)
) STRICT, WITHOUT ROWID;

-- An entry moves its two books; the floor of a wallet is checked by the table itself.
CREATE TRIGGER entry_moves AFTER INSERT ON entry BEGIN
  UPDATE book SET posted = posted - NEW.amount WHERE id = NEW.dr;
  UPDATE book SET posted = posted + NEW.amount WHERE id = NEW.cr;
END;

-- What was written stays as it was written.
CREATE TRIGGER entry_stays BEFORE UPDATE ON entry BEGIN
  SELECT RAISE(ABORT, 'entries are immutable');
END;
CREATE TRIGGER entry_remains BEFORE DELETE ON entry BEGIN
  SELECT RAISE(ABORT, 'entries are immutable');
END;
CREATE TRIGGER charge_stays BEFORE UPDATE ON charge BEGIN
  SELECT RAISE(ABORT, 'charges are immutable');
END;
CREATE TRIGGER charge_remains BEFORE DELETE ON charge
WHEN NOT EXISTS (SELECT 1 FROM day_close WHERE day = OLD.day) BEGIN
  SELECT RAISE(ABORT, 'the day of a charge must be closed before it may go');
END;
CREATE TRIGGER batch_stays BEFORE UPDATE ON batch BEGIN
  SELECT RAISE(ABORT, 'batches are immutable');
END;
CREATE TRIGGER batch_remains BEFORE DELETE ON batch BEGIN
  SELECT RAISE(ABORT, 'batches are immutable');
END;
CREATE TRIGGER day_close_stays BEFORE UPDATE ON day_close BEGIN
  SELECT RAISE(ABORT, 'closed days are immutable');
END;
CREATE TRIGGER day_close_remains BEFORE DELETE ON day_close BEGIN
  SELECT RAISE(ABORT, 'closed days are immutable');
END;
