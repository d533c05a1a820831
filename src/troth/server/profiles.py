"""Named installations: a file of this user's says which settings each name stands for.

    [staging]
    config = "/srv/staging/troth.toml"

It lies in `~/.config/troth/profiles.toml`, or under XDG_CONFIG_HOME.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from troth.kernel.closed_tables import into, parse
from troth.kernel.errors import Misconfigured

VARIABLE: Final = "TROTH_PROFILE"


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One installation: its settings file, relative to the file of profiles."""

    config: str


def profiles(variables: Mapping[str, str]) -> tuple[Path, dict[str, Profile]]:
    """Return the file of profiles and what it names; nothing where there is no file.

    Raises:
        Misconfigured: it is not TOML, or names something else.
    """
    home = Path(variables.get("HOME") or ".") / ".config"
    file = Path(variables.get("XDG_CONFIG_HOME") or home) / "troth" / "profiles.toml"
    if not file.exists():
        return file, {}
    try:
        table = parse(str(file), file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        raise Misconfigured(f"{file} cannot be read: it must be text in UTF-8.") from None
    found = {}
    for name, inner in table.items():
        if not isinstance(inner, dict):
            raise Misconfigured(f"{file}: '{name}' must be a table with 'config'.")
        config = into(Profile, inner, lambda _: str(file)).config
        found[name] = Profile(str(file.parent / config))
    return file, found


def config_of(name: str, variables: Mapping[str, str]) -> str:
    """Return the settings file of a profile.

    Raises:
        Misconfigured: there is none of this name.
    """
    file, known = profiles(variables)
    if name not in known:
        named = ", ".join(sorted(known)) or "none"
        raise Misconfigured(f"there is no profile '{name}' in {file}. It names: {named}.")
    return known[name].config
