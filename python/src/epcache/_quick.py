"""Answers from an epcache index what importlib.metadata would answer, without importing it.

Copy this file into your own project: it needs nothing but `os` and `sys`. Its licence is MIT or
Apache 2.0. Format major version 1 is a promise: this file reads every index that says so.

    entry_points(group, name)   entry points; both may be left out
    distribution(name)          the distribution of this name, in a tuple; () if there is none
    distributions()             all distributions
    entry_points_of(found)      those of one of these distributions

An entry point is a tuple (name, value, group, distribution), a distribution is a tuple
(entry of sys.path, file name of its metadata directory, name, version). They come in the order of
the library, but for one case: where the order of a directory is not known, and cannot matter to a
look-up by name (no name in the answer repeats), they come in the order of the record.

**None means: ask the library.** Nothing is ever raised, printed or written. An answer is given only
where the library of CPython 3.10 to 3.14 could not answer otherwise. So the answer is None

- with finders on sys.meta_path that know distributions, other than the standard path finder;
- with an entry of sys.path that is not a str, or a plain file (an archive, perhaps), or that has
  metadata but no trusted and sound record. One that is missing or has no metadata says nothing.
  By name, only metadata directories of that name count. An entry may be relative or '';
- where something has changed since: times that differ are compared for equality, never for age,
  and a directory whose times moved is listed. A question looks at what its answer depends on: by
  name at the directory and that metadata directory; about entry points at the directory and at
  each metadata directory (up to 1,000); about all names and versions at those metadata directories
  whose file name does not say both. EPCACHE=fast, strict, trust and off change that;
- where times mean nothing: records that say so, whole seconds on read-only file systems;
- where the library's choice depends on the order of the directory: two metadata directories of one
  key (twins), of which one matters to the answer;
- for metadata directories that matter and have no metadata, were not readable, have a fault, or say
  neither name nor version; a fault in any entry_points.txt makes entry_points() raise. So does a
  missing name where the file name has an odd form (upper-case endings, `EGG-INFO`);
- for names that are not ASCII: normalization of those differs.

What an index does not tell stays unseen: a metadata directory with a control character in its
name; a header whose first line is empty; a METADATA that is not UTF-8 behind name and version, for
which the library raises. A file that is rewritten in place, without a rename, moves no directory's
times: `epcache refresh --full` sees that. A process looks at the metadata directories behind a
remembered answer about groups once a second (with strict, each time), and at everything else each
time; `forget()` makes it
look at once.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import (
        Any,
        Callable,
        Dict,
        Iterator,
        List,
        Mapping,
        NoReturn,
        Optional,
        Sequence,
        Set,
        Tuple,
    )

    Distribution = Tuple[str, str, str, str]
    EntryPoint = Tuple[str, str, str, Distribution]
    ImportNames = Tuple[Distribution, int, List[str]]
    # See FILE_NAME and so on.
    Row = Tuple[Any, ...]
    Signature = Optional[Tuple[int, int, int, int]]

__all__ = ["distribution", "distributions", "entry_points", "forget"]

KNOWN_LIBRARY = (3, 10) <= sys.version_info < (3, 15) and hasattr(os, "pread")
SYSTEM_INDEXES = ("/usr/lib/epcache/index", "/var/cache/epcache/index")
CONFIGURATION = (
    "/usr/lib/epcache/epcache.conf",
    "/etc/epcache.conf",
    "/usr/lib/epcache/conf.d",
    "/etc/epcache.conf.d",
)
LEVELS = ("auto", "fast", "strict", "trust")
_MACHINERY = sys.modules.get("_frozen_importlib_external")
PATH_FINDER = getattr(_MACHINERY, "PathFinder", None)
NAMESPACE_PATH = getattr(_MACHINERY, "_NamespacePath", None)
SECOND = 1000000000
PATIENCE = 1.0  # seconds


class Unsure(Exception):
    """The index does not settle this: ask the library. The argument says why."""


class Stale(Unsure):
    """A record is out of date."""


class Damaged(Exception):
    """An index turned out not to be sound. The argument is its path."""


def entry_points(
    group: "Optional[str]" = None, name: "Optional[str]" = None
) -> "Optional[Tuple[EntryPoint, ...]]":
    """The entry points of a group, or of all."""
    found: "Any" = _ask(_all_entry_points) if group is None else _ask(_group, group)
    if found is None or name is None:
        return found  # type: ignore[no-any-return]
    return tuple([one for one in found if one[0] == name])


def distribution(name: str) -> "Optional[Tuple[Distribution, ...]]":
    """The distribution that the library finds by this name, in a tuple; () if there is none."""
    return _ask(_by_name, name)  # type: ignore[no-any-return]


def distributions() -> "Optional[Tuple[Distribution, ...]]":
    """All distributions, shadowed ones too."""
    return _ask(_distributions)  # type: ignore[no-any-return]


def entry_points_of(found: "Distribution") -> "Optional[Tuple[EntryPoint, ...]]":
    """The entry points of a distribution, shadowed or not, in the order of its file."""

    def make(entry: "Entry", number: int) -> "Iterator[EntryPoint]":
        for group, name, value in entry.record.entries_of(number):
            yield name, value, group, found

    return _ask_one(found, ENTRY_FILES, make)  # type: ignore[no-any-return]


def requires(name: str) -> "Optional[Tuple[Optional[Tuple[str, ...]], ...]]":
    """The requirements of the distribution of this name, in a tuple, or None in a tuple where it
    has none to say; () if there is no such distribution."""
    return _ask(_requires, name)  # type: ignore[no-any-return]


def import_names() -> "Optional[Tuple[ImportNames, ...]]":
    """For each distribution: itself, the source of its import names, and these, as docs/format.md
    of epcache has it. Each Python's packages_distributions() makes something else of them."""
    return _ask(_import_names)  # type: ignore[no-any-return]


