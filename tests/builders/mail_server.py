"""A mail server that keeps what it is given, and refuses when it is told to."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import default

import msgspec
from typing_extensions import override

from troth.server.handover import MailServer


class Taken(msgspec.Struct, frozen=True):
    """A mail as its reader sees it."""

    sender: str
    address: str
    subject: str
    id: str
    text: str


class _Talk(socketserver.StreamRequestHandler):
    """One connection: as much of SMTP as a client needs that has mail to give."""

    @override
    def handle(self) -> None:
        assert isinstance(self.server, _Listener)
        keeper = self.server.keeper
        self.say(b"220 here")
        for line in self.rfile:
            word = line[:4].upper()
            if word in {b"EHLO", b"HELO", b"MAIL", b"RSET"}:
                self.say(b"250 ok")
            elif word == b"RCPT":
                self.say(b"451 later" if keeper.is_refusing else b"250 ok")
            elif word == b"DATA":
                self.say(b"354 go on")
                keeper.kept.append(self.body())
                self.say(b"250 taken")
            elif word == b"QUIT":
                self.say(b"221 bye")
                return

    def say(self, line: bytes) -> None:
        self.wfile.write(line + b"\r\n")

    def body(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        return b"".join(lines)


class _Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, keeper: "KeptMails") -> None:
        self.keeper = keeper
        super().__init__(("127.0.0.1", 0), _Talk)


class KeptMails:
    """What the server was given so far."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.is_refusing = False
        self._listener = _Listener(self)
        port: int = self._listener.server_address[1]
        self.server = MailServer("127.0.0.1", port, "none", "", "", "troth@example.org")

    def serve(self) -> None:
        """Serve until `stop`."""
        self._listener.serve_forever(poll_interval=0.05)

    def stop(self) -> None:
        """End."""
        self._listener.shutdown()
        self._listener.server_close()

    def mails(self) -> list[Taken]:
        """Return the mails, the first one first."""
        return [_read(each) for each in self.kept]


def _read(kept: bytes) -> Taken:
    mail = message_from_bytes(kept, policy=default)
    body = mail.get_body()
    assert body is not None
    return Taken(mail["From"], mail["To"], mail["Subject"], mail["Message-ID"], body.get_content())


@contextmanager
def mail_server() -> Iterator[KeptMails]:
    """Run a mail server while the block does."""
    keeper = KeptMails()
    thread = threading.Thread(target=keeper.serve, name="mail-server")
    thread.start()
    try:
        yield keeper
    finally:
        keeper.stop()
        thread.join(10)
