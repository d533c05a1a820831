"""A receipt names its batch and proves its charge; the receipts of a day sum to its close."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from tests.builders.money_world import USD, GatewayProcess, MoneyWorld
from tests.builders.posted_world import PostedWorld, ask
from troth.control import usage
from troth.control.usage import Receipt
from troth.kernel import ids
from troth.kernel.clock import ManualClock
from troth.kernel.log import Log
from troth.ledger import books
from troth.ledger.books import Credit, LotKind, wallet_purse
from troth.ledger.shard import Short
from troth.server.duties import DUTIES, Duties
from troth.server.office import DESK, Office
from troth.server.records import receipt_document
from troth.store.transaction import Conflict

MS_OF_DAY = 86_400_000


@pytest.fixture
def world(office: Office, clock: ManualClock, tmp_path: Path) -> Iterator[PostedWorld]:
    world = PostedWorld(office.store, tmp_path)
    world.clock = clock
    yield world
    for gateway in world.gateways.values():
        gateway.journal.close()


def lend(gateway: GatewayProcess, org: bytes) -> None:
    """Let the gateway have enough of a wallet for some requests without asking again."""
    admitted = gateway.admit((wallet_purse(org),), 10_000)
    assert not isinstance(admitted, Short)
    gateway.shard.abort(admitted[0])


def receipt(world: MoneyWorld, request: str) -> Receipt:
    with world.store.read() as tx:
        document = receipt_document(tx, "", "", request)
    assert document is not None
    return msgspec.json.decode(document, type=Receipt)


def close_days(office: Office, clock: ManualClock) -> None:
    lines: list[bytes] = []
    Duties(office, DUTIES, clock=clock, log=Log(lines.append, clock, "control")).turn()
    assert lines == []


def pass_midnight(world: PostedWorld) -> None:
    world.clock.advance(MS_OF_DAY - world.clock.now_ms() % MS_OF_DAY)


def test_each_receipt_of_a_batch_proves_its_charge(world: PostedWorld) -> None:
    org = world.organization(USD)
    gateway = world.gateway()
    lend(gateway, org)
    requests = [ask(gateway, org, 100 + number) for number in range(5)]
    world.pump()
    batches = set()
    for place, request in enumerate(requests):
        found = receipt(world, request)
        assert found.posting is not None
        assert found.posting.place == place
        assert found.posting.day == world.clock.now_ms() // MS_OF_DAY
        assert found.posting.proof is not None
        raw = bytes.fromhex(request.removeprefix("req_"))
        assert usage.holds(raw, found.charged_nusd, found.posting.proof)
        assert not usage.holds(raw, found.charged_nusd - 1, found.posting.proof)
        batches.add(found.posting.batch)
    assert batches == {2}
    assert world.number("SELECT count FROM batch WHERE n = 2") == 5


def test_a_proof_can_be_checked_with_nothing_but_sha256(world: PostedWorld) -> None:
    org = world.organization(USD)
    gateway = world.gateway()
    lend(gateway, org)
    request = ask(gateway, org, 700)
    ask(gateway, org, 800)
    ask(gateway, org, 900)
    world.pump()
    posting = receipt(world, request).posting
    assert posting is not None
    proof = posting.proof
    assert proof is not None
    raw = bytes.fromhex(request.removeprefix("req_"))
    node = sha256(b"\0" + raw + (700).to_bytes(8, "big")).digest()
    assert node.hex() == proof.leaf
    for step in proof.path:
        beside = bytes.fromhex(step.hash)
        node = sha256(b"\1" + (beside + node if step.side == "left" else node + beside)).digest()
    assert node.hex() == proof.root
    with world.store.read() as tx:
        root = tx.row(
            "SELECT receipts_root FROM batch WHERE hash = ?",
            (bytes.fromhex(posting.batch_hash),),
            tuple[bytes],
        )
    assert root == (node,)


def test_a_receipt_names_the_credits_that_paid_it(world: PostedWorld) -> None:
    """Gifts first; a charge at a gift's end is paid from two credits, one of nothing from none."""
    org, other = world.organization(1_000), world.organization(USD)
    with world.store.write() as tx:
        gift = Credit("gift", org, LotKind.PROMO, 150)
        books.credit(tx, gift, DESK, world.clock.now_ms())
    gateway = world.gateway()
    requests = []
    for owner, charge in ((org, 100), (other, 70), (org, 0), (org, 100), (org, 60)):
        lend(gateway, owner) if charge == 70 else None
        requests.append(ask(gateway, owner, charge))
    world.pump()
    found = [receipt(world, request) for request in requests]
    assert [[(each.kind, each.amount_nusd) for each in one.paid_from] for one in found] == [
        [("promo", 100)],
        [("paid", 70)],
        [],
        [("promo", 50), ("paid", 50)],
        [("paid", 60)],
    ]
    drawn: dict[str, int] = {}
    for each in (each for one in found for each in one.paid_from):
        drawn[each.lot] = drawn.get(each.lot, 0) + each.amount_nusd
    with world.store.read() as tx:
        lots = [lot for owner in (org, other) for lot in books.lots(tx, owner)]
    assert drawn == {lot.id.hex(): lot.spent for lot in lots}