def look_again(found: "Distribution") -> "Optional[Tuple[Distribution, ...]]":
    """This distribution, shadowed or not, if its name and version are still what they were."""

    def make(entry: "Entry", number: int) -> "List[Distribution]":
        return [entry.described(number)]

    return _ask_one(found, HEADERS, make)  # type: ignore[no-any-return]


def forget() -> None:
    """Look at everything anew."""
    global _configured
    _answers.clear()
    _entries.clear()
    _indexes.clear()
    del stale[:]
    _configured = None


# ---- asking, and what a process remembers

_answers: "Dict[Any, Tuple[Any, ...]]" = {}
_entries: "Dict[str, Tuple[Any, ...]]" = {}
# Indexes that were out of date, each with the entry of sys.path, and why.
stale: "List[Tuple[str, str, str]]" = []


def _ask(answer: "Callable[..., Any]", *params: "Any") -> "Any":
    try:
        key = answer, params
        watched, rows, asked, until = _answers.get(key) or ((), None, None, 0.0)
        # No other clock: those of the module time can be frozen by tests.
        now = os.times().elapsed
        if now < until and asked == _surroundings():
            if all([_signature(path) == then for path, then in watched]):
                return rows
        asked = _surroundings()
        try:
            question = Question()
            rows = tuple(answer(question, *params))
            for index in question.indexes:
                index.require_sound()
        except Damaged:
            _indexes.clear()
            return None
        if len(_answers) > 63:
            _answers.clear()
        if not any([index.level == "strict" for index in question.indexes]):
            _answers[key] = question.watched, rows, asked, now + PATIENCE
        return rows
    except Exception:
        return None


def _ask_one(
    found: "Distribution", kinds: "Sequence[int]", make: "Callable[[Entry, int], Any]"
) -> "Any":
    """Of a distribution: what `make` makes of its row. Many are asked, one after the other."""
    try:
        path = found[0]
        now = os.times().elapsed
        until, asked, entry = _entries.get(path) or (0.0, None, None)
        if entry is None or now >= until or asked != _surroundings():
            asked = _surroundings()
            entry = Question().first(path, lambda entry: entry.known())
            if len(_entries) > 15:
                _entries.clear()
            _entries[path] = now + PATIENCE, asked, entry
        rows = tuple(make(entry, entry.numbered(os.fsencode(found[1]), kinds)))
        entry.record.index.require_sound()
        return rows
    except Damaged:
        _indexes.clear()
        _entries.clear()
        return None
    except Exception:
        return None


def _surroundings() -> "Tuple[Any, ...]":
    """What an answer depends on besides files."""
    environ = os.environ
    finders = [finder for finder in sys.meta_path if hasattr(finder, "find_distributions")]
    # Counts the calls of importlib.invalidate_caches().
    epoch = getattr(NAMESPACE_PATH, "_epoch", 0)
    return list(sys.path), finders, environ.get("EPCACHE"), environ.get("EPCACHE_INDEX"), epoch


def _signature(path: str) -> "Signature":
    try:
        return _signature_of(os.stat(path or "."))
    except (OSError, ValueError):
        return None


def _signature_of(stat: os.stat_result) -> "Signature":
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev


# ---- the questions


def _by_name(question: "Question", name: str) -> "Iterator[Distribution]":
    for entry, number in _named(question, name, HEADERS):
        yield entry.described(number)


def _requires(question: "Question", name: str) -> "Iterator[Optional[Tuple[str, ...]]]":
    for entry, number in _named(question, name, HEADERS + (4,)):
        entry.described(number)
        row = entry.record.rows()[number]
        if row[FLAGS] & UNKNOWN_REQUIREMENTS:
            raise Unsure("requirements that the index does not know")
        lines = entry.record.lines(row[REQUIREMENTS : REQUIREMENTS + 2])
        yield tuple(lines) if row[FLAGS] & HAS_REQUIREMENTS else None


def _named(
    question: "Question", name: str, kinds: "Sequence[int]"
) -> "Iterator[Tuple[Entry, int]]":
    if not name or not name.isascii():
        raise Unsure("a name that is not ASCII, or empty")
    key = normalized(name)
    for path in question.paths:
        found = question.first(path, lambda entry: entry.by_key(key, kinds))
        if found is not None:
            yield found
            return


def _group(question: "Question", group: str) -> "List[EntryPoint]":
    wanted = group.encode()
    entries = question.entries()
    found: "List[EntryPoint]" = []
    for place, entry in enumerate(entries):
        record = entry.record
        owners: "Dict[int, Optional[Distribution]]" = {}
        for name, value, number in record.group(wanted):
            if number not in owners:
                owners[number] = None
                if not is_shadowed(entries, place, number):
                    owners[number] = entry.described(number)
                    entry.require_files(number, ENTRY_FILES)
            owner = owners[number]
            if owner is not None:
                found.append((name, value, group, owner))
    if not all([entry.in_order for entry in entries]):
        if len({one[0] for one in found}) < len(found):
            raise Unsure("a name repeats, and the order is not known")
    return found


