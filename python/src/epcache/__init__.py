"""epcache: Python entry points from the system's index.

    import epcache
    for plugin in epcache.entry_points(group="pytest11"):
        print(plugin.name, plugin.value, plugin.dist.name)

`entry_points()` takes what importlib.metadata's of current CPython takes, and returns what it returns.
`install()` lets programs that have never heard of epcache have the same. See docs/python.md.
"""

# All of a lookup that finds everything as recorded is here: where indexes lie, who is believed to have written
# one, what is in it (docs/format.md), whether that is still true, and what it says together. For each entry of
# sys.path the first trusted index that has a true record of it counts; any other entry is read live, alone. What
# was found is kept, and taken again as long as the indexes and the search directories (one stat each) stay as
# they are. Nothing is ever written. Whatever is in an index, nothing but `Unusable` is raised, and no more is
# made of it than it is long.
#
# A short process pays for the size of this module, and for each further one, more than for what they do. So types
# are in comments, this is one module, and what not every lookup needs is in others: `_question` goes on where
# an entry of sys.path is not simply as recorded, `_details` reads what is seldom asked, `_merge` puts together
# all groups at once.

import os
import sys
from binascii import crc32
from stat import S_ISREG
from time import monotonic, time_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Mapping, NoReturn, Optional, Sequence, Set, Tuple, Union

    from ._details import Facts
    from ._distribution import Distribution as Distribution
    from ._finders import ForeignRecord
    from ._install import install as install, uninstall as uninstall
    from ._live import LiveRecord, Sighting
    from ._warning import StaleCacheWarning as StaleCacheWarning

    AnyRecord = Union["Record", LiveRecord, ForeignRecord]
    # mtime, ctime, inode and device of a search directory; None: there is none.
    Stamp = Optional[Tuple[int, int, int, int]]
    # What tells one state of a file from another: device, inode, size, mtime, ctime. None: not there.
    Identity = Optional[Tuple[int, int, int, int, int]]
    # An entry point: name, value, number of its distribution, flags, CRC of the distribution's key.
    Row = Tuple[str, str, int, int, int]
    # Why indexes may lie there, where, and how hard to look for changes where one answers.
    Place = Tuple[str, str, str]

__version__ = "0.1.0"

__all__ = [
    "Distribution",
    "EntryPoint",
    "EntryPoints",
    "StaleCacheWarning",
    "entry_points",
    "install",
    "uninstall",
]

SYSTEM_INDEXES = ("/usr/lib/epcache/index", "/var/cache/epcache/index")
CONFIGURATION = (
    "/usr/lib/epcache/epcache.conf",
    "/etc/epcache.conf",
    "/usr/lib/epcache/conf.d",
    "/etc/epcache.conf.d",
)
# That of the standard library.
_PATH_FINDER = getattr(sys.modules.get("_frozen_importlib_external"), "PathFinder", None)
# So many different queries are remembered.
_REMEMBERED = 500
SECOND = 1000000000
_TICK = 20000000

# Flags of a record.
MISSING, SILENT, SORTED, HAS_UNREAD = 1, 2, 4, 8
STRING_LIMIT = 4096
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# The folder of an index need not be readable.
_FOLDER = DIRECTORY | getattr(os, "O_PATH", 0)
# O_NONBLOCK: a FIFO would keep us waiting for ever.
_FILE = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW


class Unusable(Exception):
    """An index is not used: it is as absent. The arguments are the index, and why."""


if sys.byteorder == "little":

    def u32s(data):  # type: (bytes) -> memoryview
        return memoryview(data).cast("I")

    def i64s(data):  # type: (bytes) -> memoryview
        return memoryview(data).cast("q")

else:
    from ._big_endian import i64s, u32s


# ---- values


