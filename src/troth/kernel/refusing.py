"""What `Content` and `Secret` have in common: every way to print or copy one refuses."""

from typing import NoReturn

from typing_extensions import override


class Unprintable(TypeError):
    """Somebody tried to print, compare, copy or serialize a value that must stay closed."""

    def __init__(self) -> None:
        super().__init__("a closed value cannot be shown, compared, copied or kept")


class Refusing:
    """Mix-in whose subclasses cannot be shown, compared, hashed, copied or pickled."""

    __slots__ = ()

    @override
    def __repr__(self) -> str:
        raise Unprintable

    @override
    def __str__(self) -> str:
        raise Unprintable

    @override
    def __format__(self, format_spec: str) -> str:
        raise Unprintable

    def __bytes__(self) -> bytes:
        raise Unprintable

    def __iter__(self) -> NoReturn:
        raise Unprintable

    @override
    def __eq__(self, other: object) -> bool:
        raise Unprintable

    @override
    def __hash__(self) -> int:
        raise Unprintable

    def __copy__(self) -> NoReturn:
        raise Unprintable

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise Unprintable

    @override
    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise Unprintable

    @override
    def __getstate__(self) -> NoReturn:
        raise Unprintable
