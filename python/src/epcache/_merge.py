"""Records put together, as far as that is seldom asked for: all groups at once, and what to make of two
search directories that have the same distribution (docs/format.md, "Several search directories")."""


from . import EntryPoint, hash_of
from ._details import HAS_METADATA, SHADOWED
from ._index import Unusable
from ._lookup import is_shadowed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List

    from ._lookup import Filled


def merge_all(filled: "Filled") -> "List[EntryPoint]":
    found: "List[EntryPoint]" = []
    for with_metadata in (HAS_METADATA, 0):
        for number in range(len(filled)):
            found += _of_record(filled, number, with_metadata)
    return found


def _of_record(filled: "Filled", number: int, with_metadata: int) -> "List[EntryPoint]":
    path: str
    record: "Any"
    path, record = filled[number]
    rows = record.table()
    chosen = {facts[1]: at for at, facts in enumerate(rows) if not facts[4] & SHADOWED}
    found: "List[EntryPoint]" = []
    done = set()
    for at, facts in enumerate(rows):
        key = facts[1]
        # The chosen twin stands where the first one like it is listed.
        if facts[4] & HAS_METADATA != with_metadata or key in done:
            continue
        if facts[4] & SHADOWED:
            if key not in chosen:
                raise Unusable(record.index, "a shadowed distribution has no chosen twin")
            at = chosen[key]
            facts = rows[at]
            if facts[4] & HAS_METADATA != with_metadata:
                continue
        done.add(key)
        if facts[11]:
            crc = hash_of(key)
            if not is_shadowed(filled, number, at, crc, with_metadata):
                source = [path, record, at, crc]
                for group, name, value in record.entries_of(facts[10], facts[11]):
                    made = EntryPoint(name, value, group)
                    made.__dict__["_source"] = source
                    found.append(made)
    return found


def shadows(
    other: "Any", is_earlier: bool, record: "Any", number: int, crc: int, with_metadata: int
) -> bool:
    """Whether the other directory, which knows a key with this CRC, has a distribution that counts in
    the place of this one: an earlier one, or, where this one has no core metadata, any one that has."""
    key = record.facts(number)[1]
    twin = other.find_key(crc, key)
    if twin is None:
        return False
    if is_earlier and not with_metadata:
        return True
    return bool(other.facts(twin)[4] & HAS_METADATA)
