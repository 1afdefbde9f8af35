"""One entry of sys.path that is not simply as the first index has it, or that was asked for before.

In come the entry and the indexes, out goes its answer: from an index that turns out to be right about it
after all, or read on the spot. What the package itself decides is decided again here, with what it takes to
go on from there: the rules are those of docs/format.md, "Freshness".
"""

import os
from time import monotonic, time_ns

from . import HAS_UNREAD, MISSING, SECOND, SILENT, SORTED, looks_at_each
from ._details import may_speak_of
from ._index import DIRECTORY, Index, Unusable
from ._lookup import Answer, State, are_unmoved, identity_at, may_repeat, stamp_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Sequence, Tuple

    from . import Place, Stamp
    from ._index import Record

# A process looks at metadata directories one by one again after so many seconds.
_PATIENCE = 1.0
_ST_RDONLY = 1  # os.ST_RDONLY, which PyPy has not


# ---- what the process knows already


def is_current(state: State, placed: "List[Place]") -> bool:
    """Whether no index has come, gone or changed."""
    return (
        state.placed == placed
        and state.known == [identity_at(path) for _, path, _ in placed]
        and all([index.is_open() for index in state.indexes])
    )


def holds(answer: Answer, level: str) -> bool:
    """Whether an answer is still right; `level` is that of indexes that have no other."""
    if answer.index is not None:
        level = answer.index.level
    if answer.how == "trust":
        return True
    now = monotonic()
    if not answer.settled or level == "strict" or _stamp_at(answer.path) != answer.stamp:
        return False
    record = answer.record
    if record is None or not record.count or now - answer.checked < _PATIENCE:
        return True
    if looks_at_each(level, record.count):
        from ._freshness import holds_still

        if not holds_still(answer):
            return False
    answer.checked = now
    return True


def _stamp_at(path: str) -> "Stamp":
    try:
        return stamp_of(os.stat(path or "."))
    except (OSError, ValueError):
        return None


def give_up(state: State, error: Unusable) -> None:
    """A damaged index will not be asked again."""
    damaged, why = error.args
    state.unusable[damaged.path] = why
    state.indexes = [index for index in state.indexes if index is not damaged]
    # Other threads may be adding to them.
    for path, answer in list(state.answers.items()):
        if answer.index is damaged:
            state.answers.pop(path, None)


def ask(state: State, path: str) -> Answer:
    while True:
        try:
            return Question(path, state.indexes).answer()
        except Unusable as error:
            give_up(state, error)


# ---- one entry of sys.path


class Question:
    """One entry of sys.path, while it is looked at."""

    fd = -1
    stat: "Optional[os.stat_result]" = None
    missing = False

    def __init__(self, path: str, indexes: "Sequence[Index]") -> None:
        self.path = path
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
                found = Answer(self.path, None, self.stamp(), "unreadable", False)
        found.passed = self.passed
        return found

    def _live(self) -> Answer:
        if self.missing:
            return Answer(self.path, None, None, "missing")
        from ._live import look_anew

        return look_anew(self)

    def of_index(self) -> "Optional[Answer]":
        """Nothing is read where no index has a record. Raises `Unusable`."""
        stale = None
        try:
            raw = os.fsencode(self.path)
        except ValueError:
            return None  # not a path
        for index in self.indexes:
            record = index.find(raw)
            if record is None:
                continue
            if not may_speak_of(index, self.path):
                why = "its owner is neither root, nor you, nor the directory's"
                self.passed.append((index.path, why))
                continue
            try:
                answer = self._examine(index, record)
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
            self.fd = os.open(self.path or ".", DIRECTORY)
            self.stat = os.fstat(self.fd)
        except FileNotFoundError:
            self.missing = True
        except (OSError, ValueError):
            try:
                self.stat = os.stat(self.path)
            except (OSError, ValueError):
                self.missing = True

    def _examine(self, index: Index, record: "Record") -> "Optional[Answer]":
        """What a record is worth."""
        level = index.level
        if level == "trust":
            return Answer(self.path, record, None, "trust")
        self._open()
        stat = self.stat
        if stat is None or self.fd < 0:
            if self.missing and (record.flags & MISSING or not record.count):
                return Answer(self.path, None, None, "missing")
            from ._freshness import no_directory

            return no_directory(self, index, record)
        # No kernel that counts in nanoseconds stamps whole seconds: an archive does. And ostree's files
        # all have mtime 0, and ctimes of when they were put there.
        silent, whole = record.flags & SILENT, stat.st_ctime_ns % SECOND == 0
        is_sorted = record.flags & SORTED
        timeless = stat.st_mtime_ns < 2 * SECOND
        device = read_only_device(self.fd) if silent or whole or timeless or is_sorted else None
        same_device = device is not None and device == read_only_device(index.fd)
        same_image = same_device and bool(silent or whole or timeless)
        # A sorted record has no ctimes, so anybody can set the times that it has.
        count = same_device or not is_sorted
        # Whether equal times mean that nothing changed. (Live times are always known.)
        speak = count and (same_image or not (silent or whole and device is not None))
        if (
            stat.st_mtime_ns == record.mtime
            and stat.st_ctime_ns == record.ctime
            and speak
            and not index.suspect
            and not record.flags & HAS_UNREAD
            and (not looks_at_each(level, record.count) or are_unmoved(record, self.fd))
        ):
            return Answer(self.path, record, self.stamp(), "fresh")
        from ._freshness import look_closer

        return look_closer(self, index, record, count, speak, same_image)

    def stamp(self) -> "Stamp":
        stat = self.stat
        return None if stat is None else stamp_of(stat)

    def is_settled(self) -> bool:
        return self.stat is None or not may_repeat(self.stat.st_ctime_ns, self.began)


def read_only_device(fd: int) -> "Optional[int]":
    """The device that an open file lies on, if its file system is mounted read-only."""
    return os.fstat(fd).st_dev if os.fstatvfs(fd).f_flag & _ST_RDONLY else None
