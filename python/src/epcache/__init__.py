"""epcache: Python entry points from the system's index.

    import epcache
    for plugin in epcache.entry_points(group="pytest11"):
        print(plugin.name, plugin.value, plugin.dist.name)

`entry_points()` takes what importlib.metadata's of current CPython takes, and returns what it returns.
`install()` lets programs that have never heard of epcache have the same. See docs/python.md.
"""

# Here is what the first lookup of a process needs that finds everything as recorded, and no more: a short process pays
# for each kilobyte of this module, and for each further module, more than for what they do. So types are in comments,
# and `look_once` answers all or nothing: it reads an index (docs/format.md) by the shortest way, and gives up where
# anything is not simply so. `_lookup` goes on from there, with all the rules, and from the second lookup on.
# Nothing is ever written. Whatever is in an index, nothing is raised, and no more is made of it than it is long.

import os
import sys
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._types import *

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
SECOND = 1000000000

# Flags of a record.
MISSING, SILENT, SORTED, HAS_UNREAD = 1, 2, 4, 8
STRING_LIMIT = 4096
# The sizes of rows, as the header has them. Others are not read here.
ROWS = b"\x10\0\x30\0\x40\0\x08\0\x10\0\x10\0\x08\0\x18\0"
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# The folder of an index need not be readable.
FOLDER = DIRECTORY | getattr(os, "O_PATH", 0)
# O_NONBLOCK: a FIFO would keep us waiting for ever.
FILE = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK


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
        from ._reference import load

        return load(self.value)

    @property
    def module(self):  # type: () -> str
        return self._parts()[0]

    @property
    def attr(self):  # type: () -> Optional[str]
        return self._parts()[1]

    @property
    def extras(self):  # type: () -> List[str]
        return self._parts()[2]

    def _parts(self):  # type: () -> Tuple[str, Optional[str], List[str]]
        from ._reference import parts

        return parts(self.value)

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
        from ._secure import is_secure

        if is_secure():
            return {}
    return environ


def places(environ):  # type: (Mapping[str, str]) -> List[Place]
    """Where indexes may lie, in the order in which they are asked."""
    global _is_configured
    named = environ.get("EPCACHE", "").lower()
    if named == "off":
        return []
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
    if _is_configured is None:
        _is_configured = any([says_something(path) for path in CONFIGURATION])
    if _is_configured:
        from ._configuration import configured

        found += configured(named)
    for path in SYSTEM_INDEXES:
        found.append(("system", path, level))
    return found


# Whether any configuration says anything, once that has been looked at.
_is_configured = None  # type: Optional[bool]


def says_something(path):  # type: (str) -> bool
    """Whether a file has lines that are neither comments nor sections, or a folder anything in it."""
    if not os.access(path, os.F_OK):
        return False
    try:
        # A folder may say something. So it and anything else that is no file, a device, say, stay unopened.
        if os.stat(path).st_mode & 0o170000 != 0o100000:
            return True
        fd = os.open(path, FILE)
        try:
            text = os.read(fd, 8192)
        finally:
            os.close(fd)
    except OSError:
        return True
    # b"" for an empty line.
    return len(text) == 8192 or any([line.strip()[:1] not in b"#;[" for line in text.split(b"\n")])


def user_index(environ):  # type: (Mapping[str, str]) -> Optional[str]
    cache = environ.get("XDG_CACHE_HOME", "")
    if cache[:1] != "/":
        home = environ.get("HOME")
        if not home:
            return None
        cache = home + "/.cache"
    return cache + "/epcache/index"


# ---- the first lookup

# What the process knows, from its second lookup on (`_lookup`); before that, what the first one has seen.
_state = None  # type: Optional[State]
_seen = None  # type: Optional[List[Seen]]
# The path finder of the standard library.
PATH_FINDER = getattr(sys.modules.get("_frozen_importlib_external"), "PathFinder", None)


def entry_points(**params):  # type: (**Any) -> EntryPoints
    """The entry points of all installed distributions that have these attributes.

    Typically `group`, and perhaps `name`; `value`, `module`, `attr` and `extras` serve as well.
    """
    group = params.get("group")
    if isinstance(group, str):
        del params["group"]
    else:
        group = None
    found = look_once(group) if group is not None and _seen is None else None
    if found is None:
        from ._lookup import look

        found = look(group)
    return found.select(**params) if params else found


