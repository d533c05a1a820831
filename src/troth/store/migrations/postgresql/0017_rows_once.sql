-- Nothing on PostgreSQL: a row that takes another's place is an UPDATE there, which triggers and rights
-- refuse. The number stands, so that both have the same.
SELECT 1;
