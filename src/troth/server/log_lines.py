"""The log lines of the processes: closed types of numbers, flags and codes."""

from troth.kernel.fields import Code, Count, Flag, Milliseconds
from troth.kernel.log import Event
from troth.server.faults import Kind, Plane


class Role(Code):
    """What a process is."""

    SUPERVISOR = "supervisor"
    GATEWAY = "gateway"
    CONTROL = "control"


class ChildStarted(Event, frozen=True):
    """A process was started; `attempt` counts starts of this place since it last stood."""

    role: Role
    slot: Count
    pid: Count
    attempt: Count


class ChildReady(Event, frozen=True):
    """A process answers."""

    role: Role
    slot: Count
    after_ms: Milliseconds


class ChildEnded(Event, frozen=True):
    """A process is gone: its exit status, or minus the signal's number."""

    role: Role
    slot: Count
    status: int
    after_ms: Milliseconds


class ChildSilent(Event, frozen=True):
    """A process gave no sign of life and is killed."""

    role: Role
    slot: Count


class Serving(Event, frozen=True):
    """Everything answers for the first time."""

    gateways: Count
    after_ms: Milliseconds
    erases_on_free: Flag


class Draining(Event, frozen=True):
    """No new requests; running ones may end."""

    seconds_max: Count


class Stopped(Event, frozen=True):
    """All processes have ended."""

    killed: Count


class RollOverBegan(Event, frozen=True):
    """Every gateway is being replaced, and before them control, if it is."""

    with_control: Flag


class RolledOver(Event, frozen=True):
    """New gateways accept everywhere; the old ones end their requests."""

    after_ms: Milliseconds


class RollOverFailed(Event, frozen=True):
    """What was to replace the old did not start; the old goes on. The bulletin says why."""


class LinkUp(Event, frozen=True):
    """A gateway is linked to the desk."""

    slot: Count
    generation: Count


class LinkDown(Event, frozen=True):
    """The link to the desk is gone."""

    slot: Count


class LinkRefused(Event, frozen=True):
    """The other end of the link is another build or spoke nonsense: an operator must look."""

    slot: Count


class JournalReplayed(Event, frozen=True):
    """What an earlier life of the slot left behind was posted."""

    slot: Count
    seats: Count
    settlements: Count
    orphans: Count


class JournalSetAside(Event, frozen=True):
    """Files of another installation, damaged ones or old ones were renamed and not posted: look."""

    slot: Count
    files: Count


class NotErasing(Event, frozen=True):
    """Freed memory is readable although it should be overwritten: the proof must say so."""

    slot: Count


class SheddingChanged(Event, frozen=True):
    """A gateway began to refuse new requests for want of memory, or takes them again."""

    slot: Count
    is_on: Flag


class UpstreamRefuses(Event, frozen=True):
    """An upstream refuses our key, our account or its model's name: `troth doctor` says which."""

    slot: Count


class RequestFailed(Event, frozen=True):
    """A request met a fault of ours: the plane and line of our code, the kind of error."""

    plane: Plane
    line: Count
    kind: Kind


class ProcessFailed(Event, frozen=True):
    """A process or thread met a fault of ours that ends it."""

    plane: Plane
    line: Count
    kind: Kind


class DatabaseBusy(Event, frozen=True):
    """A unit of work waited too long for the database and was given up."""


class DatabaseUnwritable(Event, frozen=True):
    """A unit of work was given up: the database has no space, or its disk failed."""


class DutyName(Code):
    """What the desk does by itself."""

    CLOSE_DAYS = "close_days"
    FORGET_GUARDS = "forget_guards"
    RENEW_PRICES = "renew_prices"
    RAISE_ALERTS = "raise_alerts"
    LOW_BALANCES = "low_balances"
    TELL_ENDINGS = "tell_endings"
    FORGET_CONTACTS = "forget_contacts"
    FORGET_DEEDS = "forget_deeds"
    FORGET_USAGE = "forget_usage"
    FORGET_NAMES = "forget_names"
    SEND_MAILS = "send_mails"
    EXPIRE_CREDIT = "expire_credit"
    CHARGE_CARDS = "charge_cards"
    DRIVE_REFUNDS = "drive_refunds"
    RESERVE_DISPUTED = "reserve_disputed"
    CLOSE_ACCOUNTS = "close_accounts"
    CHECK_TOPUPS = "check_topups"
    SWEEP_PAYMENTS = "sweep_payments"
    COMPARE_PAYMENTS = "compare_payments"
    REMIND_PAYMENTS = "remind_payments"
    ISSUE_RECEIPTS = "issue_receipts"
    ISSUE_MONTHS = "issue_months"
    MEASURE_UPTIME = "measure_uptime"
    CREDIT_DOWNTIME = "credit_downtime"
    CHECK_BOOKS = "check_books"


class DutyFailed(Event, frozen=True):
    """Something the desk does by itself met a fault; it is tried again at its next turn."""

    duty: DutyName


class PriceSetRefused(Event, frozen=True):
    """A gateway was sent prices that cannot be; it goes on with those it has."""

    slot: Count


class WebhookFailed(Event, frozen=True):
    """A verified webhook could not be acted on; its sender was asked to send it again."""

    plane: Plane
    line: Count


class PaymentsWaiting(Event, frozen=True):
    """Payments wait for a person to look: `troth payments queue` lists them."""

    items: Count


class PaymentsUneven(Event, frozen=True):
    """Our books and the payment company's differ: `troth payments reconcile` says where."""

    gaps: Count


class MoneyStopped(Event, frozen=True):
    """A rule of the books does not hold: money work has stopped. `rule` is its number."""

    rule: Count


class PostingRefused(Event, frozen=True):
    """A gateway's posting could not be committed; the gateway will send it again."""

    settlements: Count
