"""The request to an upstream: our head, and a body of checked fields alone.

Same dialect on both sides: the fields go as they were serialized when they were read, but for
what the provider deviates in. Other dialect: through the neutral conversation.
"""

from collections.abc import Iterable
from typing import Final

from troth.catalog.offering import Offering
from troth.gateway.dialects.clients import ClientDialect
from troth.gateway.dialects.strict_json import encode
from troth.gateway.exchange import Ask
from troth.kernel.errors import UnsupportedParameter
from troth.kernel.secret import Secret
from troth.providers.openai_fields import LIMITS, changes, lacking, left_out
from troth.providers.provider import provider_of
from troth.providers.request import UpstreamRequest, build

_LARGE: Final = 16_384
_STREAM: Final = b',"stream":true,"stream_options":{"include_usage":true}'
_GATEWAYS_OWN: Final = frozenset({"model", "stream", "stream_options"}) | LIMITS


def compose(
    _dialect: ClientDialect,
    ask: Ask,
    offering: Offering,
    credential: Secret,
    max_tokens: int | None,
) -> UpstreamRequest:
    """Return the whole request; `max_tokens` is what the reservation allows each choice.

    Raises:
        UnsupportedParameter: the offering cannot honor a field that changes the answer.
    """
    param = lacking(ask.needs, ask.fields, offering)
    if param is not None:
        raise UnsupportedParameter(param)
    if ask.endpoint == "embeddings":
        return build(offering.upstream, "/embeddings", credential, _embeddings(ask, offering))
    return build(
        offering.upstream, "/chat/completions", credential, _chat(ask, offering, max_tokens)
    )


def dropped(ask: Ask, offering: Offering) -> tuple[str, ...]:
    """Return the known fields that have no effect with this offering; the answer names them."""
    return (*ask.dropped, *left_out(ask.fields, offering))


def _chat(ask: Ask, offering: Offering, max_tokens: int | None) -> list[bytes]:
    """Return the body of a chat request for an upstream of the same dialect."""
    pieces = ask.encoded
    changed = changes(ask.fields, offering, has_cache_marks=ask.size.asks_cache)
    if changed:
        pieces = pieces | {name: encode(value) for name, value in changed.items()}
    skip = _GATEWAYS_OWN.union(left_out(ask.fields, offering))
    end = [b',"%b":%b' % (name.encode(), pieces[name]) for name in ask.fields if name not in skip]
    if max_tokens is not None:
        limit = provider_of(offering.upstream.provider).limit_field
        end.append(b',"%b":%d' % (limit.encode(), max_tokens))
    if ask.streamed:
        end.append(_STREAM)
    return _parts(offering, end)


def _embeddings(ask: Ask, offering: Offering) -> list[bytes]:
    """Return the body of an embeddings request; base64 is made here where it cannot be asked."""
    pieces = ask.encoded
    names = [name for name in ask.fields if name not in {"model", "encoding_format"}]
    end = [b',"%b":%b' % (name.encode(), pieces[name]) for name in names]
    wanted = ask.fields.get("encoding_format")
    is_exact = provider_of(offering.upstream.provider).exact_base64
    end.append(
        b',"encoding_format":"base64"'
        if wanted == "base64" and is_exact
        else b',"encoding_format":"float"'
    )
    return _parts(offering, end)


def _parts(offering: Offering, end: Iterable[bytes]) -> list[bytes]:
    """Return a body that begins with the model's name at the upstream."""
    parts = [b'{"model":%b' % encode(offering.upstream_model), *end, b"}"]
    return parts if sum(map(len, parts)) > _LARGE else [b"".join(parts)]
