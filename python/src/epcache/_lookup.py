"""Which record answers for an entry of sys.path, and what a process remembers of that.

In come sys.path and the environment, out go entry points in importlib.metadata's order. For each entry of
sys.path the first trusted index that has a true record of it counts; any other entry is read live, alone.
What was found is kept, and taken again as long as the indexes (one stat each) and the search directories
(one stat each) stay as they are. Nothing is ever written.

All that happens in a process that finds everything as recorded is here, in `_index`, and in the package
itself: every further module costs such a process more than the lookup. What else there is to do is done in
modules of its own: `_freshness` looks closer, `_live` reads, `_merge` puts together all groups at once.
"""

import os
import sys
from time import monotonic, time_ns

from . import Distribution, EntryPoints, make_entry_point
from ._index import HAS_UNREAD, MISSING, SILENT, Damage, Index, Unusable, identity_of, read_only_device

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

    from . import EntryPoint
    from ._finders import ForeignRecord
    from ._index import Identity, Record
    from ._live import LiveRecord, Sighting

    AnyRecord = Union[Record, LiveRecord, ForeignRecord, "Empty"]
    # mtime, ctime, inode and device of a search directory; None: there is none.
    Stamp = Optional[Tuple[int, int, int, int]]

LEVELS = ("off", "auto", "fast", "strict", "trust")
SYSTEM_INDEXES = ("/usr/lib/epcache/index", "/var/cache/epcache/index")
# Up to how many metadata directories `auto` looks at each.
AUTO_LIMIT = 1000
# A process looks at them one by one again after so many seconds.
_PATIENCE = 1.0
# So many different queries are remembered.
_REMEMBERED = 500
SECOND = 1000000000
_TICK = 20000000


# ---- what the environment asks for

_secure: "Optional[bool]" = None
_NOTHING: "Mapping[str, str]" = {}


def environment() -> "Mapping[str, str]":
    """os.environ; empty in a process with rights that its caller has not, and with -E or -I."""
    global _secure
    if _secure is None:
        _secure = _is_secure()
    if (
        _secure
        or sys.flags.ignore_environment
        or os.geteuid() != os.getuid()
        or os.getegid() != os.getgid()
    ):
        return _NOTHING
    return os.environ


def _is_secure() -> bool:
    """AT_SECURE of getauxval(3): rights gained through file capabilities, too."""
    try:
        fd = os.open("/proc/self/auxv", os.O_RDONLY | os.O_CLOEXEC)
        vector = os.read(fd, 4096)
        os.close(fd)
    except PermissionError:
        return True  # who has gained rights by capabilities may not even read it
    except OSError:
        return False
    word = 8 if sys.maxsize > 1 << 32 else 4
    key, no = (23).to_bytes(word, sys.byteorder), bytes(word)
    for at in range(0, len(vector), 2 * word):
        if vector[at : at + word] == key:
            return vector[at + word : at + 2 * word] != no
    return False


def places(environ: "Mapping[str, str]") -> "List[Tuple[str, str]]":
    """Why and where indexes may lie, in the order in which they are asked."""
    found = []
    for path in environ.get("EPCACHE_INDEX", "").split(":"):
        if path:
            found.append(("environment", path))
    if sys.prefix != sys.base_prefix:
        found.append(("venv", sys.prefix + "/.epcache/index"))
    user = user_index(environ)
    if user:
        found.append(("user", user))
    for path in SYSTEM_INDEXES:
        found.append(("system", path))
    return found


def user_index(environ: "Mapping[str, str]") -> "Optional[str]":
    cache = environ.get("XDG_CACHE_HOME", "")
    if cache[:1] != "/":
        home = environ.get("HOME")
        if not home:
            return None
        cache = home + "/.cache"
    return cache + "/epcache/index"


# ---- one entry of sys.path


class Empty:
    """The record of a search directory without metadata directories."""

    count = 0


EMPTY = Empty()


