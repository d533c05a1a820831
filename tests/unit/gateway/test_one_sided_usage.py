"""Usage of which one side is absent or absurd: the other is charged as the upstream told it.

What an upstream says of a side that cannot be is replaced by our estimate, never by nothing.
"""

import msgspec
import pytest

from tests.builders.gateway_world import Scene, Step, answers, model, offering, scene, streams
from troth.catalog.offering import Upstream
from troth.catalog.price import PriceLine, compile_sheet
from troth.kernel.quantities import Quantities
from troth.kernel.usage_record import Outcome, UsageRecord, UsageSource

pytestmark = pytest.mark.anyio

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
WORDS = "four words of text. " * 20
"""400 bytes: 88 tokens at the ratio that nobody taught yet."""
BODY = {"model": "m", "max_tokens": 500, "messages": [{"role": "user", "content": "Say it. " * 40}]}
PRICES = {"input": 10**9, "cache_read": 10**8, "output": 2 * 10**9}
Usage = dict[str, object]
BEGUN: Usage = {"input_tokens": 20, "cache_read_input_tokens": 300, "output_tokens": 1}


def encoded(value: object) -> bytes:
    return msgspec.json.encode(value)


def anthropic_events(begun: Usage, last: Usage | None) -> list[bytes]:
    message = {"id": "x", "type": "message", "role": "assistant", "model": "m", "content": []}
    block = {"type": "text", "text": ""}
    delta = {"type": "text_delta", "text": WORDS}
    stop: Usage = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    events: list[Usage] = [
        {"type": "message_start", "message": {**message, "usage": begun}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        stop if last is None else stop | {"usage": last},
        {"type": "message_stop"},
    ]
    return [b"event: %b\ndata: %b\n\n" % (str(e["type"]).encode(), encoded(e)) for e in events]


def anthropic_whole(usage: Usage) -> list[Step]:
    told = {"id": "x", "type": "message", "role": "assistant", "model": "m", "usage": usage}
    content = [{"type": "text", "text": WORDS}]
    return answers(200, encoded({**told, "content": content, "stop_reason": "end_turn"}))


def openai_script(usage: object, *, is_streamed: bool) -> list[Step]:
    if is_streamed:
        said = {"index": 0, "delta": {"content": WORDS}, "finish_reason": None}
        end = {"index": 0, "delta": {}, "finish_reason": "stop"}
        last: list[Usage] = [{"choices": [said]}, {"choices": [end]}]
        last.append({"choices": [], "usage": usage})
        return streams(*(b"data: %b\n\n" % encoded(each) for each in last), b"data: [DONE]\n\n")
    message = {"role": "assistant", "content": WORDS}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return answers(200, encoded({"id": "x", "choices": [choice], "usage": usage}))


def place(dialect: str, script: list[Step]) -> Scene:
    sheet = compile_sheet("set", [PriceLine(unit, nusd) for unit, nusd in PRICES.items()])
    sold = offering(sale=sheet, cost=sheet)
    if dialect == "anthropic":
        upstream = Upstream("u1", "anthropic", "anthropic", "http", "127.0.0.1", 1, "/v1")
        sold = msgspec.structs.replace(sold, upstream=upstream)
    return scene(script, offerings=[sold])


async def kept(stage: Scene, path: str = CHAT, **more: object) -> UsageRecord:
    await stage.ask(encoded({**BODY, **more}), path)
    (row,) = stage.wallet.records
    assert stage.wallet.charges == [row.charged_nusd]
    return row


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("leaves", [True, False])
async def test_who_leaves_or_is_cut_off_pays_for_the_prompt_what_was_told_of_it(
    path: str, *, leaves: bool
) -> None:
    """Most of the prompt was read from a cache, as the first event says: a tenth of its price."""
    events = anthropic_events(BEGUN, None)[:3]
    script = streams(*events, ends=False)
    if leaves:
        script[-1:] = [("piece", b"")] * 40
    stage = place("anthropic", script)
    stage.leaves_after = 30 if leaves else 0
    row = await kept(stage, path, stream=True)
    assert row.outcome is (Outcome.CLIENT_LEFT if leaves else Outcome.UPSTREAM_CUT)
    assert row.usage_source is UsageSource.ESTIMATED
    assert row.quantities == Quantities(input=20, cache_read=300, output=88)
    assert "absurd_usage" not in stage.world.counters.events


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("last", [None, {}, {"output_tokens": None}, {"output_tokens": -9}])
async def test_a_first_event_does_not_know_how_long_the_answer_gets(
    path: str, last: Usage | None
) -> None:
    """One token, as a first event says, would be charged for hundreds of words."""
    stage = place("anthropic", streams(*anthropic_events(BEGUN, last)))
    row = await kept(stage, path, stream=True)
    assert row.outcome is Outcome.DONE
    assert row.usage_source is UsageSource.ESTIMATED
    assert row.quantities == Quantities(input=20, cache_read=300, output=88)


ABSURD = (
    ({"prompt_tokens": 0, "completion_tokens": 90}, (False, True)),
    ({"prompt_tokens": 30, "completion_tokens": 0}, (True, False)),
    ({"prompt_tokens": 30, "completion_tokens": 3}, (True, False)),
    ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, (False, False)),
    ({"prompt_tokens": 30, "completion_tokens": 501}, (True, False)),
    ({"prompt_tokens": 10**6, "completion_tokens": 90}, (False, True)),
    ({"prompt_tokens": 30}, (True, False)),
    ({"prompt_tokens": 30, "completion_tokens": 90.5}, (True, False)),
    ({"prompt_tokens": 30, "completion_tokens": 4}, (True, True)),
)


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize(("usage", "believed"), ABSURD)
async def test_each_side_is_believed_or_not_by_itself(
    path: str, usage: Usage, believed: tuple[bool, bool]
) -> None:
    rows = []
    for is_streamed in (False, True):
        stage = place("openai", openai_script(usage, is_streamed=is_streamed))
        rows.append(await kept(stage, path, stream=is_streamed))
    whole, streamed = rows
    assert whole.quantities == streamed.quantities
    assert whole.charged_nusd == streamed.charged_nusd > 0
    assert whole.usage_source is (UsageSource.REPORTED if all(believed) else UsageSource.ESTIMATED)
    used, (has_input, has_output) = whole.quantities, believed
    assert (used.input == usage.get("prompt_tokens")) is has_input
    assert (used.output == usage.get("completion_tokens")) is has_output
    assert min(used.input, used.output) > 0


