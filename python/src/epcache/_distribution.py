"""The distribution of an entry point: made, and read, once somebody asks for it."""

import os

from ._details import described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Optional, Tuple


def distribution_of(source: "List[Any]") -> "Any":
    """That of a search directory, its record, its number there and the CRC of its key; kept behind them, for
    all entry points that share this list."""
    if len(source) == 4:
        path, record, number, crc = source[:4]
        made = getattr(record, "distribution", None)
        # Several threads may ask at once: all take the one that comes first.
        source.append(Distribution(path, record, number, crc) if made is None else made(number))
    return source[4]


class Distribution:
    """The distribution of an entry point.

    Name and version are what the index says. Whatever else is asked for, importlib.metadata reads from
    the metadata directory.
    """

    __slots__ = ("__weakref__", "_source", "_known", "_read")

    def __init__(self, path: str, record: "Any", number: int, crc: int) -> None:
        # Where it can be read once somebody wants to know.
        self._source: "Any" = (path, record, number, crc)
        self._known: "Optional[Tuple[str, str, str]]" = None
        self._read: "Any" = None

    def _facts(self) -> "Tuple[str, str, str]":
        """Metadata directory, name, version."""
        known = self._known
        if known is None:
            # Several threads may ask at once: they find the same.
            known = self._known = described(*self._source)
        return known

    @property
    def name(self) -> str:
        return self._facts()[1]

    @property
    def version(self) -> str:
        return self._facts()[2]

    def _host(self) -> "Any":
        read = self._read
        if read is None:
            from importlib.metadata import PathDistribution
            from pathlib import Path

            read = self._read = PathDistribution(Path(self._facts()[0]))
        return read

    def __getattr__(self, name: str) -> "Any":
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._host(), name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Distribution):
            return NotImplemented
        return self is other or self._facts() == other._facts()

    def __hash__(self) -> int:
        return hash(self._facts())

    def __repr__(self) -> str:
        path, name, version = self._facts()
        return "<%s %s %s: %s>" % (type(self).__name__, name, version, path)

    def __getstate__(self) -> "Tuple[str, str, str]":
        return self._facts()

    def __setstate__(self, state: "Tuple[str, str, str]") -> None:
        self._source, self._known, self._read = None, state, None
