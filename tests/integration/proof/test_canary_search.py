"""The search for content finds what was planted, in each kind of place and each form."""

import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from troth.proof.canary import Canary, Hit

CANARY = Canary(bytes(range(40, 80)))
SEEDS = {
    "plain": CANARY.stem.encode(),
    "utf-16": CANARY.stem.encode("utf-16-le"),
    "utf-32": CANARY.stem.encode("utf-32-le"),
    "hex": CANARY.stem.encode().hex().encode(),
    "upper hex": CANARY.stem.encode().hex().upper().encode(),
    "upper case": CANARY.stem.upper().encode(),
    "base64 at 0": b64encode(b"abc" + CANARY.stem.encode() + b"rest"),
    "base64 at 1": b64encode(b"abcd" + CANARY.stem.encode() + b"rest"),
    "base64 at 2": b64encode(b"abcde" + CANARY.stem.encode() + b"rest"),
}


@contextmanager
def program(text: str) -> Iterator[int]:
    """Run a program that says a line when it is ready; yield its process id."""
    command = [sys.executable, "-c", text, CANARY.stem[:9], CANARY.stem[9:]]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        yield child.pid
        child.communicate()


@pytest.mark.parametrize("form", SEEDS)
def test_a_planted_canary_is_found_in_every_form(form: str, tmp_path: Path) -> None:
    (tmp_path / "wal").write_bytes(b"." * 100 + SEEDS[form] + b"." * 100)
    hits = CANARY.in_folder(tmp_path)
    assert {hit.form for hit in hits} == {form}
    assert hits[0].place.endswith("wal")


def test_a_clean_folder_has_no_hit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(os.urandom(100_000) + CANARY.stem[:-1].encode())
    assert CANARY.in_folder(tmp_path) == []


def test_a_canary_across_a_seam_is_found_once(tmp_path: Path) -> None:
    at = (1 << 24) - 5
    with (tmp_path / "journal").open("wb") as file:
        file.seek(at)
        file.write(CANARY.stem.encode())
    assert CANARY.in_folder(tmp_path) == [Hit(str(tmp_path / "journal"), at, "plain")]


def test_a_name_of_a_file_is_searched_too(tmp_path: Path) -> None:
    (tmp_path / CANARY.text(1)).touch()
    assert len(CANARY.in_folder(tmp_path)) == 1


def test_the_memory_of_a_process_is_searched() -> None:
    keeps = "import sys; kept = sys.argv[1] + sys.argv[2]; print('ready', flush=True); input()"
    with program(keeps.replace("input()", "sys.stdin.read()")) as pid:
        assert CANARY.in_process(pid) != []


def test_a_process_without_the_canary_has_no_hit() -> None:
    # It is handed the stem in two halves: only one that joins them has it.
    with program("import sys; print('ready', flush=True); sys.stdin.read()") as pid:
        assert CANARY.in_process(pid) == []


def test_a_file_without_a_name_is_found_by_its_descriptor(tmp_path: Path) -> None:
    text = (
        "import os, sys; f = open('spool', 'wb'); f.write((sys.argv[1] + sys.argv[2]).encode());"
        "f.flush(); os.unlink('spool'); print('ready', flush=True); sys.stdin.read()"
    ).replace("'spool'", repr(str(tmp_path / "spool")))
    with program(text) as pid:
        assert len(CANARY.in_descriptors(pid)) == 1
        assert CANARY.in_folder(tmp_path) == []


def test_texts_of_any_length_hold_the_stem_often() -> None:
    assert CANARY.stem in CANARY.text(7)
    assert CANARY.text(7) != CANARY.text(8)
    assert len(CANARY.text(7, 4_000)) == 4_000
    assert CANARY.text(7, 4_000).count(CANARY.stem) > 100
