"""Names of requests, as a world without a desk keeps them."""

from collections.abc import Callable

from troth.gateway.ports import Naming


class TestNames:
    """What was claimed under which hash, and given back; `refusal` is what a claim meets."""

    __test__ = False

    def __init__(self) -> None:
        self.claimed: list[tuple[Naming, bytes]] = []
        self.freed: list[Naming] = []
        self.refusal: Exception | None = None

    async def claim(self, naming: Naming, form: Callable[[bytes], bytes]) -> None:
        self.claimed.append((naming, form(b"k" * 32)))
        if self.refusal is not None:
            raise self.refusal

    def free(self, naming: Naming) -> None:
        self.freed.append(naming)
