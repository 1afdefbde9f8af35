"""The numbers of an index on machines of the other byte order."""

from array import array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def u32s(data: bytes) -> "Any":
    return _swapped(array("I", data))


def i64s(data: bytes) -> "Any":
    return _swapped(array("q", data))


def _swapped(numbers: "Any") -> "Any":
    numbers.byteswap()
    return numbers
