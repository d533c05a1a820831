"""Usage records in the journal: classes that were not used are left out, older records are read."""

import msgspec

from tests.builders.gateway_world import KEY, ORG
from troth.kernel.quantities import CLASSES, Quantities
from troth.kernel.usage_record import Attempt, Outcome, UsageRecord, UsageSource, decode, encode


def record(used: Quantities) -> UsageRecord:
    return UsageRecord(
        request="req_" + "1" * 32,
        org=ORG,
        key=KEY,
        endpoint="chat",
        model_asked="a",
        model_served="m",
        provider="groq",
        upstream="groq-1",
        region="us",
        price_set="set",
        started_at_ms=1,
        first_byte_ms=2,
        latency_ms=3,
        status=200,
        outcome=Outcome.DONE,
        streamed=False,
        usage_source=UsageSource.REPORTED,
        quantities=used,
        reserved_nusd=9,
        charged_nusd=8,
        cost_nusd=7,
        max_tokens_clamped=0,
        attempts=(Attempt("groq-1", "ok", 3),),
    )


def test_a_record_names_only_the_classes_that_were_used() -> None:
    written = encode(record(Quantities(input=212, output=146)))
    named = [name for name in CLASSES if b"%c%b" % (0xA0 + len(name), name.encode()) in written]
    assert named == ["input", "output"]
    assert decode(written) == record(Quantities(input=212, output=146))


def test_a_record_of_an_older_journal_is_read_which_names_every_class() -> None:
    fields = list(msgspec.structs.astuple(record(Quantities(input=212, reasoning=5))))
    fields[UsageRecord.__struct_fields__.index("quantities")] = {
        name: {"input": 212, "reasoning": 5}.get(name, 0) for name in CLASSES
    }
    assert decode(msgspec.msgpack.encode(fields)) == record(Quantities(input=212, reasoning=5))