def test_no_cell_of_exported_receipts_is_a_formula(world: PostedWorld) -> None:
    org = world.organization(USD)
    request = ask(world.gateway(), org, 7, model="=1+1")
    world.pump()
    head, row = usage.as_rows([receipt(world, request)])
    told = dict(zip(head, row, strict=True))
    assert (told["model_asked"], told["model_served"]) == ("'=1+1", "'=1+1")
    assert (told["receipt"], told["charged_nusd"]) == (request, 7)


def test_a_receipt_beside_expired_ones_names_its_batch_without_a_proof(world: PostedWorld) -> None:
    org = world.organization(USD)
    gateway = world.gateway()
    lend(gateway, org)
    gone, kept = ask(gateway, org, 100), ask(gateway, org, 200)
    world.pump()
    with world.store.write() as tx:
        tx.execute("DELETE FROM usage WHERE request = ?", (ids.raw_of("req", gone),))
    posting = receipt(world, kept).posting
    assert posting is not None
    assert (posting.batch, posting.place, posting.proof) == (2, 1, None)
    assert [each.amount_nusd for each in receipt(world, kept).paid_from] == [200]


def test_the_receipts_of_a_day_sum_to_its_close(world: PostedWorld, office: Office) -> None:
    clock = world.clock
    orgs = world.organization(USD), world.organization(USD)
    gateway = world.gateway()
    day = clock.now_ms() // MS_OF_DAY
    pass_midnight(world)
    close_days(office, clock)
    for number in range(4):
        ask(gateway, orgs[number % 2], 100 + number, model=f"model {number // 2}")
        world.pump()
        clock.advance(3_600_000)
    clock.advance(MS_OF_DAY - clock.now_ms() % MS_OF_DAY - 1_000)  # time enough to ask for credit
    late = ask(gateway, orgs[0], 50)
    pass_midnight(world)
    early = ask(gateway, orgs[1], 70)
    world.pump()  # both are posted on the day that is still open
    close_days(office, clock)
    after = ask(gateway, orgs[0], 9)
    pass_midnight(world)
    close_days(office, clock)
    world.pump()  # begun on a day that was closed before it was posted
    days = [receipt(world, request).posting for request in (late, early, after)]
    assert [posting and posting.day - day for posting in days] == [1, 1, 3]
    for org, charged in ((orgs[0], 100 + 102 + 50), (orgs[1], 101 + 103 + 70)):
        frozen = "SELECT sum(charged) FROM rollup_day WHERE org = ? AND day = ?"
        closed = "SELECT charged FROM day_close WHERE book = ? AND day = ?"
        assert world.number(frozen, org, day + 1) == charged
        assert world.number(closed, wallet_purse(org), day + 1) == charged
    with world.store.read() as tx:
        assert usage.disagreeing(tx) == []
        hours = usage.totals(tx, usage.Period((day + 3) * MS_OF_DAY, clock.now_ms() + 1), "hour")
    assert [(each.group, each.charged_nusd) for each in hours] == [((day + 3) * MS_OF_DAY, 9)]


def test_sums_of_a_closed_day_are_frozen_and_compared(
    world: PostedWorld, office: Office, clock: ManualClock
) -> None:
    org = world.organization(USD)
    gateway = world.gateway()
    ask(gateway, org, 100)
    world.pump()
    pass_midnight(world)
    close_days(office, clock)
    for change in ("UPDATE rollup_day SET charged = 1", "DELETE FROM rollup_day"):
        with pytest.raises(Conflict), world.store.write() as tx:
            tx.execute(change)
    with world.store.write() as tx:
        tx.execute("UPDATE rollup_hour SET charged = charged + 1")
        usage.freeze(tx, clock.now_ms() // MS_OF_DAY - 2)  # another day: nothing to sum
        tx.execute(
            "INSERT INTO rollup_day SELECT day, org, api_key, 'other', count, failed, tokens_in,"
            " tokens_cached, tokens_out, images, audio_ms, characters, charged, cost"
            " FROM rollup_day"
        )
        assert usage.disagreeing(tx) == [clock.now_ms() // MS_OF_DAY - 1]
