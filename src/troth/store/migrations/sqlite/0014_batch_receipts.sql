-- What a batch's receipts are proved with stands in the index, so that no row of usage is read for it.
DROP INDEX usage_batch;
CREATE INDEX usage_batch ON usage (desk, batch, place, charged);
