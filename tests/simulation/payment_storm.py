"""A year of payments in minutes, told quietly or in a storm; both must end in the same books.

The plan says what people, banks and the company do; it is the same for both runs. In a quiet run
each notice arrives once, at once and in order. In a storm it arrives one to five times, shuffled,
from several threads, between forged ones, or never; the company fails before and after its deeds.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random  # noqa: TID251 - a seeded one
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from tests.builders.paying_office import PayingOffice
from tests.builders.payment_company import DECLINED_CARD, GOOD_CARD, SealedEnvelope
from troth.control import accounts, billing
from troth.control.billing import NUSD_PER_CENT, Asked, Rule
from troth.control.billing.ports import Notice
from troth.kernel.clock import ManualClock
from troth.kernel.log import Log
from troth.kernel.payment_errors import PaymentsDown
from troth.server.payments import balance, incoming, outgoing
from troth.server.webhooks import Webhooks
from troth.store.transaction import Locked

Result = TypeVar("Result")
MINUTE = 60_000
THREADS = 3
COPIES_MAX = 5
LOST_PERCENT = 10
FORGED_PERCENT = 10
_TRIES = 60


class Plan(msgspec.Struct, frozen=True):
    """What happens to one organization. Amounts in cents, but `spends` in nano-USD."""

    name: str
    topups: tuple[tuple[int, str], ...]
    borrows: int
    spends: int
    refunds: int
    refund_fails: bool
    dispute: str
    is_automatic: bool
    is_closed: bool


class Ended(msgspec.Struct, frozen=True):
    """How a run ended: wallets, who is frozen, the operator's books, rows by state, the queue."""

    wallets: dict[str, int]
    frozen: list[str]
    books: dict[str, int]
    rows: dict[str, int]
    queue: dict[str, int]
    company_cents: int


def plans(seed: int, count: int) -> list[Plan]:
    """Return what happens to `count` organizations."""
    rng = Random(seed)  # noqa: S311
    return [_plan(rng, f"org-{number:04}") for number in range(count)]


