"""The request to an upstream: our head, and a body of checked fields alone.

Same dialect on both sides: the fields go as they were serialized when they were read, but for
what the provider deviates in. Other dialect: through the neutral conversation.
"""

from collections.abc import Iterable
from typing import Final

from troth.catalog.offering import Offering
from troth.gateway.dialects.strict_json import encode
from troth.gateway.exchange import Ask, Fields
from troth.gateway.outlet import Outlet, beginning
from troth.providers import anthropic_dialect, openai_dialect
from troth.providers.forms import way_of_form, with_form_as_tool
from troth.providers.openai_fields import LIMITS, changes, lacking, left_out, untranslatable
from troth.providers.request import UpstreamRequest, request

_LARGE: Final = 16_384
_COUNTED: Final = frozenset(
    {"cache_control", "messages", "output_config", "system", "thinking", "tool_choice", "tools"}
)
"""What of a request has tokens, and what the endpoint that counts them takes."""
_STREAM: Final = b',"stream":true'
_STREAM_WITH_USAGE: Final = b',"stream":true,"stream_options":{"include_usage":true}'
_GATEWAYS_OWN: Final = frozenset({"model", "stream", "stream_options"}) | LIMITS
_LOST_TO_MESSAGES: Final = frozenset(
    {
        "frequency_penalty",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "seed",
        "service_tier",
        "verbosity",
    }
)
_LOST_TO_FORCED_CALLS: Final = frozenset({"reasoning_effort"})
_LOST_TO_CHAT: Final = frozenset({"service_tier", "speed"})
_DEFAULT_MAX_TOKENS: Final = 4_096


def compose(ask: Ask, outlet: Outlet, max_tokens: int | None) -> UpstreamRequest:
    """Return the whole request; `max_tokens` is what the reservation allows each choice.

    The offering can do what is asked: `unsupported` was asked first.
    """
    headings = outlet.headings
    if ask.endpoint == "embeddings":
        return request(headings["/embeddings"], _embeddings(ask, outlet))
    offering = outlet.offering
    if offering.upstream.dialect == "anthropic":
        most = max_tokens or ask.max_tokens or offering.model.max_output or _DEFAULT_MAX_TOKENS
        return request(headings["/messages"], _messages(ask, outlet, most))
    if ask.plain is not None and outlet.provider.takes_zero_temperature:
        return request(headings["/chat/completions"], _plain(ask, outlet, max_tokens))
    return request(headings["/chat/completions"], _chat(ask, outlet, max_tokens))


def unsupported(ask: Ask, offering: Offering) -> str | None:
    """Return the field that this offering cannot honor though it changes the answer, or None."""
    param = lacking(ask.needs, ask.fields, offering)
    if param is None and is_translated(ask, offering):
        param = untranslatable(ask.fields)
    if param == "response_format" and ask.endpoint == "messages":
        return "output_config"
    return param


def is_translated(ask: Ask, offering: Offering) -> bool:
    """Tell whether client and upstream speak different dialects."""
    if ask.endpoint == "embeddings":
        return False
    return (ask.endpoint == "messages") is not (offering.upstream.dialect == "anthropic")


def dropped(ask: Ask, offering: Offering) -> tuple[str, ...]:
    """Return the known fields that have no effect with this offering; the answer names them."""
    if ask.endpoint == "embeddings":
        return ask.dropped
    if not is_translated(ask, offering):
        is_whole = ask.plain is not None or ask.endpoint == "messages"
        return ask.dropped if is_whole else _with_left_out(ask, offering)
    lost = _LOST_TO_CHAT if ask.endpoint == "messages" else _LOST_TO_MESSAGES
    if way_of_form(ask.fields, offering) == "tool":
        lost |= _LOST_TO_FORCED_CALLS
    return (*ask.dropped, *sorted(ask.fields.keys() & lost))


def _with_left_out(ask: Ask, offering: Offering) -> tuple[str, ...]:
    return (*ask.dropped, *left_out(ask.fields, offering))