def _all_entry_points(question: "Question") -> "Iterator[EntryPoint]":
    entries = question.entries()
    names: "Set[Tuple[str, str]]" = set()
    for place, entry in enumerate(entries):
        record = entry.record
        for number in range(record.count):
            of_it = record.entries_of(number)
            if of_it and not is_shadowed(entries, place, number):
                owner = entry.described(number)
                for group, name, value in of_it:
                    if (group, name) in names and not all([one.in_order for one in entries]):
                        raise Unsure("a name repeats, and the order is not known")
                    names.add((group, name))
                    yield name, value, group, owner


def _distributions(question: "Question") -> "Iterator[Distribution]":
    for path in question.paths:
        found = question.first(path, lambda entry: entry.everything(names_decide=True))
        if found is not None:
            for number in range(found.record.count):
                yield found.described(number)


def _import_names(question: "Question") -> "Iterator[ImportNames]":
    for path in question.paths:
        entry = question.first(path, lambda entry: entry.everything())
        if entry is None:
            continue
        if not entry.in_order:
            raise Unsure("the order is not known")
        for number, row in enumerate(entry.record.rows()):
            if row[FLAGS] & UNKNOWN_IMPORTS:
                raise Unsure("import names that the index does not know")
            names = entry.record.lines(row[IMPORTS : IMPORTS + 2])
            yield entry.described(number), row[FLAGS] >> 12 & 7, names


def is_shadowed(entries: "Sequence[Entry]", place: int, number: int) -> bool:
    """Whether an entry of sys.path before this one has a distribution of the same key."""
    record = entries[place].record
    row = record.rows()[number]
    # Of twins the library takes the one that is listed first: whether this is it is not known.
    if len(record.find(row[KEY])) != 1:
        raise Unsure("twins")
    for entry in entries[:place]:
        others = [entry.record.rows()[one] for one in entry.record.find(row[KEY])]
        if others:
            if not any([other[FLAGS] & HAS_METADATA for other in others]):
                raise Unsure("shadowed by a distribution without metadata")
            return True
    return False


# ---- one question: sys.path, the indexes, and what was looked at


class Question:
    def __init__(self) -> None:
        if not KNOWN_LIBRARY:
            raise Unsure("another library")
        finders = [finder for finder in sys.meta_path if hasattr(finder, "find_distributions")]
        if finders != [PATH_FINDER]:
            raise Unsure("a finder of distributions that is not the standard one")
        self.paths = list(sys.path)
        if not all([isinstance(path, str) for path in self.paths]):
            raise Unsure("an entry of sys.path that is not a str")
        self.indexes: "List[Index]" = []
        self._places = places(environment())
        # What the answer depends on: looked at again before it is given again.
        self.watched: "List[Tuple[str, Signature]]" = []

    def records(self, path: bytes) -> "Iterator[Record]":
        """What the indexes say of an entry of sys.path. One is opened when it is asked."""
        asked = 0
        while asked < len(self.indexes) or self._places:
            if asked == len(self.indexes):
                index = opened(*self._places.pop(0))
                if index is None:
                    continue
                self.indexes.append(index)
            record = self.indexes[asked].record(path)
            asked += 1
            if record is not None:
                yield record

    def first(self, path: str, look: "Callable[[Entry], Any]") -> "Any":
        """What the first record that is right about an entry of sys.path says to `look`; None if
        there is nothing in it."""
        why: "Optional[Unsure]" = None
        entry = Entry(self, path)
        try:
            for record in self.records(os.fsencode(path)):
                try:
                    return look(entry.as_in(record))
                except Unsure as error:
                    why = error
                    if isinstance(error, Stale) and len(stale) < 8:
                        stale.append((record.index.path, path, str(error)))
            if why is not None:
                raise why
            if not self.indexes:
                raise Unsure("no index")
            return look(entry)
        finally:
            entry.close()

    def entries(self) -> "List[Entry]":
        """All entries of sys.path that have metadata, once each, as they are recorded."""
        found = []
        for path in dict.fromkeys(self.paths):
            entry = self.first(path, lambda entry: entry.everything())
            if entry is not None:
                flags = [row[FLAGS] for row in entry.record.rows()]
                if any([here & (PROBLEM | UNREAD) for here in flags]) or entry.record.is_odd():
                    raise Unsure("a distribution that has a fault, was not readable, or is odd")
                found.append(entry)
        return found


