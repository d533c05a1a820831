"""What a running installation says of itself, for those who only ask for that."""

from troth.cli.client import Client, read
from troth.server.settings import Settings
from troth.server.shown import State


def state_of(settings: Settings) -> State:
    """Return the state of the installation that serves out of the settings' folder.

    Raises:
        Refused, Found, Unreachable: with the reason.
    """
    return read(Client(settings.run_folder / "control.sock").get("state"), State)
