"""What must hold. A gate that is missed by more than a quarter fails the run.

Only CPU, memory and completeness fail it: they survive a noisy machine. Latencies are shown.
Judged is the request path of Troth as it is shipped (erase-on-free on): its gateway process. What
the desk takes to post a request to the database stands beside; of the others the whole process
tree counts.
"""

from collections.abc import Callable
from typing import Literal

import msgspec

from bench.harness.figures import Trials, cost, figures, path_cost, start_seconds

OURS = "troth"
PLAIN = "troth-plain"
TOLERANCE = 1.25

Verdict = Literal["goal reached", "held", "near", "missed", "not measured"]
Reading = Callable[[Trials], float | None]


class Gate(msgspec.Struct, frozen=True):
    """A bound on a figure. `is_floor`: it must be at least that; `is_shown`: it never fails."""

    what: str
    unit: str
    bound: float
    goal: float | None
    read: Reading
    is_floor: bool = False
    is_shown: bool = False
    is_exact: bool = False


class Judged(msgspec.Struct, frozen=True):
    """A gate with what was found."""

    what: str
    unit: str
    bound: float
    goal: float | None
    found: float | None
    verdict: Verdict
    is_floor: bool
    is_shown: bool

    @property
    def fails(self) -> bool:
        """Whether the run fails for it."""
        return self.verdict == "missed" and not self.is_shown


def _cost(case: str) -> Reading:
    return lambda trials: path_cost(trials, OURS, case)


def _ratio(over: str, under: str, case: str) -> Reading:
    def read(trials: Trials) -> float | None:
        above, below = path_cost(trials, over, case), path_cost(trials, under, case)
        return above / below if above and below else None

    return read


def _more(case: str, than: str) -> Reading:
    def read(trials: Trials) -> float | None:
        above, below = path_cost(trials, OURS, case), path_cost(trials, OURS, than)
        return above - below if above and below else None

    return read


def _added(part: Literal["p50_us", "p99_us"]) -> Reading:
    def read(trials: Trials) -> float | None:
        ours, direct = figures(trials, OURS, "one"), figures(trials, "direct", "one")
        if ours is None or direct is None:
            return None
        return ours.p50_us - direct.p50_us if part == "p50_us" else ours.p99_us - direct.p99_us

    return read


def _delivered(trials: Trials) -> float | None:
    found = figures(trials, OURS, "streams-2000")
    return found.delivered_share * 100 if found else None


def _held_idle(trials: Trials) -> float | None:
    found = figures(trials, OURS, "idle")
    return found.delivered_share * 100 if found else None


def _memory(case: str) -> Reading:
    def read(trials: Trials) -> float | None:
        found = figures(trials, OURS, case)
        return found.memory_mb if found else None

    return read


def _added_event(trials: Trials) -> float | None:
    found = figures(trials, OURS, "streams-2000")
    return found.added_p99_ms if found else None


def _erase(trials: Trials) -> float | None:
    ratio = _ratio(OURS, PLAIN, "many")(trials)
    return (ratio - 1) * 100 if ratio else None


REQUEST, EVENT, TIMES = "us CPU/request", "us CPU/event", "x"
GATES: tuple[Gate, ...] = (
    Gate("64 connections", REQUEST, 35, 30, _cost("many")),
    Gate(
        "64 connections, with the desk's posting",
        REQUEST,
        85,
        None,
        lambda trials: cost(trials, OURS, "many"),
        is_shown=True,
    ),
    Gate("64 connections, against nginx", TIMES, 2, 1.7, _ratio(OURS, "nginx", "many")),
    Gate("2,000 streams", EVENT, 20, 16, _cost("streams-2000")),
    Gate(
        "2,000 streams, against nginx",
        TIMES,
        2,
        1.3,
        _ratio(OURS, "nginx", "streams-2000"),
        is_shown=True,
    ),
    Gate("1,000 streams, translated dialect", EVENT, 24, 18, _cost("translated-streams")),
    Gate("64 kB prompt", REQUEST, 85, 70, _cost("long")),
    Gate("upstream TLS adds", REQUEST, 14, 9, _more("tls", "many")),
    Gate("upstream TLS adds, streams", EVENT, 8, 4, _more("tls-streams", "streams-1000")),
    Gate("latency added, 1 connection, p50", "us", 150, 100, _added("p50_us"), is_shown=True),
    Gate("latency added, 1 connection, p99", "us", 1000, None, _added("p99_us"), is_shown=True),
    Gate(
        "2,000 streams, events delivered", "%", 100, None, _delivered, is_floor=True, is_exact=True
    ),
    Gate("2,000 streams, delay added, p99", "ms", 10, None, _added_event, is_shown=True),
    Gate("2,000 streams, gateway process", "MB", 80, None, _memory("streams-2000")),
    Gate("10,000 open streams, held", "%", 100, None, _held_idle, is_floor=True, is_exact=True),
    Gate("10,000 open streams, gateway process", "MB", 400, None, _memory("idle")),
    Gate("start to ready", "s", 1.0, 0.5, lambda trials: start_seconds(trials, OURS)),
    Gate("erase-on-free adds", "%", 15, 5, _erase),
    Gate("TensorZero takes", TIMES, 4, None, _ratio("tensorzero", OURS, "many"), is_floor=True),
    Gate("LiteLLM takes", TIMES, 150, None, _ratio("litellm", OURS, "many"), is_floor=True),
)


def judge(trials: Trials) -> list[Judged]:
    """Judge every gate."""
    return [_judged(gate, gate.read(trials)) for gate in GATES]


def _judged(gate: Gate, found: float | None) -> Judged:
    return Judged(
        gate.what,
        gate.unit,
        gate.bound,
        gate.goal,
        found,
        _verdict(gate, found),
        gate.is_floor,
        gate.is_shown,
    )


def _verdict(gate: Gate, found: float | None) -> Verdict:
    if found is None:
        return "not measured"
    sign = -1.0 if gate.is_floor else 1.0
    if gate.goal is not None and sign * found <= sign * gate.goal:
        return "goal reached"
    if sign * found <= sign * gate.bound:
        return "held"
    tolerance = 1.0 if gate.is_exact else TOLERANCE
    outer = gate.bound / tolerance if gate.is_floor else gate.bound * tolerance
    return "near" if sign * found <= sign * outer else "missed"
