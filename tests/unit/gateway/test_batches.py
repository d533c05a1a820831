"""Embeddings of more inputs than the upstream takes in a call: several calls, one request."""

import msgspec
import pytest

from tests.builders.gateway_world import Reply, Scene, Step, answers, model, offering, scene
from troth.catalog.offering import Offering
from troth.catalog.price import PriceLine, compile_sheet
from troth.kernel.usage_record import Outcome, UsageSource, encode
from troth.ledger.shard.records import RECORD_BYTES_MAX
from troth.providers.provider import PROVIDERS

pytestmark = pytest.mark.anyio

A_TOKEN = 1_000
FAULT = answers(500, b'{"error":{"message":"no"}}')


def embedder(upstream: str = "u1", batch: int | None = 2) -> Offering:
    able = model(endpoints=frozenset({"embeddings"}), features=frozenset({"token_arrays"}))
    return offering(upstream=upstream, model=able, embedding_batch=batch)


def vectors(*values: float, tokens: int | None = 3) -> list[Step]:
    rows = [{"index": at, "embedding": [value]} for at, value in reversed([*enumerate(values)])]
    body: dict[str, object] = {"data": rows}
    if tokens is not None:
        body["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
    return answers(200, msgspec.json.encode(body))


async def embed(world: Scene, inputs: object) -> Reply:
    return await world.ask(msgspec.json.encode({"model": "m", "input": inputs}), "/v1/embeddings")


def asked(world: Scene) -> list[object]:
    return [msgspec.json.decode(body)["input"] for _, _, body in world.upstreams.sent]


def values_of(reply: Reply) -> list[float]:
    rows = msgspec.json.decode(reply.body)["data"]
    assert [row["index"] for row in rows] == list(range(len(rows)))
    return [row["embedding"][0] for row in rows]


async def test_inputs_over_the_batch_go_in_several_calls_and_are_charged_once() -> None:
    world = scene(
        vectors(1, 2), vectors(3, 4, tokens=4), vectors(5, tokens=5), offerings=[embedder()]
    )
    reply = await embed(world, list("abcde"))
    assert reply.status == 200
    assert asked(world) == [["a", "b"], ["c", "d"], ["e"]]
    assert values_of(reply) == [1, 2, 3, 4, 5]
    assert msgspec.json.decode(reply.body)["usage"]["prompt_tokens"] == 12
    assert world.wallet.charges == [12 * A_TOKEN]
    assert not world.wallet.open
    [row] = world.wallet.records
    assert [each.code for each in row.attempts] == ["ok", "ok", "ok"]
    assert (row.outcome, row.usage_source) == (Outcome.DONE, UsageSource.REPORTED)
    assert reply.headers["x-troth-attempts"] == "3"


async def test_lists_of_tokens_are_split_by_input_and_one_list_of_tokens_is_one_input() -> None:
    world = scene(vectors(1, 2), vectors(3), vectors(4), offerings=[embedder()])
    assert values_of(await embed(world, [[1, 2], [3], [4, 5, 6]])) == [1, 2, 3]
    assert asked(world) == [[[1, 2], [3]], [[4, 5, 6]]]
    world = scene(vectors(4), offerings=[embedder()])
    assert values_of(await embed(world, [7, 8, 9])) == [4]
    assert asked(world) == [[7, 8, 9]]


@pytest.mark.parametrize("batch", [0, 3, 9, None])
async def test_what_fits_goes_in_one_call(batch: int | None) -> None:
    world = scene(vectors(1, 2, 3), offerings=[embedder(batch=batch)])
    assert values_of(await embed(world, list("abc"))) == [1, 2, 3]
    assert asked(world) == [list("abc")]


async def test_a_failing_call_fails_the_request_and_nothing_is_charged() -> None:
    refused = answers(400, b'{"error":{"message":"no"}}')
    world = scene(vectors(1, 2), refused, offerings=[embedder()])
    reply = await embed(world, list("abcde"))
    assert reply.status >= 400
    assert len(world.upstreams.sent) == 2
    assert world.wallet.charges == [0]
    assert world.wallet.balance == 10**9
    [row] = world.wallet.records
    assert (row.outcome, row.charged_nusd) == (Outcome.UPSTREAM_FAILED, 0)
    assert row.attempts[0].code == "ok"


async def test_a_call_that_fails_once_is_repeated_alone() -> None:
    world = scene(vectors(1, 2), FAULT, vectors(3), offerings=[embedder()])
    assert values_of(await embed(world, list("abc"))) == [1, 2, 3]
    assert asked(world) == [["a", "b"], ["c"], ["c"]]
    assert world.wallet.charges == [6 * A_TOKEN]


async def test_the_calls_after_the_first_stay_with_the_offering_that_answered() -> None:
    both = [embedder("u1", 3), embedder("u2", 2)]
    world = scene(FAULT, vectors(1, 2), vectors(3), offerings=both)
    assert values_of(await embed(world, list("abc"))) == [1, 2, 3]
    assert [upstream.id for upstream, _, _ in world.upstreams.sent] == ["u1", "u2", "u2"]
    assert asked(world) == [["a", "b"], ["a", "b"], ["c"]]


async def test_an_upstream_that_rests_between_two_calls_leaves_no_charge() -> None:
    world = scene(vectors(1, 2), FAULT, FAULT, offerings=[embedder()])
    reply = await embed(world, list("abc"))
    assert reply.status == 502
    assert world.wallet.charges == [0]


async def test_one_count_that_is_missing_makes_the_whole_an_estimate_within_the_bound() -> None:
    world = scene(vectors(1, 2), vectors(3, tokens=None), offerings=[embedder()])
    await embed(world, ["a" * 40, "b" * 40, "c" * 40])
    [row] = world.wallet.records
    assert row.usage_source is UsageSource.ESTIMATED
    assert 0 < row.charged_nusd <= row.reserved_nusd


@pytest.mark.parametrize(("tokens", "charged"), [(3, 3 * A_TOKEN), (None, 0)])
async def test_who_leaves_pays_for_the_calls_that_were_answered_and_counted(
    tokens: int | None, charged: int
) -> None:
    hanging: list[Step] = [("head", 200, {b"content-type": b"application/json"})]
    world = scene(vectors(1, 2, tokens=tokens), hanging, offerings=[embedder()])
    world.leaves_after = 30
    await embed(world, list("abcde"))
    assert len(world.upstreams.sent) == 2
    assert world.wallet.charges == [charged]
    [row] = world.wallet.records
    assert (row.outcome, row.status) == (Outcome.CLIENT_LEFT, 499)


async def test_answers_that_are_too_large_together_are_refused_without_a_charge() -> None:
    one = [float(at) for at in range(10)]
    big = answers(200, msgspec.json.encode({"data": [{"embedding": one}]}))
    world = scene(big, offerings=[embedder(batch=1)])
    world.world.limits = msgspec.structs.replace(world.world.limits, answer_bytes=100)
    assert (await embed(world, list("abc"))).status == 502
    assert world.wallet.charges == [0]


async def test_many_calls_are_summed_in_the_record_which_stays_small() -> None:
    world = scene(*[vectors(at) for at in range(200)], offerings=[embedder(batch=1)])
    reply = await embed(world, ["a"] * 200)
    assert values_of(reply) == list(range(200))
    [row] = world.wallet.records
    assert [(each.code, each.count) for each in row.attempts] == [("ok", 1)] * 3 + [("ok", 197)]
    assert len(encode(row)) < RECORD_BYTES_MAX * 3 // 5
    assert reply.headers["x-troth-attempts"] == "200"
    assert world.wallet.charges == [600 * A_TOKEN]


def test_what_providers_are_known_to_take_needs_no_setting() -> None:
    assert PROVIDERS["deepinfra"].embedding_batch == 1_024
    assert PROVIDERS["openai"].embedding_batch == 2_048


async def test_a_split_request_is_one_request_for_who_pays_and_each_call_is_our_cost() -> None:
    lines = [PriceLine("input", A_TOKEN, 1), PriceLine("requests", 500, 1)]
    sheet = compile_sheet("calls", lines)
    each = msgspec.structs.replace(embedder(), sale=sheet, cost=sheet)
    world = scene(vectors(1, 2), vectors(3, 4), FAULT, vectors(5), offerings=[each])
    assert values_of(await embed(world, list("abcde"))) == [1, 2, 3, 4, 5]
    [row] = world.wallet.records
    assert row.quantities.requests == 1
    assert (row.charged_nusd, row.cost_nusd) == (9 * A_TOKEN + 500, 9 * A_TOKEN + 1_500)
    assert [(one.code, one.count) for one in row.attempts] == [
        ("ok", 1), ("ok", 1), ("upstream_error", 1), ("ok", 1),
    ]  # fmt: skip
    assert row.charged_nusd <= row.reserved_nusd
