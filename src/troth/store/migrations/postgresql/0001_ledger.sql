-- The books. Amounts are nano-USD, times unix milliseconds, days the days since 1970-01-01 (UTC).
-- A book's `posted` grows with credits and falls with debits, so that all books sum to zero.
CREATE TABLE book (
  id bytea NOT NULL PRIMARY KEY,
  kind text NOT NULL,
  org_ref text,
  posted bigint NOT NULL DEFAULT 0,
  held bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
  floor0 bigint NOT NULL CHECK (floor0 IN (0, 1)),
  epoch bigint NOT NULL DEFAULT 0,
  CHECK (floor0 = 0 OR posted - held >= 0)
);

CREATE TABLE budget_rule (
  purse bytea NOT NULL PRIMARY KEY,
  period text NOT NULL CHECK (period IN ('day', 'week', 'month', 'total')),
  zone text NOT NULL,
  mode text NOT NULL CHECK (mode IN ('hard', 'alert', 'off')),
  limit_nusd bigint NOT NULL CHECK (limit_nusd >= 0),
  epoch bigint NOT NULL DEFAULT 0
);

CREATE TABLE budget (
  purse bytea NOT NULL,
  starts_at bigint NOT NULL,
  ends_at bigint NOT NULL,
  mode text NOT NULL CHECK (mode IN ('hard', 'alert')),
  limit_nusd bigint NOT NULL CHECK (limit_nusd >= 0),
  spent bigint NOT NULL DEFAULT 0 CHECK (spent >= 0),
  held bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
  first_epoch bigint NOT NULL,
  warned bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (purse, starts_at)
);

CREATE TABLE lot (
  id bytea NOT NULL PRIMARY KEY,
  book bytea NOT NULL REFERENCES book (id),
  kind text NOT NULL CHECK (kind IN ('paid', 'promo', 'sla')),
  granted bigint NOT NULL CHECK (granted > 0),
  spent bigint NOT NULL DEFAULT 0 CHECK (spent >= 0),
  returned bigint NOT NULL DEFAULT 0 CHECK (returned >= 0),
  expires_at bigint,
  created_at bigint NOT NULL,
  CHECK (spent + returned <= granted)
);
CREATE INDEX lot_open ON lot (book) WHERE granted > spent + returned;

CREATE TABLE batch (
  desk bigint NOT NULL,
  n bigint NOT NULL,
  prev_hash bytea NOT NULL,
  hash bytea NOT NULL,
  charges_root bytea NOT NULL,
  receipts_root bytea NOT NULL,
  entries_root bytea NOT NULL,
  count bigint NOT NULL,
  day bigint NOT NULL,
  at bigint NOT NULL,
  PRIMARY KEY (desk, n)
);

CREATE TABLE chain (
  desk bigint NOT NULL PRIMARY KEY,
  n bigint NOT NULL,
  hash bytea NOT NULL
);

CREATE TABLE entry (
  id bytea NOT NULL PRIMARY KEY,
  desk bigint NOT NULL,
  batch bigint NOT NULL,
  kind text NOT NULL,
  dr bytea NOT NULL REFERENCES book (id),
  cr bytea NOT NULL REFERENCES book (id),
  amount bigint NOT NULL CHECK (amount > 0),
  lot bytea REFERENCES lot (id),
  corrects bytea REFERENCES entry (id),
  day bigint NOT NULL,
  at bigint NOT NULL,
  CHECK (dr <> cr)
);
CREATE INDEX entry_batch ON entry (desk, batch);
CREATE INDEX entry_day ON entry (day);

CREATE TABLE charge (
  desk bigint NOT NULL,
  batch bigint NOT NULL,
  n bigint NOT NULL,
  dr bytea NOT NULL,
  cr bytea NOT NULL,
  lot bytea,
  amount bigint NOT NULL CHECK (amount > 0),
  count bigint NOT NULL CHECK (count >= 0),
  day bigint NOT NULL,
  PRIMARY KEY (desk, batch, n),
  CHECK (dr <> cr)
);
CREATE INDEX charge_day ON charge (day);

CREATE TABLE seen (
  reservation bytea NOT NULL PRIMARY KEY,
  day bigint NOT NULL
);

