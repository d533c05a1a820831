"""Short and long: `--prove` runs the long versions of the proofs, and nothing else.

A case that is too long for `make test` carries the mark `prove`; `make prove-money` runs those.
"""

import pytest

OPTION = "--prove"
MARK = "prove: a long version of a proof; only `pytest --prove` (make prove-money) runs it"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, action="store_true", help="run the long versions of the proofs alone")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARK)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = bool(config.getoption(OPTION))
    others = [item for item in items if (item.get_closest_marker("prove") is not None) != wanted]
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in set(others)]
