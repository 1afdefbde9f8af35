"""An index: opened, checked, and what it says of search directories (docs/format.md).

In: the path of one. Out: records, as far as they are asked for. Whatever is in the file, nothing but `Unusable` is
raised, and no more is made of it than it is long.
"""

import os
from binascii import crc32
from stat import S_ISLNK, S_ISREG

from . import ROWS, STRING_LIMIT, hash_of, i64s, u32s

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence, Tuple

    from . import Identity, Row
    from ._details import Facts

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# The folder of an index need not be readable.
_FOLDER = DIRECTORY | getattr(os, "O_PATH", 0)
# O_NONBLOCK: a FIFO would keep us waiting for ever.
_FILE = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW


class Unusable(Exception):
    """An index is not used: it is as absent. The arguments are the index, and why."""


class Index:
    """An open index, believed about what its owner may speak of."""

    fd = -1
    identity: "Identity" = None

    def __init__(self, path: str, level: str) -> None:
        self.path = path
        self.level = level
        self._blocks: "Dict[int, bytes]" = {}
        try:
            try:
                stat, folder = self._open(path)
            except OSError:
                if not os.path.islink(path):
                    raise
                stat, folder = self._open(os.path.realpath(path))
            self.identity = identity_of(stat)
            self.owner = stat.st_uid
            if (
                not S_ISREG(stat.st_mode)
                or (stat.st_mode | folder.st_mode) & 0o022
                or folder.st_uid not in (0, self.owner)
                or self.owner == 65534
            ):
                from ._details import require_trust

                require_trust(self, stat, folder)
            self._read_header(os.pread(self.fd, 8192, 0), stat.st_size)
        except (FileNotFoundError, NotADirectoryError):
            raise Unusable(self, "missing")
        except (OSError, ValueError) as error:
            raise Unusable(self, "cannot be opened: %s" % error)

    def _open(self, path: str) -> "Tuple[os.stat_result, os.stat_result]":
        folder, slash, name = path.rpartition("/")
        above = os.open(folder or slash or ".", _FOLDER)
        try:
            mode = os.stat(name, dir_fd=above, follow_symlinks=False).st_mode
            # No device and no FIFO is opened. Of a link, opening says that it is one.
            if not S_ISREG(mode) and not S_ISLNK(mode):
                raise ValueError("not a regular file")
            self.fd = os.open(name, _FILE, dir_fd=above)
            return os.fstat(self.fd), os.fstat(above)
        finally:
            os.close(above)

    def _read_header(self, head: bytes, size: int) -> None:
        if len(head) < 64 or head[:10] != b"\x89epcache\1\0":
            raise Unusable(self, "no index of major version 1")
        words = u32s(head[:64])
        if crc32(head[20:64]) != words[4]:
            raise Unusable(self, "the header's checksum is wrong")
        if words[5] != size or size > 256 << 20:
            raise Unusable(self, "the size is not that in the header, or beyond the limit")
        self.suspect = head[12] != 0
        blocks, self.directories, self.records = words[6], words[7], words[8]
        self._start = start = 64 + 4 * blocks
        self.size = size - start
        if self.size < 0 or blocks != -(-self.size // 4096):
            raise Unusable(self, "the number of blocks is wrong")
        if head[40:56] != ROWS:
            raise Unusable(self, "a later version's rows")
        if 16 * self.directories + 48 * self.records > self.size:
            raise Unusable(self, "the tables do not fit")
        # Of a small index all checksums are here already, and the first block.
        if start <= len(head):
            self._checksums = head[64:start]
        else:
            self._checksums = self._pread(64, start - 64)
        if start + min(4096, self.size) <= len(head):
            self._blocks[0] = head[start : start + 4096]
            self._check(0, self._blocks[0])

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

    def _check(self, number: int, block: "Any") -> None:
        checksum = self._checksums[4 * number : 4 * number + 4]
        if crc32(block) != int.from_bytes(checksum, "little"):
            raise Unusable(self, "the checksum of block %d is wrong" % number)

    def _pread(self, at: int, length: int) -> bytes:
        try:
            data = os.pread(self.fd, length, at)
        except OSError as error:
            raise Unusable(self, str(error))
        if len(data) != length:
            raise Unusable(self, "shorter than its size")
        return data

    def part(self, offset: int, length: int) -> bytes:
        """Bytes of the body, from blocks whose checksums are right."""
        end = offset + length
        if end > self.size:
            raise Unusable(self, "an offset points beyond the end")
        if not length:
            return b""
        first, last = offset >> 12, (end - 1) >> 12
        at = offset & 4095
        run = self._blocks.get(first) if first == last else None
        if run is None:
            low = first << 12
            run = self._pread(self._start + low, min((last + 1) << 12, self.size) - low)
            view = memoryview(run)
            for number in range(first, last + 1):
                low = (number - first) << 12
                self._check(number, view[low : low + 4096])
            # Single blocks are asked for again and again, runs are not.
            if first == last:
                self._blocks[first] = run
        return run[at : at + length]

    def find(self, path: bytes) -> "Optional[Record]":
        """The record of a search directory, by the very string that stands on sys.path."""
        low, high = 0, self.directories
        while low < high:
            middle = (low + high) // 2
            offset, length, record, _ = u32s(self.part(16 * middle, 16))
            if length > STRING_LIMIT:
                raise Unusable(self, "a path is too long")
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
            raise Unusable(index, "there is no such record")
        row = index.part(16 * index.directories + 48 * number, 48)
        self.index = index
        (
            self.at,
            length,
            self._pool,
            self.flags,
            self.count,  # of distributions
            self.groups,
            self.entries,  # shadowed ones too
            self.files,
        ) = u32s(row[:32])
        self.mtime, self.ctime = i64s(row[32:48])
        self._names_at = self.at + 64 * self.count
        self.groups_at = self._names_at + 8 * self.count
        self.entries_at = self.groups_at + 16 * self.groups
        self.references_at = self.entries_at + 16 * self.entries
        self.files_at = self.references_at + 8 * self.entries
        self._end = self.at + length
        if not self.files_at + 24 * self.files <= self._pool <= self._end <= index.size:
            raise Unusable(index, "a segment does not fit")
        # For `_details`.
        self.known: "Dict[str, object]" = {}

    def string(self, offset: int, length: int) -> bytes:
        if self._pool + offset + length > self._end:
            raise Unusable(self.index, "a string points beyond the pool")
        return self.index.part(self._pool + offset, length)

    def strings(self, starts: "List[int]", lengths: "List[int]") -> "List[bytes]":
        """Strings of a column of the distribution table."""
        # In no honest table do they add up to more: a small file cannot pose as a large one.
        if max(lengths) > STRING_LIMIT or sum(lengths) > 4 * (self._end - self._pool):
            raise Unusable(self.index, "names are too long")
        low = min(starts)
        part = self.string(low, max(map(int.__add__, starts, lengths)) - low)
        return [part[at - low : at - low + length] for at, length in zip(starts, lengths)]

    def looks(self) -> "Tuple[List[bytes], Sequence[int], Sequence[int]]":
        """File names, mtimes and ctimes of all metadata directories: what it takes to look at each."""
        if not self.count:
            return [], [], []
        table = self.index.part(self.at, 64 * self.count)
        words, times = u32s(table), i64s(table)
        # Of the first two of four strings, the lengths are in the second number.
        lengths = [both & 0xFFFF for both in words[1::16]]
        names = self.strings(words[0::16].tolist(), lengths)
        joined = b"/".join(names)
        if joined.count(b"/") != len(names) - 1 or b"\0" in joined:
            raise Unusable(self.index, "a file name has a slash or a zero byte in it")
        if min(map(len, names)) < 3 and not {b"", b".", b".."}.isdisjoint(names):
            raise Unusable(self.index, "a file name is none")
        return names, times[2::8].tolist(), times[3::8].tolist()

    def group(self, name: bytes) -> "Sequence[Row]":
        """The entry points of a group."""
        low, high = 0, self.groups
        while low < high:
            middle = (low + high) // 2
            row = self.index.part(self.groups_at + 16 * middle, 16)
            offset, length, first, count = u32s(row)
            here = self.string(offset, length)
            if here == name:
                if first + count > self.entries:
                    raise Unusable(self.index, "entry points of a group are out of range")
                return self._listed(self.rows(first, count))
            if here < name:
                low = middle + 1
            else:
                high = middle
        return ()

    def _listed(self, rows: "List[Tuple[str, str, int]]") -> "List[Row]":
        """Those that are not of shadowed distributions, with what is to be known of theirs."""
        found: "List[Row]" = []
        last, flags, crc = -1, 0, 0
        for name, value, number in rows:
            if number != last:
                last = number
                string, lengths, _, flags = u32s(self.index.part(self.at + 64 * number, 16))
                crc = hash_of(self.string(string + (lengths & 0xFFFF), lengths >> 16))
            if not flags & 16:
                found.append((name, value, number, flags >> 2 & 2, crc))
        return found

    def rows(self, first: int, count: int) -> "List[Tuple[str, str, int]]":
        """A run of the entry table: name, value, number of the distribution."""
        if not count:
            return []
        words = u32s(self.index.part(self.entries_at + 16 * first, 16 * count))
        starts, names, values, distributions = [words[at::4].tolist() for at in range(4)]
        if max(distributions) >= self.count:
            raise Unusable(self.index, "an entry point is nobody's")
        low = end = starts[0]
        for start, name, value in zip(starts, names, values):
            # So they are at most as long as the pool, whatever their number.
            if start < end:
                raise Unusable(self.index, "entry points overlap")
            end = start + name + value
        pool = self.string(low, end - low)
        texts = []
        try:
            for start, name, value in zip(starts, names, values):
                middle = start + name - low
                texts.append((pool[start - low : middle].decode(), pool[middle : middle + value].decode()))
        except UnicodeDecodeError:
            raise Unusable(self.index, "an entry point is not UTF-8")
        return [text + (number,) for text, number in zip(texts, distributions)]

    def find_key(self, crc: int, key: "Optional[bytes]" = None) -> "Optional[int]":
        """The number of the chosen distribution of a key; or of any key with this hash, which there
        nearly never is: most of the time that is all that needs to be asked."""
        low, high = 0, self.count
        while low < high:
            middle = (low + high) // 2
            number, here = u32s(self.index.part(self._names_at + 8 * middle, 8))
            if here < crc or here == crc and key is not None and self.facts(number)[1] < key:
                low = middle + 1
            else:
                high = middle
        if low == self.count:
            return None
        number, here = u32s(self.index.part(self._names_at + 8 * low, 8))
        # The chosen one is the first of a key.
        if here != crc or key is not None and self.facts(number)[1] != key:
            return None
        return int(number)

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


def identity_of(stat: os.stat_result) -> "Identity":
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
