"""What the desk does by itself about uptime: measure it, and credit what a month owes."""

from troth.server.duties import Duty
from troth.server.log_lines import DutyName
from troth.server.uptime_credits import credit_downtime
from troth.server.uptime_meter import EVERY_MS, UptimeMeter


def uptime_duties(meter: UptimeMeter) -> tuple[Duty, ...]:
    """Return them; they have a thread of their own, for a look must not wait for anybody."""
    return (
        Duty(DutyName.MEASURE_UPTIME, EVERY_MS, meter.turn),
        Duty(DutyName.CREDIT_DOWNTIME, 600_000, credit_downtime),
    )
