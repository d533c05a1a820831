"""Every column of the schema has a data class, and every class names a column."""

import re

import pytest

from tests.structure.source import SRC
from troth.store.data_map import DATA_MAP, DataClass

MIGRATIONS = SRC / "troth" / "store" / "migrations"
TABLE = re.compile(
    r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)\s*\((.*?)\n\)", re.DOTALL | re.IGNORECASE
)
ALTERED = re.compile(r"ALTER TABLE (\w+) (ADD|DROP) COLUMN (\w+)", re.IGNORECASE)
NUMBERED = re.compile(r"\d{4}_[a-z_]+\.sql")
NO_COLUMN = frozenset(("primary", "foreign", "unique", "check", "constraint"))


def columns(sql: str) -> dict[str, set[str]]:
    """Return the columns of each table that a migration creates."""
    plain = re.sub(r"--[^\n]*", "", sql)
    tables = {}
    for table, inside in TABLE.findall(plain):
        flat = re.sub(r"\([^()]*(?:\([^()]*\)[^()]*)*\)", "", inside)
        names = [part.split()[0].strip('"').lower() for part in flat.split(",") if part.split()]
        tables[table.lower()] = set(names) - NO_COLUMN
    return tables


def schema(dialect: str) -> dict[str, set[str]]:
    """Return all tables that the migrations of a dialect create."""
    files = sorted((MIGRATIONS / dialect).glob("*.sql"))
    found: dict[str, set[str]] = {}
    for file in files:
        text = file.read_text("utf-8")
        found |= columns(text)
        for table, verb, column in ALTERED.findall(text):
            change = set.add if verb.upper() == "ADD" else set.discard
            change(found[table.lower()], column.lower())
    return found


def unclassed(tables: dict[str, set[str]]) -> list[str]:
    """List columns without a class."""
    return [
        f"{table}.{column}"
        for table, names in sorted(tables.items())
        for column in sorted(names)
        if column not in DATA_MAP.get(table, {})
    ]


def dialects() -> list[str]:
    return [folder.name for folder in sorted(MIGRATIONS.iterdir()) if any(folder.glob("*.sql"))]


@pytest.mark.parametrize("dialect", dialects())
def test_every_column_has_a_class(dialect: str) -> None:
    assert schema(dialect)
    assert unclassed(schema(dialect)) == []


def test_no_two_migrations_have_one_number_and_both_dialects_have_the_same() -> None:
    listed = {}
    for dialect in dialects():
        names = sorted(file.name for file in (MIGRATIONS / dialect).glob("*.sql"))
        assert [name for name in names if not NUMBERED.fullmatch(name)] == []
        assert len({name[:4] for name in names}) == len(names)
        listed[dialect] = names
    assert listed["sqlite"] == listed["postgresql"]


def test_there_is_no_class_for_content() -> None:
    assert "content" not in {kind.value for kind in DataClass}


def test_a_planted_column_is_found() -> None:
    planted = columns(
        "CREATE TABLE book (\n id BLOB PRIMARY KEY, -- a, b\n prompt TEXT,\n"
        " CHECK (id IN (1, 2)),\n PRIMARY KEY (id, prompt)\n) STRICT;"
    )
    assert planted == {"book": {"id", "prompt"}}
    assert unclassed(planted) == ["book.prompt"]
