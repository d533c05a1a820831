"""Peers' own environments: made by `python -m bench peers`, kept out of the repository."""

import shutil
import subprocess
import sys
from pathlib import Path

import msgspec

from bench.harness.processes import NotReady, run


class PythonEnvironment(msgspec.Struct, frozen=True):
    """A virtual environment with one package and what it needs."""

    folder: Path
    package: str
    requirements: tuple[str, ...]
    marks_of_malware: tuple[str, ...] = ()

    def program(self, name: str) -> Path:
        """Return the path of a program of the environment."""
        return self.folder / "bin" / name

    def version(self) -> str:
        """Return the installed version, or nothing."""
        python = self.program("python")
        if not python.exists():
            return ""
        question = f"import importlib.metadata as m; print(m.version({self.package!r}))"
        asked: list[str | Path] = [python, "-I", "-c", question]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603
        return done.stdout.strip() if done.returncode == 0 else ""

    def install(self) -> None:
        """Make it anew, from wheels alone, so that no package's own code runs on the way."""
        if self.version():
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        run([sys.executable, "-m", "venv", self.folder], self.folder.parent)
        pip: list[str | Path] = [
            self.program("python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--only-binary=:all:",
        ]
        run([*pip, *self.requirements], self.folder.parent, 1200)
        found = [path for name in self.marks_of_malware for path in self.folder.rglob(name)]
        if found:
            shutil.rmtree(self.folder)
            raise NotReady(f"{self.package} carries {found[0].name}, a known mark of malware")


class _Manifest(msgspec.Struct):
    version: str


class NodeEnvironment(msgspec.Struct, frozen=True):
    """A folder of Node packages."""

    folder: Path
    package: str
    manifest: bytes

    def version(self) -> str:
        """Return the installed version, or nothing."""
        manifest = self.folder / "node_modules" / self.package / "package.json"
        if shutil.which("node") is None or not manifest.exists():
            return ""
        return msgspec.json.decode(manifest.read_bytes(), type=_Manifest).version

    def install(self) -> None:
        """Install what the manifest names; no package's own scripts run."""
        if self.version():
            return
        npm = shutil.which("npm")
        if npm is None:
            raise NotReady("there is no npm here")
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "package.json").write_bytes(self.manifest)
        run([npm, "install", "--no-audit", "--no-fund", "--ignore-scripts"], self.folder, 900)
