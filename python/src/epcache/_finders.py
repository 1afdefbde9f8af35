"""Finders of others on sys.meta_path that know distributions: they are asked as importlib.metadata asks.

What they know comes in the order of sys.meta_path; the index stands where the path finder does. Their
distributions are put together with those of the index as if they were a record of their own.
"""

import importlib.metadata
import os
from binascii import crc32

from ._index import HAS_METADATA, SHADOWED
from ._lookup import Answer, Merge
from ._metadata import normalize
from ._model import EntryPoint, EntryPoints

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence, Tuple

    from ._index import Facts


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
        self._by_crc = {crc32(key) for key in self._chosen}
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
        return b"", key, b"", b"", flags, 0, 0, 0, 0, b"", number, count, crc32(key)

    def keys_and_flags(self) -> "List[Tuple[bytes, int]]":
        return list(zip(self._keys, self._flags))

    def chosen(self, key: bytes) -> "Optional[int]":
        return self._chosen.get(key)

    def chosen_by_crc(self, crc: int) -> bool:
        return crc in self._by_crc

    def group(self, name: bytes) -> "Sequence[Tuple[str, str, int, int, int]]":
        wanted = name.decode()
        return [
            (entry.name, entry.value, number, (self._flags[number] & HAS_METADATA) >> 3, crc32(key))
            for number, key in enumerate(self._keys)
            for entry in self._entries[number]
            if entry.group == wanted
        ]

    def entries_of(self, first: int, count: int) -> "List[Tuple[str, str, str]]":
        return [(entry.group, entry.name, entry.value) for entry in self._entries[first]]


class _Foreign(Merge):
    def _distribution(self, number: int, distribution: int, crc: int) -> "Any":
        record = self.records[number]
        if isinstance(record, ForeignRecord):
            return record.found[distribution]
        return super()._distribution(number, distribution, crc)


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
    context = importlib.metadata.DistributionFinder.Context()
    everyone: "List[Answer]" = []
    for finder in finders:
        if finder is None:
            everyone += answers
        else:
            found = list(finder.find_distributions(context))
            if found:
                record: "Any" = ForeignRecord(found)
                everyone.append(Answer("", record, None, "finder"))
    merge = _Foreign([answer for answer in everyone if answer.record.count])
    entries: "List[EntryPoint]" = merge.all() if group is None else merge.group(group)
    return EntryPoints(entries)