def _plan(rng: Random, name: str) -> Plan:
    topups = [(rng.randrange(500, 3_000), "paid") for _ in range(rng.randrange(2, 5))]
    if rng.random() < 0.3:
        ending = rng.choice(["declined", "abandoned", "expired"])
        topups.insert(rng.randrange(len(topups)), (rng.randrange(500, 3_000), ending))
    paid = [cents for cents, ending in topups if ending in {"paid", "declined"}]
    dispute = rng.choice(["", "", "won", "lost", "open", "warning"])
    # A disputed payment is the oldest; then only newer ones are given back, in any order the same.
    borrows = rng.randrange(1, paid[0] if dispute else sum(paid) // 2)
    rest = sum(paid[1:]) if dispute else sum(paid) - borrows - len(paid)
    return Plan(
        name=name,
        topups=tuple(topups),
        borrows=borrows,
        spends=rng.randrange(1, borrows * NUSD_PER_CENT),
        refunds=rng.randrange(0, rest),
        refund_fails=rng.random() < 0.3,
        dispute=dispute,
        is_automatic=not dispute and rng.random() < 0.2,
        is_closed=dispute != "open" and rng.random() < 0.2,
    )


class Run:
    """One run of the plans over an office; `storm` None is the quiet one."""

    def __init__(self, paying: PayingOffice, clock: ManualClock, storm: Random | None) -> None:
        self.paying = paying
        self.office = paying.office
        self.company = paying.company
        self.clock = clock
        self.storm = storm
        self.answers: Counter[int] = Counter()
        self.lost = self.forged = 0
        self.lines: list[bytes] = []
        self.orgs: dict[str, bytes] = {}
        self._told = 0
        self.hooks = Webhooks(
            self.office, paying.envelope, Log(self.lines.append, clock, "control")
        )

    def go(self, plans: Sequence[Plan]) -> Ended:
        """Let everything happen."""
        for phase in (self._buy, self._spend_and_refund, self._dispute, self._automatic):
            phase(plans)
            self._deliver()
            self.clock.advance(11 * MINUTE)
            persist(lambda: incoming.sweep(self.office))
            persist(lambda: incoming.check_open(self.office))
        self._close([plan for plan in plans if plan.is_closed])
        self.clock.advance(3 * 60 * MINUTE)
        return self._ended()

    # --- what happens ---------------------------------------------------------------------------

    def _buy(self, plans: Sequence[Plan]) -> None:
        for plan in plans:
            self.orgs[plan.name] = self.paying.organization(plan.name)
            for cents, ending in plan.topups:
                _, session = self.paying.page(plan.name, cents)
                if ending == "expired":
                    self.company.expire(session)
                if ending == "declined":
                    self.company.pay(session, DECLINED_CARD)
                if ending in {"paid", "declined"}:
                    self.company.pay(session)
                self._tell()

    def _spend_and_refund(self, plans: Sequence[Plan]) -> None:
        """Refunds race charges, and both race the webhooks of the refunds before."""
        with ThreadPoolExecutor(1) as aside:
            for plan in plans:
                persist(partial(self._borrow, plan))
                steps = [partial(self._refund, plan), partial(self._charge, plan)]
                if self.storm:
                    self.company.mute = self.storm.random() < 0.2
                    self.storm.shuffle(steps)
                    other = aside.submit(steps[1])
                    steps[0]()
                    other.result()
                else:
                    for step in steps:
                        step()
                self._tell()
        self.company.mute = 0
        self.clock.advance(2 * MINUTE)
        persist(lambda: outgoing.drive_refunds(self.office))
        self._tell()
        for plan in plans:
            self._settle_refunds(plan)

    def _settle_refunds(self, plan: Plan) -> None:
        for ref in self._refs(plan):
            self.company.refund_done(ref)
            if plan.refund_fails:
                self.company.refund_failed(ref)
            self._tell()

    def _borrow(self, plan: Plan) -> None:
        self.paying.seat.borrow(self.orgs[plan.name], plan.borrows * NUSD_PER_CENT)

    def _charge(self, plan: Plan) -> None:
        org = self.orgs[plan.name]
        persist(lambda: self.paying.seat.charge(org, plan.spends))
        rest = plan.borrows * NUSD_PER_CENT - plan.spends
        persist(lambda: self.paying.seat.give_back(org, rest))

    def _refund(self, plan: Plan) -> None:
        if plan.refunds:
            asked, office = Asked(plan.refunds), self.office
            persist(lambda: outgoing.start_refund(office, self.paying.actor, plan.name, asked))

    def _refs(self, plan: Plan) -> list[str]:
        """Return the company's references of an organization's refunds."""
        with self.office.store.read() as tx:
            mine = {each.ref for each in billing.refunds_of(tx, self.orgs[plan.name], 100)}
        return [ref for ref, each in self.company.refunds.items() if each.refund in mine and ref]

    def _dispute(self, plans: Sequence[Plan]) -> None:
        for plan in plans:
            if plan.dispute:
                is_warning = plan.dispute == "warning"
                opened = self.company.dispute_opened(self._oldest(plan), is_warning=is_warning)
                self._tell()
                if plan.dispute in {"won", "lost"}:
                    self.company.dispute_ended(opened.ref, is_won=plan.dispute == "won")
                    self._tell()

    def _oldest(self, plan: Plan) -> str:
        with self.office.store.read() as tx:
            mine = {each.ref for each in billing.topups_of(tx, self.orgs[plan.name], 100)}
        return next(
            ref
            for ref, each in self.company.intents.items()
            if each.topup in mine and each.status.value == "succeeded"
        )

    def _automatic(self, plans: Sequence[Plan]) -> None:
        """Cards are charged while answers are lost; what was lost is asked for later."""
        rule = Rule(10**15, 700, 700)  # any wallet is below; a month has room for one
        for plan in (plan for plan in plans if plan.is_automatic):
            with self.office.store.write() as tx:
                owner, now_ms = accounts.named(tx, plan.name), self.clock.now_ms()
                found = (f"cus_{plan.name}", GOOD_CARD)
                billing.save_card(tx, self.paying.till, owner.raw, found, now_ms=now_ms)
                billing.set_rule(tx, self.paying.till, self.paying.actor, owner, rule=rule)
        if self.storm:
            self.company.mute = self.company.down = 3
        for _ in range(8):
            try:
                incoming.charge_due(self.office)
            except PaymentsDown:
                self.clock.advance(11 * MINUTE)
        self.company.mute = self.company.down = 0
        persist(lambda: incoming.charge_due(self.office))
        self._tell()

    def _close(self, plans: Sequence[Plan]) -> None:
        for plan in plans:
            persist(partial(self._start_closing, plan))
            self._tell()
        for plan in plans:
            for ref in self._refs(plan):
                if self.company.refunds[ref].status.value == "processing":
                    self.company.refund_done(ref)
                    self._tell()
        self._deliver()
        persist(lambda: incoming.sweep(self.office))
        persist(lambda: outgoing.close_accounts(self.office))

    def _start_closing(self, plan: Plan) -> None:
        outgoing.start_closing(self.office, self.paying.actor, plan.name)

    # --- who is told ------------------------------------------------------------------------------

    def _tell(self) -> None:
        """In a quiet run, let what is new arrive at once."""
        if self.storm is None:
            self._deliver()

    def _deliver(self) -> None:
        news = self.company.events[self._told :]
        self._told = len(self.company.events)
        if self.storm is None:
            for notice in news:
                assert self._post(self._sealed(notice)) == 200
            return
        mail = [each for notice in news for each in self._copies(notice, self.storm)]
        self.storm.shuffle(mail)
        while mail:
            self.company.down = self.storm.randrange(4)
            self.company.mute = self.storm.randrange(4)
            with ThreadPoolExecutor(THREADS) as pool:
                answers = list(pool.map(self._post, mail))
            mail = [each for each, status in zip(mail, answers, strict=True) if status == 503]
        self.company.down = self.company.mute = 0

    def _post(self, mail: tuple[bytes, str]) -> int:
        status = self.hooks.take(mail[0], mail[1].encode())
        self.answers[status] += 1
        return status

    def _sealed(self, notice: Notice) -> tuple[bytes, str]:
        return self.paying.envelope.seal(notice, self.clock.now_ms() // 1_000)

    def _copies(self, notice: Notice, rng: Random) -> list[tuple[bytes, str]]:
        """Return what arrives of a notice, and what somebody forges beside it."""
        mail = [self._sealed(notice)] * rng.randint(1, COPIES_MAX)
        if rng.randrange(100) < LOST_PERCENT:
            self.lost += 1
            mail = []
        if rng.randrange(100) < FORGED_PERCENT:
            self.forged += 1
            mail.append(self._forgery(notice, rng))
        return mail

    def _forgery(self, notice: Notice, rng: Random) -> tuple[bytes, str]:
        now_s = self.clock.now_ms() // 1_000
        body, mark = self._sealed(notice)
        other = replace(notice, event="evt_forged", about=rng.choice([*self.company.intents]))
        return rng.choice(
            [
                (body + b" ", mark),
                (self._sealed(other)[0], mark),
                SealedEnvelope("whsec_guessed").seal(notice, now_s),
                self.paying.envelope.seal(notice, now_s - 301),
                (body, ""),
            ]
        )

    # --- how it ended -----------------------------------------------------------------------------

    def _ended(self) -> Ended:
        compared = balance.reconcile(self.office)
        assert compared.is_even, compared
        self.paying.verify()
        with self.office.store.read() as tx:
            kept = tx.rows(
                "SELECT kind, CAST(sum(posted) AS bigint) FROM book WHERE kind <> 'wallet'"
                " GROUP BY kind",
                (),
                tuple[str, int],
            )
            rows = tx.rows(
                "SELECT 'topup ' || kind || ' ' || state, CAST(sum(cents) AS bigint) FROM topup"
                " GROUP BY kind, state UNION ALL"
                " SELECT 'refund ' || state, CAST(sum(cents) AS bigint) FROM refund GROUP BY state"
                " UNION ALL SELECT 'dispute ' || state, CAST(sum(cents) AS bigint) FROM dispute"
                " GROUP BY state UNION ALL SELECT 'closing ' || state, count(*) FROM closing"
                " GROUP BY state",
                (),
                tuple[str, int],
            )
            frozen = [each.name for each in accounts.on_list(tx) if each.frozen_at_ms]
        return Ended(
            wallets={name: self.paying.wallet(org) for name, org in self.orgs.items()},
            frozen=frozen,
            books=dict(kept),
            rows=dict(rows),
            queue=dict(Counter(item.kind for item in self.paying.items())),
            company_cents=self.company.balance_cents,
        )


def persist(work: Callable[[], Result]) -> Result:
    """Do something until the company and the database let it be done."""
    for _ in range(_TRIES):
        try:
            return work()
        except (PaymentsDown, Locked):
            continue
    raise AssertionError
