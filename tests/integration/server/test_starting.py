"""What stops a start, and what a start guards against."""

import socket
import sqlite3
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders.installation import Installed, installed
from tests.builders.wire_sockets import certificate
from tests.journeys.patience import wait_until
from troth.kernel.errors import Misconfigured
from troth.kernel.ids import system_entropy
from troth.server.hardening import ERASING, STEADY, SmallBlocks, residue
from troth.server.settings import DataSettings, ServerSettings, Settings
from troth.server.sockets import Address, alone_in, open_sockets

PROBE = (
    "from troth.kernel.ids import system_entropy\n"
    "from troth.server.hardening import erases\n"
    "print(erases(system_entropy))\n"
)


def probe(environment: dict[str, str]) -> str:
    command = [sys.executable, "-c", PROBE]
    return subprocess.check_output(command, env=environment, text=True).strip()


def test_the_check_of_freed_memory_finds_residue_where_there_is_some() -> None:
    assert probe(dict(ERASING)) == "True"
    assert probe({}) == "False"
    assert probe({"PYTHONMALLOC": "malloc"}) == "False"
    assert residue(4_096, system_entropy, SmallBlocks())


KEPT = (
    "from troth.server.hardening import SmallBlocks, residue\n"
    "from troth.kernel.ids import system_entropy\n"
    "class Nothing(SmallBlocks):\n"
    "    def overwrite(self): pass\n"
    "kept = range(32, 1_000, 16)\n"
    "print([any(residue(size, system_entropy, way) for size in kept)"
    " for way in (Nothing(), SmallBlocks())])\n"
)


def test_small_blocks_keep_what_they_held_until_they_are_overwritten() -> None:
    command = [sys.executable, "-c", KEPT]
    shown = subprocess.check_output(command, env=dict(ERASING), text=True)
    assert shown.strip() == "[True, False]"


PAGES = (
    "import resource\n"
    "def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
    "def body(): return [bytes(64_000) for _ in range(5)]\n"
    "body(); before = faults()\n"
    "for _ in range(100): body()\n"
    "print((faults() - before) // 100)\n"
)


def test_a_body_of_common_size_asks_the_system_for_no_pages() -> None:
    command = [sys.executable, "-c", PAGES]
    shown = [
        int(subprocess.check_output(command, env=dict(environment), text=True))
        for environment in (STEADY, ERASING, {})
    ]
    assert shown[0] == shown[1] == 0 < shown[2]


def test_a_certificate_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "none.pem"
    settings = Settings(
        server=ServerSettings(
            bind="127.0.0.1:0",
            control_bind="127.0.0.1:0",
            tls_certificate=str(file),
            tls_key=str(file),
        ),
        data=DataSettings(str(tmp_path / "data")),
    )
    with alone_in(settings.run_folder):
        house = Installed(settings)
        with pytest.raises(Misconfigured, match=r"none\.pem"):
            house.supervisor.run()


def test_a_database_of_a_newer_build_stops_the_start(tmp_path: Path) -> None:
    with installed(tmp_path / "data") as house:
        settings = house.settings
    connection = sqlite3.connect(settings.folder / "troth.db")
    connection.execute("INSERT INTO migration (number) VALUES (9999)")
    connection.commit()
    connection.close()
    with alone_in(settings.run_folder):
        again = Installed(settings)
        with pytest.raises(Misconfigured, match="newer"):
            again.supervisor.run()


def test_an_address_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Misconfigured, match=f"127.0.0.1:{port}"):
            open_sockets(Address("127.0.0.1", port), Address("127.0.0.1", 0), 1, tmp_path)


def test_a_path_too_long_for_a_socket_is_named(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    with pytest.raises(Misconfigured, match="too long"):
        open_sockets(Address("127.0.0.1", 0), Address("127.0.0.1", 0), 1, folder)


def test_two_installations_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        alone_in(tmp_path / "run"),
        pytest.raises(Misconfigured, match="another process"),
        alone_in(tmp_path / "run"),
    ):
        pass


def test_the_unix_sockets_are_their_owners_alone(tmp_path: Path) -> None:
    with installed(tmp_path / "data") as house:
        run = house.settings.run_folder
        assert run.stat().st_mode & 0o777 == 0o700
        for name in ("control.sock", "desk.sock"):
            assert (run / name).stat().st_mode & 0o777 == 0o600


def test_children_end_when_their_supervisor_is_gone(tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from tests.builders.installation import installed\n"
        "with installed(Path(sys.argv[1]), gateways=2) as house:\n"
        "    print(house.supervisor.control_pid, *house.supervisor.pids, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "data")]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    pids = done.stdout.split()
    assert len(pids) == 3

    def are_gone() -> bool:
        return not any(_runs(pid) for pid in pids)

    wait_until(are_gone, 10, "the children have ended")


def _runs(pid: str) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("floor", ["1.2", "1.3"])
def test_the_api_port_speaks_tls_from_its_floor_on(tmp_path: Path, floor: str) -> None:
    certificate_file, key_file = certificate(tmp_path, "localhost")
    with installed(
        tmp_path / "data",
        tls_floor=floor,
        tls_certificate=certificate_file,
        tls_key=key_file,
    ) as house:
        context = ssl.create_default_context(cafile=certificate_file)
        with (
            socket.create_connection(("127.0.0.1", house.api_port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as way,
        ):
            assert way.version() == "TLSv1.3"
            way.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert way.recv(1_024).startswith(b"HTTP/1.1 200")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        assert speaks(house.api_port, context) is (floor == "1.2")


def speaks(port: int, context: ssl.SSLContext) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        try:
            context.wrap_socket(plain, server_hostname="localhost").close()
        except ssl.SSLError:
            return False
        return True