class Answer:
    """What answers for one entry of sys.path."""

    # The index that the record is of, or that was looked at more closely.
    index: "Optional[Index]" = None
    # What the index has wrong: metadata directory, and how it differs.
    differences: "Sequence[Tuple[str, str]]" = ()
    # For --explain: indexes that did not answer, and why.
    passed: "Sequence[Tuple[str, str]]" = ()
    # What is there, where that was looked at.
    listing: "Sequence[Sighting]" = ()

    def __init__(
        self, path: str, record: "AnyRecord", stamp: "Stamp", how: str, settled: bool = True
    ) -> None:
        self.path = path
        self.record = record
        self.stamp = stamp
        # In a word.
        self.how = how
        # Whether any further change would give other times.
        self.settled = settled
        self.checked = monotonic()

    def holds(self, level: str, now: float) -> bool:
        """Whether it is still right."""
        if level == "trust" and self.how == "trust":
            return True
        if not self.settled or level == "strict" or stamp_of(self.path) != self.stamp:
            return False
        if now - self.checked < _PATIENCE or not self.record.count:
            return True
        if looks_at_each(level, self.record.count):
            from ._freshness import holds_still

            if not holds_still(self):
                return False
        self.checked = now
        return True


class Damaged(Exception):
    """An index has turned out to be damaged."""

    def __init__(self, index: Index, damage: Damage) -> None:
        self.index = index
        self.damage = damage


