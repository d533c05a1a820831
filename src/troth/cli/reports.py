"""`troth reports`: what is earned and lost, and what providers ask for."""

import datetime as dt
from pathlib import Path

import click

from troth.cli.client import read
from troth.cli.session import Session, with_session

_EXPORT_MAX = 64 * 1024 * 1024


@click.group()
def reports() -> None:
    """Reports for the operator; each ends with exit code 1 when there is something to look at."""


@reports.command()
@click.option(
    "--by",
    type=click.Choice(["model", "provider", "organization"]),
    default="model",
    show_default=True,
)
@click.option("--days", type=click.IntRange(1, 400), default=30, show_default=True)
@with_session
def margin(session: Session, *, by: str, days: int) -> int:
    """Show charges less cost, the lowest first; exit code 1 when money is lost somewhere."""
    from troth.control.reports import Margin
    from troth.kernel.money import usd

    with session.management() as client:
        body = client.get("reports", "margin", by=by, days=days)
    found = read(body, list[Margin])
    rows = [
        (
            each.group,
            str(each.count),
            usd(each.charged_nusd),
            usd(each.cost_nusd),
            usd(each.margin_nusd),
            _percent(each.margin_bp) if each.charged_nusd else "",
        )
        for each in found
    ]
    head = (by, "requests", "charged USD", "cost USD", "margin USD", "%")
    session.output.table(body, head, rows)
    losing = sum(each.margin_nusd < 0 for each in found)
    if losing:
        session.output.say(f"Found: {losing} of {len(found)} cost more than was charged.")
    return 1 if losing else 0


def _percent(share_bp: int) -> str:
    sign = "-" if share_bp < 0 else ""
    return f"{sign}{abs(share_bp) // 100}.{abs(share_bp) % 100:02d}"


@reports.command()
@click.argument("provider")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--form", default="", help="How the export is built; else the provider's own form.")
@click.option("--tolerance", default="0.5", show_default=True, help="Percent that may differ.")
@click.option(
    "--propose",
    type=click.Path(path_type=Path),
    help="Write down here what the bill asks for, to look at and accept.",
)
@with_session
def reconcile(
    session: Session,
    provider: str,
    file: Path,
    *,
    form: str,
    tolerance: str,
    propose: Path | None,
) -> int:
    """Compare a provider's export of usage with our count, by model and day.

    FILE is CSV or JSON as the provider gives it: costs of OpenAI, the cost report of Anthropic,
    usage of DeepInfra, activity of OpenRouter, or a CSV with day, model, cost_usd. It is read here
    and only sums by model and day leave. Nothing is posted: with --propose the corrections that
    the bill asks for are written down, and posted by 'troth corrections accept'.
    """
    import msgspec

    from troth.control import reports as forms
    from troth.control.reports import Reconciled
    from troth.kernel.errors import InvalidValue
    from troth.kernel.money import usd

    name = forms.form_for(provider, form)
    try:
        told = forms.read_export(forms.form_of(name), _bytes_of(file))
    except InvalidValue as refused:
        raise click.UsageError(f"{file}: {refused.message}") from None
    asked = {
        "provider": provider,
        "told": msgspec.to_builtins(told),
        "form": name,
        "tolerance_bp": _tolerance_bp(tolerance),
    }
    with session.management() as client:
        body = client.post("reports", "reconcile", body=asked)
        proposed = client.post("reports", "propose", body=asked) if propose else b""
    found = read(body, Reconciled)
    rows = [
        (
            _date(each.day),
            each.model,
            each.state.value.replace("_", " "),
            usd(each.ours_nusd),
            usd(each.theirs_nusd),
            usd(each.difference_nusd),
            usd(each.estimated_nusd) if each.estimated_nusd else "",
        )
        for each in found.lines
    ]
    head = ("day", "model", "state", "ours USD", "theirs USD", "difference", "estimated by us")
    session.output.table(body, head, rows)
    for day in found.orphans:
        session.output.say(
            f"Orphans on {_date(day.day)}: {day.orphans}, at most {usd(day.orphans_nusd)} USD."
        )
    session.output.say(f"Ours {usd(found.ours_nusd)}, theirs {usd(found.theirs_nusd)} USD.")
    if propose is not None:
        _write(session, propose, proposed)
    return 1 if found.findings else 0


def _write(session: Session, path: Path, proposed: bytes) -> None:
    """Write a proposal down, and say what it comes to."""
    import msgspec

    from troth.control.reports import Proposal
    from troth.kernel.money import usd

    found = read(proposed, Proposal)
    if found.waiting:
        session.output.say(f"{found.waiting} lines are of days that are not closed: they wait.")
    if not found.rows:
        session.output.say("There is nothing to correct.")
        return
    path.write_bytes(msgspec.json.format(proposed, indent=2) + b"\n")
    cost = usd(sum(row.cost_nusd for row in found.rows))
    credit = usd(sum(each.credit_nusd for row in found.rows for each in row.overcharges))
    session.output.say(f"{len(found.rows)} rows: our cost {cost} USD, customers get {credit} USD.")
    session.output.say(
        f"Next: read {path}, strike out what you do not want, then troth corrections accept {path}"
    )


def _bytes_of(file: Path) -> bytes:
    if file.stat().st_size > _EXPORT_MAX:
        raise click.UsageError(f"{file} is larger than {_EXPORT_MAX} bytes; give fewer days")
    return file.read_bytes()


def _tolerance_bp(percent: str) -> int:
    whole, _, decimals = percent.partition(".")
    if not (whole.isdecimal() and len(decimals) <= 2 and (decimals or "0").isdecimal()):  # noqa: PLR2004
        raise click.UsageError("give --tolerance in percent with at most two decimals, such as 0.5")
    return int(whole) * 100 + int(decimals.ljust(2, "0"))


def _date(day: int) -> str:
    return (dt.date(1970, 1, 1) + dt.timedelta(days=day)).isoformat()
