"""How a change that gateways must know is reported: who has it in force, and who does not."""

from troth.cli.client import read
from troth.cli.output import moment
from troth.cli.session import Session


def report(session: Session, body: bytes) -> int:
    """Print it; return 1 when a gateway has not confirmed."""
    from troth.server.shown import Changed

    change = read(body, Changed)
    state = "everywhere" if change.is_in_force else "not everywhere yet"
    session.output.document(body, {"reference": change.ref, "in force": state})
    return confirmed(session, change.silent, change.until_ms)


def confirmed(session: Session, silent: tuple[int, ...], until_ms: int) -> int:
    """Name the gateways that have not confirmed a change; return 1 when there are any."""
    if not silent:
        return 0
    slots = ", ".join(map(str, silent))
    session.output.say(
        f"Gateway {slots} did not confirm; it stops by itself at {moment(until_ms)}. "
        "Next: 'troth doctor'."
    )
    return 1
