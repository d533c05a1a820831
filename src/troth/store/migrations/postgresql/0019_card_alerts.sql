-- Alerts of cards: a bank asks for the owner, or automatic top-up was switched off.
ALTER TABLE alert DROP CONSTRAINT alert_kind_check;
ALTER TABLE alert ADD CONSTRAINT alert_kind_check CHECK (
  kind IN (
    'budget', 'budget_stop', 'low_balance', 'credit_ends', 'card_confirm', 'automatic_off',
    'closing', 'closed'
  )
);
