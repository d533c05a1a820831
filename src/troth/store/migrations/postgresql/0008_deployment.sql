-- One row: sixteen bytes that tell these books from all others. Journals name them.
CREATE TABLE deployment (
  n bigint NOT NULL PRIMARY KEY CHECK (n = 1),
  id bytea NOT NULL CHECK (length(id) = 16)
);