class Entry:
    """An entry of sys.path, and a record of it if there is one."""

    record: "Record"

    def __init__(self, question: Question, path: str) -> None:
        self.path = path
        self.has_record = False
        self.in_order = True
        self.fd = -1
        self.stat: "Optional[os.stat_result]" = None
        self._question = question
        self._listing: "Optional[List[str]]" = None
        self._opened = False

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def as_in(self, record: "Record") -> "Entry":
        self.has_record, self.in_order, self.record = True, True, record
        return self

    def is_there(self) -> bool:
        """Opens the directory. The library finds nothing in one that it may not list."""
        if not self._opened:
            self._opened = True
            try:
                self.fd = os.open(self.path or ".", DIRECTORY)
                self.stat = os.fstat(self.fd)
            except (FileNotFoundError, PermissionError):
                pass
            except NotADirectoryError:
                if os.path.exists(self.path):
                    raise Unsure("a file on sys.path, which may be an archive")
            signature = _signature_of(self.stat) if self.stat else None
            self._question.watched.append((self.path, signature))
        return self.fd >= 0

    def listing(self) -> "List[str]":
        """The names of metadata directories, in the order of the directory."""
        if self._listing is None:
            names = os.listdir(self.fd) if self.is_there() else []
            if os.path.basename(self.path).lower().endswith(".egg"):
                # There, the library goes by the name of the egg.
                if [name for name in names if name.lower() == "egg-info"]:
                    raise Unsure("an egg")
            self._listing = [
                name for name in names if name.lower().endswith((".dist-info", ".egg-info"))
            ]
        return self._listing

    def by_key(self, key: str, kinds: "Sequence[int]") -> "Optional[Tuple[Entry, int]]":
        """This entry and the number of the distribution of this key; None if there is none."""
        if not self.has_record:
            if key in [lookup_key(name) for name in self.listing()]:
                raise Unsure("metadata of this name, in a directory that no index knows")
            return None
        record = self.record
        level = record.index.level
        numbers = record.find(key.encode())
        if level != "trust":
            if not self.is_there():
                return None
            moved = self.has_moved()
            if moved or record.is_odd():
                here = [name for name in self.listing() if lookup_key(name) == key]
                if here != [os.fsdecode(record.rows()[number][FILE_NAME]) for number in numbers]:
                    raise Stale("a distribution came or went")
            if numbers:
                row = record.rows()[numbers[0]]
                path = os.path.join(self.path, os.fsdecode(row[FILE_NAME]))
                self._question.watched.append((path, _signature(path)))
                if moved or level != "fast":
                    self.require_unmoved([row])
                    self.require_files(numbers[0], kinds)
        elif record.is_odd():
            raise Unsure("an odd file name")
        if len(numbers) > 1:
            raise Unsure("twins")
        return (self, numbers[0]) if numbers else None

    def known(self) -> "Entry":
        """This entry, if its record can say something of its distributions."""
        if not self.has_record:
            raise Unsure("a directory that no index knows")
        if self.record.index.level != "trust":
            if not self.is_there():
                raise Unsure("a directory that went")
            self.has_moved()
        return self

    def numbered(self, file_name: bytes, kinds: "Sequence[int]") -> int:
        """The number of a metadata directory, if that and its files are as recorded."""
        number = self.record.number_of(file_name)
        row = self.record.rows()[number]
        if row[FLAGS] & (UNREAD | PROBLEM):
            raise Unsure("a distribution that no index knows well")
        if self.record.index.level != "trust":
            now = os.stat(os.path.join(os.fsencode(self.path), file_name))
            if now.st_mtime_ns != row[MTIME] or now.st_ctime_ns != row[CTIME]:
                raise Stale("a distribution has changed")
            self.require_files(number, kinds)
        return number

    def everything(self, names_decide: bool = False) -> "Optional[Entry]":
        """This entry, if all metadata directories are as recorded; None if there are none."""
        if not self.has_record:
            if self.listing():
                raise Unsure("metadata in a directory that no index knows")
            return None
        record = self.record
        level = record.index.level
        if level != "trust":
            if not self.is_there():
                return None
            moved = self.has_moved()
            if moved:
                names = [os.fsencode(name) for name in self.listing()]
                recorded = [row[FILE_NAME] for row in record.rows()]
                if names != recorded:
                    self.in_order = False
                    if sorted(names) != sorted(recorded):
                        raise Stale("a distribution came or went")
            if moved or level == "strict" or level == "auto" and record.count <= 1000:
                decides = names_decide and level == "auto" and not moved
                self.require_unmoved(
                    [row for row in record.rows() if not (decides and name_decides(row))]
                )
                for number in range(record.count if level == "strict" else 0):
                    self.require_files(number, HEADERS + ENTRY_FILES)
        self.in_order = self.in_order and not record.flags & SORTED
        return self if record.count else None

    def has_moved(self) -> bool:
        """Whether a closer look is needed. Times that can tell nothing raise `Unsure`."""
        record, stat = self.record, self.stat
        assert stat is not None
        index = record.index
        if index.owner not in (0, os.geteuid(), stat.st_uid):
            raise Unsure("an index whose owner may not speak of this directory")
        whole = stat.st_ctime_ns % SECOND == 0
        if record.flags & (SILENT | SORTED) or whole:
            # Times mean something in an image if the index came with it.
            read_only = os.fstatvfs(self.fd).f_flag & 1  # ST_RDONLY
            in_image = read_only and stat.st_dev == index.device
            if not in_image and (record.flags & (SILENT | SORTED) or read_only):
                raise Unsure("times that mean nothing")
        return (
            stat.st_mtime_ns != record.mtime
            or stat.st_ctime_ns != record.ctime
            or index.is_suspect
        )

    def require_unmoved(self, rows: "List[Row]") -> None:
        """That these metadata directories have the times that they had."""
        look, fd = os.stat, self.fd
        try:
            for row in rows:
                now = look(row[FILE_NAME], dir_fd=fd)
                if now.st_mtime_ns != row[MTIME] or now.st_ctime_ns != row[CTIME]:
                    raise Stale("a distribution has changed")
        except OSError:
            raise Stale("a distribution went")

    def require_files(self, number: int, kinds: "Sequence[int]") -> None:
        """That these files of a distribution are as they were when the index read them."""
        if self.record.index.level not in ("auto", "strict"):
            return
        file_name = os.fsdecode(self.record.rows()[number][FILE_NAME])
        for kind, size, mtime, ctime in self.record.files(number):
            if kind in kinds:
                path = os.path.join(self.path, file_name, FILES[kind]).rstrip("/")
                try:
                    now = os.stat(path)
                except OSError:
                    raise Stale("a file went")
                if (now.st_size, now.st_mtime_ns, now.st_ctime_ns) != (size, mtime, ctime):
                    raise Stale("a file has changed")
                self._question.watched.append((path, _signature_of(now)))

    def described(self, number: int) -> "Distribution":
        row = self.record.rows()[number]
        name, version = row[NAME], row[VERSION]
        if row[FLAGS] & UNCERTAIN:
            raise Unsure("a distribution that does not say its name and version")
        if b"\n" in name + version or not name.isascii() or not version.isascii():
            raise Unsure("a name or version of several lines, or not ASCII")
        return self.path, os.fsdecode(row[FILE_NAME]), name.decode(), version.decode()


