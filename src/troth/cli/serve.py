"""`troth serve`: the installation in the foreground, and a first key for a fresh one."""

import sys
from typing import TYPE_CHECKING, Final

import click
import msgspec

from troth.cli.client import Client, read
from troth.cli.session import Session, with_session

if TYPE_CHECKING:
    from troth.server.settings import Settings
    from troth.server.supervisor import Standing

FIRST: Final = "first"
DEMO_MARK: Final = "demo.mark"
"""A file in the data folder of `troth demo`, whose usage is made up."""


class FirstKey(msgspec.Struct, frozen=True):
    """What a fresh installation is given: an organization, demo credit, a key shown once."""

    organization: str
    credit_usd: str
    key: str
    model: str


class Addresses(msgspec.Struct, frozen=True):
    """Where what answers, as `--json` prints it once, when everything does; empty: not here."""

    api: str
    control: str
    is_erasing: bool
    first: FirstKey | None


@click.command()
@click.option("--bind", default="", metavar="ADDRESS:PORT", help="Where the API listens.")
@click.option("--control-bind", default="", metavar="ADDRESS:PORT", help="Health and metrics.")
@click.option(
    "--role",
    type=click.Choice(["all", "gateway", "control"]),
    help="Run all processes, or gateways and control apart, over one data folder.",
)
@click.option("--gateways", type=click.IntRange(1, 64), help="Gateway processes.")
@click.option(
    "--provider",
    "providers",
    multiple=True,
    metavar="KIND",
    help="Offer the models of openai, anthropic, groq, ...; the key is read from the environment.",
)
@with_session
def serve(
    session: Session,
    *,
    bind: str,
    control_bind: str,
    role: str | None,
    gateways: int | None,
    providers: tuple[str, ...],
) -> None:
    """Serve the API until you stop it with Ctrl-C or SIGTERM; 'troth reload' renews it."""
    from troth.kernel.clock import SystemClock
    from troth.server.assemble import serve as run
    from troth.server.standard_error import to_standard_error

    flags = {
        "server.bind": bind,
        "server.control_bind": control_bind,
        "server.role": role or "",
        "server.gateways": str(gateways or ""),
    }

    def reread() -> "Settings":
        return session.reading(flags, providers).settings

    settings = reread()
    if (settings.folder / DEMO_MARK).exists():
        raise click.UsageError(
            f"{settings.folder} belongs to 'troth demo'. Name another with --data."
        )

    def standing(where: "Standing") -> None:
        _announce(session, settings, where)

    run(settings, SystemClock(), to_standard_error, standing, reread=reread)


def _announce(session: Session, settings: "Settings", where: "Standing") -> None:
    """Say where everything is; make a first key where there is none."""
    scheme = "https" if settings.server.tls_certificate else "http"
    client = Client(settings.run_folder / "control.sock")
    has_control = settings.server.role != "gateway"
    found = Addresses(
        api=_url(scheme, where.api.host, where.api.port),
        control=_url("http", where.control.host, where.control.port),
        is_erasing=where.is_erasing,
        first=first_key(client, settings) if has_control else None,
    )
    if session.output.is_json:
        click.echo(msgspec.json.encode(found))
    else:
        _print(found)
    sys.stdout.flush()
    for warning in _warnings(client) if has_control else ():
        session.output.say(f"Warning: {warning}")


def _url(scheme: str, host: str, port: int) -> str:
    if not port:
        return ""
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _warnings(client: Client) -> tuple[str, ...]:
    from troth.server.shown import State

    return read(client.get("state"), State).warnings


def first_key(client: Client, settings: "Settings") -> FirstKey | None:
    """Give a fresh installation an organization with demo credit and a key."""
    from troth.kernel.money import nusd_of
    from troth.server.shown import ShownKey, State

    state = read(client.get("state"), State)
    if state.organizations or not state.models:
        return None
    usd = settings.wallet.demo_credit_usd
    client.post("organizations", body={"name": FIRST})
    if nusd_of(usd):
        credit: dict[str, str | int] = {"amount_usd": usd, "key": "first", "is_demo": True}
        client.post("organizations", FIRST, "credits", body=credit)
    key = read(client.post("organizations", FIRST, "keys", body={"name": FIRST}), ShownKey)
    return FirstKey(FIRST, usd, key.text, state.models[0])


def _print(found: Addresses) -> None:
    erasing = "freed memory is overwritten" if found.is_erasing else "freed memory is NOT erased"
    if found.api:
        click.echo(f"API      {found.api}/v1   ({erasing})")
    if found.control:
        click.echo(f"Control  {found.control}   (/healthz /readyz /metrics)")
    first = found.first
    if first is None:
        return
    click.echo(
        f"\nThis is a fresh installation. Organization '{first.organization}' has "
        f"{first.credit_usd} USD of demo credit and this key, shown this once:\n\n"
        f"  {first.key}\n\nTry it:\n\n"
        f"  curl {found.api}/v1/chat/completions \\\n"
        f"    -H 'Authorization: Bearer {first.key}' \\\n"
        "    -H 'Content-Type: application/json' \\\n"
        f'    -d \'{{"model": "{first.model}", "stream": true, '
        '"messages": [{"role": "user", "content": "Hello"}]}\'\n'
    )
