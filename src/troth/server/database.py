"""An installation's database: where it is, whether it answers, and which data folder is its own.

SQLite lies in the data folder. PostgreSQL is where `store.url` says; the folder then holds journals
only, and a file that names the database they belong to.
"""

from pathlib import Path
from typing import Final

from troth.kernel.errors import Misconfigured
from troth.kernel.ids import Entropy
from troth.ledger.shard import ASIDE_SUFFIX, JOURNAL_SUFFIX
from troth.server.settings import Settings
from troth.store import deployment as books
from troth.store import engine
from troth.store.engine import Store

SQLITE_NAME: Final = "troth.db"
_WITNESS: Final = "deployment"


def address(settings: Settings) -> str:
    """Return the database's url, with its password.

    Raises:
        Misconfigured: the setting names another kind of database.
    """
    if settings.store.url.is_empty:
        return f"sqlite:///{settings.folder / SQLITE_NAME}"
    url = settings.store.url.reveal()
    if not url.startswith(engine.POSTGRES):
        raise Misconfigured(
            "'store.url' must be like \"postgresql://user:password@host/database\", or empty for "
            "SQLite in the data folder."
        )
    return url


def is_made(settings: Settings) -> bool:
    """Whether there is an installation, as far as the data folder tells."""
    name = SQLITE_NAME if settings.store.url.is_empty else _WITNESS
    return (settings.folder / name).exists()


def reach(settings: Settings) -> None:
    """Connect to PostgreSQL and leave again; do nothing where SQLite is used.

    Raises:
        Misconfigured: it cannot be reached.
    """
    if not settings.store.url.is_empty:
        engine.connect(address(settings)).close()


def set_aside(settings: Settings) -> list[Path]:
    """Return the journals in the data folder that a gateway found and did not post."""
    return sorted(settings.folder.glob(f"journal/*/*{ASIDE_SUFFIX}"))


def deployment(store: Store, folder: Path, entropy: Entropy) -> bytes:
    """Return the bytes that journals name the database by; make them for a new one.

    Raises:
        Misconfigured: the data folder holds journals of another database, or cannot be written.
    """
    with store.write() as transaction:
        held = books.find(transaction)
        if held is None:
            held = entropy(books.ID_BYTES)
            books.note(transaction, held)
    _witness(folder, held)
    return held


def _witness(folder: Path, held: bytes) -> None:
    """Let the folder name its database. Journals of another one hold charges that are not ours."""
    file = folder / _WITNESS
    try:
        named = file.read_bytes() if file.exists() else b""
        if named == held:
            return
        if len(named) == books.ID_BYTES and any(folder.glob(f"journal/*/*{JOURNAL_SUFFIX}")):
            raise Misconfigured(
                f"{folder} holds charges that belong to another database. Name that one with "
                "'store.url' and start once, or name another 'data.folder'."
            )
        file.unlink(missing_ok=True)
        file.write_bytes(held)
        file.chmod(0o600)
    except OSError:
        raise Misconfigured(f"cannot read or write {file}; check who owns the folder") from None
