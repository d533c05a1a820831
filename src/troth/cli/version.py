"""`troth version`."""

import click
import msgspec

from troth import __version__
from troth.cli.session import Session, with_session


@click.command()
@with_session
def version(session: Session) -> None:
    """Print the version."""
    body = msgspec.json.encode({"version": __version__})
    session.output.document(body, {"troth": __version__})
