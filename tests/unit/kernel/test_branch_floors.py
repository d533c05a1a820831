"""The gate of `make coverage`: every plane has a floor, and one that falls below it is named."""

from tests.builders.branches import FLOORS, ROOT, SOURCE, File, Measured, Summary, below, reached


def file(lines: int, of_lines: int, branches: int, of_branches: int) -> File:
    return File(Summary(lines, of_lines, branches, of_branches))


def test_every_plane_has_a_floor() -> None:
    planes = {folder.name for folder in SOURCE.iterdir() if (folder / "__init__.py").exists()}
    assert planes | {"troth"} == FLOORS.keys()
    assert (ROOT / "pyproject.toml").exists()


def test_lines_and_branches_of_a_plane_are_taken_together() -> None:
    found = Measured(
        {
            str(SOURCE / "wire" / "a.py"): file(9, 10, 3, 4),
            str(SOURCE / "wire" / "deep" / "b.py"): file(6, 6, 0, 0),
            str(SOURCE / "__init__.py"): file(1, 1, 0, 0),
        }
    )
    assert reached(found) == {"troth": 100, "wire": 90}


def test_a_plane_below_its_floor_or_without_one_is_named() -> None:
    assert below(dict(FLOORS)) == []
    assert below({"wire": FLOORS["wire"] - 0.01, "ledger": 100, "other": 100}) == ["wire", "other"]