def name_decides(row: "Row") -> bool:
    """Whether the file name says name and version: with others it is another file."""
    return bool(row[FILE_NAME] == row[NAME] + b"-" + row[VERSION] + b".dist-info")


# ---- names

ENDINGS = (b".dist-info", b".egg-info")


def normalized(name: str) -> str:
    """As the library does it: in lower case, and each run of `-`, `_` and `.` one `_`."""
    name = name.lower().replace("-", "_").replace(".", "_")
    while "__" in name:
        name = name.replace("__", "_")
    return name


def lookup_key(file_name: str) -> "Optional[str]":
    """The name by which the library finds a metadata directory."""
    if not file_name.isascii():
        # Of some letters that are not ASCII the lower case is.
        raise Unsure("a file name that is not ASCII")
    return normalized(file_name.lower().rpartition(".")[0].partition("-")[0])


# ---- where indexes lie


def environment() -> "Mapping[str, str]":
    """os.environ; empty in a process with rights that its caller has not, and with -E or -I."""
    user, environ = os.getuid(), os.environ
    if sys.flags.ignore_environment or os.geteuid() != user or os.getegid() != os.getgid():
        return {}
    # Files give root no rights that it has not. Else capabilities may have been gained (AT_SECURE).
    if user and ("EPCACHE" in environ or "EPCACHE_INDEX" in environ or _user_index(environ)):
        try:
            with open("/proc/self/auxv", "rb") as file:
                words = memoryview(file.read()).cast("L").tolist()
            if dict(zip(words[::2], words[1::2])).get(23):
                return {}
        except PermissionError:
            return {}
        except (OSError, TypeError):
            pass
    return environ


def places(environ: "Mapping[str, str]") -> "List[Tuple[str, str]]":
    """Where indexes may lie, in the order in which they are asked, and how hard to look."""
    named = environ.get("EPCACHE", "").lower()
    if named == "off":
        return []
    level = named if named in LEVELS else "auto"
    found = [path for path in environ.get("EPCACHE_INDEX", "").split(":") if path]
    if sys.prefix != sys.base_prefix:
        found.append(sys.prefix + "/.epcache/index")
    user = _user_index(environ)
    if user:
        found.append(user)
    configured, theirs = configuration()
    if named in LEVELS:
        theirs = level
    return (
        [(path, level) for path in found]
        + [(path, theirs) for path in configured]
        + [(path, level) for path in SYSTEM_INDEXES]
    )


def _user_index(environ: "Mapping[str, str]") -> "Optional[str]":
    """The user's index, if there is one."""
    cache = environ.get("XDG_CACHE_HOME", "")
    if cache[:1] != "/":
        home = environ.get("HOME")
        if not home:
            return None
        cache = home + "/.cache"
    path = cache + "/epcache/index"
    return path if os.access(path, os.F_OK) else None


_configured: "Optional[Tuple[List[str], str]]" = None
# A configuration file that is larger is not read, in bytes.
SETTINGS = 64 << 10


def configuration() -> "Tuple[List[str], str]":
    """`index-path` and `freshness` of epcache.conf(5); `epcache status` says what is wrong."""
    global _configured
    if _configured is None:
        drop_ins: "Dict[str, str]" = {}
        for folder in CONFIGURATION[2:]:
            if os.access(folder, os.R_OK) and os.path.isdir(folder):
                for name in os.listdir(folder):
                    if os.path.splitext(name)[1] == ".conf":
                        # One in a later folder masks those before it.
                        drop_ins[name] = folder + "/" + name
        paths = list(CONFIGURATION[:2])
        paths += [drop_ins[name] for name in sorted(drop_ins, key=os.fsencode)]
        found: "List[str]" = []
        level = "auto"
        for key, value in [setting for path in paths for setting in _settings(path)]:
            if key == "index-path":
                found = found if value else []
                parts = [part.strip() for part in value.split(":")]
                found += [part for part in parts if part[:1] == "/"]
            elif key == "freshness" and value.lower() in LEVELS:
                level = value.lower()
        _configured = found, level
    return _configured


