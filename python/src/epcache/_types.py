"""Types of the package; nothing imports this but type checkers."""

from typing import Any, Callable, Dict, Iterable, List, Mapping, NoReturn, Optional, Sequence, Set, Tuple, Union

from ._details import Facts
from ._distribution import Distribution
from ._finders import ForeignRecord
from ._index import Record
from ._install import install, uninstall
from ._live import LiveRecord
from ._lookup import State
from ._warning import StaleCacheWarning

__all__ = [
    "Any",
    "AnyRecord",
    "Block",
    "Key",
    "Opened",
    "Part",
    "Seen",
    "Segment",
    "Dict",
    "Distribution",
    "Facts",
    "Identity",
    "Iterable",
    "List",
    "Mapping",
    "NoReturn",
    "Optional",
    "Place",
    "Row",
    "Sequence",
    "Set",
    "StaleCacheWarning",
    "Stamp",
    "State",
    "Tuple",
    "Union",
    "install",
    "uninstall",
]

AnyRecord = Union[Record, LiveRecord, ForeignRecord]
# mtime, ctime, inode and device of a search directory; None: there is none.
Stamp = Optional[Tuple[int, int, int, int]]
# What tells one state of a file from another: device, inode, size, mtime, ctime. None: not there.
Identity = Optional[Tuple[int, int, int, int, int]]
# An entry point: name, value, number of its distribution, flags, CRC of the distribution's key.
Row = Tuple[str, str, int, int, int]
# Why indexes may lie there, where, and how hard to look for changes where one answers.
Place = Tuple[str, str, str]
# A block that was read, and its checksum.
Block = Tuple[bytes, int]
# For the first lookup: which index, as path, level and identity; its parts; one that was opened; of that one record.
Key = Tuple[Union[int, str], ...]
Part = Callable[..., bytes]
Opened = Tuple[Key, int, int, Part, List[Block], int]
Segment = Any
# What it leaves to the next: of an entry of sys.path the index, the stamp, and when that was looked at.
Seen = Tuple[str, Key, Stamp, float]
