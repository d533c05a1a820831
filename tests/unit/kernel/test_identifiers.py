"""Identifiers and API keys: their form, their checksum, their randomness."""

import pytest

from troth.kernel import api_keys, ids
from troth.kernel.clock import ManualClock, SystemClock


def counting(start: int = 0) -> ids.Entropy:
    """Entropy that never repeats and always comes the same."""
    state = [start]

    def draw(count: int) -> bytes:
        state[0] += 1
        return (state[0].to_bytes(4, "big") * (count // 4 + 1))[:count]

    return draw


def test_an_identifier_starts_with_its_time() -> None:
    clock = ManualClock(now_ms=0x0102030405)
    assert ids.IdMaker(clock, counting()).raw()[:6] == bytes([0, 1, 2, 3, 4, 5])


def test_identifiers_do_not_repeat() -> None:
    maker = ids.IdMaker(ManualClock())
    assert len({maker.raw() for _ in range(2_000)}) == 2_000


def test_the_outer_form_is_read_back() -> None:
    maker = ids.IdMaker(ManualClock())
    outer = maker.new("org")
    raw = ids.raw_of("org", outer)
    assert raw is not None
    assert ids.text("org", raw) == outer


@pytest.mark.parametrize(
    "outer", ["", "org", "org_", "key_" + "0" * 32, "org_" + "0" * 31, "org_" + "G" * 32]
)
def test_what_is_no_identifier_of_the_kind_is_refused(outer: str) -> None:
    assert ids.raw_of("org", outer) is None


def test_a_key_fits_what_bcrypt_reads() -> None:
    minted = api_keys.mint(counting())
    assert len(minted.text.reveal().encode()) == api_keys.LENGTH
    assert api_keys.LENGTH <= 72


def test_a_key_is_found_by_its_public_id() -> None:
    minted = api_keys.mint(counting(7))
    assert api_keys.public_id_of(minted.text.reveal()) == minted.public_id


def test_a_mistyped_key_is_refused_at_every_position() -> None:
    text = api_keys.mint(counting(9)).text.reveal()
    for at in range(len(text)):
        wrong = text[:at] + ("x" if text[at] != "x" else "y") + text[at + 1 :]
        assert api_keys.public_id_of(wrong) is None


def test_what_is_not_ascii_or_of_another_length_is_no_key() -> None:
    text = api_keys.mint(counting(9)).text.reveal()
    assert api_keys.public_id_of(text[:-1]) is None
    assert api_keys.public_id_of(text[:-1] + "é") is None


def test_a_manual_clock_moves_when_told() -> None:
    clock = ManualClock(now_ms=10, monotonic_ns=0)
    clock.advance(5)
    clock.step(-3)
    assert clock.now_ms() == 12
    assert clock.monotonic_ns() == 5_000_000


def test_the_system_clock_agrees_with_itself() -> None:
    clock = SystemClock()
    assert clock.now_ms() <= clock.now_ms()
    assert clock.monotonic_ns() <= clock.monotonic_ns()