def _settings(path: str) -> "Iterator[Tuple[str, str]]":
    """Key and value of each line of the section [epcache], and of those in front of any section.

    A line that cannot be understood is left out; what follows " #" or " ;" is a comment.
    """
    try:
        if not os.access(path, os.F_OK) or not is_regular(os.stat(path)):
            return
        fd = os.open(path, PLAIN)
        try:
            content = os.read(fd, SETTINGS + 1)
        finally:
            os.close(fd)
    except OSError:
        return
    if len(content) > SETTINGS:
        return
    section = "epcache"
    if content[:3] == b"\xef\xbb\xbf":
        content = content[3:]
    for raw in content.split(b"\n"):
        try:
            line = " " + raw.decode().strip()
        except ValueError:
            continue
        for mark in (" #", "\t#", " ;", "\t;"):
            line = line.partition(mark)[0]
        line = line.strip()
        if any([one != "\t" and (one < " " or "\x7f" <= one <= "\x9f") for one in line]):
            continue
        if line[:1] == "[":
            if line.find("]") == len(line) - 1:
                section = line[1:-1].strip()
        elif section == "epcache":
            key, sign, _ = line.replace(":", "=", 1).partition("=")
            if sign:
                yield key.strip(), line[len(key) + 1 :].strip()


# ---- an index file: whom it is from, and whether it is sound

DIRECTORY = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
# The folder of an index need not be readable.
FOLDER = DIRECTORY | getattr(os, "O_PATH", 0)
# O_NONBLOCK: a FIFO would keep us waiting for ever.
PLAIN = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
SIZE_LIMIT = 256 << 20
STRING_LIMIT = 4096


def is_regular(stat: os.stat_result) -> bool:
    return stat.st_mode & 0o170000 == 0o100000


_indexes: "Dict[Tuple[str, str], Index]" = {}


def opened(path: str, level: str) -> "Optional[Index]":
    """An index that is trusted, if there is one; kept while it stays what it is."""
    try:
        if os.path.islink(path):
            path = os.path.realpath(path)
        stat = os.stat(path)
        index = _indexes.get((path, level))
        if index is None or index.signature != _signature_of(stat):
            index = Index(path, level)
            if len(_indexes) > 15:
                _indexes.clear()
            _indexes[path, level] = index
        return index
    except (OSError, IndexError, ValueError, Unsure):
        return None  # missing, not for this user, not trusted, or not an index


