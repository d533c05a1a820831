"""Errors speak in our words only; a log line is a closed type."""

import msgspec
import pytest

from troth.kernel import errors
from troth.kernel.clock import ManualClock
from troth.kernel.fields import Code, Count, Ref
from troth.kernel.log import Event, Log
from troth.kernel.quantities import CLASSES, Quantities, tokens_in, tokens_out
from troth.kernel.usage_record import Attempt, Outcome, UsageRecord, UsageSource, decode, encode


class Mood(Code):
    """A closed list for the test."""

    GOOD = "good"


class Happened(Event, frozen=True, tag="happened"):
    """A line for the test."""

    org: Ref
    mood: Mood
    count: Count


def test_a_log_line_is_one_json_object_of_scalars() -> None:
    lines: list[bytes] = []
    log = Log(lines.append, ManualClock(now_ms=7), "gateway-0")
    log.write(Happened("org_" + "0" * 32, Mood.GOOD, 3))
    assert msgspec.json.decode(lines[0]) == {
        "at_ms": 7,
        "process": "gateway-0",
        "event": "happened",
        "org": "org_" + "0" * 32,
        "mood": "good",
        "count": 3,
    }
    assert lines[0].endswith(b"}\n")


def test_a_broken_invariant_names_its_rule() -> None:
    errors.invariant(True, "I1 books sum to zero")  # noqa: FBT003
    with pytest.raises(errors.InvariantBroken, match="I2 wallet below zero"):
        errors.invariant(False, "I2 wallet below zero")  # noqa: FBT003


def test_a_bad_request_names_field_and_reason() -> None:
    assert errors.InvalidValue("n", "must be 1 to 128").message == "'n': must be 1 to 128"
    assert errors.MalformedBody().message == errors.MalformedBody.sentence


@pytest.mark.parametrize(
    ("source", "word"), [("wallet", "Add credit"), ("key_budget", "limit"), ("in_flight", "ended")]
)
def test_an_empty_wallet_says_what_to_do(source: str, word: str) -> None:
    assert word in errors.CreditsExhausted(2, 1, 0, source).message


def test_errors_with_fields_fill_their_sentences() -> None:
    assert "P-content-1" in errors.RefusedByPolicy("store", "P-content-1").message
    assert "tokens" in errors.RateLimited("tokens", 5).message
    assert errors.MethodNotAllowed("POST").allow == "POST"
    assert errors.Overloaded(7).retry_after_ms == 7
    assert errors.Misconfigured("a line").problem == "a line"
    assert errors.TrothError("n").message == errors.TrothError.sentence


def test_a_usage_record_is_read_back_as_it_was_written() -> None:
    record = UsageRecord(
        "req_" + "0" * 32,
        "org_" + "0" * 32,
        "key_" + "0" * 32,
        "chat",
        "asked",
        "served",
        "groq",
        "groq-1",
        "US",
        "set",
        1,
        2,
        3,
        200,
        Outcome.DONE,
        streamed=True,
        usage_source=UsageSource.REPORTED,
        quantities=Quantities(input=1),
        reserved_nusd=9,
        charged_nusd=8,
        cost_nusd=7,
        max_tokens_clamped=0,
        attempts=(Attempt("groq-1", "ok", 4),),
    )
    assert decode(encode(record)) == record


def test_tokens_are_summed_by_side() -> None:
    every = Quantities(*range(1, len(CLASSES) + 1))
    assert tokens_in(every) == 1 + 2 + 3 + 4 + 5 + 6
    assert tokens_out(every) == 7 + 8 + 9
