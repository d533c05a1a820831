"""`make bench-peers`: install what is measured beside Troth, each in an environment of its own."""

import shutil
import sys
from collections.abc import Callable

from bench import profile
from bench.harness.places import BENCH
from bench.harness.processes import NotReady, run
from bench.systems import litellm, portkey, tensorzero

DEBIAN = ("apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "nginx-light")


def _nginx() -> None:
    if shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin"):
        return
    if shutil.which("apt-get") is None:
        raise NotReady("nginx: install it with this system's own tools")
    run(["apt-get", "update", "--quiet"], BENCH)
    run(DEBIAN, BENCH)


INSTALLERS: dict[str, Callable[[], None]] = {
    "nginx": _nginx,
    "TensorZero": tensorzero.ENVIRONMENT.install,
    "Portkey": portkey.ENVIRONMENT.install,
    "py-spy": profile.ENVIRONMENT.install,
    "LiteLLM": litellm.ENVIRONMENT.install,
}


def install() -> int:
    """Install each; one that cannot be had is named and left out of the comparison."""
    for name, installer in INSTALLERS.items():
        try:
            installer()
        except NotReady as fault:
            sys.stdout.write(f"{name}: not installed, left out. {fault}\n")
        else:
            sys.stdout.write(f"{name}: installed\n")
    return 0
