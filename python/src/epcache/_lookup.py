"""What a process knows from its second lookup on, or where its first one met anything but what is recorded.

In: the indexes, and sys.path. For each entry of that the first trusted index that has a true record of it counts; any
other entry is read live, alone (`_question`). What was found is kept, and taken again as long as the indexes and the
search directories (one stat each) stay as they are.
"""

import os
import sys
from time import monotonic, time_ns

from . import HAS_UNREAD, PATH_FINDER, SECOND, SILENT, SORTED
from . import EntryPoint, EntryPoints, environment, looks_at_each, places
from ._index import DIRECTORY, Index, Record, Unusable, identity_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

    from . import AnyRecord, Identity, Place, Stamp
    from ._live import Sighting

    Filled = Sequence[Tuple[str, AnyRecord]]

# So many different queries are remembered.
_REMEMBERED = 500
_TICK = 20000000

_package: "Any" = sys.modules[__package__ or "epcache"]


# ---- one entry of sys.path


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
        self,
        path: str,
        record: "Optional[AnyRecord]",
        stamp: "Stamp",
        how: str,
        settled: bool = True,
    ) -> None:
        self.path = path
        # None: there are no metadata directories.
        self.record = record
        self.stamp = stamp
        # In a word.
        self.how = how
        # Whether any further change would give other times.
        self.settled = settled
        self.checked = monotonic()


def answer_simply(path: str, indexes: "Sequence[Index]") -> "Optional[Answer]":
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


def _as_recorded(path: str, index: Index, record: "Record") -> "Optional[Answer]":
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
                    or record.flags & (SILENT | SORTED | HAS_UNREAD)
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


def are_unmoved(record: "Any", fd: int) -> bool:
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


def stamp_of(stat: os.stat_result) -> "Stamp":
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev


def identity_at(path: str) -> "Identity":
    try:
        return identity_of(os.stat(path))
    except (OSError, ValueError):
        return None


def may_repeat(ctime: int, now: int) -> bool:
    """Whether a change from `now` on could leave this ctime again, in nanoseconds: the kernel stamps
    files by a clock that ticks every few milliseconds, some file systems every second or two."""
    return ctime >= now - (_TICK if ctime % SECOND else 2 * SECOND)


# ---- what the process knows


class State:
    """Replaced as a whole when an index comes, goes or changes."""

    def __init__(self, placed: "List[Place]") -> None:
        self.placed = placed
        self.level = placed[-1][2] if placed else "off"
        self.known: "List[Identity]" = []
        self.indexes: "List[Index]" = []
        # For --explain: by the index's path.
        self.unusable: "Dict[str, str]" = {}
        self.answers: "Dict[str, Answer]" = {}
        # The last answers, and what they say together.
        self.last: "Tuple[List[Answer], Dict[Optional[str], EntryPoints]]" = ([], {})
        for _, path, level in placed:
            identity: "Identity" = None
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
        # What the first lookup has seen need not be looked at again, if nothing comes before that index.
        first = self.indexes[0] if self.indexes else None
        for path, key, stamp, checked in _package._seen or ():
            if first is not None and key == key_of(first) and first.level != "trust":
                try:
                    record = first.find(os.fsencode(path))
                except Unusable:
                    break
                answer = self.answers[path] = Answer(path, record, stamp, "fresh")
                answer.index, answer.checked = first, checked
        _package._seen = []

    def answer(self, path: str) -> "Answer":
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


def key_of(index: Index) -> "Tuple[object, ...]":
    """As the first lookup names an index."""
    return (index.path, index.level) + (index.identity or ())


def current_state() -> State:
    """The state; a new one if an index has come, gone or changed."""
    placed = places(environment())
    state: "Optional[State]" = _package._state
    if state is not None:
        from ._question import is_current

        if is_current(state, placed):
            return state
    state = _package._state = State(placed)
    return state


# ---- entry points


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


def other_finders() -> "Optional[List[Any]]":
    """Finders of others that know distributions, [] nearly always; None where not even a path finder does."""
    found = [finder for finder in sys.meta_path if hasattr(finder, "find_distributions")]
    if found == [PATH_FINDER]:
        return []
    from ._finders import others_of

    return others_of(found)


def look(group: "Optional[str]") -> EntryPoints:
    """The entry points of a group, or of all."""
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
                    known = merge_answers(answers, group)
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
    return found


def merge_answers(answers: "Iterable[Answer]", group: "Optional[str]") -> EntryPoints:
    filled = [
        (answer.path, answer.record) for answer in answers if answer.record and answer.record.count
    ]
    if group is not None:
        return EntryPoints(merge(filled, group))
    from ._merge import merge_all

    return EntryPoints(merge_all(filled))

def merge(filled: "Filled", group: str) -> "List[EntryPoint]":
    """Records put together (docs/format.md, "Several search directories"): with their paths, none empty."""
    try:
        name = group.encode()
    except UnicodeEncodeError:
        return []
    runs = [record.group(name) for _, record in filled]
    found: "List[EntryPoint]" = []
    for with_metadata in (2, 0):
        for number, (path, record) in enumerate(filled):
            last = -1
            source: "Optional[List[Any]]" = None
            for name_of, value, distribution, flags, crc in runs[number]:
                if flags & 2 == with_metadata:
                    # Entry points of one distribution stand together.
                    if distribution != last:
                        last, source = distribution, None
                        if not is_shadowed(filled, number, distribution, crc, with_metadata):
                            source = [path, record, distribution, crc]
                    if source is not None:
                        made = EntryPoint(name_of, value, group)
                        made.__dict__["_source"] = source
                        found.append(made)
    return found


def is_shadowed(
    filled: "Filled", number: int, distribution: int, crc: int, with_metadata: int
) -> bool:
    """Whether a distribution of another search directory counts in this one's place."""
    for other, (_, record) in enumerate(filled):
        if other != number and (other < number or not with_metadata):
            if record.find_key(crc) is not None:
                from ._merge import shadows

                mine = filled[number][1]
                if shadows(record, other < number, mine, distribution, crc, with_metadata):
                    return True
    return False
