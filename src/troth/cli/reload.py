"""`troth reload`: other settings, certificates or code, without a refused connection."""

import os
import signal
import time
from typing import TYPE_CHECKING, Final

import click
import msgspec

from troth.cli.client import Refused, Unreachable
from troth.cli.session import Session, with_session

if TYPE_CHECKING:
    from troth.server.bulletin import Standing
    from troth.server.parts import Part
    from troth.server.settings import Settings

PARTS: "Final[tuple[Part, ...]]" = ("all", "gateway")
_PAUSE_SECONDS: Final = 0.05


@click.command()
@click.option(
    "--wait", "seconds", default=120, type=click.IntRange(1, 3_600), help="How long, in seconds."
)
@with_session
def reload(session: Session, *, seconds: int) -> None:
    """Replace the running processes by new ones, each before the old one ends.

    They read the settings, certificates and keys anew and run the code that is installed now. What
    is wrong with them is told here, and the old processes go on.
    """
    from troth.server.bulletin import standing
    from troth.server.offer import offer_of

    settings = session.reading().settings
    offer_of(settings)
    parts = [part for part in PARTS if standing(settings.run_folder, part) is not None]
    if not parts:
        raise Unreachable(f"nothing serves out of {settings.folder}. Next: 'troth serve'.")
    for part in parts:
        now = _renewed(settings, part, seconds)
        session.output.document(msgspec.json.encode(now), {"supervisor": str(now.pid)})
    session.output.say("New processes serve; the old ones end their requests.")


def _renewed(settings: "Settings", part: "Part", seconds: int) -> "Standing":
    """Have a part replaced; return how it stands then."""
    from troth.server.bulletin import standing

    before = standing(settings.run_folder, part)
    try:
        if before is not None:
            os.kill(before.pid, signal.SIGHUP)
    except OSError:
        raise Unreachable(
            f"process {before.pid if before else 0}, which served out of {settings.folder}, is "
            "gone or not ours. Next: 'troth doctor'."
        ) from None
    left = round(seconds / _PAUSE_SECONDS)
    while (now := standing(settings.run_folder, part)) is not None and now == before:
        if not left:
            raise Unreachable(f"not ready after {seconds} seconds. Next: 'troth doctor'.")
        left -= 1
        time.sleep(_PAUSE_SECONDS)
    if now is None:
        raise Unreachable("it ended instead. Next: 'troth serve'.")
    if now.problem:
        raise Refused(f"{now.problem} The old processes go on.")
    return now
