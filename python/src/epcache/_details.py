"""What is seldom asked of a record of an index: whole rows of the distribution table, and the entry points
of one distribution after the other. Checked like the rest of the format."""

import os
from stat import S_ISREG

from . import STRING_LIMIT, i64s, u32s
from ._index import Index, Record, Unusable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

    # A row of the distribution table, its strings read: file name, key, name, version, flags, then of
    # entry_points.txt its size, of the directory mtime and ctime, of the file mtime and digest, then the
    # first and the number of its references, and the CRC of the key.
    Facts = Tuple[bytes, bytes, bytes, bytes, int, int, int, int, int, bytes, int, int, int]

# Flags of a distribution.
KIND = 3  # 0 .dist-info, 1 .egg-info, 2 EGG-INFO
FILE = 1 << 2
WARNED = 1 << 3
HAS_METADATA = 1 << 4
SHADOWED = 1 << 5
UNREAD = 1 << 6
HAS_ENTRY_POINTS = 1 << 7
NAME_FROM_FILE = 1 << 8
VERSION_FROM_FILE = 1 << 9
PROBLEM = 1 << 10

UNKNOWN = -1 << 63  # a time that equals no other


def facts(record: Record, number: int) -> "Facts":
    if number >= record.count:
        raise Unusable(record.index, "there is no such distribution")
    row = record.index.part(record.at + 96 * number, 96)
    words, times = u32s(row), i64s(row)
    if max(words[1], words[3], words[5], words[7]) > STRING_LIMIT:
        raise Unusable(record.index, "a name is too long")
    file_name, key, name, version = [
        record.string(words[at], words[at + 1]) for at in (0, 2, 4, 6)
    ]
    if file_name in (b"", b".", b"..") or b"/" in file_name or b"\0" in file_name:
        raise Unusable(record.index, "a file name is none")
    first, count = words[20], words[21]
    if first + count > record.entries:
        raise Unusable(record.index, "entry points of a distribution are out of range")
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
        raise Unusable(record.index, "entry points of distributions are out of range")
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
        raise Unusable(record.index, "there is no such entry point")
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
        raise Unusable(record.index, "groups overlap")
    try:
        return [record.string(at, length).decode() for at, length in zip(starts, lengths)]
    except UnicodeDecodeError:
        raise Unusable(record.index, "a group is not UTF-8")


def described(path: str, record: "Any", number: int, crc: int) -> "Tuple[str, str, str]":
    """Metadata directory, name and version of a distribution."""
    try:
        if isinstance(record, tuple):
            record = reopened(*record)
        file_name, _, name, version = record.facts(number)[:4]
    except Unusable:
        # Gone since: a daemon has closed all descriptors, or that part of the file is damaged.
        from ._live import find_by_crc

        file_name, name, version = find_by_crc(path, crc)
    return (
        os.path.join(path, os.fsdecode(file_name)),
        name.decode("utf-8", "surrogateescape"),
        version.decode("utf-8", "surrogateescape"),
    )


_reopened = None  # type: Optional[Index]


def reopened(key: "Tuple[Any, ...]", number: int) -> Record:
    """The record that the first lookup found, of the very index that it found it in."""
    from ._lookup import key_of

    global _reopened
    index = _reopened
    if index is None or key_of(index) != key or not index.is_open():
        index = Index(key[0], key[1])
        if key_of(index) != key:
            raise Unusable(index, "replaced")
        _reopened = index
    return Record(index, number)


def require_trust(index: Index, stat: os.stat_result, folder: os.stat_result) -> None:
    """Whether an index is believed that is not simply root's or the reader's."""
    if stat.st_uid == 65534 and _has_strangers():
        raise Unusable(index, "missing")
    if not S_ISREG(stat.st_mode):
        raise Unusable(index, "not a regular file")
    if (stat.st_mode | folder.st_mode) & 0o022:
        what = "it" if stat.st_mode & 0o022 else "its folder"
        raise Unusable(index, "not trusted: others can write " + what)
    if folder.st_uid not in (0, stat.st_uid):
        raise Unusable(index, "not trusted: its folder belongs to somebody else")


def _has_strangers() -> bool:
    """Whether there are owners without a number in this user namespace, who all show as 65534."""
    try:
        with open("/proc/self/uid_map", "rb") as file:
            return sum([int(line.split()[2]) for line in file]) < 0xFFFFFFFF
    except (OSError, ValueError, IndexError):
        return False


def may_speak_of(index: Index, directory: str) -> bool:
    """Whether its owner may: one who does not decide already what runs from there must not begin to."""
    if index.owner == 0 or index.owner == os.geteuid():
        return True
    try:
        return os.stat(directory).st_uid == index.owner
    except (OSError, ValueError):
        return False


def paths(index: Index) -> "List[str]":
    """The search directories that an index has records of."""
    found = []
    size = 0
    for number in range(index.records):
        row = index.part(16 * index.directories + 64 * number, 64)
        offset, length = u32s(row[48:56])
        size += length
        if length > STRING_LIMIT or size > index.size:
            raise Unusable(index, "a path is too long")
        found.append(os.fsdecode(index.part(offset, length)))
    return found
