"""Management without a running installation: the same endpoints, served to one caller."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from troth.kernel.ids import system_entropy
from troth.server import database
from troth.server.local_office import office_of
from troth.server.management import application
from troth.server.management_socket import ManagementServer
from troth.server.offer import offer_of
from troth.server.settings import Settings
from troth.server.sockets import alone_in
from troth.store import engine

SOCKET_NAME: Final = "command-line.sock"


def prepare(settings: Settings) -> None:
    """Make the data folder and its database, or bring them up to date.

    Raises:
        Misconfigured: somebody uses the folder, or it cannot be used.
    """
    settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with alone_in(settings.run_folder), closing(_opened(settings)) as store:
        database.deployment(store, settings.folder, system_entropy)


@contextmanager
def local_management(settings: Settings) -> Iterator[Path]:
    """Serve management on a socket of its own while nobody else uses the data folder.

    Raises:
        Misconfigured: somebody does, or the folder or the database cannot be used.
    """
    offer = offer_of(settings)
    with alone_in(settings.run_folder), closing(_opened(settings)) as store:
        office = office_of(settings, offer, store)
        path = settings.run_folder / SOCKET_NAME
        path.unlink(missing_ok=True)
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as listener:
            listener.bind(str(path))
            path.chmod(0o600)
            listener.listen()
            server = ManagementServer(application(office), listener)
            server.start()
            try:
                yield path
            finally:
                server.stop()
                path.unlink(missing_ok=True)


def _opened(settings: Settings) -> engine.Store:
    return engine.open(database.address(settings), is_alone=True)