def look_once(group):  # type: (str) -> Optional[EntryPoints]
    """The entry points of a group, if every entry of sys.path is as recorded, or has nothing and is in no index, and
    none of them shadows another; else None. It leaves to the next lookup what it has seen."""
    global _seen
    _seen = []
    seen, now = [], monotonic()  # type: List[Seen], float
    if [finder for finder in sys.meta_path if hasattr(finder, "find_distributions")] != [PATH_FINDER]:
        return None
    waiting = places(environment())
    files, indexes, filled = [], [], []  # type: List[int], List[Opened], List[Tuple[str, Segment, List[Row]]]
    try:
        wanted = group.encode()
        for path in dict.fromkeys(sys.path):
            if not isinstance(path, str):
                return None
            raw, asked, segment = os.fsencode(path), 0, None
            while segment is None:
                # An index is opened once something is to be asked of it.
                if asked < len(indexes):
                    segment = _segment(indexes[asked], raw)
                    asked += 1
                elif waiting:
                    _, where, level = waiting.pop(0)
                    if os.access(where, os.F_OK):
                        indexes.append(_open(where, level, files))
                else:
                    break
            try:
                if segment:
                    stamp = _stamp_if_unmoved(path, segment)
                    if stamp:
                        seen.append((path, segment[0][0], stamp, now))
                        if segment[2]:
                            filled.append((path, segment, _rows(segment, wanted)))
                        continue
                    if segment[2]:
                        return None
                if "-info" in "\n".join(os.listdir(path or ".")).lower():
                    return None
            except FileNotFoundError:
                if segment and segment[2]:
                    return None
        found = []
        for with_metadata in (2, 0):
            for place, (path, segment, rows) in enumerate(filled):
                last = -1
                for name, value, number, flags, crc in rows:
                    if flags & 2 == with_metadata:
                        # Entry points of one distribution stand together.
                        if number != last:
                            last, source = number, [path, (segment[0][0], segment[3]), number, crc]
                            for other, (_, there, _) in enumerate(filled):
                                if other != place and (other < place or not with_metadata) and _has_key(there, crc):
                                    return None
                        made = EntryPoint(name, value, group)
                        made.__dict__["_source"] = source
                        found.append(made)
        # An index that had nothing to say may as well be damaged.
        for key, _, _, _, unchecked, _ in indexes:
            if any([one[1] == key for one in seen]) and not agree(unchecked):
                return None
        _seen = seen
        return EntryPoints(found)
    except (IndexError, OSError, TypeError, ValueError):
        return None
    finally:
        for fd in files:
            os.close(fd)


