"""What is seldom asked of a record of an index: whole rows of the distribution table, and the entry points
of one distribution after the other. Checked like the rest of the format (`_index`)."""

import os

from ._index import STRING_LIMIT, Damage, Index, Record, i64s, u32s

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Tuple

    from ._index import Facts


def facts(record: Record, number: int) -> "Facts":
    if number >= record.count:
        raise Damage("there is no such distribution")
    row = record.index.part(record.at + 96 * number, 96)
    words, times = u32s(row), i64s(row)
    if max(words[1], words[3], words[5], words[7]) > STRING_LIMIT:
        raise Damage("a name is too long")
    file_name, key, name, version = [
        record.string(words[at], words[at + 1]) for at in (0, 2, 4, 6)
    ]
    if file_name in (b"", b".", b"..") or b"/" in file_name or b"\0" in file_name:
        raise Damage("a file name is none")
    first, count = words[20], words[21]
    if first + count > record.entries:
        raise Damage("entry points of a distribution are out of range")
    return (
        file_name,
        key,
        name,
        version,
        words[8],
        words[9],
        times[5],
        times[6],
        times[7],
        row[64:80],
        first,
        count,
        words[22],
    )


def table(record: Record) -> "List[Facts]":
    if not record.count:
        return []
    known: "Any" = record.known.get("table")
    if known is not None:
        return known  # type: ignore[no-any-return]
    names = record.looks()[0]
    data = record.index.part(record.at, 96 * record.count)
    words, times = u32s(data), i64s(data)
    keys, own_names, versions = [
        record.strings(list(words[at::24]), list(words[at + 1 :: 24])) for at in (2, 4, 6)
    ]
    firsts, counts = list(words[20::24]), list(words[21::24])
    # Runs of honest distributions follow each other.
    if sum(counts) > record.entries or max(map(int.__add__, firsts, counts)) > record.entries:
        raise Damage("entry points of distributions are out of range")
    known = list(
        zip(
            names,
            keys,
            own_names,
            versions,
            words[8::24],
            words[9::24],
            times[5::12],
            times[6::12],
            times[7::12],
            [data[at + 64 : at + 80] for at in range(0, len(data), 96)],
            firsts,
            counts,
            words[22::24],
        )
    )
    record.known["table"] = known
    return known  # type: ignore[no-any-return]


def entries_of(record: Record, first: int, count: int) -> "List[Tuple[str, str, str]]":
    if not count:
        return []
    references = u32s(record.index.part(record.references_at + 4 * first, 4 * count))
    if max(references) >= record.entries:
        raise Damage("there is no such entry point")
    entries: "Any" = record.known.get("entries")
    if entries is None:
        # Strings are checked against those before them: so all are read at once.
        words = u32s(record.index.part(record.entries_at, 32 * record.entries))
        groups = _group_names(record)
        entries = record.known["entries"] = [
            (groups[group], row[0], row[1])
            for group, row in zip(words[4::8], record.rows(0, record.entries))
        ]
    return [entries[number] for number in references]


def _group_names(record: Record) -> "List[str]":
    words = u32s(record.index.part(record.groups_at, 16 * record.groups))
    starts, lengths = list(words[0::4]), list(words[1::4])
    if sum(lengths) > record.index.size:
        raise Damage("groups overlap")
    try:
        return [record.string(at, length).decode() for at, length in zip(starts, lengths)]
    except UnicodeDecodeError:
        raise Damage("a group is not UTF-8")


def paths(index: Index) -> "List[str]":
    """The search directories that an index has records of."""
    found = []
    size = 0
    for number in range(index.records):
        row = index.part(16 * index.directories + 64 * number, 64)
        offset, length = u32s(row[48:56])
        size += length
        if length > STRING_LIMIT or size > index.size:
            raise Damage("a path is too long")
        found.append(os.fsdecode(index.part(offset, length)))
    return found
