"""Which part of an installation a supervisor runs: all of it, or gateways and control apart.

Two supervisors over one data folder, one of each part, are one installation: gateways find their
desk by its socket in the folder, wait for it when they start, and serve from what it lent them
while it is away. Each part is locked against another of its kind.
"""

from typing import Final, Literal

Part = Literal["all", "gateway", "control"]

LOCKS: Final[dict[Part, tuple[str, ...]]] = {
    "all": ("lock", "gateways.lock"),
    "control": ("lock",),
    "gateway": ("gateways.lock",),
}
BULLETINS: Final[dict[Part, str]] = {
    "all": "supervisor.json",
    "control": "supervisor.json",
    "gateway": "gateways.json",
}