class Index:
    """An index that nobody can write but root, this user, or the owner of what it is about.

    Whatever is in the file, no more is read and made of it than it is long. It is opened for each
    piece that is read, so that nothing depends on a descriptor that stays open.
    """

    def __init__(self, path: str, level: str) -> None:
        self.path, self.level = path, level
        folder, slash, self._name = path.rpartition("/")
        self._folder = folder or slash or "."
        self.signature: "Signature" = None
        self._start = 0
        self._records: "Dict[bytes, Optional[Record]]" = {}
        # What was read, and how much of it was found to agree with its checksum.
        self._blocks: "Dict[int, bytes]" = {}
        self._seen: "Set[int]" = set()
        self._read: "List[Tuple[bytes, int]]" = []
        self._checked = 0
        head = self._pread(0, 8192)
        words = u32s(head[:64])
        blocks, self.directories, self.count = words[6], words[7], words[8]
        start = 64 + 4 * blocks
        self.size = self._length - start
        if (
            head[:10] != b"\x89epcache\1\0"
            or self._length > SIZE_LIMIT
            or words[5] != self._length
            or self.size < 0
            or blocks != -(-self.size // 4096)
            # The sizes of rows: longer ones, of a later version, are not read here.
            or head[40:58] != bytes([16, 0, 56, 0, 64, 0, 8, 0, 16, 0, 16, 0, 8, 0, 24, 0, 8, 0])
            or 16 * self.directories + 56 * self.count > self.size
        ):
            raise ValueError("not an index of this major version")
        self.is_suspect = head[12] != 0
        rest = start - len(head)
        self._sums = u32s(head[64:start] + (self._pread(len(head), rest) if rest > 0 else b""))
        self._read.append((head[20:64], words[4]))
        self._start = start

    def _pread(self, at: int, length: int) -> bytes:
        above = os.open(self._folder, FOLDER)
        try:
            # No device and no FIFO is opened.
            if not is_regular(os.stat(self._name, dir_fd=above, follow_symlinks=False)):
                raise ValueError("not a regular file")
            fd = os.open(self._name, PLAIN, dir_fd=above)
            try:
                stat, around = os.fstat(fd), os.fstat(above)
                self._require_trust(stat, around)
                return os.pread(fd, length, at)
            finally:
                os.close(fd)
        finally:
            os.close(above)

    def _require_trust(self, stat: os.stat_result, around: os.stat_result) -> None:
        self.owner, self.device, self._length = stat.st_uid, stat.st_dev, stat.st_size
        if (
            not is_regular(stat)
            or (stat.st_mode | around.st_mode) & 0o022
            or around.st_uid not in (0, self.owner)
            # In a user namespace, that is everybody who has no number there.
            or self.owner == 65534
        ):
            raise ValueError("not trusted")
        if self.signature not in (None, _signature_of(stat)):
            raise Unsure("replaced meanwhile")
        self.signature = _signature_of(stat)

    def part(self, offset: int, length: int) -> bytes:
        """Bytes of the body."""
        end = offset + length
        if end > self.size:
            raise Damaged(self.path)
        first, last = offset >> 12, max(end - 1, offset) >> 12
        for number in range(first, last + 1):
            if number not in self._blocks:
                # Some more, since what is asked for next is often near.
                low = number << 12
                run = self._pread(self._start + low, max(end - low, 1 << 16))
                for at in range(0, min(len(run), self.size - low), 4096):
                    self._blocks[number + (at >> 12)] = run[at : at + 4096]
            if number not in self._seen:
                # In this order, for other threads.
                self._read.append((self._blocks[number], self._sums[number]))
                self._seen.add(number)
        if first == last:
            return self._blocks[first][offset & 4095 :][:length]
        run = b"".join([self._blocks[number] for number in range(first, last + 1)])
        return run[offset & 4095 :][:length]

    def require_sound(self) -> None:
        """That the checksums of all that was read are right."""
        read = len(self._read)
        if not agree(self._read[self._checked : read]):
            raise Damaged(self.path)
        self._checked = read

    # ---- the rows of docs/format.md: from here on, offsets are known, and nowhere else

    def record(self, path: bytes) -> "Optional[Record]":
        """What is said of a search directory, by the string that stands on sys.path."""
        if path not in self._records:
            row = self.search(0, self.directories, 0, path)
            if row and row[2] >= self.count:
                raise Damaged(self.path)
            self._records[path] = Record(self, row[2]) if row else None
        return self._records[path]

    def search(self, table: int, rows: int, base: int, wanted: bytes) -> "Sequence[int]":
        """The row of a sorted table that begins with this string; () if there is none."""
        low = 0
        while low < rows:
            middle = (low + rows) // 2
            row = u32s(self.part(table + 16 * middle, 16))
            here = self.part(base + row[0], row[1])
            if here == wanted:
                return row
            if here < wanted:
                low = middle + 1
            else:
                rows = middle
        return ()


# Flags of a search directory, and of a distribution.
SILENT, SORTED = 2, 4
HAS_METADATA, SHADOWED, UNREAD, PROBLEM = 1 << 3, 1 << 4, 1 << 5, 1 << 6
HAS_REQUIREMENTS, UNKNOWN_REQUIREMENTS, UNKNOWN_IMPORTS = 1 << 9, 1 << 10, 1 << 11
UNCERTAIN = UNREAD | PROBLEM | 1 << 7 | 1 << 8


# A row: file name, key, name, version, flags, mtime, ctime, first entry point, number of them,
# first file, number of them, offset and length of requirements and of import names.
FILE_NAME, KEY, NAME, VERSION, FLAGS, MTIME, CTIME, FIRST, COUNT, FILE, FILE_COUNT = range(11)
REQUIREMENTS, IMPORTS = 11, 13

# Files by their kind. The first is a distribution that is a plain file itself.
FILES = ("", "entry_points.txt", "METADATA", "PKG-INFO", "requires.txt")
HEADERS, ENTRY_FILES = (0, 2, 3), (0, 1)


class Record:
    """What an index says of one search directory. Distributions have numbers, in their order."""

    def __init__(self, index: Index, number: int) -> None:
        self.index = index
        row = index.part(16 * index.directories + 56 * number, 56)
        self._at, length, self._pool, self.flags = u32s(row[:16])
        self.count, self._groups, self._entries, self._files = u32s(row[16:32])
        self.mtime, self.ctime = i64s(row[32:48])
        self._groups_at = self._at + (64 + 8) * self.count
        self._entries_at = self._groups_at + 16 * self._groups
        self._references_at = self._entries_at + 16 * self._entries
        self._size = self._at + length - self._pool
        self._files_at = self._references_at + 8 * self._entries
        tables_end = self._files_at + 24 * self._files + 8 * u32s(row[48:52])[0]
        self._rows: "Optional[List[Row]]" = None
        self._by_key: "Dict[bytes, List[int]]" = {}
        self._by_file_name: "Optional[Dict[bytes, int]]" = None
        self._by_distribution: "Optional[List[Tuple[str, str, str]]]" = None
        if min(self._size, index.size - self._at - length, self._pool - tables_end) < 0:
            self._fail()

    def _fail(self) -> "NoReturn":
        raise Damaged(self.index.path)

    def _string(self, offset: int, length: int) -> bytes:
        if offset + length > self._size:
            self._fail()
        return self.index.part(self._pool + offset, length)

    def lines(self, place: "Sequence[int]") -> "List[str]":
        """Requirements or import names."""
        text = self._string(*place)
        return text.decode().split("\n") if text else []

    def rows(self) -> "List[Row]":
        """All distributions."""
        if self._rows is None and self.count:
            table = self.index.part(self._at, 64 * self.count)
            words, times = u32s(table), i64s(table)
            starts = list(words[0::16])
            # Of four strings that follow each other, two lengths to a number.
            lengths = []
            for pairs in words[1::16], words[2::16]:
                lengths += [[pair & 0xFFFF for pair in pairs], [pair >> 16 for pair in pairs]]
            # In no honest table do they add up to more: a small file cannot pose as a large one.
            if sum(map(sum, lengths)) > self._size:
                self._fail()
            low = min(starts)
            text = self._string(low, max(map(sum, zip(starts, *lengths))) - low)
            strings = []
            for column in lengths:
                here = zip(starts, column)
                strings.append([text[at - low : at - low + length] for at, length in here])
                starts = list(map(int.__add__, starts, column))
            names = b"/".join(strings[0])
            if names.count(b"/") != self.count - 1 or b"\0" in names or len(min(strings[0])) < 3:
                self._fail()
            rest = [words[3::16], times[2::8], times[3::8]]
            rest += [words[at::16] for at in (12, 13, 14, 15, 8, 9, 10, 11)]
            by_key: "Dict[bytes, List[int]]" = {}
            for number, key in enumerate(strings[1]):
                by_key.setdefault(key, []).append(number)
            # In this order, for other threads.
            self._by_key = by_key
            self._rows = list(zip(*strings, *rest))
        return self._rows or []

    def find(self, key: bytes) -> "List[int]":
        """The numbers of all distributions of a key."""
        self.rows()
        return self._by_key.get(key, [])

    def number_of(self, file_name: bytes) -> int:
        if self._by_file_name is None:
            names = [row[FILE_NAME] for row in self.rows()]
            self._by_file_name = dict(zip(names, range(len(names))))
        if file_name not in self._by_file_name:
            raise Unsure("a distribution that no index knows")
        return self._by_file_name[file_name]

    def is_odd(self) -> bool:
        """Whether the library finds one of them by another name than it shadows others by."""
        names = [row[FILE_NAME] for row in self.rows()]
        return not b"".join(names).isascii() or not all(
            [name.endswith(ENDINGS) and name[:1] not in (b"-", b".") for name in names]
        )

    def group(self, name: bytes) -> "List[Tuple[str, str, int]]":
        """Name, value and distribution of the entry points of a group, those of twins too."""
        row = self.index.search(self._groups_at, self._groups, self._pool, name)
        if not row:
            return []
        if row[2] + row[3] > self._entries:
            self._fail()
        return self._entry_points(row[2], row[3])

    def entries_of(self, number: int) -> "List[Tuple[str, str, str]]":
        """Group, name and value of the entry points of a distribution."""
        row = self.rows()[number]
        if self._by_distribution is None:
            # Strings are checked against those before them: so all are read at once.
            found = self._entry_points(0, self._entries)
            words = u32s(self.index.part(self._references_at, 8 * self._entries))
            references, owners = list(words[0::2]), list(words[1::2])
            groups = {at: self._group_name(at).decode() for at in set(owners)}
            self._by_distribution = [
                (groups[group], found[at][0], found[at][1])
                for at, group in zip(references, owners)
            ]
        if row[FIRST] + row[COUNT] > self._entries:
            self._fail()
        return self._by_distribution[row[FIRST] : row[FIRST] + row[COUNT]]

    def files(self, number: int) -> "Iterator[Tuple[int, int, int, int]]":
        """Kind, size, mtime and ctime of the files that a distribution was read from."""
        row = self.rows()[number]
        if row[FILE] + row[FILE_COUNT] > self._files:
            self._fail()
        table = self.index.part(self._files_at + 24 * row[FILE], 24 * row[FILE_COUNT])
        for at in range(0, len(table), 24):
            kind, size = u32s(table[at : at + 8])
            mtime, ctime = i64s(table[at + 8 : at + 24])
            yield kind & 0xFFFF, size, mtime, ctime

    def _group_name(self, number: int) -> bytes:
        if number >= self._groups:
            self._fail()
        row = u32s(self.index.part(self._groups_at + 16 * number, 8))
        return self._string(row[0], row[1])

    def _entry_points(self, first: int, count: int) -> "List[Tuple[str, str, int]]":
        """Rows of the entry table: name, value, distribution."""
        if not count:
            return []
        words = u32s(self.index.part(self._entries_at + 16 * first, 16 * count))
        starts, names, values, owners = [list(words[at::4]) for at in range(4)]
        low = end = starts[0]
        text = self._string(low, max(starts[-1] + names[-1] + values[-1] - low, 0))
        found = []
        for start, name, value, owner in zip(starts, names, values, owners):
            # So they are at most as long as the pool, whatever their number.
            if start < end or owner >= self.count:
                self._fail()
            middle, end = start + name - low, start + name + value
            here = text[start - low : middle].decode(), text[middle : end - low].decode()
            found.append(here + (owner,))
        return found


# ---- numbers and checksums


def u32s(data: bytes) -> "Sequence[int]":
    return _numbers(data, "I", 4)


def i64s(data: bytes) -> "Sequence[int]":
    return _numbers(data, "q", 8)


def _numbers(data: bytes, kind: str, size: int) -> "Sequence[int]":
    if sys.byteorder == "little":
        return memoryview(data).cast("B").cast(kind)  # type: ignore[call-overload, no-any-return]
    signed = kind == "q"
    whole = range(0, len(data), size)
    return [int.from_bytes(data[at : at + size], "little", signed=signed) for at in whole]


def agree(blocks: "List[Tuple[bytes, int]]") -> bool:
    """Whether all checksums are right.

    To load binascii, where it is a shared library, takes as long as all else. But a CRC is a
    remainder of polynomials over GF(2), which Python's integers add many bits at a time: blocks are
    added up, each multiplied by another power of x, then the sum is folded by multiples of the
    divisor that have few terms. The first bit is the lowest.
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


# From so many bits to so many, and the powers of x whose sum has the same remainder as x to the
# power of those.
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
