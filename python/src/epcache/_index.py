"""An index: who is believed to have written it, and what is in it (docs/format.md).

In comes a path, out come bytes, numbers and strings, each checked as "What a reader checks" has it.
Whatever is in the file, nothing but `Damage` is raised, and no more is made of it than it is long. What is
seldom asked of a record is in `_details`; whether it is still true is not known here.
"""

import os
import sys
from binascii import crc32
from stat import S_ISLNK, S_ISREG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional, Sequence, Tuple

    # A row of the distribution table, its strings read: file name, key, name, version, flags, then of
    # entry_points.txt its size, of the directory mtime and ctime, of the file mtime and digest, then the
    # first and the number of its references, and the CRC of the key.
    Facts = Tuple[bytes, bytes, bytes, bytes, int, int, int, int, int, bytes, int, int, int]
    # What tells one state of a file from another: device, inode, size, mtime, ctime. None: not there.
    Identity = Optional[Tuple[int, int, int, int, int]]
    # An entry point: name, value, number of its distribution, flags, CRC of the distribution's key.
    Row = Tuple[str, str, int, int, int]

# Flags of a record.
MISSING = 1
SILENT = 2
SORTED = 4
HAS_UNREAD = 8

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

# The flag of an entry point whose distribution has metadata. (That one is malformed, load() will say.)
ENTRY_HAS_METADATA = 2

UNKNOWN = -1 << 63  # a time that equals no other
STRING_LIMIT = 4096
_SIZE_LIMIT = 256 << 20
_BLOCK = 4096
_ST_RDONLY = 1  # os.ST_RDONLY, which PyPy has not


class Unusable(Exception):
    """Why an index is not believed, or not there."""


class Damage(Unusable):
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


def identity_of(stat: os.stat_result) -> "Identity":
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def read_only_device(fd: int, stat: os.stat_result) -> "Optional[int]":
    """The device that an open file lies on, if its file system is mounted read-only."""
    return stat.st_dev if os.fstatvfs(fd).f_flag & _ST_RDONLY else None


