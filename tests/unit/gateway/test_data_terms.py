"""What may happen to a prompt: promised by the deployment, narrowed by callers, said upstream."""

import msgspec
import pytest

from tests.builders.gateway_world import answers, offering, scene
from troth.catalog.offering import DataTerm, Offering

ANSWER = (
    b'{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},'
    b'"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}'
)
HELLO = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def behind(provider: str, *terms: DataTerm, upstream: str = "u1") -> Offering:
    """Return an offering of a provider at which these terms hold."""
    made = offering(upstream=upstream)
    where = msgspec.structs.replace(made.upstream, provider=provider, data_terms=frozenset(terms))
    return msgspec.structs.replace(made, upstream=where)


async def told(offered: Offering, **fields: object) -> object:
    """Send a request; return what the upstream was told of providers."""
    stage = scene(answers(200, ANSWER), offerings=[offered])
    reply = await stage.ask(msgspec.json.encode({**HELLO, **fields}))
    assert reply.status == 200, reply
    sent: dict[str, object] = msgspec.json.decode(stage.upstreams.sent[0][2])
    return sent.get("provider")


async def test_what_is_promised_goes_with_each_request() -> None:
    promised = behind("openrouter", "no_collection", "no_retention")
    both = {"data_collection": "deny", "zdr": True}
    assert await told(promised) == both
    assert await told(promised, stream=False, temperature=1) == both
    assert await told(promised, logprobs=None, provider={"order": ["a"]}) == both
    assert await told(promised, provider={"zdr": False, "data_collection": "allow"}) == both
    assert await told(behind("openrouter", "no_collection")) == {"data_collection": "deny"}
    assert await told(behind("openrouter")) is None


async def test_a_caller_narrows_what_is_promised() -> None:
    loose = behind("openrouter")
    assert await told(loose, provider={"zdr": True}) == {"zdr": True}
    deny = {"data_collection": "deny"}
    assert await told(loose, provider=deny) == deny


async def test_nobody_else_is_told() -> None:
    assert (
        await told(behind("openai", "no_collection"), provider={"data_collection": "deny"}) is None
    )


@pytest.mark.parametrize("wanted", [{"zdr": True}, {"data_collection": "deny"}])
async def test_where_nobody_keeps_to_it_the_request_is_refused(wanted: dict[str, object]) -> None:
    stage = scene(answers(200, ANSWER), offerings=[behind("groq")])
    reply = await stage.ask(msgspec.json.encode({**HELLO, "provider": wanted}))
    assert reply.status == 403
    assert reply.error["code"] == "no_eligible_provider"
    assert reply.error["param"] == "provider"
    assert stage.upstreams.sent == []


async def test_offerings_that_do_not_keep_to_it_are_passed_over() -> None:
    keeps = behind("groq", "no_retention", upstream="u2")
    stage = scene(answers(200, ANSWER), offerings=[behind("groq"), keeps])
    reply = await stage.ask(msgspec.json.encode({**HELLO, "provider": {"zdr": True}}))
    assert reply.status == 200
    assert stage.upstreams.sent[0][0].id == "u2"


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        ("deny", "provider"),
        ({"zdr": "yes"}, "provider.zdr"),
        ({"data_collection": "never"}, "provider.data_collection"),
    ],
)
async def test_what_cannot_be_meant_is_refused_by_its_field(wanted: object, param: str) -> None:
    stage = scene(answers(200, ANSWER), offerings=[behind("openrouter")])
    reply = await stage.ask(msgspec.json.encode({**HELLO, "provider": wanted}))
    assert (reply.status, reply.error["param"]) == (400, param)