def _plain(ask: Ask, outlet: Outlet, max_tokens: int | None) -> list[bytes]:
    """Return the body of a plain request: what was read goes on as one piece."""
    limit = b"" if max_tokens is None else b"%b%d" % (outlet.limit, max_tokens)
    end = _streaming(outlet) if ask.streamed else b""
    parts = [outlet.model, b",", ask.given_on, limit, end, b"}"]
    return parts if len(ask.given_on) > _LARGE else [b"".join(parts)]


def _chat(ask: Ask, outlet: Outlet, max_tokens: int | None) -> list[bytes]:
    """Return the body of a request in OpenAI's chat dialect."""
    offering = outlet.offering
    fields = ask.fields
    pieces = ask.encoded or _pieces(fields)
    if ask.endpoint == "messages":
        fields = openai_dialect.fields_from(anthropic_dialect.conversation_of(fields))
        pieces = _pieces(fields)
    changed = changes(fields, offering, has_cache_marks=ask.size.asks_cache)
    if changed:
        pieces = pieces | _pieces(changed)
    skip = _GATEWAYS_OWN.union(left_out(fields, offering))
    end = [b',"%b":%b' % (name.encode(), pieces[name]) for name in fields if name not in skip]
    if max_tokens is not None:
        end.append(b"%b%d" % (outlet.limit, max_tokens))
    if ask.streamed:
        end.append(_streaming(outlet))
    return _parts(ask, outlet, end)


def _streaming(outlet: Outlet) -> bytes:
    """Return what asks a chat upstream for a stream, with usage where it can be asked for."""
    return _STREAM_WITH_USAGE if outlet.provider.takes_stream_options else _STREAM


def _messages(ask: Ask, outlet: Outlet, max_tokens: int) -> list[bytes]:
    """Return the body of a request in Anthropic's messages dialect."""
    fields, pieces = ask.fields, ask.encoded
    if ask.endpoint == "chat":
        said = openai_dialect.conversation_of(fields)
        if way_of_form(fields, outlet.offering) == "tool":
            said = with_form_as_tool(said)
        fields = anthropic_dialect.fields_from(said, max_tokens)
        pieces = _pieces(fields)
    end = [
        b',"%b":%b' % (name.encode(), pieces[name]) for name in fields if name not in _GATEWAYS_OWN
    ]
    end.append(b',"max_tokens":%d' % max_tokens)
    if ask.streamed:
        end.append(_STREAM)
    return _parts(ask, outlet, end)


def compose_count(ask: Ask, outlet: Outlet) -> UpstreamRequest:
    """Return the request that asks an Anthropic upstream for the tokens of a messages request."""
    pieces = ask.encoded
    named = [name for name in ask.fields if name in _COUNTED]
    end = [b',"%b":%b' % (name.encode(), pieces[name]) for name in named]
    return request(outlet.headings["/messages/count_tokens"], _parts(ask, outlet, end))


def _embeddings(ask: Ask, outlet: Outlet) -> list[bytes]:
    """Return the body of an embeddings request; base64 is made here where it cannot be asked."""
    pieces = ask.encoded
    names = [name for name in ask.fields if name not in {"model", "encoding_format"}]
    end = [b',"%b":%b' % (name.encode(), pieces[name]) for name in names]
    wanted = ask.fields.get("encoding_format")
    is_exact = outlet.provider.exact_base64
    end.append(
        b',"encoding_format":"base64"'
        if wanted == "base64" and is_exact
        else b',"encoding_format":"float"'
    )
    return _parts(ask, outlet, end)


def _pieces(fields: Fields) -> dict[str, bytes]:
    return {name: encode(value) for name, value in fields.items()}


def _parts(ask: Ask, outlet: Outlet, end: Iterable[bytes]) -> list[bytes]:
    """Return a body that begins with the model's name at the upstream."""
    first = beginning(outlet.offering, ask.terms) if ask.terms else outlet.model
    parts = [first, *end, b"}"]
    return parts if sum(map(len, parts)) > _LARGE else [b"".join(parts)]
