"""The index format (docs/format.md): one open index, and one record in it.

In comes an open file, out come bytes, numbers and strings, each checked as "What a reader checks" has
it. Whatever is in the file, nothing but `Damage` is raised, and no more is made of it than it is long.
Where the file lies, who wrote it and whether it is still true is not known here.
"""

import os
import sys
from binascii import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional, Sequence, Tuple

    # A row of the distribution table, its strings read: file name, key, name, version, flags, then of
    # entry_points.txt its size, of the directory mtime and ctime, of the file mtime and digest, then the
    # first and the number of its references, and the CRC of the key.
    Facts = Tuple[bytes, bytes, bytes, bytes, int, int, int, int, int, bytes, int, int, int]


# Flags of a record.
MISSING = 1
SILENT = 2
SORTED = 4
UNREAD_ONES = 8

# Flags of a distribution.
KIND = 3  # 0 .dist-info, 1 .egg-info, 2 EGG-INFO
FILE = 1 << 2
HAS_METADATA = 1 << 4
SHADOWED = 1 << 5
UNREAD = 1 << 6
HAS_ENTRY_POINTS = 1 << 7
NAME_FROM_FILE = 1 << 8
VERSION_FROM_FILE = 1 << 9
PROBLEM = 1 << 10

# Flag of an entry point. (Bit 0, malformed, is of no use here: EntryPoint.load() will say so.)
ENTRY_HAS_METADATA = 2

UNKNOWN = -1 << 63  # a time that equals no other

_LIMIT = 256 << 20
_STRING_LIMIT = 4096
_BLOCK = 4096
# An index of at most this size is read at once, and its descriptor is closed.
_WHOLE = 1 << 20


class Damage(Exception):
    """The index is damaged, from the future, or no index at all: it is as absent."""


if sys.byteorder == "little":

    def u32s(data: bytes) -> "Sequence[int]":
        return memoryview(data).cast("I")

    def i64s(data: bytes) -> "Sequence[int]":
        return memoryview(data).cast("q")

else:

    def u32s(data: bytes) -> "Sequence[int]":
        return [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4)]

    def i64s(data: bytes) -> "Sequence[int]":
        return [
            int.from_bytes(data[at : at + 8], "little", signed=True)
            for at in range(0, len(data), 8)
        ]


