"""Who stands where: control, a gateway at each socket, and who takes over from them.

Each listening socket has two slots, which take turns: at a roll-over a new gateway starts in the
free slot, accepts beside the old one, and then the old one ends. A slot in which nobody stands and
journals lie gets a process that settles them.
"""

from collections.abc import Iterator
from typing import Final

from troth.kernel.clock import Clock
from troth.kernel.errors import Misconfigured
from troth.server.child import Child
from troth.server.places import (
    Installation,
    control_place,
    gateway_place,
    left_behind,
    sweeper_place,
)
from troth.server.sockets import Sockets

GRACE_MS: Final = 5_000
_MUTE_MS: Final = 3_000
_FELL: Final = "a new process fell before it was ready."


class Post:
    """One listening socket: its gateway, the one that is coming, the one that is leaving."""

    def __init__(self, slots: tuple[int, int], current: Child) -> None:
        self._slots = slots
        self.current = current
        self.coming: Child | None = None
        self.leaving: Child | None = None

    @property
    def free_slot(self) -> int:
        """The slot that the gateway does not stand in."""
        return next(slot for slot in self._slots if slot != self.current.place.slot)

    @property
    def children(self) -> list[Child]:
        """All of it, the gateway first."""
        return [child for child in (self.current, self.coming, self.leaving) if child is not None]

    @property
    def is_served(self) -> bool:
        """Whether somebody accepts here and gave a sign of life lately."""
        return any(
            child.is_ready and not child.drained_ns and child.silent_ms < _MUTE_MS
            for child in self.children
        )


class Crew:
    """All children of a supervisor, and the steps of a roll-over."""

    def __init__(self, installation: Installation, sockets: Sockets, clock: Clock) -> None:
        self.problem = ""
        """Why the last roll-over was given up; empty when it was not."""
        self._installation = installation
        self._sockets = sockets
        self._clock = clock
        self._rolling: Iterator[None] | None = None
        self._sweepers: dict[int, Child] = {}
        self._standby: Child | None = None
        self._has_control = installation.part != "gateway"
        self.control = Child(control_place(installation, sockets), clock)
        count = len(sockets.slots)
        self.posts = [
            Post((slot, slot + count), Child(gateway_place(installation, sockets, slot), clock))
            for slot in range(count)
        ]
        self.look_behind()

    @property
    def gateways(self) -> list[Child]:
        """The gateway of each socket."""
        return [post.current for post in self.posts]

    @property
    def wanted(self) -> list[Child]:
        """All that should run: those that do not are to be started when they are due."""
        coming = [post.coming for post in self.posts if post.coming is not None]
        standby = [self._standby] if self._standby is not None else []
        control = [self.control] if self._has_control else []
        return [*control, *standby, *self.gateways, *coming, *self._sweepers.values()]

    @property
    def attending(self) -> list[Child]:
        """All that work with the desk: they end before control does."""
        found = [child for post in self.posts for child in post.children]
        return [*found, *self._sweepers.values()]

    @property
    def everyone(self) -> list[Child]:
        """All that may run."""
        standby = [self._standby] if self._standby is not None else []
        return [self.control, *standby, *self.attending]

    @property
    def is_standing(self) -> bool:
        """Whether control and a gateway at each socket answer, as far as they run here."""
        control = [self.control] if self._has_control else []
        return all(child.is_ready for child in (*control, *self.gateways))

    @property
    def is_rolling(self) -> bool:
        """Whether a roll-over is under way."""
        return self._rolling is not None

    @property
    def served(self) -> list[int]:
        """The numbers of the sockets at which somebody accepts."""
        return [number for number, post in enumerate(self.posts) if post.is_served]

    # --- those who left ------------------------------------------------------------------------

    def look_behind(self) -> None:
        """Have somebody settle what lies in slots where nobody stands."""
        if not self.posts:
            return  # other processes have the slots
        standing = {child.place.slot for post in self.posts for child in post.children}
        for slot in left_behind(self._installation) - standing - self._sweepers.keys():
            place = sweeper_place(self._installation, self._sockets, slot)
            self._sweepers[slot] = Child(place, self._clock)

    def ended(self, child: Child) -> None:
        """Take note that a child was reaped."""
        if self._sweepers.get(child.place.slot) is child and not child.status:
            del self._sweepers[child.place.slot]
        for post in self.posts:
            if post.leaving is child:
                post.leaving = None
                self.look_behind()

    # --- a roll-over ---------------------------------------------------------------------------

    def begin(self, installation: Installation, *, with_control: bool) -> None:
        """Start to replace every gateway, and control before them; `advance` goes on."""
        self.problem = ""
        self._rolling = self._roll(installation, with_control=with_control)

    def advance(self) -> bool:
        """Take the next steps, as far as they need not wait; tell whether it has just ended."""
        if self._rolling is None:
            return False
        try:
            next(self._rolling)
        except StopIteration:
            self._rolling = None
        except Misconfigured as wrong:
            self._rolling = None
            self.problem = wrong.problem
        return self._rolling is None

    def _roll(self, installation: Installation, *, with_control: bool) -> Iterator[None]:
        if with_control and self._has_control:
            yield from self._change_control(installation)
        for post in self.posts:
            yield from self._change(post, installation)
        self._installation = installation

    def _change_control(self, installation: Installation) -> Iterator[None]:
        """Replace control. The new process loads its code before the old one ends.

        Both must not use the database at once. Gateways serve from what was lent to them meanwhile.
        """
        former = self.control
        place = control_place(installation, self._sockets)
        coming = self._standby = Child(place, self._clock, is_held=True)
        while not coming.has_spoken:
            if coming.has_fallen:
                self._standby = None
                raise Misconfigured(_FELL)
            yield
        former.drain()
        while former.pid:
            if former.draining_ms > 2 * GRACE_MS:
                former.kill()
            yield
        self.control, self._standby = coming, None
        coming.go()
        while not coming.is_ready:
            if coming.has_fallen:
                self.control = Child(former.place, self._clock)
                raise Misconfigured(coming.problem or _FELL)
            yield

    def _change(self, post: Post, installation: Installation) -> Iterator[None]:
        """Start a gateway in the free slot; when it accepts, let the old one end."""
        while post.leaving is not None or post.free_slot in self._sweepers:
            yield
        place = gateway_place(installation, self._sockets, post.free_slot)
        coming = post.coming = Child(place, self._clock)
        while not coming.is_ready:
            if coming.has_fallen:
                post.coming = None
                self.look_behind()
                raise Misconfigured(coming.problem or _FELL)
            yield
        leaving, post.current, post.coming = post.current, coming, None
        leaving.drain()
        post.leaving = leaving if leaving.pid else None
