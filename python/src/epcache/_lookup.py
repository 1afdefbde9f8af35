"""Which record answers for an entry of sys.path, and what the records say together.

In come sys.path and the environment, out go entry points in importlib.metadata's order. For each entry of
sys.path the first trusted index that has a true record of it counts; any other entry is read live, alone.
What was found is kept, and taken again as long as the index (one stat) and the search directories (one
stat each) stay as they are. Nothing is ever written.
"""

import os
import sys
from binascii import crc32
from time import monotonic, time_ns

from ._freshness import Times, each_is_unmoved, is_fresh, looks_at_each, may_repeat
from ._index import HAS_METADATA, MISSING, SHADOWED, Damage
from ._model import Distribution, EntryPoint, EntryPoints, entry_point
from ._places import (
    OFF,
    STRICT,
    TRUST,
    OpenIndex,
    Unusable,
    environment,
    identity,
    level,
    places,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple, Union

    from ._index import Record
    from ._live import LiveRecord, Sighting
    from ._places import Identity

    AnyRecord = Union[Record, LiveRecord, "Empty"]
    # mtime, ctime, inode and device of a search directory; None: there is none.
    Stamp = Optional[Tuple[int, int, int, int]]

# A process looks at the metadata directories one by one again after so many seconds.
_PATIENCE = 1.0
# So many different queries are remembered.
_REMEMBERED = 500


class Empty:
    """The record of a search directory without metadata directories."""

    count = 0


EMPTY = Empty()


class Answer:
    """What answers for one entry of sys.path."""

    def __init__(
        self, path: str, record: "AnyRecord", stamp: "Stamp", how: str, settled: bool = True
    ) -> None:
        self.path = path
        self.record = record
        self.stamp = stamp
        # For --explain: in a word.
        self.how = how
        # Whether any further change would give other times.
        self.settled = settled
        self.checked = monotonic()
        # The index that the record is of, or that was looked at more closely.
        self.opened: "Optional[OpenIndex]" = None
        # What the index has wrong: metadata directory and how it differs.
        self.differences: "List[Tuple[str, str]]" = []
        # For --explain: indexes that did not answer, and why.
        self.passed: "List[Tuple[str, str]]" = []
        # What is there, where that was looked at.
        self.listing: "Optional[List[Sighting]]" = None

    def holds(self, wanted: str, now: float) -> bool:
        """Whether it is still right."""
        if wanted == TRUST and self.how == "trust":
            return True
        if not self.settled or wanted == STRICT:
            return False
        if stamp_of(self.path) != self.stamp:
            return False
        if now - self.checked < _PATIENCE or not looks_at_each(wanted, self.record.count):
            return True
        if self.record.count:
            try:
                fd = os.open(self.path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError:
                return False
            try:
                if not each_is_unmoved(self.record, fd):  # type: ignore[arg-type]
                    return False
            finally:
                os.close(fd)
        self.checked = now
        return True


class State:
    """What this process knows. Replaced as a whole when an index is published."""

    def __init__(
        self, wanted: str, placed: "List[Tuple[str, str]]", known: "List[Identity]"
    ) -> None:
        self.level = wanted
        self.placed = placed
        self.known = known
        self.opened: "List[OpenIndex]" = []
        # For --explain: by the index's path.
        self.unusable: "Dict[str, str]" = {}
        self.answers: "Dict[str, Answer]" = {}
        # The last answers, and what they say together.
        self.last: "Tuple[List[Answer], Dict[Optional[str], EntryPoints]]" = ([], {})
        for (_, path), there in zip(placed, known):
            if there is None:
                self.unusable[path] = "missing"
                continue
            try:
                self.opened.append(OpenIndex(path))
            except (Unusable, Damage) as problem:
                self.unusable[path] = str(problem)

    def give_up(self, opened: OpenIndex, damage: Damage) -> None:
        """An index has turned out to be damaged. It will not be asked again."""
        self.unusable[opened.path] = str(damage)
        self.opened = [other for other in self.opened if other is not opened]
        self.answers = {
            path: answer
            for path, answer in self.answers.items()
            if answer.opened is not opened
        }

    def answer(self, path: str) -> Answer:
        while True:
            try:
                return _Question(self, path).answer()
            except Damaged as error:
                self.give_up(error.opened, error.damage)

    def answer_of_index(self, path: str) -> "Optional[Answer]":
        """The answer, if an index has one."""
        answer = self.answers.get(path)
        if answer is not None and answer.opened is not None:
            if answer.holds(self.level, monotonic()):
                return answer
        while True:
            try:
                answer = _Question(self, path).answer_of_index()
                break
            except Damaged as error:
                self.give_up(error.opened, error.damage)
        if answer is not None:
            self.answers[path] = answer
        return answer


class Damaged(Exception):
    def __init__(self, opened: OpenIndex, damage: Damage) -> None:
        self.opened = opened
        self.damage = damage


class _Question:
    """One entry of sys.path, while it is looked at."""

    def __init__(self, state: State, path: str) -> None:
        self.state = state
        self.path = path
        self.fd = -1
        self.stat: "Optional[os.stat_result]" = None
        self.missing = False
        self.began = time_ns()
        self.passed: "List[Tuple[str, str]]" = []

    def answer(self) -> Answer:
        try:
            found = self._of_index()
            if found is None:
                self._open()
                found = self._live()
            found.passed = self.passed
            return found
        finally:
            self._close()

    def answer_of_index(self) -> "Optional[Answer]":
        """Nothing is read where no index has a record."""
        try:
            return self._of_index()
        finally:
            self._close()

    def _close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _of_index(self) -> "Optional[Answer]":
        raw = os.fsencode(self.path)
        stale = None
        for opened in self.state.opened:
            try:
                record = opened.index.find(raw)
                if record is None:
                    continue
                if not opened.may_speak_of(self.path):
                    self.passed.append(
                        (opened.path, "its owner is neither root, nor you, nor the directory's")
                    )
                    continue
                answer = self._examine(opened, record)
            except Damage as damage:
                raise Damaged(opened, damage)
            if answer is None:
                continue
            answer.opened = opened
            if not answer.differences:
                return answer
            self.passed.append((opened.path, "stale"))
            if stale is None:
                stale = answer
        return stale

    def _open(self) -> None:
        """Opens the directory, if it is one."""
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

    def _examine(self, opened: OpenIndex, record: "Record") -> "Optional[Answer]":
        wanted = self.state.level
        if wanted == TRUST:
            return Answer(self.path, record, None, "trust")
        self._open()
        if self.missing:
            if record.flags & MISSING or not record.count:
                return Answer(self.path, EMPTY, None, "missing")
            answer = Answer(self.path, EMPTY, None, "stale")
            answer.differences = [(os.fsdecode(name), "gone") for name in record.looks()[0]]
            return answer
        if self.fd < 0 or self.stat is None:
            self.passed.append((opened.path, "the directory cannot be opened as one"))
            return None
        times = Times(record, opened, self.fd, self.stat)
        if is_fresh(record, wanted, times, opened.index.suspect, self.fd):
            return Answer(self.path, record, stamp(self.stat), "fresh")
        from ._closer import look_closer

        return look_closer(self.path, self.fd, self.stat, self.began, record, times, opened.index.suspect)

    def _live(self) -> Answer:
        if self.missing or self.stat is None:
            return Answer(self.path, EMPTY, None, "missing")
        if self.fd >= 0:
            if "-info" not in "\n".join(os.listdir(self.fd)).lower():
                settled = not may_repeat(self.stat.st_ctime_ns, self.began)
                return Answer(self.path, EMPTY, stamp(self.stat), "live", settled)
            from ._closer import look_anew

            return look_anew(self.path, self.fd, self.stat, self.began)
        from ._archive import look_into

        return look_into(self.path, self.stat, self.began)


def stamp(stat: os.stat_result) -> "Stamp":
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev


def stamp_of(path: str) -> "Stamp":
    try:
        return stamp(os.stat(path or "."))
    except (OSError, ValueError):
        return None


# ---- what the process knows

_state: "Optional[State]" = None


def current_state() -> State:
    """The state; a new one if an index has come, gone or changed."""
    global _state
    environ = environment()
    wanted = level(environ)
    placed = [] if wanted == OFF else places(environ)
    known = [identity(path) for _, path in placed]
    state = _state
    if (
        state is None
        or state.level != wanted
        or state.known != known
        or state.placed != placed
        or not all([opened.index.is_open() for opened in state.opened])
    ):
        state = _state = State(wanted, placed, known)
    return state


def current_answers(state: State, paths: "Iterable[object]") -> "List[Answer]":
    """An answer for each of these search directories, in order."""
    now = monotonic()
    known = state.answers
    found = []
    for path in paths:
        if not isinstance(path, str):
            if not isinstance(path, os.PathLike):
                continue
            path = os.fspath(path)
            if not isinstance(path, str):
                continue
        answer = known.get(path)
        if answer is None or not answer.holds(state.level, now):
            answer = state.answer(path)
            state.answers[path] = answer
            known = state.answers
        found.append(answer)
    return found


# ---- entry points


def entry_points(**params: "Any") -> EntryPoints:
    group = params.get("group")
    if isinstance(group, str):
        del params["group"]
    else:
        group = None
    while True:
        state = current_state()
        finders = _finders()
        # A directory that stands on sys.path a second time has nothing new.
        paths = _unique(sys.path) if finders is not None else ()
        try:
            answers = current_answers(state, paths)
            last, results = state.last
            if answers != last:
                results = {}
                state.last = answers, results
            if finders:
                from ._finders import entry_points_with

                found = entry_points_with(finders, answers, group)
            else:
                known = results.get(group)
                if known is None:
                    known = EntryPoints(_merge(answers, group))
                    if len(results) < _REMEMBERED:
                        results[group] = known
                found = known
            break
        except Damaged as error:
            state.give_up(error.opened, error.damage)
    for answer in answers:
        if answer.differences:
            from ._warning import warn

            warn(answers)
            break
    return found.select(**params) if params else found


def _unique(paths: "Sequence[object]") -> "Iterable[object]":
    try:
        return dict.fromkeys(paths)
    except TypeError:
        return paths


def _finders() -> "Optional[List[Any]]":
    """Finders of others that know distributions, [] nearly always; None where not even a path finder does.

    The index stands for the path finders, at the place of the first of them, which is the None in the
    list: that of the standard library, and that of the backport, which puts itself in its place.
    """
    found: "List[Any]" = []
    others = path_finder = False
    for finder in sys.meta_path:
        if not hasattr(finder, "find_distributions"):
            continue
        if is_path_finder(finder):
            if not path_finder:
                found.append(None)
            path_finder = True
        else:
            found.append(finder)
            others = True
    if others:
        return found
    return [] if path_finder else None


def is_path_finder(finder: object) -> bool:
    """Whether it searches sys.path for metadata directories, as the index does."""
    kind = finder if isinstance(finder, type) else type(finder)
    module = kind.__module__
    return (
        module in ("_frozen_importlib_external", "importlib._bootstrap_external")
        and kind.__name__ == "PathFinder"
        or kind.__name__ == "MetadataPathFinder"
        and module.rpartition(".")[2] in ("importlib_metadata", "metadata", "_compat")
    )


def _merge(answers: "List[Answer]", group: "Optional[str]") -> "List[EntryPoint]":
    merge = Merge([answer for answer in answers if answer.record.count])
    return merge.all() if group is None else merge.group(group)


class Merge:
    """Records put together (docs/format.md, "Several search directories")."""

    def __init__(self, answers: "List[Answer]") -> None:
        self.answers = answers
        self.records: "List[Any]" = [answer.record for answer in answers]

    def group(self, group: str) -> "List[EntryPoint]":
        try:
            name = group.encode()
        except UnicodeEncodeError:
            return []
        runs = []
        for number, record in enumerate(self.records):
            try:
                runs.append(record.group(name))
            except Damage as damage:
                raise self._damaged(number, damage)
        found: "List[EntryPoint]" = []
        for with_metadata in (HAS_METADATA, 0):
            flag = with_metadata >> 3
            for number, run in enumerate(runs):
                last, dist = -1, None
                for name_of, value, distribution, flags, crc in run:
                    if flags & 2 != flag:
                        continue
                    # Entry points of one distribution stand together.
                    if distribution != last:
                        last, dist = distribution, None
                        if not self.is_shadowed(number, distribution, crc, bool(flag)):
                            dist = self._distribution(number, distribution, crc)
                    if dist is not None:
                        found.append(entry_point(name_of, value, group, dist))
        return found

    def all(self) -> "List[EntryPoint]":
        found: "List[EntryPoint]" = []
        for with_metadata in (HAS_METADATA, 0):
            for number in range(len(self.records)):
                try:
                    found += self.of_record(number, with_metadata)
                except Damage as damage:
                    raise self._damaged(number, damage)
        return found

    def of_record(self, number: int, with_metadata: int) -> "List[EntryPoint]":
        record = self.records[number]
        found: "List[EntryPoint]" = []
        done = set()
        declared = 0
        for distribution, (key, flags) in enumerate(record.keys_and_flags()):
            # The chosen twin stands where the first one like it is listed.
            if flags & HAS_METADATA != with_metadata or key in done:
                continue
            if flags & SHADOWED:
                distribution = record.chosen(key)
                if distribution is None:
                    raise Damage("a shadowed distribution has no chosen twin")
                if record.facts(distribution)[4] & HAS_METADATA != with_metadata:
                    continue
            done.add(key)
            facts = record.facts(distribution)
            declared += facts[11]
            if declared > record.entries:
                raise Damage("distributions share entry points")
            if facts[11]:
                crc = crc32(key)
                if self.is_shadowed(number, distribution, crc, bool(with_metadata)):
                    continue
                dist = self._distribution(number, distribution, crc)
                for group, name, value in record.entries_of(facts[10], facts[11]):
                    found.append(entry_point(name, value, group, dist))
        return found

    def is_shadowed(
        self, number: int, distribution: int, crc: int, with_metadata: bool
    ) -> bool:
        """Whether a distribution of another search directory counts in this one's place: an earlier
        one, or, where this one has no core metadata, any one that has."""
        for other, record in enumerate(self.records):
            if other == number or other > number and with_metadata:
                continue
            at = other
            try:
                if not record.chosen_by_crc(crc):
                    continue
                at = number
                key = self.records[number].facts(distribution)[1]
                at = other
                twin = record.chosen(key)
                if twin is None:
                    continue
                if other < number and not with_metadata:
                    return True
                if record.facts(twin)[4] & HAS_METADATA:
                    return True
            except Damage as damage:
                raise self._damaged(at, damage)
        return False

    def _distribution(self, number: int, distribution: int, crc: int) -> Distribution:
        answer = self.answers[number]
        return Distribution(Provider(answer.path, answer.record, distribution, crc))

    def _damaged(self, number: int, damage: Damage) -> Exception:
        opened = self.answers[number].opened
        return damage if opened is None else Damaged(opened, damage)


class Provider:
    """Where a distribution's name and version can be read once somebody wants to know."""

    __slots__ = ("_path", "_record", "_number", "_crc")

    def __init__(self, path: str, record: "Any", number: int, crc: int) -> None:
        self._path = path
        self._record = record
        self._number = number
        self._crc = crc

    def __call__(self) -> "Tuple[str, str, str]":
        """Metadata directory, name, version."""
        try:
            facts = self._record.facts(self._number)
        except Damage:
            # Gone since: a daemon has closed all descriptors, or that part of the file is damaged.
            from ._live import facts_by_crc

            facts = facts_by_crc(self._path, self._crc)
        fsdecode = os.fsdecode
        return (
            os.path.join(self._path, fsdecode(facts[0])),
            fsdecode(facts[2]),
            fsdecode(facts[3]),
        )
