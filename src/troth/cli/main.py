"""The commands. Nothing heavy is imported here: help must be there at once."""

import sys
from collections.abc import Mapping
from typing import Final

import click

from troth import __version__
from troth.cli.lazy import LazyGroup

OK: Final = 0
FINDING: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "serve": ("troth.cli.serve:serve", "Serve the API until you stop it."),
    "reload": ("troth.cli.reload:reload", "Renew settings and code, without a pause."),
    "init": ("troth.cli.init:init", "Write troth.toml and make the data folder."),
    "demo": ("troth.cli.demo:demo", "Serve a small real model and show a request and its receipt."),
    "doctor": ("troth.cli.doctor:doctor", "Check this installation; each finding has a fix."),
    "org": ("troth.cli.org:org", "Organizations: create, list, freeze, thaw, zone, close."),
    "projects": ("troth.cli.projects:projects", "Projects of organizations: create, list."),
    "keys": ("troth.cli.keys:keys", "API keys: create, list, rotate, revoke."),
    "alerts": ("troth.cli.alerts:alerts", "Alerts: list, contact."),
    "budgets": ("troth.cli.budgets:budgets", "Budgets: set, show, drop."),
    "wallet": ("troth.cli.wallet:wallet", "Wallets: show, credit, topup, refund, auto."),
    "payments": (
        "troth.cli.payments:payments",
        "Payments: list, check, queue, resolve, reconcile.",
    ),
    "credits": ("troth.cli.credits:owed", "Credit that is owed: uptime."),
    "status": ("troth.cli.status:status", "Uptime and maintenance: show, plan, cancel."),
    "codes": ("troth.cli.codes:codes", "Codes for credit: create, list, revoke, redeem."),
    "models": ("troth.cli.models:models", "What is offered, where and at which price."),
    "prices": ("troth.cli.prices:prices", "Prices: show, import a proposal, accept, pin."),
    "usage": ("troth.cli.usage:usage", "What was used: sums by day, model, key, ..."),
    "statements": ("troth.cli.statements:statements", "An organization's month: show, export."),
    "receipts": ("troth.cli.receipts:receipts", "One request explained to the nano-dollar."),
    "invoices": (
        "troth.cli.invoices:invoices",
        "Receipts, invoices, statements, credit notes: list, show, ...",
    ),
    "reports": (
        "troth.cli.reports:reports",
        "Margins, and providers' bills beside our own count.",
    ),
    "corrections": (
        "troth.cli.corrections:corrections",
        "What providers' bills ask for: accept, list.",
    ),
    "ledger": ("troth.cli.ledger:ledger", "The books: verify, export."),
    "config": (
        "troth.cli.config:config",
        "Settings and their origins: show, check, profiles.",
    ),
    "completion": ("troth.cli.completion:completion", "What bash, fish or zsh complete with."),
    "version": ("troth.cli.version:version", "Print the version."),
}


class Commands(LazyGroup):
    """All commands of Troth."""

    lazy = COMMANDS


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="troth %(version)s")
def troth() -> None:
    """Troth, the LLM gateway that keeps its word, not yours.

    Tables go to standard output, all else to standard error. Exit codes: 0 done, 1 a finding, 2 a
    wrong request or setting, 3 nobody answers.
    """


def main() -> None:
    """Run a command; turn every failure into what, why and the next command."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command and return its exit code."""
    try:
        result = troth.main(arguments, prog_name="troth", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return USAGE
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return FINDING
    except Exception as error:  # noqa: BLE001 - the last place: a traceback helps nobody here
        return _failed(error)
    return result if isinstance(result, int) else OK


def _failed(error: Exception) -> int:
    from troth.kernel.errors import Misconfigured

    if isinstance(error, Misconfigured):
        click.echo(f"Error: {error.problem}", err=True)
        return USAGE
    if isinstance(error, OSError) and error.strerror:  # of this machine, not of Troth
        about = f"{error.filename}: " if error.filename else ""
        click.echo(f"Error: {about}{error.strerror}.", err=True)
        return USAGE
    if isinstance(error, OSError) and error.filename and error.strerror:
        click.echo(f"Error: {error.filename}: {error.strerror}", err=True)
        return USAGE
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    place = f"{where.tb_frame.f_code.co_filename}:{where.tb_lineno}" if where else "unknown"
    click.echo(f"Error: {type(error).__name__} at {place}. This is a fault of Troth.", err=True)
    click.echo("Next: 'troth doctor' checks the installation.", err=True)
    return FINDING
