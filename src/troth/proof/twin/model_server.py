"""Serve a model file by llama.cpp's own HTTP server, on loopback.

    python -m troth.proof.twin.model_server FILE.gguf [PORT]        (needs xllamacpp)

It speaks both dialects, and deviates from the published documents as llama.cpp does: no
`refusal`, no `logprobs`, `timings` added, an error's `code` a number. It ends with its standard
input, so it never outlives the program that started it.
"""

import os
import sys
from pathlib import Path

import xllamacpp  # type: ignore[import-untyped]

from troth.proof.twin.names import CHAT

CONTEXT = 32_768
SLOTS = 4


def serve(path: Path, port: int) -> None:
    """Serve the file until the standard input ends."""
    wanted = xllamacpp.CommonParams()
    wanted.model.path = str(path)
    wanted.model_alias = {CHAT}
    wanted.hostnames = ["127.0.0.1"]
    wanted.port = port
    wanted.n_ctx = CONTEXT
    wanted.n_parallel = SLOTS
    wanted.cpuparams.n_threads = 1
    wanted.use_jinja = True
    wanted.warmup = False
    wanted.verbosity = 0
    server = xllamacpp.Server(wanted)
    sys.stdout.write(f"ready {server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()
    os._exit(0)  # llama.cpp's threads have nothing to put away


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int((*sys.argv, "0")[2]))
