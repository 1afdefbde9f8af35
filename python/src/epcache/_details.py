"""What is seldom asked of a record of an index: whole rows of the distribution table, and the entry points
of one distribution after the other. Checked like the rest of the format."""

import os
from stat import S_ISREG

from . import STRING_LIMIT, hash_of, i64s, u32s
from ._index import Index, Record, Unusable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

    # A row of the distribution table, its strings read: file name, key, name, version, flags, then of
    # entry_points.txt its size, of the directory mtime and ctime, of the file mtime, nothing, then the
    # first and the number of its references, and the hash of the key.
    Facts = Tuple[bytes, bytes, bytes, bytes, int, int, int, int, int, bytes, int, int, int]

# Flags of a distribution.
KIND = 3  # 0 .dist-info, 1 .egg-info, 2 EGG-INFO
FILE = 1 << 2
HAS_METADATA = 1 << 3
SHADOWED = 1 << 4
UNREAD = 1 << 5
PROBLEM = 1 << 6
NAME_FROM_FILE = 1 << 7
VERSION_FROM_FILE = 1 << 8
# Not of the format: there is a row for entry_points.txt.
HAS_ENTRY_POINTS = 1 << 32
READ = KIND | FILE | HAS_METADATA | UNREAD | PROBLEM | NAME_FROM_FILE | VERSION_FROM_FILE

UNKNOWN = -1 << 63  # a time that equals no other


def facts(record: Record, number: int) -> "Facts":
    if number >= record.count:
        raise Unusable(record.index, "there is no such distribution")
    return _facts(record, record.index.part(record.at + 64 * number, 64))


def table(record: Record) -> "List[Facts]":
    known: "Any" = record.known.get("table")
    if known is not None:
        return known  # type: ignore[no-any-return]
    data = record.index.part(record.at, 64 * record.count)
    known = [_facts(record, data[at : at + 64]) for at in range(0, len(data), 64)]
    # No honest rows share anything: a small file cannot pose as a large one.
    if sum([facts[11] for facts in known]) > record.entries:
        raise Unusable(record.index, "entry points of distributions are out of range")
    if sum([len(text) for facts in known for text in facts[:4]]) > record.index.size:
        raise Unusable(record.index, "names are too long")
    record.known["table"] = known
    return known  # type: ignore[no-any-return]


def _facts(record: Record, row: bytes) -> "Facts":
    words, times = u32s(row), i64s(row)
    at, strings = words[0], []
    for length in (words[1] & 0xFFFF, words[1] >> 16, words[2] & 0xFFFF, words[2] >> 16):
        if length > STRING_LIMIT:
            raise Unusable(record.index, "a name is too long")
        strings.append(record.string(at, length))
        at += length
    file_name, key, name, version = strings
    if file_name in (b"", b".", b"..") or b"/" in file_name or b"\0" in file_name:
        raise Unusable(record.index, "a file name is none")
    first, count, file, files = words[12:16]
    if first + count > record.entries or file + files > record.files:
        raise Unusable(record.index, "rows of a distribution are out of range")
    flags, size, mtime = words[3] & (READ | SHADOWED), 0, UNKNOWN
    if files:
        # entry_points.txt, if there is one, comes before all other files.
        part = record.index.part(record.files_at + 24 * file, 24)
        if part[:2] == b"\1\0":
            flags |= HAS_ENTRY_POINTS
            size, mtime = u32s(part)[1], i64s(part)[1]
    return (
        file_name,
        key,
        name,
        version,
        flags,
        size,
        times[2],
        times[3],
        mtime,
        b"",
        first,
        count,
        hash_of(key),
    )


def entries_of(record: Record, first: int, count: int) -> "List[Tuple[str, str, str]]":
    if not count:
        return []
    words = u32s(record.index.part(record.references_at + 8 * first, 8 * count))
    references, groups = words[0::2].tolist(), words[1::2].tolist()
    if max(references) >= record.entries or max(groups) >= record.groups:
        raise Unusable(record.index, "there is no such entry point")
    names: "Any" = record.known.get("groups")
    entries: "Any" = record.known.get("entries")
    if names is None or entries is None:
        # Strings are checked against those before them: so all are read at once.
        names = record.known["groups"] = _group_names(record)
        entries = record.known["entries"] = record.rows(0, record.entries)
    return [
        (names[group],) + entries[number][:2] for number, group in zip(references, groups)
    ]


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
    found = {}
    size = 0
    for number in range(index.directories):
        offset, length, record, flags = u32s(index.part(16 * number, 16))
        size += length
        if length > STRING_LIMIT or size > index.size:
            raise Unusable(index, "a path is too long")
        if not flags & 1:
            found[record] = os.fsdecode(index.part(offset, length))
    return [found[record] for record in sorted(found)]