def _open(path, level, files):  # type: (str, str, List[int]) -> Opened
    """An index that root or this user has written, and nobody else can: which one it is, its owner, the sizes of its
    tables, how to read a part of its body, what has to be checked of that in the end, and whether it is suspect."""
    folder, slash, name = path.rpartition("/")
    above = os.open(folder or slash or ".", FOLDER)
    files.append(above)
    # No device and no FIFO is opened.
    if os.stat(name, dir_fd=above, follow_symlinks=False).st_mode & 0o170000 != 0o100000:
        raise ValueError
    fd = os.open(name, FILE | os.O_NOFOLLOW, dir_fd=above)
    files.append(fd)
    stat, around = os.fstat(fd), os.fstat(above)
    head = os.pread(fd, 8192, 0)
    words = u32s(head[:64])
    start = 64 + 4 * words[6]
    size = stat.st_size - start
    if (
        # A regular file.
        stat.st_mode & 0o170022 != 0o100000
        or around.st_mode & 0o022
        or stat.st_uid not in (0, os.geteuid())
        or around.st_uid not in (0, stat.st_uid)
        or stat.st_uid == 65534
        or head[:10] != b"\x89epcache\1\0"
        or stat.st_size > 256 << 20
        or words[5] != stat.st_size
        or size < 0
        or words[6] != -(-size // 4096)
        or head[40:56] != ROWS
        or 16 * words[7] + 48 * words[8] > size
    ):
        raise ValueError
    sums = u32s(head[64:start] if start <= len(head) else os.pread(fd, start - 64, 64))
    unchecked = [(head[20:64], words[4])]
    kept = {}  # type: Dict[int, bytes]
    if start <= 4096:
        kept[0] = head[start : start + 4096]
        unchecked.append((kept[0], sums[0]))

    def part(offset, length, checked=True):  # type: (int, int, bool) -> bytes
        at, first = offset & 4095, offset >> 12
        end = at + length
        run = kept.get(first, b"")
        if end > len(run):
            if offset + length > size:
                raise ValueError
            if not checked:
                run = os.pread(fd, length, start + offset)
                if len(run) < length:
                    raise ValueError
                return run
            low = first << 12
            count = end + 4095 >> 12
            run = os.pread(fd, min(count << 12, size - low), start + low)
            # Single blocks are asked for again and again, runs are not.
            if count == 1:
                kept[first] = run
            for at_block in range(count):
                unchecked.append((run[at_block << 12 : at_block + 1 << 12], sums[first + at_block]))
        return run[at:end]

    key = path, level, stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
    return key, words[7], words[8], part, unchecked, head[12]


def _search(part, table, rows, base, limit, wanted):
    # type: (Part, int, int, int, int, bytes) -> Sequence[int]
    """The row of a sorted table that begins with this string; () if there is none."""
    low = 0
    while low < rows:
        middle = (low + rows) // 2
        row = u32s(part(table + 16 * middle, 16))
        if row[1] > limit:
            raise ValueError
        here = part(base + row[0], row[1])
        if here == wanted:
            return row
        if here < wanted:
            low = middle + 1
        else:
            rows = middle
    return ()


def _segment(index, path):  # type: (Opened, bytes) -> Optional[Segment]
    """What an index says of a search directory: the index, flags, the number of distributions, that of the record,
    its times, and where its tables are."""
    _, directories, records, part, _, _ = index
    row = _search(part, 0, directories, 0, STRING_LIMIT, path)
    if not row:
        return None
    number = row[2]
    data = part(16 * directories + 48 * number, 48)
    at, length, pool, flags, count, groups, entries, files = u32s(data[:32])
    names_at = at + 64 * count
    groups_at = names_at + 8 * count
    entries_at = groups_at + 16 * groups
    if number >= records or entries_at + 24 * (entries + files) > pool or pool > at + length:
        raise ValueError
    times = i64s(data[32:48])
    end = at + length
    return index, flags, count, number, times, at, groups, entries, names_at, groups_at, entries_at, pool, end


def _stamp_if_unmoved(path, segment):  # type: (str, Segment) -> Stamp
    """The stamp of a search directory that is as recorded for its times alone; else None."""
    (key, _, _, part, _, suspect), flags, count, _, (mtime, ctime), at, *_, pool, end = segment
    stat = os.stat(path)
    if (
        stat.st_ctime_ns != ctime
        or stat.st_mtime_ns != mtime
        or suspect
        or flags & (SILENT | SORTED | HAS_UNREAD)
        # Whole seconds on a read-only file system may mean nothing. (1: ST_RDONLY)
        or not ctime % SECOND
        and os.statvfs(path).f_flag & 1
    ):
        return None
    if looks_at_each(key[1], count):
        # Under no checksum: what is damaged here is not as it is in the directory.
        table = part(at, 64 * count, False)
        words, times = u32s(table), i64s(table)
        # The lower half of the second number is the length of the file name, the first of four strings.
        starts, lengths = words[0::16].tolist(), [both & 0xFFFF for both in words[1::16].tolist()]
        size = starts[-1] + lengths[-1]
        if pool + size > end:
            raise ValueError
        names = part(pool, size, False)
        fd = os.open(path, DIRECTORY)
        try:
            if not os.path.samestat(os.fstat(fd), stat):
                return None
            look = os.stat
            for low, size, mtime, ctime in zip(starts, lengths, times[2::8].tolist(), times[3::8].tolist()):
                name = names[low : low + size]
                if b"/" in name:
                    raise ValueError
                now = look(name, dir_fd=fd)
                if now.st_mtime_ns != mtime or now.st_ctime_ns != ctime:
                    return None
        finally:
            os.close(fd)
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev


def looks_at_each(level, count):  # type: (str, int) -> bool
    return 0 < count and (level == "strict" or level == "auto" and count <= 1000)


def _rows(segment, group):  # type: (Segment, bytes) -> List[Row]
    """The entry points of a group."""
    (_, _, _, part, _, _), _, count, _, _, table, groups, entries, _, groups_at, entries_at, pool, end = segment
    row = _search(part, groups_at, groups, pool, end - pool, group)
    if not row or not row[3]:
        return []
    if row[2] + row[3] > entries:
        raise ValueError
    words = u32s(part(entries_at + 16 * row[2], 16 * row[3]))
    starts, names, values, distributions = [words[at::4].tolist() for at in range(4)]
    # So they are at most as long as the pool, whatever their number.
    size = starts[-1] + names[-1] + values[-1]
    if pool + size > end or max(distributions) >= count:
        raise ValueError
    low = after = starts[0]
    texts = part(pool + low, size - low)
    found, last = [], -1
    for at, name, value, number in zip(starts, names, values, distributions):
        if at < after:
            raise ValueError
        after = at + name + value
        if number != last:
            # Of the first two of four strings, the lengths are in the second number.
            last = number
            string, lengths, _, flags = u32s(part(table + 64 * number, 16))
            key = pool + string + (lengths & 0xFFFF)
            if key + (lengths >> 16) > end:
                raise ValueError
            crc = hash_of(part(key, lengths >> 16))
        # Not of one that is shadowed.
        if not flags & 16:
            text = texts[at - low : after - low]
            found.append((text[:name].decode(), text[name:].decode(), number, flags >> 2 & 2, crc))
    return found


def _has_key(segment, crc):  # type: (Segment, int) -> bool
    """Whether some distribution's key has this hash."""
    part, low, high, table = segment[0][3], 0, segment[2], segment[8]
    while low < high:
        middle = (low + high) // 2
        here = u32s(part(table + 8 * middle + 4, 4))[0]
        if here == crc:
            return True
        if here < crc:
            low = middle + 1
        else:
            high = middle
    return False


def hash_of(key):  # type: (bytes) -> int
    """FNV-1a: what the table of names is sorted by."""
    found = 2166136261
    for byte in key:
        found = (found ^ byte) * 16777619 & 0xFFFFFFFF
    return found


def agree(blocks):  # type: (List[Block]) -> bool
    """Whether all checksums are right.

    To load binascii, where it is a shared library, takes as long as all else. But a CRC is a remainder of polynomials
    over GF(2), which Python's integers add many bits at a time: blocks are added up, each multiplied by another
    power of x, then the sum is folded by multiples of the divisor that have few terms. The first bit is the lowest.
    """
    if len(blocks) > 60 or "binascii" in sys.modules or "binascii" in sys.builtin_module_names:
        from binascii import crc32

        return all([crc32(data) == checksum for data, checksum in blocks])
    total, wanted, end = 0, 0, 32768
    for data, checksum in blocks:
        total ^= (int.from_bytes(data, "little") ^ 0xFFFFFFFF) << (end - 8 * len(data))
        end += 8
        wanted = wanted >> 4 ^ _NIBBLES[wanted & 15]
        wanted = wanted >> 4 ^ _NIBBLES[wanted & 15] ^ checksum ^ 0xFFFFFFFF
    bits = end + 24
    for size, kept, powers in _FOLDS:
        total <<= size - bits
        cut, bits = size - kept, kept
        low = total & (1 << cut) - 1
        total >>= cut
        for power in powers:
            total ^= low << kept - cut - power
    while bits > 32:
        total = total >> 4 ^ _NIBBLES[total & 15]
        bits -= 4
    return total == wanted


# From so many bits to so many, and the powers of x whose sum has the same remainder as x to the power of those.
_FOLDS = (
    (33304, 18002, (1062, 1936, 0)),
    (18002, 11049, (820, 3766, 0)),
    (11049, 7732, (138, 1113, 0)),
    (7732, 3890, (0, 1, 21, 24, 25, 28, 30)),
    (3890, 1962, (0, 1, 3, 4, 7, 16, 22, 24, 31)),
    (1962, 1123, (64, 198, 24, 0)),
    (1123, 664, (0, 1, 4, 9, 13, 18, 19, 20, 24, 28)),
    (664, 381, (0, 2, 4, 8, 10, 16, 17, 18, 23, 24, 28)),
    (381, 206, (2, 4, 5, 6, 9, 11, 16, 17, 20, 23, 24)),
    (206, 128, (0, 2, 9, 10, 12, 14, 18, 21, 23, 27, 29, 30, 31)),
)
# The CRC of four bits.
_NIBBLES = (
    0, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
    0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
)  # fmt: skip


# ---- the rest


def __getattr__(name):  # type: (str) -> Any
    # Where each is, which nothing asks for that only looks up.
    for module, names in _ELSEWHERE:
        if name in names:
            return getattr(__import__(__name__ + module, fromlist=(name,)), name)
    raise AttributeError("module %r has no attribute %r" % (__name__, name))


_ELSEWHERE = (
    ("._install", ("install", "uninstall")),
    ("._distribution", ("Distribution",)),
    ("._warning", ("StaleCacheWarning",)),
)


def __dir__():  # type: () -> list[str]
    return sorted(__all__)
