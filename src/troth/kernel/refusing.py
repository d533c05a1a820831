"""What `Content` and `Secret` have in common: every way to print or copy one refuses."""

from typing import NoReturn


class Unprintable(TypeError):
    """Somebody tried to print, compare, copy or serialize a value that must stay closed."""


class Refusing:
    """Mix-in whose subclasses cannot be shown, compared, hashed, copied or pickled."""

    __slots__ = ()

    def _refuse(self) -> NoReturn:
        raise Unprintable(f"{type(self).__name__} cannot be shown, compared, copied or kept")

    def __repr__(self) -> str:
        self._refuse()

    def __str__(self) -> str:
        self._refuse()

    def __format__(self, format_spec: str) -> str:
        self._refuse()

    def __bytes__(self) -> bytes:
        self._refuse()

    def __iter__(self) -> NoReturn:
        self._refuse()

    def __eq__(self, other: object) -> bool:
        self._refuse()

    def __hash__(self) -> int:
        self._refuse()

    def __copy__(self) -> NoReturn:
        self._refuse()

    def __deepcopy__(self, memo: object) -> NoReturn:
        self._refuse()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        self._refuse()

    def __getstate__(self) -> NoReturn:
        self._refuse()
