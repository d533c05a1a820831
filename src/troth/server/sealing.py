"""The keys of a data folder that seal what is kept: made when they are first asked for.

They lie beside the database, not inside it: who reads the database alone reads no address and no
reference of a payment. A backup needs them.
"""

from pathlib import Path
from typing import Final

from troth.kernel.errors import Misconfigured
from troth.kernel.ids import Entropy
from troth.kernel.sealer import Sealer

PAYMENTS_KEY: Final = "payments.key"
PEOPLE_KEY: Final = "people.key"
_KEY_BYTES: Final = 32


def sealing_key(folder: Path, name: str, entropy: Entropy) -> bytes:
    """Return a key of this data folder by its file's name.

    Raises:
        Misconfigured: it cannot be read or written, or is damaged.
    """
    file = folder / name
    try:
        if not file.exists():
            file.touch(mode=0o600, exist_ok=True)
            file.write_bytes(entropy(_KEY_BYTES))
        key = file.read_bytes()
    except OSError:
        raise Misconfigured(f"cannot read or write {file}; check who owns the folder") from None
    if len(key) != _KEY_BYTES:
        raise Misconfigured(f"{file} is damaged; restore it from a backup")
    return key


def people_sealer(folder: Path, entropy: Entropy) -> Sealer:
    """Return what seals addresses of people, and marks what callers name.

    Raises:
        Misconfigured: its key cannot be read or written, or is damaged.
    """
    return Sealer(sealing_key(folder, PEOPLE_KEY, entropy), entropy, "people")