class Question:
    """One entry of sys.path, while it is looked at."""

    fd = -1
    stat: "Optional[os.stat_result]" = None
    missing = False

    def __init__(self, path: str, level: str, indexes: "Sequence[Index]") -> None:
        self.path = path
        self.level = level
        self.indexes = indexes
        self.began = time_ns()
        self.passed: "List[Tuple[str, str]]" = []

    def __del__(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)

    def answer(self) -> Answer:
        found = self.of_index()
        if found is None:
            self._open()
            try:
                found = self._live()
            except OSError:
                found = Answer(self.path, EMPTY, self.stamp(), "unreadable", False)
        found.passed = self.passed
        return found

    def _live(self) -> Answer:
        if self.missing:
            return Answer(self.path, EMPTY, None, "missing")
        if self.fd >= 0 and "-info" not in "\n".join(os.listdir(self.fd)).lower():
            return Answer(self.path, EMPTY, self.stamp(), "live", self.is_settled())
        from ._live import look_anew

        return look_anew(self)

    def of_index(self) -> "Optional[Answer]":
        """Nothing is read where no index has a record."""
        stale = None
        try:
            raw = os.fsencode(self.path)
        except ValueError:
            return None  # not a path
        for index in self.indexes:
            try:
                record = index.find(raw)
                if record is None:
                    continue
                if not index.may_speak_of(self.path):
                    why = "its owner is neither root, nor you, nor the directory's"
                    self.passed.append((index.path, why))
                    continue
                answer = self._examine(index, record)
            except Damage as damage:
                raise Damaged(index, damage)
            except OSError as error:
                self.passed.append((index.path, str(error)))
                continue
            if answer is None:
                continue
            answer.index = index
            if not answer.differences:
                return answer
            self.passed.append((index.path, "stale"))
            stale = stale or answer
        return stale

    def _open(self) -> None:
        if self.stat is not None or self.missing:
            return
        try:
            self.fd = os.open(self.path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self.stat = os.fstat(self.fd)
        except FileNotFoundError:
            self.missing = True
        except (OSError, ValueError):
            try:
                self.stat = os.stat(self.path)
            except (OSError, ValueError):
                self.missing = True

    def _examine(self, index: Index, record: "Record") -> "Optional[Answer]":
        """What a record is worth: docs/format.md, "Freshness"."""
        level = self.level
        if level == "trust":
            return Answer(self.path, record, None, "trust")
        self._open()
        stat = self.stat
        if stat is None or self.fd < 0:
            if self.missing and (record.flags & MISSING or not record.count):
                return Answer(self.path, EMPTY, None, "missing")
            from ._freshness import no_directory

            return no_directory(self, index, record)
        ctime = stat.st_ctime_ns
        # No kernel that counts in nanoseconds stamps whole seconds: an archive does.
        silent, whole = record.flags & SILENT, ctime % SECOND == 0
        device = read_only_device(self.fd, stat) if silent or whole else None
        same_image = device is not None and device == index.read_only_device
        # Whether equal times mean that nothing changed. (Live times are always known.)
        speak = same_image or not (silent or whole and device is not None)
        if (
            stat.st_mtime_ns == record.mtime
            and ctime == record.ctime
            and speak
            and not index.suspect
            and not record.flags & HAS_UNREAD
            and (not looks_at_each(level, record.count) or are_unmoved(record, self.fd))
        ):
            return Answer(self.path, record, self.stamp(), "fresh")
        from ._freshness import look_closer

        return look_closer(self, index, record, speak, same_image)

    def stamp(self) -> "Stamp":
        stat = self.stat
        return None if stat is None else _stamp(stat)

    def is_settled(self) -> bool:
        return self.stat is None or not may_repeat(self.stat.st_ctime_ns, self.began)


def looks_at_each(level: str, count: int) -> bool:
    return level == "strict" or level == "auto" and count <= AUTO_LIMIT


def are_unmoved(record: "Any", fd: int) -> bool:
    """Whether each metadata directory has the times that it had."""
    stat = os.stat
    for name, mtime, ctime in zip(*record.looks()):
        try:
            now = stat(name, dir_fd=fd)
        except OSError:
            return False
        if now.st_mtime_ns != mtime or now.st_ctime_ns != ctime:
            return False
    return True


def _stamp(stat: os.stat_result) -> "Stamp":
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev


def stamp_of(path: str) -> "Stamp":
    try:
        return _stamp(os.stat(path or "."))
    except (OSError, ValueError):
        return None


def may_repeat(ctime: int, now: int) -> bool:
    """Whether a change from `now` on could leave this ctime again, in nanoseconds: the kernel stamps
    files by a clock that ticks every few milliseconds, some file systems every second or two."""
    return ctime >= now - (_TICK if ctime % SECOND else 2 * SECOND)


# ---- what the process knows


class State:
    """Replaced as a whole when an index comes, goes or changes."""

    def __init__(
        self, level: str, placed: "List[Tuple[str, str]]", known: "List[Identity]"
    ) -> None:
        self.level = level
        self.placed = placed
        self.known = known
        self.indexes: "List[Index]" = []
        # For --explain: by the index's path.
        self.unusable: "Dict[str, str]" = {}
        self.answers: "Dict[str, Answer]" = {}
        # The last answers, and what they say together.
        self.last: "Tuple[List[Answer], Dict[Optional[str], EntryPoints]]" = ([], {})
        for (_, path), there in zip(placed, known):
            if there is None:
                self.unusable[path] = "missing"
            else:
                try:
                    self.indexes.append(Index(path))
                except Unusable as problem:
                    self.unusable[path] = str(problem)

    def give_up(self, error: Damaged) -> None:
        """A damaged index will not be asked again."""
        self.unusable[error.index.path] = str(error.damage)
        self.indexes = [index for index in self.indexes if index is not error.index]
        self.answers = {
            path: answer
            for path, answer in self.answers.items()
            if answer.index is not error.index
        }

    def answer(self, path: str) -> Answer:
        answer = self.answers.get(path)
        if answer is None or not answer.holds(self.level, monotonic()):
            while True:
                try:
                    answer = Question(path, self.level, self.indexes).answer()
                    break
                except Damaged as error:
                    self.give_up(error)
            self.answers[path] = answer
        return answer


_state: "Optional[State]" = None


def current_state() -> State:
    """The state; a new one if an index has come, gone or changed."""
    global _state
    environ = environment()
    level = environ.get("EPCACHE", "auto").lower()
    if level not in LEVELS:
        level = "auto"
    placed = places(environ) if level != "off" else []
    known: "List[Identity]" = []
    for _, path in placed:
        try:
            known.append(identity_of(os.stat(path)))
        except (OSError, ValueError):
            known.append(None)
    state = _state
    if (
        state is None
        or state.known != known
        or state.level != level
        or state.placed != placed
        or not all([index.is_open() for index in state.indexes])
    ):
        state = _state = State(level, placed, known)
    return state


def search_path() -> "List[str]":
    """sys.path as importlib.metadata takes it. A directory that stands there again has nothing new."""
    found: "Dict[str, None]" = {}
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


def entry_points(params: "Dict[str, Any]") -> EntryPoints:
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
        except Damaged as error:
            state.give_up(error)
    for answer in answers:
        if answer.differences:
            from ._warning import warn

            warn(answers)
            break
    return found.select(**params) if params else found


def other_finders() -> "Optional[List[Any]]":
    """Finders of others that know distributions, [] nearly always; None where not even a path finder does.

    The index stands for the path finders, at the place of the first of them, which is the None in the
    list: that of the standard library, and that of the backport, which puts itself in its place.
    """
    found: "List[Any]" = []
    others = path_finder = False
    for finder in sys.meta_path:
        if hasattr(finder, "find_distributions"):
            if not is_path_finder(finder):
                found.append(finder)
                others = True
            elif not path_finder:
                found.append(None)
                path_finder = True
    return found if others else [] if path_finder else None


def is_path_finder(finder: object) -> bool:
    """Whether it searches sys.path for metadata directories, as the index does."""
    kind = finder if isinstance(finder, type) else type(finder)
    if kind.__name__ == "PathFinder":
        return kind.__module__ in ("_frozen_importlib_external", "importlib._bootstrap_external")
    if kind.__name__ == "MetadataPathFinder":
        return kind.__module__.rpartition(".")[2] in ("importlib_metadata", "metadata")
    return False


def merge(answers: "Iterable[Answer]", group: "Optional[str]") -> "List[EntryPoint]":
    """Records put together (docs/format.md, "Several search directories")."""
    filled = [answer for answer in answers if answer.record.count]
    if group is None:
        from ._merge import merge_all

        return merge_all(filled)
    try:
        name = group.encode()
    except UnicodeEncodeError:
        return []
    runs = []
    for answer in filled:
        try:
            runs.append(answer.record.group(name))  # type: ignore[union-attr]
        except Damage as damage:
            raise damaged(answer, damage)
    found: "List[EntryPoint]" = []
    for with_metadata in (2, 0):
        for number, answer in enumerate(filled):
            last, dist = -1, None
            for name_of, value, distribution, flags, crc in runs[number]:
                if flags & 2 == with_metadata:
                    # Entry points of one distribution stand together.
                    if distribution != last:
                        last, dist = distribution, None
                        if not is_shadowed(filled, number, distribution, crc, with_metadata):
                            dist = distribution_of(answer, distribution, crc)
                    if dist is not None:
                        found.append(make_entry_point(name_of, value, group, dist))
    return found


def is_shadowed(
    answers: "Sequence[Answer]", number: int, distribution: int, crc: int, with_metadata: int
) -> bool:
    """Whether a distribution of another search directory counts in this one's place."""
    for other, answer in enumerate(answers):
        if other == number or other > number and with_metadata:
            continue
        try:
            may_be = answer.record.find_key(crc) is not None  # type: ignore[union-attr]
        except Damage as damage:
            raise damaged(answer, damage)
        if may_be:
            from ._merge import shadows

            if shadows(answer, other < number, answers[number], distribution, crc, with_metadata):
                return True
    return False


def damaged(answer: Answer, damage: Damage) -> Exception:
    return damage if answer.index is None else Damaged(answer.index, damage)


def distribution_of(answer: Answer, number: int, crc: int) -> "Any":
    """Its name and version are read once somebody wants to know them."""
    made = getattr(answer.record, "distribution", None)
    if made is not None:
        return made(number)
    return Distribution(answer.path, answer.record, number, crc)
