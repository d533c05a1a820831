"""Too much memory in use: seen, and seen to be over."""

from pathlib import Path

import pytest

from troth.server.shedding import Shedding

MANY = 100


def group(folder: Path, used: int, most: str = "1000", idle: int = 0) -> Path:
    (folder / "memory.max").write_text(most, "ascii")
    (folder / "memory.current").write_text(str(used), "ascii")
    (folder / "memory.stat").write_text(f"anon 1\ninactive_file {idle}\n", "ascii")
    return folder


def test_a_process_above_its_limit_sheds_while_it_has_something_to_do(tmp_path: Path) -> None:
    shedding = Shedding(1, tmp_path)
    assert shedding.look(MANY)
    assert not shedding.look(3)
    assert not Shedding(1 << 60, tmp_path).look(MANY)
    assert not Shedding(0, tmp_path).look(MANY)


def test_four_fifths_of_the_control_group_are_the_limit(tmp_path: Path) -> None:
    shedding = Shedding(0, group(tmp_path, 800))
    assert not shedding.look(MANY)
    group(tmp_path, 801)
    assert shedding.look(MANY)
    group(tmp_path, 801, idle=200)
    assert not shedding.look(MANY)


def test_it_recovers_with_a_margin(tmp_path: Path) -> None:
    shedding = Shedding(0, group(tmp_path, 900))
    assert shedding.look(MANY)
    group(tmp_path, 790)
    assert shedding.look(MANY)
    group(tmp_path, 760)
    assert not shedding.look(MANY)
    group(tmp_path, 790)
    assert not shedding.look(MANY)


@pytest.mark.parametrize("most", ["max", "nonsense"])
def test_a_group_without_a_limit_never_sheds(tmp_path: Path, most: str) -> None:
    assert not Shedding(0, group(tmp_path, 1 << 50, most)).look(MANY)


def test_bodies_on_their_way_are_counted_before_they_are_here(tmp_path: Path) -> None:
    shedding = Shedding(0, group(tmp_path, 500))
    shedding.look(MANY)
    assert shedding.takes(100)
    assert not shedding.takes(1)
    shedding.came(100)
    assert shedding.takes(90)
    shedding.came(90)
    assert not shedding.takes(101)


def test_who_has_little_to_do_takes_one_at_a_time(tmp_path: Path) -> None:
    shedding = Shedding(0, group(tmp_path, 900))
    assert shedding.takes(1_000)
    shedding.came(1_000)
    assert not shedding.takes(1_000)
    shedding.look(1)
    assert shedding.takes(1_000)
