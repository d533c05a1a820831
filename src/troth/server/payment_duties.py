"""What is done about payments by itself, in a thread of its own: the company may be slow."""

from typing import Final

from troth.kernel.log import Log
from troth.server.duties import Duty
from troth.server.log_lines import DutyName, PaymentsUneven, PaymentsWaiting
from troth.server.office import Office
from troth.server.payments import balance, incoming, outgoing

_SECOND: Final = 1_000
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE


def payment_duties(log: Log) -> tuple[Duty, ...]:
    """Return all of them; `log` hears what a person should look at."""

    def compare(office: Office) -> None:
        """Compare our books with the company's."""
        found = balance.reconcile(office)
        if not found.is_even:
            log.write(PaymentsUneven(len(found.gaps)))

    def remind(office: Office) -> None:
        """Say that something still waits for a person."""
        waiting = balance.remind(office)
        if waiting:
            log.write(PaymentsWaiting(len(waiting)))

    return (
        Duty(DutyName.CHARGE_CARDS, 15 * _SECOND, incoming.charge_due),
        Duty(DutyName.DRIVE_REFUNDS, 30 * _SECOND, outgoing.drive_refunds),
        Duty(DutyName.RESERVE_DISPUTED, 10 * _SECOND, outgoing.reserve_disputed),
        Duty(DutyName.CLOSE_ACCOUNTS, 10 * _SECOND, outgoing.close_accounts),
        Duty(DutyName.CHECK_TOPUPS, 10 * _MINUTE, incoming.check_open),
        Duty(DutyName.SWEEP_PAYMENTS, _HOUR, incoming.sweep),
        Duty(DutyName.COMPARE_PAYMENTS, 6 * _HOUR, compare),
        Duty(DutyName.REMIND_PAYMENTS, _HOUR, remind),
    )
