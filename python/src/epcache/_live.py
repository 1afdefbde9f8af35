"""Metadata directories read on the spot, and a record made of them.

In come the names in a search directory; out goes a record that is asked like one of an index, with the
same semantics as the index's writer. What cannot be read costs itself: nothing in here raises for what it
finds. METADATA is read only where somebody wants to know what stands in it.
"""

import os
from stat import S_ISDIR, S_ISREG

from . import hash_of
from ._details import (
    FILE,
    HAS_ENTRY_POINTS,
    HAS_METADATA,
    KIND,
    NAME_FROM_FILE,
    PROBLEM,
    SHADOWED,
    UNKNOWN,
    UNREAD,
    VERSION_FROM_FILE,
)
from ._index import DIRECTORY
from ._lookup import Answer, may_repeat
from ._metadata import (
    EGG,
    SIZE_LIMIT,
    egg_base,
    is_plain,
    key_of_name,
    lookup_key,
    normalize,
    parse_entry_points,
    parse_headers,
    preference,
    recognise,
    stem_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

    from ._details import Facts
    from . import AnyRecord
    from ._index import Record
    from ._question import Question
    from ._metadata import Headers

    Read = Union["Found", "Recorded"]

_HEAD = 4096
_CONTENT_LIMIT = 24 << 20
_HEADERS_LIMIT = 1 << 20
_STRING_LIMIT = 4096
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class Sighting:
    """A metadata directory as it was listed."""

    def __init__(self, path: str, raw: bytes, name: str, kind: int, egg: str) -> None:
        self.path = path
        self.raw = raw
        # UTF-8, whatever the locale says.
        self.name = name
        self.kind = kind
        self.egg = egg
        self.stat: "Optional[os.stat_result]" = None
        self.error: "Optional[OSError]" = None

    def look(self, fd: int) -> None:
        try:
            self.stat = os.stat(self.raw, dir_fd=fd)
        except OSError as error:
            self.error = error

    @property
    def mtime(self) -> "Optional[int]":
        return None if self.stat is None else self.stat.st_mtime_ns

    @property
    def ctime(self) -> "Optional[int]":
        return None if self.stat is None else self.stat.st_ctime_ns


def listing(path: str, fd: int) -> "List[Sighting]":
    """The metadata directories of an open directory, as it lists them."""
    egg = egg_base(path)
    found = []
    for listed in os.listdir(fd):
        if not listed.endswith(("o", "O")):
            continue
        raw = os.fsencode(listed)
        name = raw.decode("utf-8", "surrogateescape")
        kind = recognise(name, egg)
        if kind is not None:
            sighting = Sighting(path, raw, name, kind, egg)
            sighting.look(fd)
            found.append(sighting)
    return found


def look_anew(question: "Question") -> Answer:
    """The answer for what no index knows."""
    if question.fd < 0:
        from ._archive import look_into

        return look_into(question)
    seen = listing(question.path, question.fd)
    found: "List[Any]" = [Found(sighting) for sighting in seen]
    read_all(found)
    return answer_now(question, LiveRecord(question.path, found), seen, "live")


def read_all(found: "List[Found]") -> None:
    """Reads metadata directories. Where they are too large together, the largest are left unread, as by the
    index's writer (docs/format.md, "Limits")."""
    left = _CONTENT_LIMIT
    for one in found:
        one.read()
        left -= one.size
        if left < 0:
            break
    else:
        return
    sizes = [one.size_now() for one in found]
    total = sum(sizes)
    for size, _, one in sorted(zip([-size for size in sizes], [one.sighting.raw for one in found], found)):
        if total > _CONTENT_LIMIT:
            total += size
            one.leave_unread()
        else:
            one.read()


def answer_now(
    question: "Question", record: "AnyRecord", listing: "List[Sighting]", how: str
) -> Answer:
    settled = question.is_settled() and not any(
        [
            sighting.stat is None or may_repeat(sighting.stat.st_ctime_ns, question.began)
            for sighting in listing
        ]
    )
    answer = Answer(question.path, record, question.stamp(), how, settled)
    answer.listing = listing
    return answer


class Found:
    """A metadata directory that is read: entry points at once, METADATA when it is asked for."""

    def __init__(self, sighting: Sighting) -> None:
        self.sighting = sighting
        self.flags = sighting.kind
        self.size = 0
        self.file_mtime = UNKNOWN
        self.entries: "List[Tuple[str, str, str]]" = []
        self._named: "Optional[Tuple[bytes, bytes, bytes]]" = None
        self._has_metadata: "Optional[bool]" = None

    # What a file of it says. Raises OSError.
    def _open(self, file: str) -> int:
        where = self._where(file)
        # No device and no FIFO is opened.
        if not S_ISREG(os.stat(where).st_mode):
            raise OSError("not a regular file")
        return os.open(where, _OPEN)

    def _where(self, file: str) -> bytes:
        where = os.path.join(os.fsencode(self.sighting.path), self.sighting.raw)
        return os.path.join(where, file.encode()) if file else where

    def _exists(self, file: str) -> bool:
        try:
            os.stat(self._where(file))
        except (OSError, ValueError):
            return False
        return True

    def read(self) -> None:
        stat = self.sighting.stat
        if stat is None:
            unread = isinstance(self.sighting.error, PermissionError)
            self.flags |= UNREAD if unread else PROBLEM
        elif S_ISREG(stat.st_mode):
            self.flags |= FILE
        elif S_ISDIR(stat.st_mode):
            self._read_entry_points()
        else:
            self.flags |= PROBLEM

    def size_now(self) -> int:
        try:
            size = os.stat(self._where("entry_points.txt")).st_size
        except (OSError, ValueError):
            return 0
        return size if size <= SIZE_LIMIT else 0

    def leave_unread(self) -> None:
        self.flags = self.sighting.kind | UNREAD
        self.size, self.entries, self._content = 0, [], b""

    def _read_entry_points(self) -> None:
        try:
            fd = self._open("entry_points.txt")
        except (FileNotFoundError, NotADirectoryError):
            return
        except PermissionError:
            self.flags |= UNREAD
            return
        except (OSError, ValueError):
            self.flags |= PROBLEM
            return
        try:
            stat = os.fstat(fd)
            if stat.st_size > SIZE_LIMIT:
                self.flags |= PROBLEM
                return
            content = _read_up_to(fd, SIZE_LIMIT + 1)
        except OSError:
            self.flags |= PROBLEM
            return
        finally:
            os.close(fd)
        self._take_entry_points(content, stat.st_mtime_ns)

    def _take_entry_points(self, content: bytes, mtime: int) -> None:
        if len(content) > SIZE_LIMIT:
            self.flags |= PROBLEM
            return
        self.flags |= HAS_ENTRY_POINTS
        self.size = len(content)
        self.file_mtime = mtime
        entries = parse_entry_points(content)
        if entries is None:
            self.flags |= PROBLEM
        else:
            self.entries = [entry for entry in entries if is_plain("".join(entry))]
            if len(self.entries) < len(entries):
                self.flags |= PROBLEM

    # ---- core metadata

    def has_metadata(self) -> bool:
        known = self._has_metadata
        if known is None:
            if self.flags & FILE:
                known = True
            elif self.sighting.stat is None or not S_ISDIR(self.sighting.stat.st_mode):
                known = False
            else:
                known = self._exists("METADATA") or self._exists("PKG-INFO")
            self._has_metadata = known
        return known

    def _headers(self) -> "Headers":
        files: "Sequence[str]" = ()
        if self.flags & FILE:
            files = ("",)
        elif self.sighting.stat is not None and S_ISDIR(self.sighting.stat.st_mode):
            files = ("METADATA", "PKG-INFO")
        for file in files:
            headers = self._headers_of(file)
            if headers is not None:
                return headers
        return None, None, False  # type: ignore[return-value]

    def _headers_of(self, file: str) -> "Optional[Headers]":
        try:
            fd = self._open(file)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError:
            self.flags |= UNREAD
            return None
        except (OSError, ValueError):
            self.flags |= PROBLEM
            return None
        try:
            content, wanted = b"", _HEAD
            while True:
                content += _read_up_to(fd, wanted - len(content))
                end = len(content) < wanted or wanted == _HEADERS_LIMIT
                headers = parse_headers(content, end)
                if headers is not None:
                    return headers if content else None
                wanted = min(wanted * 4, _HEADERS_LIMIT)
        except OSError:
            self.flags |= PROBLEM
            return None
        finally:
            os.close(fd)

    def named(self) -> "Tuple[bytes, bytes, bytes]":
        """Key, name, version."""
        if self._named is None:
            sighting = self.sighting
            header_name, header_version, not_utf8 = self._headers()
            if not_utf8 or not is_plain((header_name or "") + (header_version or "")):
                self.flags |= PROBLEM
            header_name, header_version = _usable(header_name), _usable(header_version)
            name, version = stem_of(sighting.name, sighting.kind, sighting.egg)
            key = self._key_of_name()
            if not key:
                if header_name is not None:
                    key = normalize(header_name)
                else:
                    key = lookup_key(sighting.name, sighting.kind, sighting.egg)
            if header_name is None:
                self.flags |= NAME_FROM_FILE
            else:
                name = header_name
            if header_version is None:
                self.flags |= VERSION_FROM_FILE
            else:
                version = header_version
            self._named = _bytes(key), _bytes(name), _bytes(version)
        return self._named

    def _key_of_name(self) -> str:
        return key_of_name(self.sighting.name)

    def key(self) -> bytes:
        key = self._key_of_name()
        return _bytes(key) if key else self.named()[0]

    def facts(self) -> "Facts":
        key, name, version = self.named()
        if self.has_metadata():
            self.flags |= HAS_METADATA
        stat = self.sighting.stat
        return (
            self.sighting.raw,
            key,
            name,
            version,
            self.flags,
            self.size,
            UNKNOWN if stat is None else stat.st_mtime_ns,
            UNKNOWN if stat is None else stat.st_ctime_ns,
            self.file_mtime,
            b"",
            0,
            len(self.entries),
            hash_of(key),
        )

    def described(self) -> "Tuple[bytes, bytes, bytes]":
        """File name, name, version."""
        _, name, version = self.named()
        return self.sighting.raw, name, version


def _read_up_to(fd: int, size: int) -> bytes:
    pieces = []
    while size > 0:
        piece = os.read(fd, size)
        if not piece:
            break
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _usable(header: "Optional[str]") -> "Optional[str]":
    if header is None or max(len(_bytes(header)), len(_bytes(header.lower()))) > _STRING_LIMIT:
        return None
    return header if is_plain(header) else None


class Recorded:
    """A metadata directory that is as an index has it."""

    def __init__(self, record: "Record", facts: "Facts", sighting: Sighting) -> None:
        self.record = record
        self._facts = facts
        self.sighting = sighting
        self.flags = facts[4] & ~SHADOWED
        self.entries = record.entries_of(facts[10], facts[11])

    def has_metadata(self) -> bool:
        return bool(self.flags & HAS_METADATA)

    def named(self) -> "Tuple[bytes, bytes, bytes]":
        return self._facts[1], self._facts[2], self._facts[3]

    def key(self) -> bytes:
        return self._facts[1]

    def facts(self) -> "Facts":
        return self._facts

    def described(self) -> "Tuple[bytes, bytes, bytes]":
        return self._facts[0], self._facts[2], self._facts[3]


class LiveRecord:
    """A record made on the spot."""

    def __init__(self, path: str, found: "List[Read]") -> None:
        self.path = path
        self.found = _grouped(found)
        self.count = len(self.found)
        keys = [one.key() for one in self.found]
        twins: "Dict[bytes, List[int]]" = {}
        for number, key in enumerate(keys):
            twins.setdefault(key, []).append(number)
        self._chosen = {key: self._best(numbers) for key, numbers in twins.items()}
        self._by_crc = {hash_of(key): number for key, number in self._chosen.items()}
        self._flags = [
            one.flags & ~SHADOWED
            | (HAS_METADATA if one.has_metadata() else 0)
            | (SHADOWED if self._chosen[key] != number else 0)
            for number, (key, one) in enumerate(zip(keys, self.found))
        ]
        self._keys = keys
        self._groups: "Optional[Dict[bytes, List[Tuple[str, str, int, int, int]]]]" = None
        self.entries = sum([len(one.entries) for one in self.found])
        self._twins = twins

    def _best(self, numbers: "List[int]") -> int:
        if len(numbers) == 1:
            return numbers[0]
        found = self.found
        numbers = sorted(
            numbers,
            key=lambda number: (found[number].flags & KIND, found[number].sighting.raw),
        )
        return max(
            numbers,
            key=lambda number: (
                found[number].has_metadata(),
                preference(found[number].named()[2]),
            ),
        )

    def facts(self, number: int) -> "Facts":
        raw, name, version = self.found[number].described()
        count = len(self.found[number].entries)
        key = self._keys[number]
        flags = self._flags[number]
        return raw, key, name, version, flags, 0, 0, 0, 0, b"", number, count, hash_of(key)

    def table(self) -> "List[Facts]":
        return [
            (b"", key, b"", b"", flags, 0, 0, 0, 0, b"", number, len(one.entries), 0)
            for number, (key, flags, one) in enumerate(zip(self._keys, self._flags, self.found))
        ]

    def find_key(self, crc: int, key: "Optional[bytes]" = None) -> "Optional[int]":
        if key is None:
            return self._by_crc.get(crc)
        return self._chosen.get(key)

    def group(self, name: bytes) -> "Sequence[Tuple[str, str, int, int, int]]":
        if self._groups is None:
            self._groups = self._grouped_entries()
        return self._groups.get(name, ())

    def _grouped_entries(self) -> "Dict[bytes, List[Tuple[str, str, int, int, int]]]":
        groups: "Dict[bytes, List[Tuple[str, str, int, int, int]]]" = {}
        placed = []
        for key, number in self._chosen.items():
            like = self._flags[number] & HAS_METADATA
            # The chosen twin stands where the first one like it is listed.
            place = min(
                [twin for twin in self._twins[key] if self._flags[twin] & HAS_METADATA == like]
            )
            placed.append((place, number))
        for _, number in sorted(placed):
            flags = (self._flags[number] & HAS_METADATA) >> 2
            crc = hash_of(self._keys[number])
            for group, name, value in self.found[number].entries:
                rows = groups.setdefault(group.encode(), [])
                rows.append((name, value, number, flags, crc))
        return groups

    def entries_of(self, first: int, count: int) -> "List[Tuple[str, str, str]]":
        return self.found[first].entries


def _grouped(found: "List[Read]") -> "List[Read]":
    """In the order of importlib.metadata: by first appearance of the name, EGG-INFO last."""
    ranks: "Dict[Tuple[bool, str], int]" = {}
    ranked = []
    for number, one in enumerate(found):
        sighting = one.sighting
        in_egg = sighting.kind == EGG
        key = lookup_key(sighting.name, sighting.kind, sighting.egg)
        rank = ranks.setdefault((in_egg, key), len(ranks))
        ranked.append((in_egg, rank, number))
    return [found[number] for _, _, number in sorted(ranked)]


def find_by_crc(path: str, crc: int) -> "Tuple[bytes, bytes, bytes]":
    """File name, name and version of the chosen distribution whose key has this CRC, as it is now."""
    try:
        fd = os.open(path or ".", DIRECTORY)
    except (OSError, ValueError):
        return b"", b"", b""
    try:
        found: "List[Any]" = [Found(sighting) for sighting in listing(path, fd)]
    finally:
        os.close(fd)
    found = [one for one in found if hash_of(one.key()) == crc]
    if not found:
        return b"", b"", b""
    for one in found:
        one.read()
    record = LiveRecord(path, found)
    return record.found[next(iter(record._chosen.values()))].described()
