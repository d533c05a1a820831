"""Short and long: `--prove` runs the long versions of the proofs, and nothing else.

A case that is too long for `make test` carries the mark `prove`; `make prove-money` runs those.
`figures` notes what a proof saw, to be printed at the end of the run.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import rmtree

import pytest

from tests.builders.quick_folder import quick_folder

OPTION = "--prove"
MARK = "prove: a long version of a proof; only `pytest --prove` (make prove-money) runs it"
FIGURES = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, action="store_true", help="run the long versions of the proofs alone")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARK)
    config.stash[FIGURES] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = bool(config.getoption(OPTION))
    others = [item for item in items if (item.get_closest_marker("prove") is not None) != wanted]
    if others:
        config.hook.pytest_deselected(items=others)
        left_out = set(others)
        items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    noted = config.stash[FIGURES]
    if noted and config.getoption(OPTION):
        terminalreporter.section("figures")
        for line in noted:
            terminalreporter.line(line)


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Note a line of what a proof saw; `--prove` prints all of them."""
    return request.config.stash[FIGURES].append


@pytest.fixture
def quick_path() -> Iterator[Path]:
    """A folder of the test's own, in memory if possible."""
    folder = quick_folder()
    yield folder
    rmtree(folder)
