"""The gateway's end of names: the desk is asked, and told of names that were not used."""

import asyncio
from collections.abc import Callable
from typing import Final, assert_never

from troth.gateway.ports import Naming
from troth.kernel.errors import Overloaded
from troth.kernel.ids import text
from troth.kernel.name_errors import AlreadyCharged, AlreadyRunning, NameReused
from troth.server.link import Link, LinkLost
from troth.server.messages import FormKey, NameAnswer, NameAsk, NameFreed, Verdict

_TRIES: Final = 3


class LinkedNames:
    """The port of names."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._keys: list[FormKey] = []
        self._freeing: set[asyncio.Task[None]] = set()

    async def claim(self, naming: Naming, form: Callable[[bytes], bytes]) -> None:
        """Take a name for a request; `form` hashes what is asked with a key.

        Raises:
            AlreadyRunning, AlreadyCharged: the same request was sent before.
            NameReused: another was.
            Overloaded: the desk does not answer.
        """
        for _ in range(_TRIES):
            answer = await self._asked(naming, form)
            match answer.verdict:
                case Verdict.CLAIMED:
                    return
                case Verdict.RUNNING:
                    raise AlreadyRunning
                case Verdict.CHARGED:
                    raise AlreadyCharged(text("req", answer.request), answer.cost_nusd)
                case Verdict.REUSED:
                    raise NameReused
                case Verdict.STALE:
                    self._keys = answer.keys
                case Verdict.FAILED:
                    break
                case _ as never:
                    assert_never(never)
        raise Overloaded

    async def _asked(self, naming: Naming, form: Callable[[bytes], bytes]) -> NameAnswer:
        number = self._link.number()
        forms = [(each.id, form(each.key)) for each in self._keys]
        try:
            answer = await self._link.ask(
                NameAsk(number, naming, forms), ("NameAnswer", b"", number)
            )
        except LinkLost:
            self.free(naming)  # the desk may have claimed it all the same
            raise Overloaded from None
        assert isinstance(answer, NameAnswer)
        return answer

    def free(self, naming: Naming) -> None:
        """Give a name back, now or when the desk is there again."""
        if self._link.is_up:
            self._link.send(NameFreed(naming))
            return
        task = asyncio.get_running_loop().create_task(self._free_later(naming))
        self._freeing.add(task)
        task.add_done_callback(self._freeing.discard)

    async def _free_later(self, naming: Naming) -> None:
        await self._link.welcomed()
        self._link.send(NameFreed(naming))
