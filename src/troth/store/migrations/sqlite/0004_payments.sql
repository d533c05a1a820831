-- Credit bought, given back and disputed. Amounts in whole cents, times unix milliseconds. Columns
-- that end in `_sealed` hold a reference of the payment company under the installation's key, or
-- nothing; those that end in `_mark` hold its keyed hash.
CREATE TABLE topup (
  id BLOB NOT NULL PRIMARY KEY,
  org BLOB NOT NULL REFERENCES organization (ref),
  kind TEXT NOT NULL CHECK (kind IN ('page', 'automatic')),
  state TEXT NOT NULL
    CHECK (state IN ('open', 'paid', 'declined', 'expired', 'needs_action', 'review')),
  cents INTEGER NOT NULL CHECK (cents > 0),
  tax_cents INTEGER NOT NULL DEFAULT 0 CHECK (tax_cents >= 0),
  fee_cents INTEGER,
  currency TEXT NOT NULL,
  saves_card INTEGER NOT NULL CHECK (saves_card IN (0, 1)),
  session_sealed BLOB,
  intent_sealed BLOB,
  intent_mark BLOB UNIQUE,
  lot BLOB,
  created_at INTEGER NOT NULL,
  checked_at INTEGER NOT NULL,
  paid_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX topup_org ON topup (org);
CREATE INDEX topup_lot ON topup (lot);
CREATE INDEX topup_open ON topup (checked_at) WHERE state IN ('open', 'needs_action');
CREATE UNIQUE INDEX topup_in_flight ON topup (org) WHERE kind = 'automatic' AND state = 'open';

-- A saved card: references of the payment company, never a number.
CREATE TABLE payment_card (
  org BLOB NOT NULL PRIMARY KEY REFERENCES organization (ref),
  payer_sealed BLOB NOT NULL,
  card_sealed BLOB,
  saved_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE automatic_topup (
  org BLOB NOT NULL PRIMARY KEY REFERENCES organization (ref),
  threshold INTEGER NOT NULL CHECK (threshold >= 0),
  cents INTEGER NOT NULL CHECK (cents > 0),
  month_cap_cents INTEGER NOT NULL CHECK (month_cap_cents >= cents),
  is_on INTEGER NOT NULL CHECK (is_on IN (0, 1)),
  declines INTEGER NOT NULL DEFAULT 0,
  next_at INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE refund (
  id BLOB NOT NULL PRIMARY KEY,
  org BLOB NOT NULL REFERENCES organization (ref),
  topup BLOB REFERENCES topup (id),
  state TEXT NOT NULL
    CHECK (state IN ('underway', 'sent', 'done', 'returned', 'by_hand', 'paid_by_hand')),
  cents INTEGER NOT NULL CHECK (cents > 0),
  tax_cents INTEGER NOT NULL CHECK (tax_cents >= 0),
  fee_cents INTEGER NOT NULL CHECK (fee_cents BETWEEN 0 AND cents),
  is_final INTEGER NOT NULL CHECK (is_final IN (0, 1)),
  ref_sealed BLOB,
  ref_mark BLOB UNIQUE,
  attempts INTEGER NOT NULL DEFAULT 0,
  next_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  ended_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX refund_org ON refund (org);
CREATE INDEX refund_topup ON refund (topup);
CREATE INDEX refund_due ON refund (next_at) WHERE state IN ('underway', 'sent');

CREATE TABLE dispute (
  id BLOB NOT NULL PRIMARY KEY,
  org BLOB NOT NULL REFERENCES organization (ref),
  topup BLOB NOT NULL REFERENCES topup (id),
  state TEXT NOT NULL CHECK (state IN ('open', 'won', 'lost')),
  cents INTEGER NOT NULL CHECK (cents > 0),
  tax_cents INTEGER NOT NULL CHECK (tax_cents >= 0),
  is_freezing INTEGER NOT NULL CHECK (is_freezing IN (0, 1)),
  ref_sealed BLOB,
  ref_mark BLOB NOT NULL UNIQUE,
  opened_at INTEGER NOT NULL,
  ended_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX dispute_org ON dispute (org);
CREATE INDEX dispute_topup ON dispute (topup);

-- What was set aside for a dispute, taking by taking; `entry` is the movement.
CREATE TABLE dispute_part (
  dispute BLOB NOT NULL REFERENCES dispute (id),
  n INTEGER NOT NULL,
  entry BLOB NOT NULL,
  amount INTEGER NOT NULL CHECK (amount > 0),
  PRIMARY KEY (dispute, n)
) STRICT, WITHOUT ROWID;

-- Notices of the payment company that were acted on.
CREATE TABLE payment_event (
  id TEXT NOT NULL PRIMARY KEY,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX payment_event_at ON payment_event (at);

-- What waits for a person. `subject` is a reference of ours, or of a line of the company's books.
CREATE TABLE payment_item (
  id BLOB NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  org BLOB,
  cents INTEGER NOT NULL,
  raised_at INTEGER NOT NULL,
  reminded_at INTEGER NOT NULL,
  resolved_at INTEGER,
  resolved_by INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX payment_item_open ON payment_item (raised_at) WHERE resolved_at IS NULL;

-- The lines of the payment company's own books, and whether ours have the same.
CREATE TABLE payment_line (
  ref TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  about_mark BLOB NOT NULL,
  cents INTEGER NOT NULL,
  fee_cents INTEGER NOT NULL,
  at INTEGER NOT NULL,
  payout TEXT,
  is_matched INTEGER NOT NULL CHECK (is_matched IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE INDEX payment_line_open ON payment_line (at) WHERE is_matched = 0;
CREATE INDEX payment_line_payout ON payment_line (payout);

CREATE TABLE payout (
  ref TEXT NOT NULL PRIMARY KEY,
  cents INTEGER NOT NULL,
  state TEXT NOT NULL,
  arrives_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- An account that is being closed, or was.
CREATE TABLE closing (
  org BLOB NOT NULL PRIMARY KEY REFERENCES organization (ref),
  state TEXT NOT NULL CHECK (state IN ('recalling', 'refunding', 'closed')),
  began_at INTEGER NOT NULL,
  ended_at INTEGER
) STRICT, WITHOUT ROWID;
