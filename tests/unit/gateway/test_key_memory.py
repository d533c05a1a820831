"""No short key of a request stays in the decoder's memory once it was overwritten."""

import msgspec

from troth.gateway.dialects.key_memory import KeyMemory

PROBES = [f"asked-by-somebody-{number}" for number in range(5_000)]


def keys_of(names: list[str]) -> dict[str, str]:
    """Decode each name as the only key of an object; return the very strings."""
    found = {}
    for name in names:
        [key] = msgspec.json.decode(msgspec.json.encode({name: None}))
        found[name] = key
    return found


def still_kept(before: dict[str, str]) -> int:
    """Count keys that the decoder hands out again, asking for the last one first."""
    return sum(keys_of([name])[name] is before[name] for name in reversed(before))


def test_the_decoder_keeps_short_keys_by_itself() -> None:
    assert still_kept(keys_of(PROBES)) > 100


def test_none_is_kept_once_the_memory_was_overwritten() -> None:
    memory = KeyMemory()
    before = keys_of(PROBES)
    memory.overwrite()
    assert still_kept(before) == 0
