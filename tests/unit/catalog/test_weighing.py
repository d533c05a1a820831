"""Plain text is weighed in a short way, which says what the whole sum says."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from troth.catalog.price import weigh
from troth.kernel.quantities import CLASSES, Quantities, Uneven

COUNTS = st.one_of(st.just(0), st.integers(0, 2**31))
VECTORS = st.one_of(
    st.builds(Quantities, input=COUNTS, output=COUNTS),
    st.builds(Quantities, *[COUNTS] * len(CLASSES)),
    st.builds(Uneven, *[COUNTS] * len(CLASSES)),
    st.builds(lambda name, count: Quantities(**{name: count}), st.sampled_from(CLASSES), COUNTS),
)
WEIGHTS = st.tuples(*[st.integers(0, 2**63)] * len(CLASSES))


@given(VECTORS, WEIGHTS)
def test_every_class_is_weighed(used: Quantities, weights: tuple[int, ...]) -> None:
    counts = msgspec.structs.astuple(used)
    assert weigh(used, weights) == sum(
        count * weight for count, weight in zip(counts, weights, strict=True)
    )
