"""Each gateway under test, behind the same small interface (`system.py`)."""

from collections.abc import Callable

from bench.systems.direct import Direct
from bench.systems.litellm import LiteLLM
from bench.systems.nginx import Nginx
from bench.systems.portkey import Portkey
from bench.systems.system import System
from bench.systems.tensorzero import TensorZero
from bench.systems.troth import Troth, TrothPlain

SYSTEMS: dict[str, Callable[[], System]] = {
    "direct": Direct,
    "nginx": Nginx,
    "troth": Troth,
    "troth-plain": TrothPlain,
    "tensorzero": TensorZero,
    "portkey": Portkey,
    "litellm": LiteLLM,
}
"""By the name that `--systems` takes, in the order of a round."""
