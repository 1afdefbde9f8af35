"""A closer look at a search directory whose times say that something may have moved:
which metadata directories are there, which are as recorded, and what became of the others.

In comes the open directory and a record of it, out goes an answer. What is as recorded is
taken from the record, the rest is read (`_live`). Names and times follow docs/format.md, "Freshness".
"""

import os
from stat import S_ISREG

from . import SECOND, SORTED, _live
from ._details import HAS_ENTRY_POINTS, READ, UNKNOWN, UNREAD
from ._index import DIRECTORY, Index, Record
from ._live import Found, LiveRecord, Recorded, Sighting, answer_now
from ._lookup import Answer, are_unmoved
from ._question import Question

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Optional, Tuple

    from ._details import Facts
    from ._live import Read


def look_closer(
    question: Question, index: Index, record: Record, count: bool, speak: bool, same_image: bool
) -> Answer:
    """The answer for a directory whose record is not fresh for its times alone."""
    listing = _live.listing(question.path, question.fd)
    recorded = record.table()
    by_name = {facts[0]: facts for facts in recorded}
    known = [by_name.get(sighting.raw) for sighting in listing]
    same = _match(question, index, record, listing, known, count, speak, same_image)
    if all(same) and len(listing) == len(recorded):
        in_order = [sighting.raw for sighting in listing] == [facts[0] for facts in recorded]
        if in_order or record.flags & SORTED:
            return answer_now(question, record, listing, "moved")
    news = {
        sighting.raw: Found(sighting)
        for sighting, then, is_same in zip(listing, known, same)
        if then is None or not is_same
    }
    _live.read_all(list(news.values()))
    found: "List[Read]" = []
    differences = []
    for sighting, then in zip(listing, known):
        now = news.get(sighting.raw)
        if now is None:
            found.append(Recorded(record, then, sighting))  # type: ignore[arg-type]
            continue
        found.append(now)
        if then is None:
            differences.append((sighting.name, "new"))
        elif not then[4] & UNREAD and _differs(record, then, now):
            differences.append((sighting.name, "changed"))
    here = {sighting.raw for sighting in listing}
    for facts in recorded:
        if facts[0] not in here:
            differences.append((os.fsdecode(facts[0]), "gone"))
    live = LiveRecord(question.path, found)
    answer = answer_now(question, live, listing, "stale" if differences else "moved")
    answer.differences = differences
    return answer


def no_directory(question: Question, index: Index, record: Record) -> "Optional[Answer]":
    """Where a directory was recorded, there is none, or it cannot be opened."""
    if not question.missing:
        question.passed.append((index.path, "the directory cannot be opened as one"))
        return None
    answer = Answer(question.path, None, None, "stale")
    answer.differences = [(os.fsdecode(name), "gone") for name in record.looks()[0]]
    return answer


def holds_still(answer: Answer) -> bool:
    """Whether the metadata directories are still as they were when the answer was found."""
    try:
        fd = os.open(answer.path or ".", DIRECTORY)
    except OSError:
        return answer.how == "archive"
    try:
        if answer.listing:
            looks: "Any" = _Looks(answer.listing)
        else:
            looks = answer.record
        return are_unmoved(looks, fd)
    finally:
        os.close(fd)


class _Looks:
    """Times as they were seen, in place of those recorded."""

    def __init__(self, listing: "Any") -> None:
        self._listing = listing

    def looks(self) -> "Tuple[List[bytes], List[Optional[int]], List[Optional[int]]]":
        return (
            [sighting.raw for sighting in self._listing],
            [sighting.mtime for sighting in self._listing],
            [sighting.ctime for sighting in self._listing],
        )


def _match(
    question: Question,
    index: Index,
    record: Record,
    listing: "List[Sighting]",
    known: "List[Optional[Facts]]",
    count: bool,
    speak: bool,
    same_image: bool,
) -> "List[bool]":
    """Of each metadata directory, whether it is as recorded."""
    stat = question.stat
    assert stat is not None
    pairs = [(sighting, facts) for sighting, facts in zip(listing, known) if facts is not None]
    same_names = len(pairs) == record.count == len(listing)
    mtimes = [sighting.mtime for sighting in listing]
    same_image = same_image and not index.suspect
    copied = (
        same_names
        and count
        and stat.st_ctime_ns != record.ctime
        and not index.suspect
        and (same_image or not _say_nothing(mtimes))
        and all([_is_copy(sighting, facts, question.fd) for sighting, facts in pairs])
    )
    of_one_time = bool(mtimes) and all([mtime == stat.st_mtime_ns for mtime in mtimes])
    same = []
    for sighting, facts in zip(listing, known):
        if facts is None or facts[4] & UNREAD:
            same.append(False)  # new; or whoever may read it reads it
            continue
        unmoved = speak and sighting.mtime == facts[6] and sighting.ctime == facts[7]
        timeless = of_one_time or _is_early(sighting.mtime)
        same.append(unmoved or copied or same_image and timeless)
    return same


def _say_nothing(mtimes: "List[Optional[int]]") -> bool:
    """Whether the mtimes do not tell a copy from an upgrade."""
    return len(set(mtimes)) <= 1 or any([_is_early(mtime) for mtime in mtimes])


def _is_early(mtime: "Optional[int]") -> bool:
    return mtime is not None and mtime < 2 * SECOND


def _is_copy(sighting: Sighting, then: "Facts", fd: int) -> bool:
    """An archive that was unpacked, a copy, a relabelled tree: other ctimes, the same mtimes."""
    if sighting.ctime == then[7] or not _same_second(sighting.mtime, then[6]):
        return False
    if then[4] & UNREAD:
        return True  # nothing is known of it, and it is read anyway
    try:
        now = os.stat(sighting.raw + b"/entry_points.txt", dir_fd=fd)
    except (OSError, ValueError):
        return not then[4] & HAS_ENTRY_POINTS
    if not then[4] & HAS_ENTRY_POINTS:
        return not S_ISREG(now.st_mode)
    return now.st_size == then[5] and _same_second(now.st_mtime_ns, then[8])


def _same_second(now: "Optional[int]", then: int) -> bool:
    if now is None or then == UNKNOWN:
        return False
    if now // SECOND != then // SECOND:
        return False
    return now == then or now % SECOND == 0 or then % SECOND == 0


def _differs(record: Record, then: "Facts", now: "Read") -> bool:
    """Whether what was read says something else than the record does; times do not count."""
    facts = now.facts()
    return (
        then[1:4] != facts[1:4]
        or bool((then[4] ^ facts[4]) & READ)
        or record.entries_of(then[10], then[11]) != now.entries
    )