class EntryPoint:
    """An entry point: https://packaging.python.org/en/latest/specifications/entry-points/."""

    if TYPE_CHECKING:
        name: str
        value: str
        group: str
        dist: "Optional[Distribution]"

    def __init__(self, name, value, group):  # type: (str, str, str) -> None
        self.__dict__.update(name=name, value=value, group=group)

    def load(self):  # type: () -> Any
        """Import the module, and return it or the attribute of it that the value names."""
        module, attr, _ = self._parts()
        from importlib import import_module

        found = import_module(module)
        for name in filter(None, (attr or "").split(".")):
            found = getattr(found, name)
        return found

    @property
    def module(self):  # type: () -> str
        return self._parts()[0]

    @property
    def attr(self):  # type: () -> Optional[str]
        return self._parts()[1]

    @property
    def extras(self):  # type: () -> List[str]
        extras = self._parts()[2]
        if not extras:
            return []
        import re

        return re.findall(r"\w+", extras)

    def _parts(self):  # type: () -> Tuple[str, Optional[str], Optional[str]]
        # Nearly every value is `package.module` or `package.module:object.attribute`.
        module, colon, attr = self.value.partition(":")
        if _is_plain(module) and (not colon or _is_plain(attr)):
            return module, attr or None, None
        import re

        match = re.match(
            r"(?P<module>[\w.]+)\s*(:\s*(?P<attr>[\w.]+)\s*)?((?P<extras>\[.*\])\s*)?$", self.value
        )
        if not match:
            raise ValueError(
                "Invalid object reference. See https://packaging.python.org"
                "/en/latest/specifications/entry-points/#data-model",
                self.value,
            )
        return match.group("module"), match.group("attr"), match.group("extras")

    def matches(self, **params):  # type: (**Any) -> bool
        """Whether every attribute that is named has this value."""
        if "dist" in params:
            raise ValueError(
                '"dist" is not suitable for matching. Instead, use '
                "Distribution.entry_points.select() on a located distribution."
            )
        for name, wanted in params.items():
            if not wanted == getattr(self, name):
                return False
        return True

    def _key(self):  # type: () -> Tuple[str, str, str]
        return self.name, self.value, self.group

    def __lt__(self, other):  # type: (Any) -> bool
        if not hasattr(other, "_key"):
            return NotImplemented
        return bool(self._key() < other._key())

    def __eq__(self, other):  # type: (object) -> bool
        key = getattr(other, "_key", None)
        if key is None:
            return NotImplemented
        return bool(self._key() == key())

    def __hash__(self):  # type: () -> int
        return hash(self._key())

    def __getattr__(self, name):  # type: (str) -> Any
        if name != "dist":
            raise AttributeError(name)
        # Made once somebody asks for it, and the same for all entry points of the distribution.
        source = self.__dict__.get("_source")
        if source is None:
            return None
        from ._distribution import distribution_of

        return distribution_of(source)

    def __getstate__(self):  # type: () -> Dict[str, Any]
        return {"name": self.name, "value": self.value, "group": self.group, "dist": self.dist}

    def __setattr__(self, name, value):  # type: (str, object) -> NoReturn
        raise AttributeError("EntryPoint objects are immutable.")

    def __repr__(self):  # type: () -> str
        return "EntryPoint(name=%r, value=%r, group=%r)" % self._key()


def _is_plain(words):  # type: (str) -> bool
    return words.isascii() and words.replace(".", "_").isidentifier()


if TYPE_CHECKING:
    _Base = Tuple[EntryPoint, ...]
else:
    _Base = tuple


class EntryPoints(_Base):
    """Entry points, in their order; immutable."""

    __slots__ = ()

    def __getitem__(self, name: str) -> EntryPoint:  # type: ignore[override]
        """The first entry point of this name."""
        for found in self:
            if found.name == name:
                return found
        raise KeyError(name)

    def __repr__(self):  # type: () -> str
        return "%s(%r)" % (self.__class__.__name__, tuple(self))

    def select(self, **params):  # type: (**Any) -> EntryPoints
        """Those whose attributes have these values: typically group, name, or both."""
        return EntryPoints([found for found in self if found.matches(**params)])

    @property
    def names(self):  # type: () -> Set[str]
        return {found.name for found in self}

    @property
    def groups(self):  # type: () -> Set[str]
        return {found.group for found in self}


# ---- what the environment asks for

def environment():  # type: () -> Mapping[str, str]
    """os.environ; empty in a process with rights that its caller has not, and with -E or -I."""
    user, environ = os.getuid(), os.environ
    if sys.flags.ignore_environment or os.geteuid() != user or os.getegid() != os.getgid():
        return {}
    # Files give no rights to root that it has not, and where nothing is asked for nothing is to be ignored.
    if user and (
        "EPCACHE" in environ
        or "EPCACHE_INDEX" in environ
        or os.access(user_index(environ) or "", os.F_OK)
    ):
        from ._details import is_secure

        if is_secure():
            return {}
    return environ