CREATE TABLE orphan (
  reservation bytea NOT NULL PRIMARY KEY,
  seat bytea NOT NULL,
  amount bigint NOT NULL,
  at bigint NOT NULL
);

CREATE TABLE seat (
  id bytea NOT NULL PRIMARY KEY,
  desk bigint NOT NULL,
  slot bigint NOT NULL,
  opened_at bigint NOT NULL,
  valid_until bigint NOT NULL,
  closed_at bigint
);
CREATE INDEX seat_live ON seat (valid_until) WHERE closed_at IS NULL;

CREATE TABLE lease (
  purse bytea NOT NULL,
  seat bytea NOT NULL REFERENCES seat (id),
  epoch bigint NOT NULL,
  granted bigint NOT NULL,
  settled bigint NOT NULL DEFAULT 0,
  op bigint NOT NULL,
  recall bigint NOT NULL DEFAULT 0,
  starts_at bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (purse, seat),
  CHECK (settled BETWEEN 0 AND granted)
);
CREATE INDEX lease_seat ON lease (seat);

CREATE TABLE open_day (
  id bigint NOT NULL PRIMARY KEY CHECK (id = 1),
  day bigint NOT NULL
);

CREATE TABLE day_close (
  day bigint NOT NULL,
  book bytea NOT NULL REFERENCES book (id),
  opening bigint NOT NULL,
  paid_in bigint NOT NULL,
  charged bigint NOT NULL,
  paid_out bigint NOT NULL,
  closing bigint NOT NULL,
  hash bytea NOT NULL,
  PRIMARY KEY (day, book),
  CHECK (opening + paid_in - charged - paid_out = closing)
);

-- An entry moves its two books, in the order of their ids; a wallet's floor is checked by the table.
CREATE FUNCTION entry_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.dr < NEW.cr THEN
    UPDATE book SET posted = posted - NEW.amount WHERE id = NEW.dr;
    UPDATE book SET posted = posted + NEW.amount WHERE id = NEW.cr;
  ELSE
    UPDATE book SET posted = posted + NEW.amount WHERE id = NEW.cr;
    UPDATE book SET posted = posted - NEW.amount WHERE id = NEW.dr;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER entry_moves AFTER INSERT ON entry FOR EACH ROW EXECUTE FUNCTION entry_moves();

-- What was written stays as it was written.
CREATE FUNCTION stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE integrity_constraint_violation USING MESSAGE = TG_TABLE_NAME || ' rows are immutable';
END $$;
CREATE FUNCTION charge_remains() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM day_close WHERE day = OLD.day) THEN
    RAISE integrity_constraint_violation
      USING MESSAGE = 'the day of a charge must be closed before it may go';
  END IF;
  RETURN OLD;
END $$;
CREATE TRIGGER entry_stays BEFORE UPDATE OR DELETE ON entry
  FOR EACH ROW EXECUTE FUNCTION stays();
CREATE TRIGGER batch_stays BEFORE UPDATE OR DELETE ON batch
  FOR EACH ROW EXECUTE FUNCTION stays();
CREATE TRIGGER day_close_stays BEFORE UPDATE OR DELETE ON day_close
  FOR EACH ROW EXECUTE FUNCTION stays();
CREATE TRIGGER charge_stays BEFORE UPDATE ON charge
  FOR EACH ROW EXECUTE FUNCTION stays();
CREATE TRIGGER charge_remains BEFORE DELETE ON charge
  FOR EACH ROW EXECUTE FUNCTION charge_remains();
CREATE TRIGGER entry_remains BEFORE TRUNCATE ON entry EXECUTE FUNCTION stays();
CREATE TRIGGER batch_remains BEFORE TRUNCATE ON batch EXECUTE FUNCTION stays();
CREATE TRIGGER charge_whole BEFORE TRUNCATE ON charge EXECUTE FUNCTION stays();
CREATE TRIGGER day_close_remains BEFORE TRUNCATE ON day_close EXECUTE FUNCTION stays();

-- The role that serves has no right to try.
REVOKE UPDATE, DELETE, TRUNCATE ON entry, batch, day_close FROM CURRENT_USER;
REVOKE UPDATE, TRUNCATE ON charge FROM CURRENT_USER;
