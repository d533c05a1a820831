"""TLS answers by itself, to a peer that wants its keys renewed; what nobody reads has a bound."""

import ssl
from pathlib import Path

import pytest

from tests.builders.tls_world import NAME, Inner, TlsLine
from tests.builders.wire_sockets import certificate
from troth.wire.secured import UNASKED_BYTES, Cut, Secured, Session, new_session
from troth.wire.tls import client_context, server_context

pytestmark = pytest.mark.anyio

UNFINISHED = bytes.fromhex("1703030100")
"""A record's head: TLS is asked to read, and waits for the rest."""


class Side:
    """The serving side of a connection that stands, and the way that TLS's own answers take."""

    def __init__(self, folder: Path) -> None:
        paths = certificate(folder)
        self.session = new_session(server_context(*paths, "1.3"))
        shaken(self.session, new_session(client_context("1.3", paths[0]), NAME))
        self.inner = Inner()
        self.line = TlsLine(self.inner)
        self.secured = Secured(self.session, self.line, self.inner)
        self.line.set_protocol(self.secured)
        self.secured.begin()

    def answers(self, size: int) -> None:
        """Let TLS have so many bytes to say, and a byte come that makes it say them."""
        self.session.outgoing.write(bytes(size))
        self.line.bring(UNFINISHED[:1])


def shaken(serving: Session, calling: Session) -> None:
    """Carry the handshake to and fro until both sides stand."""
    waiting = [calling, serving]
    while waiting:
        for one in tuple(waiting):
            try:
                one.tls.do_handshake()
                waiting.remove(one)
            except ssl.SSLWantReadError:
                pass
            other = serving if one is calling else calling
            other.incoming.write(one.outgoing.read())
    serving.incoming.read()


@pytest.fixture
async def side(tmp_path: Path) -> Side:
    return Side(tmp_path)


async def test_an_answer_goes_out_at_once_to_who_listens(side: Side) -> None:
    side.answers(40)
    assert len(side.line.take()) == 40
    assert not side.session.outgoing.pending


async def test_answers_wait_for_a_slow_reader_within_their_bound(side: Side) -> None:
    side.secured.pause_writing()
    side.answers(UNASKED_BYTES)
    assert not side.line.is_aborted
    assert not side.line.sent
    side.secured.resume_writing()
    assert len(side.line.take()) == UNASKED_BYTES


async def test_who_only_talks_and_never_listens_is_cut_off(side: Side) -> None:
    side.secured.pause_writing()
    side.answers(UNASKED_BYTES)
    side.answers(1)
    assert side.line.is_aborted
    assert side.secured.is_closing()
    side.secured.connection_lost(None)
    assert isinstance(side.inner.lost, Cut)
