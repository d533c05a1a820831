"""Where the bench keeps things."""

from pathlib import Path
from typing import Final

BENCH: Final = Path(__file__).resolve().parent.parent
ROOT: Final = BENCH.parent
BUILD: Final = BENCH / "build"
PEERS: Final = BUILD / "peers"
RUNS: Final = BUILD / "runs"
RESULTS: Final = BENCH / "results"
PAGE: Final = ROOT / "docs" / "reference" / "performance.md"