class Index:
    """An open index, believed about what its owner may speak of."""

    fd = -1

    def __init__(self, path: str) -> None:
        """Raises Unusable."""
        self.path = path
        self._blocks: "Dict[int, bytes]" = {}
        folder = os.path.dirname(path) or "."
        try:
            if S_ISLNK(os.lstat(path).st_mode):
                folder = os.path.dirname(os.path.realpath(path))
            # O_NONBLOCK: a FIFO would keep us waiting for ever.
            self.fd = fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            stat = os.fstat(fd)
            self.identity = identity_of(stat)
            self.owner = stat.st_uid
            self._require_trust(folder, stat, os.stat(folder))
            self.read_only_device = read_only_device(fd, stat)
            if stat.st_size > _SIZE_LIMIT:
                raise Damage("larger than 256 MiB")
            self._read_header(os.pread(fd, 2 * _BLOCK, 0), stat.st_size)
        except (FileNotFoundError, NotADirectoryError):
            raise Unusable("missing")
        except (OSError, ValueError) as error:
            raise Unusable("cannot be opened: %s" % error)

    def _require_trust(
        self, folder: str, stat: os.stat_result, folder_stat: os.stat_result
    ) -> None:
        if not S_ISREG(stat.st_mode):
            raise Unusable("not a regular file")
        if (stat.st_mode | folder_stat.st_mode) & 0o022:
            what = self.path if stat.st_mode & 0o022 else folder
            raise Unusable("not trusted: others can write %s" % what)
        if folder_stat.st_uid and folder_stat.st_uid != stat.st_uid:
            raise Unusable("not trusted: %s belongs to somebody else" % folder)

    def may_speak_of(self, directory: str) -> bool:
        """Whether its owner may: one who does not decide already what runs from there must not begin to."""
        if self.owner == 0 or self.owner == os.geteuid():
            return True
        try:
            return os.stat(directory).st_uid == self.owner
        except (OSError, ValueError):
            return False

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
        self.suspect = head[12] != 0
        blocks, self.directories, self.records = words[8], words[9], words[10]
        self._start = start = 64 + 4 * blocks
        self.size = size - start
        if self.size < 0 or blocks != -(-self.size // _BLOCK):
            raise Damage("the number of blocks is wrong")
        if 16 * self.directories + 64 * self.records > self.size:
            raise Damage("the tables do not fit")
        # Of a small index all checksums are here already, and the first block.
        self._checksums = head[64:start] if start <= len(head) else b""
        if start + min(_BLOCK, self.size) <= len(head):
            self._take(0, head[start : start + _BLOCK])

    def is_open(self) -> bool:
        """Whether it can still be read: a daemon may have closed all descriptors, its own or not."""
        try:
            stat = os.fstat(self.fd)
        except OSError:
            self.fd = -1
            return False
        if identity_of(stat)[:2] != self.identity[:2]:  # type: ignore[index]
            self.fd = -1  # somebody else's by now
            return False
        return True

    def __del__(self) -> None:
        if self.fd >= 0 and self.is_open():
            fd, self.fd = self.fd, -1
            os.close(fd)

    def _take(self, number: int, block: bytes) -> None:
        checksums = self._checksums or self._pread(64, self._start - 64)
        if crc32(block) != int.from_bytes(checksums[4 * number : 4 * number + 4], "little"):
            raise Damage("the checksum of block %d is wrong" % number)
        self._blocks[number] = block
        self._checksums = checksums

    def _pread(self, at: int, length: int) -> bytes:
        try:
            data = os.pread(self.fd, length, at)
        except OSError as error:
            raise Damage(str(error))
        if len(data) != length:
            raise Damage("shorter than its size")
        return data

    def part(self, offset: int, length: int) -> bytes:
        """Bytes of the body, from blocks whose checksums are right."""
        end = offset + length
        if end > self.size:
            raise Damage("an offset points beyond the end")
        first, last = offset >> 12, (end - 1) >> 12
        blocks = self._blocks
        at = offset & 4095
        if first == last:
            if first not in blocks:
                self._read(first, last)
            return blocks[first][at : at + length]
        if last < first:
            return b""
        numbers = range(first, last + 1)
        if not all([number in blocks for number in numbers]):
            self._read(first, last)
        return b"".join([blocks[number] for number in numbers])[at : at + length]

    def _read(self, first: int, last: int) -> None:
        at = first * _BLOCK
        run = self._pread(self._start + at, min(_BLOCK * (last + 1), self.size) - at)
        for number in range(first, last + 1):
            at = (number - first) * _BLOCK
            self._take(number, run[at : at + _BLOCK])

    def find(self, path: bytes) -> "Optional[Record]":
        """The record of a search directory, by the very string that stands on sys.path."""
        low, high = 0, self.directories
        while low < high:
            middle = (low + high) // 2
            offset, length, record, _ = u32s(self.part(16 * middle, 16))
            if length > STRING_LIMIT:
                raise Damage("a path is too long")
            here = self.part(offset, length)
            if here == path:
                return Record(self, record)
            if here < path:
                low = middle + 1
            else:
                high = middle
        return None


class Record:
    """What an index says of one search directory."""

    def __init__(self, index: Index, number: int) -> None:
        if number >= index.records:
            raise Damage("there is no such record")
        row = index.part(16 * index.directories + 64 * number, 64)
        self.index = index
        (
            self.at,
            length,
            self.flags,
            self.count,  # of distributions
            self._keys,
            self.groups,
            self.entries,  # shadowed ones too
            self._listed,
        ) = u32s(row[:32])
        self.mtime, self.ctime = i64s(row[32:48])
        self._keys_at = self.at + 96 * self.count
        self.groups_at = self._keys_at + 8 * self._keys
        self.entries_at = self.groups_at + 16 * self.groups
        self.references_at = self.entries_at + 32 * self.entries
        self._pool = self.references_at + 4 * self.entries
        self._end = self.at + length
        if not self._pool <= self._end <= index.size:
            raise Damage("a segment does not fit")
        if self._keys > self.count or self._listed > self.entries:
            raise Damage("the numbers of a record contradict each other")
        # For `_details`.
        self.known: "Dict[str, object]" = {}

    def string(self, offset: int, length: int) -> bytes:
        if self._pool + offset + length > self._end:
            raise Damage("a string points beyond the pool")
        return self.index.part(self._pool + offset, length)

    def strings(self, starts: "List[int]", lengths: "List[int]") -> "List[bytes]":
        """Strings of a column of the distribution table."""
        pool = self._end - self._pool
        # In no honest table do they add up to more: a small file cannot pose as a large one.
        if max(lengths) > STRING_LIMIT or sum(lengths) > 4 * pool:
            raise Damage("names are too long")
        low, high = min(starts), min(max(starts) + STRING_LIMIT, pool)
        if high < low:
            raise Damage("a string points beyond the pool")
        part = self.index.part(self._pool + low, high - low)
        found = [part[at - low : at - low + length] for at, length in zip(starts, lengths)]
        if sum(map(len, found)) != sum(lengths):
            raise Damage("a string points beyond the pool")
        return found

    def looks(self) -> "Tuple[List[bytes], List[int], List[int]]":
        """File names, mtimes and ctimes of all metadata directories: what it takes to look at each."""
        if not self.count:
            return [], [], []
        table = self.index.part(self.at, 96 * self.count)
        words, times = u32s(table), i64s(table)
        names = self.strings(list(words[0::24]), list(words[1::24]))
        joined = b"/".join(names)
        if joined.count(b"/") != len(names) - 1 or b"\0" in joined:
            raise Damage("a file name has a slash or a zero byte in it")
        if b"" in names or b"." in names or b".." in names:
            raise Damage("a file name is none")
        return names, list(times[5::12]), list(times[6::12])

    def group(self, name: bytes) -> "Sequence[Row]":
        """The entry points of a group."""
        low, high = 0, self.groups
        while low < high:
            middle = (low + high) // 2
            offset, length, first, count = u32s(
                self.index.part(self.groups_at + 16 * middle, 16)
            )
            here = self.string(offset, length)
            if here == name:
                if first + count > self._listed:
                    raise Damage("entry points of a group are out of range")
                return self.rows(first, count)
            if here < name:
                low = middle + 1
            else:
                high = middle
        return ()

    def rows(self, first: int, count: int) -> "List[Row]":
        """A run of the entry table."""
        if not count:
            return []
        words = u32s(self.index.part(self.entries_at + 32 * first, 32 * count))
        starts, names, values = list(words[0::8]), list(words[1::8]), list(words[2::8])
        if max(words[3::8]) >= self.count or max(words[4::8]) >= self.groups:
            raise Damage("an entry point is nobody's")
        low = end = starts[0]
        for start, name, value in zip(starts, names, values):
            # So they are at most as long as the pool, whatever their number.
            if start < end:
                raise Damage("entry points overlap")
            end = start + name + value
        pool = self.string(low, end - low)
        try:
            return [
                (
                    pool[at - low : at - low + name].decode(),
                    pool[at - low + name : at - low + name + value].decode(),
                    distribution,
                    flags,
                    crc,
                )
                for at, name, value, distribution, flags, crc in zip(
                    starts, names, values, words[3::8], words[6::8], words[5::8]
                )
            ]
        except UnicodeDecodeError:
            raise Damage("an entry point is not UTF-8")

    def find_key(self, crc: int, key: "Optional[bytes]" = None) -> "Optional[int]":
        """The number of the chosen distribution of a key; or of any key with this CRC, which there
        nearly never is: most of the time that is all that needs to be asked."""
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

    def facts(self, number: int) -> "Facts":
        """A row of the distribution table."""
        from ._details import facts

        return facts(self, number)

    def table(self) -> "List[Facts]":
        """All of them."""
        from ._details import table

        return table(self)

    def entries_of(self, first: int, count: int) -> "List[Tuple[str, str, str]]":
        """Group, name and value of the entry points of a distribution, as its facts name them."""
        from ._details import entries_of

        return entries_of(self, first, count)
