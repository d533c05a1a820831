"""`troth doctor`: what is wrong with an installation, why, and what to do."""

import click
import msgspec

from troth.cli.session import Session, with_session


@click.command()
@click.option("--live", is_flag=True, help="Only ask whether the running installation is ready.")
@with_session
def doctor(session: Session, *, live: bool) -> int:
    """Check this installation; each finding has a cause and a fix."""
    from troth.cli.findings import Finding, findings, readiness

    settings = session.reading().settings
    found: list[Finding] = readiness(settings) if live else findings(settings)
    if not found and not session.output.is_json:
        session.output.say("All is well.")
        return 0
    session.output.table(
        msgspec.json.encode(found),
        ("finding", "cause", "fix"),
        [(each.what, each.cause, each.fix) for each in found],
    )
    return 1 if found else 0