class Index:
    """An open index. Takes over the descriptor."""

    def __init__(self, fd: int, stat: os.stat_result) -> None:
        self._fd = -1
        self._identity = (stat.st_dev, stat.st_ino)
        self._blocks: "Dict[int, bytes]" = {}
        self._data = b""
        try:
            size = stat.st_size
            if size > _LIMIT:
                raise Damage("larger than 256 MiB")
            whole = size <= _WHOLE
            head = os.pread(fd, size if whole else _BLOCK, 0)
            self._read_header(head, size)
            if whole:
                if len(head) != size:
                    raise Damage("shorter than its size")
                self._data = head
            else:
                self._fd, fd = fd, -1
        except (OSError, OverflowError, MemoryError) as error:
            raise Damage(str(error))
        finally:
            if fd >= 0:
                os.close(fd)

    def _read_header(self, head: bytes, size: int) -> None:
        if len(head) < 64:
            raise Damage("shorter than a header")
        if head[:8] != b"\x89epcache":
            raise Damage("no index")
        if head[8:10] != b"\x01\x00":
            raise Damage("of another major version, %d" % int.from_bytes(head[8:10], "little"))
        words = u32s(head[:64])
        if crc32(head[20:64]) != words[4]:
            raise Damage("the header's checksum is wrong")
        if words[6] | words[7] << 32 != size:
            raise Damage("the size is not that in the header")
        blocks = words[8]
        self.directories = words[9]
        self.records = words[10]
        self.suspect = head[12] != 0
        self._start = 64 + 4 * blocks
        self.size = size - self._start
        if self.size < 0 or blocks != -(-self.size // _BLOCK):
            raise Damage("the number of blocks is wrong")
        if 16 * self.directories + 64 * self.records > self.size:
            raise Damage("the tables do not fit")

    def is_open(self) -> bool:
        """Whether it can still be read: a daemon may have closed all descriptors, its own or not."""
        if self._fd < 0:
            return bool(self._data)
        try:
            stat = os.fstat(self._fd)
        except OSError:
            stat = None
        if stat is None or (stat.st_dev, stat.st_ino) != self._identity:
            self._fd = -1  # somebody else's by now
            return False
        return True

    def __del__(self) -> None:
        fd = self._fd
        if fd >= 0 and self.is_open():
            self._fd = -1
            os.close(fd)

    def _block(self, number: int) -> bytes:
        at, checksum_at = self._start + number * _BLOCK, 64 + 4 * number
        if self._fd < 0:
            block = self._data[at : at + _BLOCK]
            checksum = self._data[checksum_at : checksum_at + 4]
        else:
            try:
                block = os.pread(self._fd, min(_BLOCK, self.size - number * _BLOCK), at)
                checksum = os.pread(self._fd, 4, checksum_at)
            except OSError as error:
                raise Damage(str(error))
        if not block or crc32(block) != int.from_bytes(checksum, "little"):
            raise Damage("the checksum of block %d is wrong" % number)
        self._blocks[number] = block
        return block

    def part(self, offset: int, length: int) -> bytes:
        """Bytes of the body, from blocks whose checksums are right."""
        end = offset + length
        if end > self.size:
            raise Damage("an offset points beyond the end")
        if not length:
            return b""
        first, last = offset >> 12, (end - 1) >> 12
        blocks = self._blocks
        at = offset & 4095
        if first == last:
            return (blocks.get(first) or self._block(first))[at : at + length]
        run = [blocks.get(number) or self._block(number) for number in range(first, last + 1)]
        return b"".join(run)[at : at + length]

    def find(self, path: bytes) -> "Optional[Record]":
        """The record of a search directory, by the very string that stands on sys.path."""
        low, high = 0, self.directories
        while low < high:
            middle = (low + high) // 2
            offset, length, record, _ = u32s(self.part(16 * middle, 16))
            if length > _STRING_LIMIT:
                raise Damage("a path is too long")
            here = self.part(offset, length)
            if here == path:
                return Record(self, record)
            if here < path:
                low = middle + 1
            else:
                high = middle
        return None

    def paths(self) -> "List[bytes]":
        """The search directories that it has records of."""
        found = []
        size = 0
        for number in range(self.records):
            path = Record(self, number).path
            size += len(path)
            if size > self.size:
                raise Damage("paths overlap")
            found.append(path)
        return found


class Record:
    """What an index says of one search directory."""

    def __init__(self, index: Index, number: int) -> None:
        if number >= index.records:
            raise Damage("there is no such record")
        row = index.part(16 * index.directories + 64 * number, 64)
        words = u32s(row)
        times = i64s(row)
        self.index = index
        self.flags = words[2]
        self.count = words[3]  # of distributions
        self._keys = words[4]
        self._groups = words[5]
        self.entries = words[6]  # entry points, shadowed ones too
        self._listed = words[7]
        self.mtime = times[4]
        self.ctime = times[5]
        self._at = words[0]
        self._keys_at = self._at + 96 * self.count
        self._groups_at = self._keys_at + 8 * self._keys
        self._entries_at = self._groups_at + 16 * self._groups
        self._references_at = self._entries_at + 32 * self.entries
        self._pool = self._references_at + 4 * self.entries
        self._end = self._at + words[1]
        if not self._pool <= self._end <= index.size:
            raise Damage("a segment does not fit")
        if self._keys > self.count or self._listed > self.entries:
            raise Damage("the numbers of a record contradict each other")
        self._path = (words[12], words[13])
        # Numbers by the name by which importlib.metadata looks them up; made by `_install`.
        self.names: "Optional[Dict[Tuple[bool, str], List[int]]]" = None
        self._all: "Optional[List[Tuple[str, str, int, int]]]" = None

    @property
    def path(self) -> bytes:
        offset, length = self._path
        if length > _STRING_LIMIT:
            raise Damage("a path is too long")
        return self.index.part(offset, length)

    def _string(self, offset: int, length: int) -> bytes:
        if self._pool + offset + length > self._end:
            raise Damage("a string points beyond the pool")
        return self.index.part(self._pool + offset, length)

    # ---- distributions

    def looks(self) -> "Tuple[List[bytes], List[int], List[int]]":
        """File names, mtimes and ctimes of all metadata directories: what it takes to look at each."""
        if not self.count:
            return [], [], []
        table = self.index.part(self._at, 96 * self.count)
        words, times = u32s(table), i64s(table)
        starts, lengths = list(words[0::24]), list(words[1::24])
        self._bound(lengths)
        low = min(starts)
        high = max(map(int.__add__, starts, lengths))
        pool = self._string(low, high - low)
        names = [pool[at - low : at - low + length] for at, length in zip(starts, lengths)]
        self._check_names(names)
        return names, list(times[5::12]), list(times[6::12])

    @staticmethod
    def _check_names(names: "List[bytes]") -> None:
        joined = b"/".join(names)
        if joined.count(b"/") != len(names) - 1 or b"\0" in joined:
            raise Damage("a file name has a slash or a zero byte in it")
        if b"" in names or b"." in names or b".." in names:
            raise Damage("a file name is none")

    def _bound(self, lengths: "List[int]") -> None:
        if max(lengths) > _STRING_LIMIT:
            raise Damage("a name is too long")
        # In no honest table do the strings add up to more: a small file cannot pose as a large one.
        if sum(lengths) > 4 * (self._end - self._pool):
            raise Damage("names overlap")

    def facts(self, number: int) -> "Facts":
        """A row of the distribution table."""
        if number >= self.count:
            raise Damage("there is no such distribution")
        row = self.index.part(self._at + 96 * number, 96)
        words, times = u32s(row), i64s(row)
        self._bound([words[1], words[3], words[5], words[7]])
        file_name, key, name, version = [
            self._string(words[at], words[at + 1]) for at in (0, 2, 4, 6)
        ]
        if file_name in (b"", b".", b"..") or b"/" in file_name or b"\0" in file_name:
            raise Damage("a file name is none")
        first, count = words[20], words[21]
        if first + count > self.entries:
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

    def table(self) -> "List[Facts]":
        """All rows of the distribution table, at once."""
        if not self.count:
            return []
        table = self.index.part(self._at, 96 * self.count)
        words, times = u32s(table), i64s(table)
        starts = [list(words[at::24]) for at in (0, 2, 4, 6)]
        lengths = [list(words[at::24]) for at in (1, 3, 5, 7)]
        low = min(map(min, starts))
        high = 0
        for column, sizes in zip(starts, lengths):
            self._bound(sizes)
            high = max(high, max(map(int.__add__, column, sizes)))
        pool = self._string(low, high - low)
        names, keys, own_names, versions = [
            [pool[at - low : at - low + size] for at, size in zip(column, sizes)]
            for column, sizes in zip(starts, lengths)
        ]
        self._check_names(names)
        firsts, counts = list(words[20::24]), list(words[21::24])
        # Runs of honest distributions follow each other.
        if sum(counts) > self.entries or max(map(int.__add__, firsts, counts)) > self.entries:
            raise Damage("entry points of distributions are out of range")
        digests = [table[at + 64 : at + 80] for at in range(0, len(table), 96)]
        return list(
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
                digests,
                firsts,
                counts,
                words[22::24],
            )
        )

    def keys_and_flags(self) -> "List[Tuple[bytes, int]]":
        """Of each distribution, in order."""
        if not self.count:
            return []
        words = u32s(self.index.part(self._at, 96 * self.count))
        starts, lengths = list(words[2::24]), list(words[3::24])
        self._bound(lengths)
        return [
            (self._string(at, length), flags)
            for at, length, flags in zip(starts, lengths, list(words[8::24]))
        ]

    def chosen(self, key: bytes) -> "Optional[int]":
        """The number of the chosen distribution of a key."""
        return self._find_key(crc32(key), key)

    def chosen_by_crc(self, crc: int) -> bool:
        """Whether any key has this CRC: most of the time that is all that needs to be asked."""
        return self._find_key(crc, None) is not None

    def _find_key(self, crc: int, key: "Optional[bytes]") -> "Optional[int]":
        low, high = 0, self._keys
        while low < high:
            middle = (low + high) // 2
            here, number = u32s(self.index.part(self._keys_at + 8 * middle, 8))
            if here == crc:
                if key is None:
                    return number
                found = self.facts(number)[1]
                if found == key:
                    return number
                if found < key:
                    low = middle + 1
                else:
                    high = middle
            elif here < crc:
                low = middle + 1
            else:
                high = middle
        return None

    # ---- entry points

    def group(self, name: bytes) -> "Sequence[Tuple[str, str, int, int, int]]":
        """The entry points of a group: name, value, distribution, flags, CRC of the key."""
        low, high = 0, self._groups
        while low < high:
            middle = (low + high) // 2
            offset, length, first, count = u32s(
                self.index.part(self._groups_at + 16 * middle, 16)
            )
            here = self._string(offset, length)
            if here == name:
                if first + count > self._listed:
                    raise Damage("entry points of a group are out of range")
                return self._rows(first, count)
            if here < name:
                low = middle + 1
            else:
                high = middle
        return ()

    def _rows(self, first: int, count: int) -> "List[Tuple[str, str, int, int, int]]":
        if not count:
            return []
        words = u32s(self.index.part(self._entries_at + 32 * first, 32 * count))
        return [
            (name, value, distribution, flags, crc)
            for name, value, distribution, crc, flags in zip(
                *self._texts(words, count), words[3::8], words[5::8], words[6::8]
            )
        ]

    def _texts(self, words: "Sequence[int]", count: int) -> "Tuple[List[str], List[str]]":
        starts, names, values = list(words[0::8]), list(words[1::8]), list(words[2::8])
        if max(words[3::8]) >= self.count or max(words[4::8]) >= self._groups:
            raise Damage("an entry point is nobody's")
        low = end = starts[0]
        for start, name, value in zip(starts, names, values):
            # So they are at most as long as the pool, whatever their number.
            if start < end:
                raise Damage("entry points overlap")
            end = start + name + value
        pool = self._string(low, end - low)
        try:
            return (
                [
                    pool[at - low : at - low + name].decode()
                    for at, name in zip(starts, names)
                ],
                [
                    pool[at - low + name : at - low + name + value].decode()
                    for at, name, value in zip(starts, names, values)
                ],
            )
        except UnicodeDecodeError:
            raise Damage("an entry point is not UTF-8")

    def group_names(self) -> "List[str]":
        if not self._groups:
            return []
        words = u32s(self.index.part(self._groups_at, 16 * self._groups))
        starts, lengths = list(words[0::4]), list(words[1::4])
        if sum(lengths) > self._end - self._pool:
            raise Damage("groups overlap")
        try:
            return [self._string(at, length).decode() for at, length in zip(starts, lengths)]
        except UnicodeDecodeError:
            raise Damage("a group is not UTF-8")

    def entries_of(self, first: int, count: int) -> "List[Tuple[str, str, str]]":
        """Group, name and value of the entry points of a distribution, as its `facts` name them."""
        if not count:
            return []
        references = u32s(self.index.part(self._references_at + 4 * first, 4 * count))
        if max(references) >= self.entries:
            raise Damage("there is no such entry point")
        entries = self._all
        if entries is None:
            # Strings are checked against those before them: so all are read at once.
            words = u32s(self.index.part(self._entries_at, 32 * self.entries))
            names, values = self._texts(words, self.entries)
            groups = self.group_names()
            entries = self._all = [
                (groups[group], name, value)
                for group, name, value in zip(words[4::8], names, values)
            ]
        return [entries[number] for number in references]
