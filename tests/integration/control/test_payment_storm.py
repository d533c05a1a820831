"""The storm: whatever is doubled, shuffled, forged, lost or raced, the books end the same."""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random  # noqa: TID251 - a seeded one

import msgspec
import pytest

from tests.builders.paying_office import PayingOffice
from tests.simulation.payment_storm import Run, plans
from troth.kernel.clock import ManualClock
from troth.kernel.ids import IdMaker
from troth.server.office import Office
from troth.store import engine
from troth.store.data_map import DATA_MAP

SEED = 2_027
EVERYTHING = {
    "topup page paid",
    "topup page open",
    "topup page expired",
    "topup automatic paid",
    "refund done",
    "refund returned",
    "dispute open",
    "dispute won",
    "dispute lost",
    "closing closed",
}
_RUNS = re.compile(r"(?<![0-9A-Za-z_])(?:\d[ -]?){12,18}\d(?![0-9A-Za-z_])")


def is_card_number(digits: str) -> bool:
    """Tell whether digits have the form of a payment card's number."""
    plain = [int(digit) for digit in digits if digit.isdecimal()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in plain[-2::-2]]
    return plain[0] in {3, 4, 5, 6} and (sum(plain[-1::-2]) + sum(doubled)) % 10 == 0


def card_numbers(office: Office) -> list[str]:
    """List the columns of text and bytes that hold what could be a card's number."""
    found = []
    with office.store.read() as tx:
        for table in DATA_MAP:
            for row in tx.rows(f"SELECT * FROM {table}"):  # noqa: S608
                texts = [
                    value.decode("latin-1") if isinstance(value, bytes) else str(value)
                    for value in row
                    if isinstance(value, bytes | str)
                ]
                runs = [run for text in texts for run in _RUNS.findall(text)]
                found += [table for run in runs if is_card_number(run)]
    return found


@contextmanager
def quiet_office(office: Office, folder: Path) -> Iterator[PayingOffice]:
    clock = ManualClock()
    with closing(engine.open(f"sqlite:///{folder / 'quiet.db'}")) as store:
        maker = IdMaker(clock)
        yield PayingOffice(msgspec.structs.replace(office, store=store, clock=clock, maker=maker))


@pytest.mark.parametrize(
    "organizations", [16, pytest.param(900, marks=pytest.mark.prove)], ids=["short", "long"]
)
def test_a_storm_ends_as_a_quiet_year(
    paying: PayingOffice, clock: ManualClock, quick_path: Path, organizations: int
) -> None:
    planned = plans(SEED, organizations)
    with quiet_office(paying.office, quick_path) as still:
        assert isinstance(still.clock, ManualClock)
        quiet = Run(still, still.clock, None)
        expected = quiet.go(planned)
        notices = len(still.company.events)
    stormy = Run(paying, clock, Random(SEED))  # noqa: S311
    ended = stormy.go(planned)
    assert ended == expected
    assert stormy.answers[400] == stormy.forged > 0
    assert stormy.lost > 0
    assert stormy.answers[503] > 0
    assert stormy.answers[200] > 2 * notices
    assert quiet.answers == {200: notices}
    assert organizations < 900 or notices >= 10_000
    assert ended.rows.keys() >= EVERYTHING
    assert card_numbers(paying.office) == []


@pytest.mark.parametrize("number", ["4242424242424242", "378282246310005", "5555 5555 5555 4444"])
def test_the_form_of_a_card_number_is_known(number: str) -> None:
    found = _RUNS.findall(f"it is {number}, or so")
    assert [is_card_number(each) for each in found] == [True]
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert not is_card_number(wrong)


def test_a_planted_card_number_is_found(paying: PayingOffice) -> None:
    paying.organization("acme 4242 4242 4242 4242")
    assert card_numbers(paying.office) == ["organization"]
