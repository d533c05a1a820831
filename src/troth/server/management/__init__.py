"""The management API: one FastAPI application on a Unix socket, for the command line.

Plain `def` endpoints; one request is one transaction, opened and committed here. Who may call is
decided by the file system: the socket is its owner's alone, and each change names the caller's uid.
"""

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError

from troth import __version__
from troth.kernel.errors import TrothError
from troth.server.management.forms import refuse, refuse_body, refuse_busy
from troth.server.management.routers import ROUTERS
from troth.server.office import Office
from troth.store.transaction import Locked


def application(office: Office) -> FastAPI:
    """Return the application over an office."""
    app = FastAPI(title="Troth management", version=__version__, docs_url=None, redoc_url=None)
    app.state.office = office
    for router in ROUTERS:
        app.include_router(router)
    app.add_exception_handler(RequestValidationError, refuse_body)
    app.add_exception_handler(TrothError, refuse)
    app.add_exception_handler(Locked, refuse_busy)
    return app
