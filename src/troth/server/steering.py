"""Leads new connections to the gateways that stand, where the kernel lets us choose.

Sockets that share a port get connections by a hash, whether anybody accepts there or not. A short
filter in the kernel chooses among the sockets that are served, so that nobody waits in the queue of
one whose process is down.
"""

import ctypes
import socket
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

_ATTACH: Final = 51  # SO_ATTACH_REUSEPORT_CBPF
_DETACH: Final = 68  # SO_DETACH_REUSEPORT_BPF
_RANDOM: Final = 0xFFFFF000 + 56  # an ancillary load: any number
_LOAD: Final = 0x20
_REMAINDER: Final = 0x94
_JUMP_EQUAL: Final = 0x15
_RETURN: Final = 0x06
_STEP: Final = struct.Struct("=HBBI")


def steer(listeners: Sequence[socket.socket], served: Sequence[int]) -> None:
    """Let new connections go to the listeners with these numbers only; none or all: to all.

    A kernel that cannot do it leaves them to its hash: they wait until somebody accepts again.
    """
    if len(listeners) == 1 or sys.platform != "linux":
        return
    with suppress(OSError):
        if 0 < len(served) < len(listeners):
            _attach(listeners[0], _program(served))
        else:
            listeners[0].setsockopt(socket.SOL_SOCKET, _DETACH, 0)


def _program(served: Sequence[int]) -> bytes:
    """Return a filter that answers one of the numbers, each as often as the others."""
    steps = [(_LOAD, 0, 0, _RANDOM), (_REMAINDER, 0, 0, len(served))]
    for drawn, number in enumerate(served):
        steps += [(_JUMP_EQUAL, 0, 1, drawn), (_RETURN, 0, 0, number)]
    return b"".join(_STEP.pack(*step) for step in [*steps, (_RETURN, 0, 0, served[0])])


def _attach(listener: socket.socket, program: bytes) -> None:
    held = ctypes.create_string_buffer(program, len(program))
    filtering = struct.pack("@HP", len(program) // _STEP.size, ctypes.addressof(held))
    listener.setsockopt(socket.SOL_SOCKET, _ATTACH, filtering)