async def test_a_whole_message_that_counts_nothing_is_counted_here() -> None:
    stage = place("anthropic", anthropic_whole({"input_tokens": 0, "output_tokens": 0}))
    row = await kept(stage, MESSAGES)
    assert row.quantities == Quantities(input=71, output=88)
    assert stage.world.counters.events == {"absurd_usage": 1}


async def test_an_answer_without_words_may_have_no_tokens() -> None:
    usage = {"prompt_tokens": 30, "completion_tokens": 0}
    choice = {"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "stop"}
    script = answers(200, encoded({"id": "x", "choices": [choice], "usage": usage}))
    row = await kept(place("openai", script))
    assert (row.usage_source, row.quantities) == (UsageSource.REPORTED, Quantities(input=30))


async def test_images_do_not_teach_how_many_bytes_a_token_has() -> None:
    """A picture counts thousands of tokens and has no text: later estimates would be as large."""
    able = model(features=frozenset({"image_input"}))
    usage = {"prompt_tokens": 4_000, "completion_tokens": 90}
    scripts = [openai_script(usage, is_streamed=False), openai_script(None, is_streamed=False)]
    stage = scene(*scripts, offerings=[offering(model=able)])
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    content = [{"type": "text", "text": "Say it."}, picture]
    await stage.ask(encoded({**BODY, "messages": [{"role": "user", "content": content}]}))
    await stage.ask(encoded(BODY))
    assert [row.quantities for row in stage.wallet.records] == [
        Quantities(input=4_000, output=90),
        Quantities(input=71, output=88),
    ]


async def test_a_class_that_nobody_priced_is_free_and_an_alarm() -> None:
    usage = {
        "prompt_tokens": 30,
        "completion_tokens": 90,
        "prompt_tokens_details": {"audio_tokens": 10},
    }
    stage = place("openai", openai_script(usage, is_streamed=False))
    row = await kept(stage)
    assert row.quantities == Quantities(input=20, input_audio=10, output=90)
    assert row.charged_nusd == 20 * 1_000 + 90 * 2_000
    assert stage.world.counters.events == {"unpriced_usage": 1}
