"""A closer look at a search directory whose times say that something may have moved, or that no index
knows: which metadata directories are there, which are as recorded, and what became of the others.

In comes the open directory and a record of it, if there is one; out goes an answer. What is as recorded is
taken from the record, the rest is read (`_live`). Names and times follow docs/format.md, "Freshness".
"""

import os
from stat import S_ISREG

from . import _live
from ._freshness import SECOND, Times, may_repeat
from ._index import HAS_ENTRY_POINTS, SHADOWED, SORTED, UNREAD
from ._live import LiveRecord, Recorded, Sighting
from ._lookup import Answer, stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional

    from ._index import Facts, Record
    from ._live import Read
    from ._lookup import AnyRecord


def look_closer(
    path: str,
    fd: int,
    stat: os.stat_result,
    began: int,
    record: "Record",
    times: Times,
    suspect: bool,
) -> Answer:
    listing = _live.listing(path, fd)
    recorded = record.table()
    same = _match(listing, recorded, record, times, suspect, fd)
    settled = _is_settled(stat, listing, began)
    if all([number is not None for number in same]) and len(listing) == len(recorded):
        in_order = [sighting.raw for sighting in listing] == [facts[0] for facts in recorded]
        if in_order or record.flags & SORTED:
            how = "fresh" if times.unmoved else "moved"
            return _answer(path, stat, record, listing, how, settled)
    found: "List[Read]" = []
    differences = []
    numbers = {facts[0]: number for number, facts in enumerate(recorded)}
    for sighting, number in zip(listing, same):
        if number is not None:
            found.append(Recorded(record, recorded[number], sighting))
            continue
        now = _live.read(fd, sighting)
        found.append(now)
        then = numbers.get(sighting.raw)
        if then is None:
            differences.append((sighting.name, "new"))
        elif not recorded[then][4] & UNREAD and _differs(recorded[then], now):
            differences.append((sighting.name, "changed"))
    here = {sighting.raw for sighting in listing}
    differences += [
        (os.fsdecode(facts[0]), "gone") for facts in recorded if facts[0] not in here
    ]
    how = "stale" if differences else "moved"
    answer = _answer(path, stat, LiveRecord(path, found), listing, how, settled)
    answer.differences = differences
    return answer


def look_anew(path: str, fd: int, stat: os.stat_result, began: int) -> Answer:
    """The answer for a directory that no index knows."""
    listing = _live.listing(path, fd)
    found: "List[Read]" = [_live.read(fd, sighting) for sighting in listing]
    settled = _is_settled(stat, listing, began)
    return _answer(path, stat, LiveRecord(path, found), listing, "live", settled)


def _answer(
    path: str,
    stat: os.stat_result,
    record: "AnyRecord",
    listing: "List[Sighting]",
    how: str,
    settled: bool,
) -> Answer:
    answer = Answer(path, record, stamp(stat), how, settled)
    answer.listing = listing
    return answer


def _is_settled(stat: os.stat_result, listing: "List[Sighting]", began: int) -> bool:
    return not may_repeat(stat.st_ctime_ns, began) and not any(
        [
            sighting.stat is not None and may_repeat(sighting.stat.st_ctime_ns, began)
            for sighting in listing
        ]
    )


def _match(
    listing: "List[Sighting]",
    recorded: "List[Facts]",
    record: "Record",
    times: Times,
    suspect: bool,
    fd: int,
) -> "List[Optional[int]]":
    """Of each metadata directory, the number in the record of which it is still what is recorded."""
    numbers: "Dict[bytes, int]" = {facts[0]: number for number, facts in enumerate(recorded)}
    known = [numbers.get(sighting.raw) for sighting in listing]
    pairs = [
        (sighting, recorded[number])
        for sighting, number in zip(listing, known)
        if number is not None
    ]
    same_names = len(pairs) == len(recorded) == len(listing)
    mtimes = [sighting.mtime for sighting in listing]
    same_image = times.same_image and not suspect
    copied = (
        same_names
        and times.ctime_moved
        and not suspect
        and (same_image or not _say_nothing(mtimes))
        and all([_is_copy(sighting, facts, fd) for sighting, facts in pairs])
    )
    of_one_time = bool(mtimes) and all([mtime == times.mtime for mtime in mtimes])
    same: "List[Optional[int]]" = []
    for sighting, number in zip(listing, known):
        if number is not None:
            facts = recorded[number]
            unmoved = (
                times.speak and sighting.mtime == facts[6] and sighting.ctime == facts[7]
            )
            timeless = of_one_time or _is_early(sighting.mtime)
            if facts[4] & UNREAD or not (unmoved or copied or same_image and timeless):
                number = None
        same.append(number)
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
    if now is None or then == _live.UNKNOWN:
        return False
    if now // SECOND != then // SECOND:
        return False
    return now == then or now % SECOND == 0 or then % SECOND == 0


def _differs(then: "Facts", now: "Read") -> bool:
    """Whether what was read says something else than the record does; times do not count."""
    facts = now.facts()
    return (
        then[1:4] != facts[1:4]
        or then[4] & ~SHADOWED != facts[4] & ~SHADOWED
        or bool(then[4] & HAS_ENTRY_POINTS)
        and (then[5], then[9]) != (facts[5], facts[9])
    )
