"""Under which conditions a run took place; no path, no host name."""

import importlib.metadata
import platform
import re
import shutil
import subprocess
import time
from pathlib import Path

import msgspec

from bench.harness.places import ROOT
from bench.harness.programs import Kind, open_files

PACKAGES = ("uvloop", "httptools", "msgspec")


class Conditions(msgspec.Struct, frozen=True):
    """What a figure depends on."""

    date: str
    commit: str
    processor: str
    cores: int
    is_virtual: bool
    memory_gib: int
    kernel: str
    libc: str
    python: str
    packages: dict[str, str]
    toolchain: str
    programs: Kind
    open_files: int
    load_average: str
    rounds: int


def conditions(programs: Kind, rounds: int) -> Conditions:
    """Look at the machine; the load average is that before the run."""
    processors = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", processors)
    total = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return Conditions(
        date=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        commit=_told("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"),
        processor=model[1].strip() if model else platform.machine(),
        cores=len(re.findall(r"^processor\s*:", processors, re.MULTILINE)),
        is_virtual=" hypervisor" in processors,
        memory_gib=round(int(total[1]) / 2**20) if total else 0,
        kernel=platform.release().split("-")[0],
        libc=" ".join(platform.libc_ver()),
        python=platform.python_version(),
        packages={name: _version(name) for name in PACKAGES},
        toolchain=_told("go", "version").removeprefix("go version "),
        programs=programs,
        open_files=open_files(),
        load_average=" ".join(Path("/proc/loadavg").read_text().split()[:3]),
        rounds=rounds,
    )


def _told(program: str, *arguments: str) -> str:
    path = shutil.which(program)
    if path is None:
        return ""
    done = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
