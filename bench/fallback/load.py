"""The load generator on uvloop: flags and report of load/main.go."""

import argparse
import asyncio
import re
import sys
import time
from collections import Counter
from pathlib import Path

import httptools
import msgspec
import uvloop

from bench.harness.programs import LoadReport, Spread

STAMP = re.compile(rb"t=(\d+) ")
OK = 200


class Answer:
    """What httptools calls back with, for one answer."""

    def __init__(self, added: list[float] | None) -> None:
        self.body = b""
        self.is_complete = False
        self.events = 0
        self._added = added

    def on_body(self, body: bytes) -> None:
        """Take a piece; time the events in it."""
        self.body += body
        if self._added is None:
            return
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        for stamp in STAMP.findall(self.body):
            self._added.append((now - int(stamp)) / 1e3)
            self.events += 1
        self.body = STAMP.sub(b"", self.body)[-512:]

    def on_message_complete(self) -> None:
        """The answer is over."""
        self.is_complete = True


class Run:
    """One measurement."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.errors: Counter[str] = Counter()
        self.latencies: list[float] = []
        self.added: list[float] = []
        self.completed = self.asked = self.events = 0
        self.start = time.perf_counter()
        body = Path(options.body).read_bytes()
        lines = [f"POST {options.path} HTTP/1.1", f"host: {options.address}", *options.header]
        lines += ["content-type: application/json", f"content-length: {len(body)}", "", ""]
        self.request = "\r\n".join(lines).encode() + body

    async def caller(self, number: int) -> None:
        """Ask over and over on one connection."""
        options = self.options
        await asyncio.sleep(options.ramp * number / options.connections)
        host, _, port = options.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        rounds = 0
        while rounds < (options.rounds or sys.maxsize):
            if not options.rounds and time.perf_counter() - self.start >= options.seconds:
                break
            rounds += 1
            self.asked += 1
            if not await self._once(reader, writer):
                break
        writer.close()

    async def _once(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        options = self.options
        answer = Answer(self.added if options.events else None)
        parser = httptools.HttpResponseParser(answer)
        asked_at = time.perf_counter()
        writer.write(self.request)
        while not answer.is_complete:
            read = await reader.read(65_536)
            if not read:
                self.errors["closed"] += 1
                return False
            parser.feed_data(read)
        self.events += answer.events
        status = parser.get_status_code()
        ends = b"[DONE]" in answer.body or b"message_stop" in answer.body
        whole = ends if options.events else options.expect.encode() in answer.body
        if status != OK:
            self.errors[f"status_{status}"] += 1
        elif not whole or answer.events != options.events:
            self.errors["not_whole"] += 1
        else:
            self.completed += 1
            self.latencies.append((time.perf_counter() - asked_at) * 1e6)
        return parser.should_keep_alive()

    def report(self) -> LoadReport:
        """Return what is printed."""
        seconds = time.perf_counter() - self.start
        return LoadReport(
            "python",
            seconds,
            self.completed,
            self.errors.total(),
            dict(self.errors),
            self.completed / seconds,
            _spread(self.latencies),
            self.asked * self.options.events,
            self.events,
            _spread(self.added),
        )


def _spread(values: list[float]) -> Spread:
    if not values:
        return Spread()
    values.sort()
    last = len(values) - 1
    return Spread(len(values), *(values[int(share * last)] for share in (0.5, 0.9, 0.99, 1)))


async def _measure(options: argparse.Namespace) -> LoadReport:
    run = Run(options)
    callers = [asyncio.create_task(run.caller(number)) for number in range(options.connections)]
    _, late = await asyncio.wait(callers, timeout=options.deadline)
    for caller in late:
        caller.cancel()
    run.errors["unfinished"] += len(late)
    run.errors += Counter()
    return run.report()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name, start in (("address", ""), ("path", "/v1/chat/completions"), ("body", "")):
        parser.add_argument(f"-{name}", default=start)
    parser.add_argument("-expect", default="troth-bench-answer")
    parser.add_argument("-header", action="append", default=[])
    for name, count in (("connections", 1), ("rounds", 0), ("events", 0)):
        parser.add_argument(f"-{name}", type=int, default=count)
    for name, seconds in (("seconds", 2.0), ("ramp", 0.0), ("deadline", 60.0)):
        parser.add_argument(f"-{name}", type=float, default=seconds)
    return parser.parse_args()


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(_measure(_options()))) + b"\n")
