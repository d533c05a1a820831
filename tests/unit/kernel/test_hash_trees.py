"""A leaf of a hash tree is proved by the way to its root, and nothing else is."""

from hashlib import sha256

import pytest

from troth.kernel.hash_tree import EMPTY_ROOT, leads, path, root


def leaves(count: int) -> list[bytes]:
    return [sha256(bytes([number])).digest() for number in range(count)]


def test_a_root_is_made_of_pairs_and_an_odd_last_node_moves_up() -> None:
    first, second, third = leaves(3)
    pair = sha256(b"\x01" + first + second).digest()
    assert root([]) == EMPTY_ROOT
    assert root([first]) == first
    assert root([first, second]) == pair
    assert root([first, second, third]) == sha256(b"\x01" + pair + third).digest()


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 200])
def test_every_leaf_is_proved_and_only_at_its_place(count: int) -> None:
    level = leaves(count)
    for place, leaf in enumerate(level):
        steps = path(level, place)
        assert leads(leaf, steps, root(level))
        assert not leads(level[place - 1], steps, root(level)) or count == 1
        if steps:
            is_left, other = steps[0]
            assert not leads(leaf, [(not is_left, other), *steps[1:]], root(level))
