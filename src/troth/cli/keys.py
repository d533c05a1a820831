"""`troth keys`: API keys."""

from typing import Final

import click

from troth.cli.client import read
from troth.cli.output import limit, moment
from troth.cli.session import Session, with_session
from troth.cli.sure import asks

_MS_OF: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}


@click.group()
def keys() -> None:
    """API keys. A key is shown once, when it is made; only its hash is kept."""


def milliseconds(text: str, option: str) -> int:
    """Return a length such as `30m`, `12h` or `7d`."""
    number, unit = text[:-1], text[-1:]
    if unit not in _MS_OF or not number.isdecimal():
        raise click.BadParameter("give a length such as 30m, 12h or 7d", param_hint=option)
    return int(number) * _MS_OF[unit]


@keys.command()
@click.argument("organization")
@click.option("--name", default="key", show_default=True, help="What to call it.")
@click.option("--model", "models", multiple=True, help="A model it may use; all without.")
@click.option("--network", "networks", multiple=True, help="A network it may be used from.")
@click.option("--expires-in", default="", metavar="LENGTH", help="Such as 12h or 90d.")
@click.option("--requests-per-minute", type=click.IntRange(min=0), help="0 is no limit.")
@click.option("--tokens-per-minute", type=click.IntRange(min=0), help="0 is no limit.")
@click.option("--concurrency", type=click.IntRange(min=0), help="0 is no limit.")
@click.option("--usd-per-day", default="0", help="Spend limit; 0 is none.")
@click.option("--usd-per-month", default="0", help="Spend limit; 0 is none.")
@click.option("--project", default="", help="The project it belongs to, for good.")
@with_session
def create(  # noqa: PLR0913 - one parameter an option
    session: Session,
    organization: str,
    *,
    name: str,
    models: tuple[str, ...],
    networks: tuple[str, ...],
    expires_in: str,
    requests_per_minute: int | None,
    tokens_per_minute: int | None,
    concurrency: int | None,
    usd_per_day: str,
    usd_per_month: str,
    project: str,
) -> int:
    """Issue a key to an organization and print it, this once."""
    from troth.kernel.clock import SystemClock
    from troth.server.shown import KeyAsked

    ends = milliseconds(expires_in, "--expires-in") if expires_in else 0
    asked = KeyAsked(
        name=name,
        models=models,
        networks=networks,
        expires_at_ms=SystemClock().now_ms() + ends if ends else 0,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        concurrency=concurrency,
        day_limit_usd=usd_per_day,
        month_limit_usd=usd_per_month,
        project=project,
    )
    with session.management() as client:
        return _print_new(session, client.post("organizations", organization, "keys", body=asked))


def _print_new(session: Session, body: bytes) -> int:
    from troth.cli.changes import confirmed
    from troth.server.shown import ShownKey

    made = read(body, ShownKey)
    session.output.document(
        body, {"key": made.text, "reference": made.ref, "organization": made.organization}
    )
    session.output.say("Keep the key now: it is shown this once and kept nowhere.")
    return confirmed(session, made.silent, made.until_ms)


@keys.command("list")
@click.argument("organization", default="")
@with_session
def list_(session: Session, organization: str) -> None:
    """List the keys of an organization, or all."""
    from troth.control.accounts import Organization
    from troth.server.shown import ShownKey

    with session.management() as client:
        body = client.get("keys", organization=organization)
        owners = read(client.get("organizations"), list[Organization])
    names = {each.ref: each.name for each in owners}
    rows = [
        (
            each.name,
            each.prefix,
            each.state,
            moment(each.created_at_ms),
            moment(each.expires_at_ms),
            limit(each.requests_per_minute),
            limit(each.concurrency),
            names.get(each.organization, each.organization),
        )
        for each in read(body, list[ShownKey])
    ]
    head = ("name", "key", "state", "created", "expires", "requests/min", "at once", "organization")
    session.output.table(body, head, rows)


@keys.command()
@click.argument("key")
@click.option("--overlap", default="24h", show_default=True, help="How long both go on.")
@with_session
def rotate(session: Session, key: str, overlap: str) -> int:
    """Issue a key with the same terms; KEY, a reference or `sk-troth-` prefix, ends later."""
    with session.management() as client:
        overlap_ms = milliseconds(overlap, "--overlap")
        asked: dict[str, str | int] = {"overlap_ms": overlap_ms}
        return _print_new(session, client.post("keys", _reference(key), "rotate", body=asked))


@keys.command()
@click.argument("key")
@asks("End {key} in every gateway, for good?")
@with_session
def revoke(session: Session, key: str) -> int:
    """End KEY, a reference or `sk-troth-` prefix, in every gateway."""
    from troth.cli.changes import report

    with session.management() as client:
        return report(session, client.post("keys", _reference(key), "revoke"))


def _reference(key: str) -> str:
    """Return what management finds a key by. A whole key is a secret and is refused."""
    from troth.kernel.api_keys import PREFIX, PUBLIC_ID_LENGTH

    public_id = key.removeprefix(PREFIX)
    if key.startswith(PREFIX) and len(public_id) != PUBLIC_ID_LENGTH:
        raise click.BadParameter(
            "give the reference or the prefix that 'troth keys list' shows, never the whole key: "
            "arguments are seen by other users and kept by the shell",
            param_hint="KEY",
        )
    return public_id
