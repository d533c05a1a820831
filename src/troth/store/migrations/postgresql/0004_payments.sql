-- Credit bought, given back and disputed. Amounts in whole cents, times unix milliseconds. Columns
-- that end in `_sealed` hold a reference of the payment company under the installation's key, or
-- nothing; those that end in `_mark` hold its keyed hash.
CREATE TABLE topup (
  id bytea NOT NULL PRIMARY KEY,
  org bytea NOT NULL REFERENCES organization (ref),
  kind text NOT NULL CHECK (kind IN ('page', 'automatic')),
  state text NOT NULL
    CHECK (state IN ('open', 'paid', 'declined', 'expired', 'needs_action', 'review')),
  cents bigint NOT NULL CHECK (cents > 0),
  tax_cents bigint NOT NULL DEFAULT 0 CHECK (tax_cents >= 0),
  fee_cents bigint,
  currency text NOT NULL,
  saves_card bigint NOT NULL CHECK (saves_card IN (0, 1)),
  session_sealed bytea,
  intent_sealed bytea,
  intent_mark bytea UNIQUE,
  lot bytea,
  created_at bigint NOT NULL,
  checked_at bigint NOT NULL,
  paid_at bigint
);
CREATE INDEX topup_org ON topup (org);
CREATE INDEX topup_lot ON topup (lot);
CREATE INDEX topup_open ON topup (checked_at) WHERE state IN ('open', 'needs_action');
CREATE UNIQUE INDEX topup_in_flight ON topup (org) WHERE kind = 'automatic' AND state = 'open';

-- A saved card: references of the payment company, never a number.
CREATE TABLE payment_card (
  org bytea NOT NULL PRIMARY KEY REFERENCES organization (ref),
  payer_sealed bytea NOT NULL,
  card_sealed bytea,
  saved_at bigint NOT NULL
);

CREATE TABLE automatic_topup (
  org bytea NOT NULL PRIMARY KEY REFERENCES organization (ref),
  threshold bigint NOT NULL CHECK (threshold >= 0),
  cents bigint NOT NULL CHECK (cents > 0),
  month_cap_cents bigint NOT NULL CHECK (month_cap_cents >= cents),
  is_on bigint NOT NULL CHECK (is_on IN (0, 1)),
  declines bigint NOT NULL DEFAULT 0,
  next_at bigint NOT NULL DEFAULT 0
);

CREATE TABLE refund (
  id bytea NOT NULL PRIMARY KEY,
  org bytea NOT NULL REFERENCES organization (ref),
  topup bytea REFERENCES topup (id),
  state text NOT NULL
    CHECK (state IN ('underway', 'sent', 'done', 'returned', 'by_hand', 'paid_by_hand')),
  cents bigint NOT NULL CHECK (cents > 0),
  tax_cents bigint NOT NULL CHECK (tax_cents >= 0),
  fee_cents bigint NOT NULL CHECK (fee_cents BETWEEN 0 AND cents),
  is_final bigint NOT NULL CHECK (is_final IN (0, 1)),
  ref_sealed bytea,
  ref_mark bytea UNIQUE,
  attempts bigint NOT NULL DEFAULT 0,
  next_at bigint NOT NULL,
  created_at bigint NOT NULL,
  ended_at bigint
);
CREATE INDEX refund_org ON refund (org);
CREATE INDEX refund_topup ON refund (topup);
CREATE INDEX refund_due ON refund (next_at) WHERE state IN ('underway', 'sent');

CREATE TABLE dispute (
  id bytea NOT NULL PRIMARY KEY,
  org bytea NOT NULL REFERENCES organization (ref),
  topup bytea NOT NULL REFERENCES topup (id),
  state text NOT NULL CHECK (state IN ('open', 'won', 'lost')),
  cents bigint NOT NULL CHECK (cents > 0),
  tax_cents bigint NOT NULL CHECK (tax_cents >= 0),
  is_freezing bigint NOT NULL CHECK (is_freezing IN (0, 1)),
  ref_sealed bytea,
  ref_mark bytea NOT NULL UNIQUE,
  opened_at bigint NOT NULL,
  ended_at bigint
);
CREATE INDEX dispute_org ON dispute (org);
CREATE INDEX dispute_topup ON dispute (topup);

-- What was set aside for a dispute, taking by taking; `entry` is the movement.
CREATE TABLE dispute_part (
  dispute bytea NOT NULL REFERENCES dispute (id),
  n bigint NOT NULL,
  entry bytea NOT NULL,
  amount bigint NOT NULL CHECK (amount > 0),
  PRIMARY KEY (dispute, n)
);

-- Notices of the payment company that were acted on.
CREATE TABLE payment_event (
  id text NOT NULL PRIMARY KEY,
  at bigint NOT NULL
);
CREATE INDEX payment_event_at ON payment_event (at);

-- What waits for a person. `subject` is a reference of ours, or of a line of the company's books.
CREATE TABLE payment_item (
  id bytea NOT NULL PRIMARY KEY,
  kind text NOT NULL,
  subject text NOT NULL,
  org bytea,
  cents bigint NOT NULL,
  raised_at bigint NOT NULL,
  reminded_at bigint NOT NULL,
  resolved_at bigint,
  resolved_by bigint
);
CREATE INDEX payment_item_open ON payment_item (raised_at) WHERE resolved_at IS NULL;

-- The lines of the payment company's own books, and whether ours have the same.
CREATE TABLE payment_line (
  ref text NOT NULL PRIMARY KEY,
  kind text NOT NULL,
  about_mark bytea NOT NULL,
  cents bigint NOT NULL,
  fee_cents bigint NOT NULL,
  at bigint NOT NULL,
  payout text,
  is_matched bigint NOT NULL CHECK (is_matched IN (0, 1))
);
CREATE INDEX payment_line_open ON payment_line (at) WHERE is_matched = 0;
CREATE INDEX payment_line_payout ON payment_line (payout);

CREATE TABLE payout (
  ref text NOT NULL PRIMARY KEY,
  cents bigint NOT NULL,
  state text NOT NULL,
  arrives_at bigint NOT NULL
);

-- An account that is being closed, or was.
CREATE TABLE closing (
  org bytea NOT NULL PRIMARY KEY REFERENCES organization (ref),
  state text NOT NULL CHECK (state IN ('recalling', 'refunding', 'closed')),
  began_at bigint NOT NULL,
  ended_at bigint
);
