"""The checks of `troth doctor`. Each returns what it found: nothing, on a sound installation."""

import http.client
import os
import resource
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import msgspec
from click import ClickException

from troth.cli.running import state_of
from troth.kernel.clock import SystemClock
from troth.kernel.errors import Misconfigured
from troth.server import database
from troth.server.hardening import ERASING
from troth.server.local import local_management
from troth.server.offer import offer_of
from troth.server.payment_company import reach
from troth.server.payment_settings import payment_terms, payment_warnings
from troth.server.settings import Settings, parse_bind
from troth.server.sockets import Taken
from troth.server.stripe_words import Reach

_DISK_BYTES_MIN: Final = 1 << 30
_BUILT_MS: Final = 1_790_000_000_000
"""Autumn of 2026: a clock before it has not been set."""
_NETWORK_FILES: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "ceph"})
_SPARE_DESCRIPTORS: Final = 256
_WAIT_SECONDS: Final = 10
_READY: Final = 200
_ERASES: Final = (
    "import sys; from troth.kernel.ids import system_entropy as e; "
    "from troth.server.hardening import erases; sys.exit(not erases(e))"
)


class Finding(msgspec.Struct, frozen=True):
    """What is wrong, why it is, and the command or change that mends it."""

    what: str
    cause: str
    fix: str


def findings(settings: Settings) -> list[Finding]:
    """Return all findings."""
    checks = (
        *(_folder, _journal, _disk, _ports, _offer, _payments, _tls),
        *(_limits, _clock, _dumps, _erasing, _management),
    )
    return [finding for check in checks for finding in check(settings)]


def readiness(settings: Settings) -> list[Finding]:
    """Return a finding when the running installation is not ready."""
    bind = parse_bind(settings.server.control_bind)
    assert bind is not None
    connection = http.client.HTTPConnection(*bind, timeout=_WAIT_SECONDS)
    try:
        connection.request("GET", "/readyz")
        if connection.getresponse().status == _READY:
            return []
        cause = "the desk or its database does not answer"
    except (OSError, http.client.HTTPException):
        cause = f"nothing answers on {settings.server.control_bind}"
    finally:
        connection.close()
    return [Finding("not ready", cause, "troth serve")]


def _is_running(settings: Settings) -> bool:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
        return probe.connect_ex(str(settings.run_folder / "control.sock")) == 0


