-- One row: sixteen bytes that tell these books from all others. Journals name them.
CREATE TABLE deployment (
  n INTEGER NOT NULL PRIMARY KEY CHECK (n = 1),
  id BLOB NOT NULL CHECK (length(id) = 16)
) STRICT;
