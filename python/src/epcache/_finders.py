"""Finders of others on sys.meta_path that know distributions: they are asked as importlib.metadata asks.

What they know comes in the order of sys.meta_path; the index stands where the path finder does. Their
distributions are put together with those of the index as if they were a record of their own.
"""

import os

from . import EntryPoints, hash_of
from ._details import HAS_METADATA, SHADOWED
from ._lookup import Answer, merge_answers
from ._metadata import normalize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence, Tuple

    from ._details import Facts


def others_of(finders: "List[Any]") -> "Optional[List[Any]]":
    """Of finders that know distributions those of others; None where not even a path finder is among them.

    The index stands for the path finders, at the place of the first of them, which is the None in the
    list: that of the standard library, and that of the backport, which puts itself in its place.
    """
    found: "List[Any]" = []
    path_finder = False
    for finder in finders:
        if not is_path_finder(finder):
            found.append(finder)
        elif not path_finder:
            found.append(None)
            path_finder = True
    return found if found not in ([], [None]) else [] if path_finder else None


def is_path_finder(finder: object) -> bool:
    """Whether it searches sys.path for metadata directories, as the index does."""
    kind = finder if isinstance(finder, type) else type(finder)
    if kind.__name__ == "PathFinder":
        return kind.__module__ in ("_frozen_importlib_external", "importlib._bootstrap_external")
    if kind.__name__ == "MetadataPathFinder":
        return kind.__module__.rpartition(".")[2] in ("importlib_metadata", "metadata")
    return False


class ForeignRecord:
    """What a finder knows, as a record. The first of several distributions of one name counts, and one
    with metadata before one without, as in importlib.metadata."""

    def __init__(self, found: "List[Any]") -> None:
        self.found = found
        self.count = len(found)
        self._keys = [_key(one) for one in found]
        has_metadata = [_has_metadata(one) for one in found]
        self._chosen: "Dict[bytes, int]" = {}
        for wanted in (True, False):
            for number, key in enumerate(self._keys):
                if has_metadata[number] == wanted:
                    self._chosen.setdefault(key, number)
        self._by_crc = {hash_of(key): number for key, number in self._chosen.items()}
        self._flags = [
            (HAS_METADATA if has else 0) | (SHADOWED if self._chosen[key] != number else 0)
            for number, (key, has) in enumerate(zip(self._keys, has_metadata))
        ]
        self._entries = [
            [] if flags & SHADOWED else list(one.entry_points)
            for one, flags in zip(found, self._flags)
        ]
        self.entries = sum([len(entries) for entries in self._entries])

    def facts(self, number: int) -> "Facts":
        key, flags = self._keys[number], self._flags[number]
        count = len(self._entries[number])
        return b"", key, b"", b"", flags, 0, 0, 0, 0, b"", number, count, hash_of(key)

    def table(self) -> "List[Facts]":
        return [self.facts(number) for number in range(self.count)]

    def find_key(self, crc: int, key: "Optional[bytes]" = None) -> "Optional[int]":
        if key is None:
            return self._by_crc.get(crc)
        return self._chosen.get(key)

    def distribution(self, number: int) -> "Any":
        return self.found[number]

    def group(self, name: bytes) -> "Sequence[Tuple[str, str, int, int, int]]":
        wanted = name.decode()
        return [
            (entry.name, entry.value, number, (self._flags[number] & HAS_METADATA) >> 2, hash_of(key))
            for number, key in enumerate(self._keys)
            for entry in self._entries[number]
            if entry.group == wanted
        ]

    def entries_of(self, first: int, count: int) -> "List[Tuple[str, str, str]]":
        return [(entry.group, entry.name, entry.value) for entry in self._entries[first]]


def _key(found: "Any") -> bytes:
    key = getattr(found, "_normalized_name", None)
    if not isinstance(key, str):
        key = normalize(str(found.metadata["Name"]))
    return os.fsencode(key)


def _has_metadata(found: "Any") -> bool:
    try:
        has = getattr(found, "_has_metadata", None)
        if has is not None:
            return bool(has())
        return bool(
            found.read_text("METADATA") or found.read_text("PKG-INFO") or found.read_text("")
        )
    except Exception:
        return False


def entry_points_with(
    finders: "List[Any]", answers: "List[Answer]", group: "Optional[str]"
) -> EntryPoints:
    """Entry points of all finders; None among them stands for the answers."""
    import importlib.metadata

    context = importlib.metadata.DistributionFinder.Context()
    everyone: "List[Answer]" = []
    for finder in finders:
        if finder is None:
            everyone += answers
        else:
            found = list(finder.find_distributions(context))
            if found:
                everyone.append(Answer("", ForeignRecord(found), None, "finder"))
    return merge_answers(everyone, group)
