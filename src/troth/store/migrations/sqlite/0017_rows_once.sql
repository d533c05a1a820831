-- A row that takes another's place would remove it unasked: SQLite fires no trigger of DELETE for it.
-- So what is never changed is refused a second time, before anything is removed.
CREATE TRIGGER entry_once BEFORE INSERT ON entry
WHEN EXISTS (SELECT 1 FROM entry WHERE id = NEW.id) BEGIN
  SELECT RAISE(ABORT, 'entries are immutable');
END;
CREATE TRIGGER charge_once BEFORE INSERT ON charge
WHEN EXISTS (SELECT 1 FROM charge WHERE desk = NEW.desk AND batch = NEW.batch AND n = NEW.n) BEGIN
  SELECT RAISE(ABORT, 'charges are immutable');
END;
CREATE TRIGGER batch_once BEFORE INSERT ON batch
WHEN EXISTS (SELECT 1 FROM batch WHERE desk = NEW.desk AND n = NEW.n) BEGIN
  SELECT RAISE(ABORT, 'batches are immutable');
END;
CREATE TRIGGER day_close_once BEFORE INSERT ON day_close
WHEN EXISTS (SELECT 1 FROM day_close WHERE day = NEW.day AND book = NEW.book) BEGIN
  SELECT RAISE(ABORT, 'closed days are immutable');
END;
CREATE TRIGGER rollup_day_once BEFORE INSERT ON rollup_day
WHEN EXISTS (SELECT 1 FROM rollup_day WHERE day = NEW.day AND org = NEW.org
  AND api_key = NEW.api_key AND model = NEW.model) BEGIN
  SELECT RAISE(ABORT, 'closed days are immutable');
END;
CREATE TRIGGER correction_once BEFORE INSERT ON correction
WHEN EXISTS (SELECT 1 FROM correction WHERE entry = NEW.entry) BEGIN
  SELECT RAISE(ABORT, 'corrections are immutable');
END;
CREATE TRIGGER document_once BEFORE INSERT ON document
WHEN EXISTS (SELECT 1 FROM document WHERE number = NEW.number)
  OR EXISTS (SELECT 1 FROM document WHERE subject = NEW.subject)
  OR EXISTS (SELECT 1 FROM document WHERE series = NEW.series AND n = NEW.n) BEGIN
  SELECT RAISE(ABORT, 'documents are immutable');
END;
CREATE TRIGGER document_gone_once BEFORE INSERT ON document_gone
WHEN EXISTS (SELECT 1 FROM document_gone WHERE series = NEW.series AND n = NEW.n) BEGIN
  SELECT RAISE(ABORT, 'documents are immutable');
END;
CREATE TRIGGER audit_entry_once BEFORE INSERT ON audit_entry
WHEN EXISTS (SELECT 1 FROM audit_entry WHERE n = NEW.n) BEGIN
  SELECT RAISE(ABORT, 'audit entries are not changed');
END;
CREATE TRIGGER price_once BEFORE INSERT ON price
WHEN EXISTS (SELECT 1 FROM price WHERE price_set = NEW.price_set AND model = NEW.model
  AND upstream = NEW.upstream AND kind = NEW.kind AND unit = NEW.unit
  AND tier_start = NEW.tier_start) BEGIN
  SELECT RAISE(ABORT, 'prices are not changed');
END;
CREATE TRIGGER price_version_once BEFORE INSERT ON price_version
WHEN EXISTS (SELECT 1 FROM price_version WHERE place = NEW.place) BEGIN
  SELECT RAISE(ABORT, 'prices are not changed');
END;
CREATE TRIGGER price_line_once BEFORE INSERT ON price_line
WHEN EXISTS (SELECT 1 FROM price_line WHERE place = NEW.place AND kind = NEW.kind
  AND unit = NEW.unit AND tier_start = NEW.tier_start) BEGIN
  SELECT RAISE(ABORT, 'prices are not changed');
END;
CREATE TRIGGER price_pin_once BEFORE INSERT ON price_pin
WHEN EXISTS (SELECT 1 FROM price_pin WHERE place = NEW.place) BEGIN
  SELECT RAISE(ABORT, 'pins are not changed');
END;
