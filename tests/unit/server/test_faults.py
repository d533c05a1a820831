import pytest

from troth.kernel.clock import ManualClock
from troth.kernel.errors import InvariantBroken, Misconfigured, invariant
from troth.kernel.log import Log
from troth.server.faults import Kind, Plane, where
from troth.server.log_lines import RequestFailed


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (KeyError("secret"), Kind.LOOKUP),
        (TypeError("secret"), Kind.TYPE),
        (UnicodeDecodeError("utf-8", b"secret", 0, 1, "x"), Kind.VALUE),
        (Misconfigured("secret"), Kind.OURS),
        (KeyboardInterrupt(), Kind.OTHER),
    ],
)
def test_a_fault_is_told_by_its_kind(error: BaseException, kind: Kind) -> None:
    found = where(error, None)
    assert (found.plane, found.line, found.kind) == (Plane.ELSEWHERE, 0, kind)


def test_a_fault_is_told_by_its_innermost_frame_of_ours() -> None:
    with pytest.raises(InvariantBroken) as caught:
        invariant(False, "secret")  # noqa: FBT003
    found = where(caught.value, caught.tb)
    assert found.plane is Plane.KERNEL
    assert found.line > 0


def test_a_line_about_a_fault_holds_codes_only() -> None:
    written: list[bytes] = []
    log = Log(written.append, ManualClock(), "gateway-0")
    log.write(RequestFailed(Plane.WIRE, 7, Kind.VALUE))
    assert written[0].endswith(b'"event":"RequestFailed","plane":"wire","line":7,"kind":"value"}\n')
