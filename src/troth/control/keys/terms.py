"""What a key may do, checked before it is written."""

import ipaddress

import msgspec

from troth.control.accounts import checked_name
from troth.kernel.errors import InvalidValue

_LIST_MAX = 100
_LIMIT_MAX = 2**62


class Terms(msgspec.Struct, frozen=True):
    """Name and limits of a key. 0 is no limit, an empty list allows all.

    `models` are public names, `networks` CIDR blocks; `expires_at_ms` in unix milliseconds;
    `project` the reference of the project that the key belongs to for good, empty for none.
    """

    name: str
    models: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    expires_at_ms: int = 0
    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    concurrency: int = 0
    may_read_wallet: bool = True
    project: str = ""


def checked(terms: Terms, now_ms: int) -> Terms:
    """Return the terms with name and networks in their one form.

    Raises:
        InvalidValue: field and reason; the value is not repeated.
    """
    for field in ("requests_per_minute", "tokens_per_minute", "concurrency"):
        value = getattr(terms, field)
        if not 0 <= value <= _LIMIT_MAX:
            raise InvalidValue(field, "give a number of 0 or more; 0 is no limit")
    if terms.expires_at_ms and terms.expires_at_ms <= now_ms:
        raise InvalidValue("expires_at_ms", "give a time to come, or 0 for a key without end")
    return msgspec.structs.replace(
        terms,
        name=checked_name(terms.name),
        models=_models(terms.models),
        networks=_networks(terms.networks),
    )


def _models(models: tuple[str, ...]) -> tuple[str, ...]:
    if len(models) > _LIST_MAX or not all(model and model.isprintable() for model in models):
        raise InvalidValue("models", f"give at most {_LIST_MAX} names of models")
    return tuple(sorted(set(models)))


def _networks(networks: tuple[str, ...]) -> tuple[str, ...]:
    if len(networks) > _LIST_MAX:
        raise InvalidValue("networks", f"give at most {_LIST_MAX} networks")
    try:
        return tuple(str(ipaddress.ip_network(network)) for network in networks)
    except ValueError:
        reason = "give addresses or blocks such as 192.0.2.0/24, with no bit set behind the prefix"
        raise InvalidValue("networks", reason) from None