def _folder(settings: Settings) -> Iterator[Finding]:
    folder = settings.folder
    if not folder.exists():
        above = next(parent for parent in folder.parents if parent.exists())
        if not os.access(above, os.W_OK | os.X_OK):
            yield Finding(
                f"{folder} cannot be made", f"{above} is not ours to write", "name another: --data"
            )
        return
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        fix = f"chown -R $(id -u) {folder}"
        yield Finding(f"{folder} cannot be used", "it is not ours to read and write", fix)
        return
    if stat.S_IMODE(folder.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
        yield Finding(f"others can enter {folder}", "its mode lets them", f"chmod 700 {folder}")
    if (kind := _file_system(folder)) in _NETWORK_FILES:
        cause = (
            f"it lies on a network file system ({kind}), where a database or a journal is not safe"
        )
        yield Finding(f"{folder} is not local", cause, "move the data folder to a local disk")


def _file_system(folder: Path) -> str:
    """Return the kind of file system that holds a folder, empty where nobody tells."""
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return ""
    best, kind = "", ""
    for line in mounts.read_text("utf-8", "replace").splitlines():
        _, point, found, *_ = line.split(" ")
        if len(point) > len(best) and folder.is_relative_to(point):
            best, kind = point, found
    return kind


def _journal(settings: Settings) -> Iterator[Finding]:
    journal = settings.folder / "journal"
    for file in sorted(journal.rglob("*")) if journal.exists() else ():
        if not os.access(file, os.R_OK | os.W_OK):
            cause = "what it holds could not be charged after a crash"
            yield Finding(f"{file} cannot be used", cause, f"chown -R $(id -u) {journal}")
    for file in database.set_aside(settings):
        cause = "it is damaged, of another installation or a week old: nothing of it was posted"
        yield Finding(f"{file} was set aside", cause, "see what it holds, and move it away")


def _disk(settings: Settings) -> Iterator[Finding]:
    if settings.folder.exists():
        free = shutil.disk_usage(settings.folder).free
        if free < _DISK_BYTES_MIN:
            cause = f"{free >> 20} MiB are free; without room no request is reserved"
            yield Finding("the disk is nearly full", cause, f"df -h {settings.folder}")


def _ports(settings: Settings) -> Iterator[Finding]:
    if _is_running(settings):
        return
    for name in ("bind", "control_bind"):
        address = parse_bind(getattr(settings.server, name))
        assert address is not None
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                yield Finding(
                    f"cannot listen on {address[0]}:{address[1]}",
                    os.strerror(error.errno or 0).lower(),
                    f"stop what uses it, or set 'server.{name}'",
                )


def _offer(settings: Settings) -> Iterator[Finding]:
    for warning in _unserved(settings):
        what, _, fix = warning.partition(". ")
        yield Finding(what, "the settings leave it out", fix)


def _unserved(settings: Settings) -> tuple[str, ...]:
    """Say what is not offered, by the word of what runs: it may know keys that we do not."""
    if not _is_running(settings):
        return offer_of(settings).warnings
    try:
        return state_of(settings).warnings
    except ClickException:  # told by another check
        return ()


def _payments(settings: Settings) -> Iterator[Finding]:
    for warning in payment_warnings(settings.payments):
        what, _, fix = warning.partition(". ")
        yield Finding(what, "the settings of payments are not whole", fix)
    terms = payment_terms(settings.payments)
    if terms is None or find_spec("stripe") is None:
        return
    found = reach(terms)
    if found is Reach.REFUSES:
        cause = "the key is wrong, revoked, or may not read balance transactions"
        yield Finding("the payment company refuses us", cause, "set 'payments.api_key' anew")
    elif found is Reach.SILENT:
        cause = "no way leads to it from here, or it is down"
        yield Finding("the payment company does not answer", cause, "curl https://api.stripe.com")


def _tls(settings: Settings) -> Iterator[Finding]:
    server, upstream = settings.server, settings.upstream
    for file in filter(None, (server.tls_certificate, server.tls_key, upstream.extra_ca)):
        if not os.access(file, os.R_OK):
            yield Finding(f"{file} cannot be read", "it is missing or not ours", f"ls -l {file}")
    key = Path(server.tls_key) if server.tls_key else None
    if key and key.exists() and stat.S_IMODE(key.stat().st_mode) & stat.S_IRWXO:
        yield Finding(f"others can read {key}", "its mode lets them", f"chmod o-rwx {key}")


def _limits(settings: Settings) -> Iterator[Finding]:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = settings.limits.connections + _SPARE_DESCRIPTORS
    if most not in (resource.RLIM_INFINITY, -1) and most < needed:
        cause = f"a gateway may open {most} files; {settings.limits.connections} connections need "
        fix = f"raise LimitNOFILE to {needed}, or lower 'limits.connections'"
        yield Finding("too few descriptors", f"{cause}{needed}", fix)


def _clock(settings: Settings) -> Iterator[Finding]:
    del settings
    if SystemClock().now_ms() < _BUILT_MS:
        cause = "it stands before this version was made"
        yield Finding("the clock is wrong", cause, "timedatectl set-ntp true")


def _dumps(settings: Settings) -> Iterator[Finding]:
    del settings
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError):
        cause = "this system does not let a process forbid them"
        yield Finding("core dumps stay possible", cause, "ulimit -c 0")


def _erasing(settings: Settings) -> Iterator[Finding]:
    """See whether freed memory is overwritten, in a process like a gateway."""
    if not settings.server.erase_on_free:
        return
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", _ERASES], env=dict(ERASING), timeout=60, check=False
    )
    if done.returncode:
        cause = "the C library does not overwrite what is freed (glibc does)"
        fix = "run on Linux with glibc, or set 'server.erase_on_free = false' and know it"
        yield Finding("freed memory is not erased", cause, fix)


def _management(settings: Settings) -> Iterator[Finding]:
    """Open the database as a start would, unless a running installation has it open."""
    if _is_running(settings):
        try:
            state = state_of(settings)
        except ClickException as error:
            yield Finding("management does not answer", error.message, "troth serve")
        else:
            yield from map(_refused, state.refusing)
        return
    if not database.is_made(settings):
        yield from _unreached(settings)
        return
    try:
        with local_management(settings):
            pass
    except Taken:
        cause = "a process uses the data folder and does not answer"
        yield Finding("management is silent", cause, f"lsof {settings.run_folder / 'lock'}")
    except Misconfigured as error:
        yield Finding("the installation cannot start", error.problem, "troth config check")


def _refused(pair: tuple[str, str]) -> Finding:
    """Say that an upstream refuses the operator, as its callers cannot."""
    upstream, model = pair
    return Finding(
        f"'{upstream}' refuses what is asked for '{model}'",
        "our key, our account or the model's name is wrong there",
        f"set 'providers.{upstream}.api_key' or the model anew, then: troth reload",
    )


def _unreached(settings: Settings) -> Iterator[Finding]:
    """Ask for the database of an installation that is not made yet."""
    try:
        database.reach(settings)
    except Misconfigured as error:
        yield Finding("the database cannot be used", error.problem, "troth config show")