def places(environ):  # type: (Mapping[str, str]) -> List[Place]
    """Where indexes may lie, in the order in which they are asked."""
    named = environ.get("EPCACHE", "").lower()
    if named not in ("auto", "fast", "strict", "trust"):
        named = ""
    level = named or "auto"
    found = []
    for path in environ.get("EPCACHE_INDEX", "").split(":"):
        if path:
            found.append(("environment", path, level))
    if sys.prefix != sys.base_prefix:
        found.append(("venv", sys.prefix + "/.epcache/index", level))
    user = user_index(environ)
    if user:
        found.append(("user", user, level))
    for path in CONFIGURATION:
        if os.access(path, os.F_OK):
            from ._configuration import configured

            found += configured(named)
            break
    for path in SYSTEM_INDEXES:
        found.append(("system", path, level))
    return found


def user_index(environ):  # type: (Mapping[str, str]) -> Optional[str]
    cache = environ.get("XDG_CACHE_HOME", "")
    if cache[:1] != "/":
        home = environ.get("HOME")
        if not home:
            return None
        cache = home + "/.cache"
    return cache + "/epcache/index"


# ---- an index


class Index:
    """An open index, believed about what its owner may speak of."""

    fd = -1
    identity = None  # type: Identity

    def __init__(self, path, level):  # type: (str, str) -> None
        self.path = path
        self.level = level
        self._blocks = {}  # type: Dict[int, bytes]
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

    def _open(self, path):  # type: (str) -> Tuple[os.stat_result, os.stat_result]
        folder, slash, name = path.rpartition("/")
        above = os.open(folder or slash or ".", _FOLDER)
        try:
            self.fd = os.open(name, _FILE, dir_fd=above)
            return os.fstat(self.fd), os.fstat(above)
        finally:
            os.close(above)

    def _read_header(self, head, size):  # type: (bytes, int) -> None
        if len(head) < 64 or head[:10] != b"\x89epcache\1\0":
            raise Unusable(self, "no index of major version 1")
        words = u32s(head[:64])
        if crc32(head[20:64]) != words[4]:
            raise Unusable(self, "the header's checksum is wrong")
        if words[6] | words[7] << 32 != size or size > 256 << 20:
            raise Unusable(self, "the size is not that in the header, or beyond the limit")
        self.suspect = head[12] != 0
        blocks, self.directories, self.records = words[8], words[9], words[10]
        self._start = start = 64 + 4 * blocks
        self.size = size - start
        if self.size < 0 or blocks != -(-self.size // 4096):
            raise Unusable(self, "the number of blocks is wrong")
        if 16 * self.directories + 64 * self.records > self.size:
            raise Unusable(self, "the tables do not fit")
        # Of a small index all checksums are here already, and the first block.
        if start <= len(head):
            self._checksums = head[64:start]
        else:
            self._checksums = self._pread(64, start - 64)
        if start + min(4096, self.size) <= len(head):
            self._blocks[0] = head[start : start + 4096]
            self._check(0, self._blocks[0])

    def is_open(self):  # type: () -> bool
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

    def __del__(self):  # type: () -> None
        if self.fd >= 0 and self.is_open():
            fd, self.fd = self.fd, -1
            os.close(fd)

    def _check(self, number, block):  # type: (int, Any) -> None
        checksum = self._checksums[4 * number : 4 * number + 4]
        if crc32(block) != int.from_bytes(checksum, "little"):
            raise Unusable(self, "the checksum of block %d is wrong" % number)

    def _pread(self, at, length):  # type: (int, int) -> bytes
        try:
            data = os.pread(self.fd, length, at)
        except OSError as error:
            raise Unusable(self, str(error))
        if len(data) != length:
            raise Unusable(self, "shorter than its size")
        return data

    def part(self, offset, length):  # type: (int, int) -> bytes
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

    def find(self, path):  # type: (bytes) -> Optional[Record]
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

    def __init__(self, index, number):  # type: (Index, int) -> None
        if number >= index.records:
            raise Unusable(index, "there is no such record")
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
            raise Unusable(index, "a segment does not fit")
        if self._keys > self.count or self._listed > self.entries:
            raise Unusable(index, "the numbers of a record contradict each other")
        # For `_details`.
        self.known = {}  # type: Dict[str, object]

    def string(self, offset, length):  # type: (int, int) -> bytes
        if self._pool + offset + length > self._end:
            raise Unusable(self.index, "a string points beyond the pool")
        return self.index.part(self._pool + offset, length)

    def strings(self, starts, lengths):  # type: (List[int], List[int]) -> List[bytes]
        """Strings of a column of the distribution table."""
        # In no honest table do they add up to more: a small file cannot pose as a large one.
        if max(lengths) > STRING_LIMIT or sum(lengths) > 4 * (self._end - self._pool):
            raise Unusable(self.index, "names are too long")
        low = min(starts)
        part = self.string(low, max(map(int.__add__, starts, lengths)) - low)
        return [part[at - low : at - low + length] for at, length in zip(starts, lengths)]

    def looks(self):  # type: () -> Tuple[List[bytes], Sequence[int], Sequence[int]]
        """File names, mtimes and ctimes of all metadata directories: what it takes to look at each."""
        if not self.count:
            return [], [], []
        table = self.index.part(self.at, 96 * self.count)
        words, times = u32s(table), i64s(table)
        names = self.strings(words[0::24].tolist(), words[1::24].tolist())
        joined = b"/".join(names)
        if joined.count(b"/") != len(names) - 1 or b"\0" in joined:
            raise Unusable(self.index, "a file name has a slash or a zero byte in it")
        if min(map(len, names)) < 3 and not {b"", b".", b".."}.isdisjoint(names):
            raise Unusable(self.index, "a file name is none")
        return names, times[5::12].tolist(), times[6::12].tolist()

    def group(self, name):  # type: (bytes) -> Sequence[Row]
        """The entry points of a group."""
        low, high = 0, self.groups
        while low < high:
            middle = (low + high) // 2
            row = self.index.part(self.groups_at + 16 * middle, 16)
            offset, length, first, count = u32s(row)
            here = self.string(offset, length)
            if here == name:
                if first + count > self._listed:
                    raise Unusable(self.index, "entry points of a group are out of range")
                return self.rows(first, count)
            if here < name:
                low = middle + 1
            else:
                high = middle
        return ()

    def rows(self, first, count):  # type: (int, int) -> List[Row]
        """A run of the entry table."""
        if not count:
            return []
        words = u32s(self.index.part(self.entries_at + 32 * first, 32 * count))
        columns = [words[at::8].tolist() for at in range(7)]
        starts, names, values, distributions, groups, crcs, flags = columns
        if max(distributions) >= self.count or max(groups) >= self.groups:
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
        return [text + rest for text, rest in zip(texts, zip(distributions, flags, crcs))]

    def find_key(self, crc, key=None):  # type: (int, Optional[bytes]) -> Optional[int]
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

    def facts(self, number):  # type: (int) -> Facts
        """A row of the distribution table."""
        from ._details import facts

        return facts(self, number)

    def table(self):  # type: () -> List[Facts]
        """All of them."""
        from ._details import table

        return table(self)

    def entries_of(self, first, count):  # type: (int, int) -> List[Tuple[str, str, str]]
        """Group, name and value of the entry points of a distribution, as its facts name them."""
        from ._details import entries_of

        return entries_of(self, first, count)


# ---- one entry of sys.path


class Answer:
    """What answers for one entry of sys.path."""

    # The index that the record is of, or that was looked at more closely.
    index = None  # type: Optional[Index]
    # What the index has wrong: metadata directory, and how it differs.
    differences = ()  # type: Sequence[Tuple[str, str]]
    # For --explain: indexes that did not answer, and why.
    passed = ()  # type: Sequence[Tuple[str, str]]
    # What is there, where that was looked at.
    listing = ()  # type: Sequence[Sighting]

    def __init__(self, path, record, stamp, how, settled=True):
        # type: (str, Optional[AnyRecord], Stamp, str, bool) -> None
        self.path = path
        # None: there are no metadata directories.
        self.record = record
        self.stamp = stamp
        # In a word.
        self.how = how
        # Whether any further change would give other times.
        self.settled = settled
        self.checked = monotonic()


def answer_simply(path, indexes):  # type: (str, Sequence[Index]) -> Optional[Answer]
    """The answer where it is as the first index has it, or there is nothing to be known of it."""
    began = time_ns()
    try:
        raw = os.fsencode(path)
        for index in indexes:
            record = index.find(raw)
            if record is not None:
                answer = _as_recorded(path, index, record)
                if answer is not None or record.count:
                    return answer
                break  # it was empty, and may still be
        stat = os.stat(path or ".")
        if "-info" in "\n".join(os.listdir(path or ".")).lower():
            return None
        return Answer(path, None, stamp_of(stat), "live", not may_repeat(stat.st_ctime_ns, began))
    except FileNotFoundError:
        return Answer(path, None, None, "missing")
    except (OSError, ValueError):
        return None


def _as_recorded(path, index, record):  # type: (str, Index, Record) -> Optional[Answer]
    level = index.level
    # Others speak of their own directories alone: `_question` looks.
    if index.owner not in (0, os.geteuid()):
        return None
    if level == "trust":
        answer = Answer(path, record, None, "trust")
    else:
        try:
            fd = os.open(path, DIRECTORY)
        except FileNotFoundError:
            if record.count:
                return None
            answer = Answer(path, None, None, "missing")
        else:
            try:
                stat = os.fstat(fd)
                if (
                    stat.st_ctime_ns != record.ctime
                    or stat.st_mtime_ns != record.mtime
                    or index.suspect
                    or record.flags & (SILENT | HAS_UNREAD)
                    # Whether such times mean anything depends on where they are: `_question` looks.
                    or stat.st_ctime_ns % SECOND == 0
                    or looks_at_each(level, record.count)
                    and not are_unmoved(record, fd)
                ):
                    return None
                answer = Answer(path, record, stamp_of(stat), "fresh")
            finally:
                os.close(fd)
    answer.index = index
    return answer


def looks_at_each(level, count):  # type: (str, int) -> bool
    return 0 < count and (level == "strict" or level == "auto" and count <= 1000)


def are_unmoved(record, fd):  # type: (Any, int) -> bool
    """Whether each metadata directory has the times that it had."""
    stat = os.stat
    looks = zip(*record.looks())
    try:
        for name, mtime, ctime in looks:
            now = stat(name, dir_fd=fd)
            if now.st_mtime_ns != mtime or now.st_ctime_ns != ctime:
                return False
    except OSError:
        return False
    return True


def stamp_of(stat):  # type: (os.stat_result) -> Stamp
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev


def identity_of(stat):  # type: (os.stat_result) -> Identity
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def identity_at(path):  # type: (str) -> Identity
    try:
        return identity_of(os.stat(path))
    except (OSError, ValueError):
        return None


def may_repeat(ctime, now):  # type: (int, int) -> bool
    """Whether a change from `now` on could leave this ctime again, in nanoseconds: the kernel stamps
    files by a clock that ticks every few milliseconds, some file systems every second or two."""
    return ctime >= now - (_TICK if ctime % SECOND else 2 * SECOND)


# ---- what the process knows


class State:
    """Replaced as a whole when an index comes, goes or changes."""

    def __init__(self, placed):  # type: (List[Place]) -> None
        self.placed = placed
        self.level = placed[-1][2] if placed else "off"
        self.known = []  # type: List[Identity]
        self.indexes = []  # type: List[Index]
        # For --explain: by the index's path.
        self.unusable = {}  # type: Dict[str, str]
        self.answers = {}  # type: Dict[str, Answer]
        # The last answers, and what they say together.
        self.last = ([], {})  # type: Tuple[List[Answer], Dict[Optional[str], EntryPoints]]
        for _, path, level in placed:
            identity = None  # type: Identity
            if not os.access(path, os.F_OK):
                self.unusable[path] = "missing"
            else:
                try:
                    index = Index(path, level)
                    self.indexes.append(index)
                    identity = index.identity
                except Unusable as error:
                    self.unusable[path] = error.args[1]
                    identity = error.args[0].identity or identity_at(path)
            self.known.append(identity)

    def answer(self, path):  # type: (str) -> Answer
        answer = self.answers.get(path)
        try:
            if answer is None:
                answer = answer_simply(path, self.indexes)
            else:
                from ._question import holds

                if holds(answer, self.level):
                    return answer
                answer = None
        except Unusable:
            pass
        if answer is None:
            from ._question import ask

            answer = ask(self, path)
        self.answers[path] = answer
        return answer


_state = None  # type: Optional[State]


def current_state():  # type: () -> State
    """The state; a new one if an index has come, gone or changed."""
    global _state
    environ = environment()
    placed = places(environ) if environ.get("EPCACHE", "").lower() != "off" else []
    state = _state
    if state is not None:
        from ._question import is_current

        if is_current(state, placed):
            return state
    state = _state = State(placed)
    return state


def search_path():  # type: () -> List[str]
    """sys.path as importlib.metadata takes it. A directory that stands there again has nothing new."""
    found = {}  # type: Dict[str, None]
    for path in sys.path:
        if not isinstance(path, str):
            if not isinstance(path, os.PathLike):
                continue
            path = os.fspath(path)
            if not isinstance(path, str):
                continue
        found[path] = None
    return list(found)


# ---- entry points


def entry_points(**params):  # type: (**Any) -> EntryPoints
    """The entry points of all installed distributions that have these attributes.

    Typically `group`, and perhaps `name`; `value`, `module`, `attr` and `extras` serve as well.
    """
    group = params.get("group")
    if isinstance(group, str):
        del params["group"]
    else:
        group = None
    while True:
        state = current_state()
        finders = other_finders()
        paths = () if finders is None else search_path()
        answers = [state.answer(path) for path in paths]
        last, results = state.last
        if answers != last:
            results = {}
            state.last = answers, results
        try:
            if finders:
                from ._finders import entry_points_with

                found = entry_points_with(finders, answers, group)
            else:
                known = results.get(group)
                if known is None:
                    known = EntryPoints(merge(answers, group))
                    if len(results) < _REMEMBERED:
                        results[group] = known
                found = known
            break
        except Unusable as error:
            from ._question import give_up

            give_up(state, error)
    for answer in answers:
        if answer.differences:
            from ._warning import warn

            warn(answers)
            break
    return found.select(**params) if params else found


def other_finders():  # type: () -> Optional[List[Any]]
    """Finders of others that know distributions, [] nearly always; None where not even a path finder does."""
    found = [finder for finder in sys.meta_path if hasattr(finder, "find_distributions")]
    if found == [_PATH_FINDER]:
        return []
    from ._finders import others_of

    return others_of(found)


def merge(answers, group):  # type: (Iterable[Answer], Optional[str]) -> List[EntryPoint]
    """Records put together (docs/format.md, "Several search directories")."""
    filled = [answer for answer in answers if answer.record and answer.record.count]
    if group is None:
        from ._merge import merge_all

        return merge_all(filled)
    try:
        name = group.encode()
    except UnicodeEncodeError:
        return []
    runs = [answer.record.group(name) for answer in filled]  # type: ignore[union-attr]
    found = []  # type: List[EntryPoint]
    for with_metadata in (2, 0):
        for number, answer in enumerate(filled):
            last, source = -1, None  # type: int, Optional[List[Any]]
            for name_of, value, distribution, flags, crc in runs[number]:
                if flags & 2 == with_metadata:
                    # Entry points of one distribution stand together.
                    if distribution != last:
                        last, source = distribution, None
                        if not is_shadowed(filled, number, distribution, crc, with_metadata):
                            source = [answer.path, answer.record, distribution, crc]
                    if source is not None:
                        made = EntryPoint(name_of, value, group)
                        made.__dict__["_source"] = source
                        found.append(made)
    return found


def is_shadowed(answers, number, distribution, crc, with_metadata):
    # type: (Sequence[Answer], int, int, int, int) -> bool
    """Whether a distribution of another search directory counts in this one's place."""
    for other, answer in enumerate(answers):
        if other != number and (other < number or not with_metadata):
            if answer.record.find_key(crc) is not None:  # type: ignore[union-attr]
                from ._merge import shadows

                if shadows(answer, other < number, answers[number], distribution, crc, with_metadata):
                    return True
    return False


# ---- the rest


def __getattr__(name):  # type: (str) -> Any
    if name == "Distribution":
        from ._distribution import Distribution

        return Distribution
    if name == "StaleCacheWarning":
        from ._warning import StaleCacheWarning

        return StaleCacheWarning
    if name in ("install", "uninstall"):
        from . import _install

        return getattr(_install, name)
    raise AttributeError("module %r has no attribute %r" % (__name__, name))


def __dir__():  # type: () -> list[str]
    return sorted(__all__)
