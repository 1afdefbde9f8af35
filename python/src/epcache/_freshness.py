"""Is a record still true? (docs/format.md, "Freshness")

The first look: times alone, at the search directory and at each of its metadata directories. Nearly
always that is all. What looks as if it had moved is for `_closer` to look at.
"""

import os

from ._index import SILENT, UNREAD_ONES
from ._places import AUTO, STRICT, read_only_device

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional, Tuple

    from ._index import Record
    from ._places import OpenIndex

# Up to how many metadata directories `auto` looks at each.
AUTO_LIMIT = 1000

SECOND = 1000000000
TICK = 20000000


class Times:
    """What the directory's times are worth now, against a record."""

    def __init__(
        self, record: "Record", index: "OpenIndex", fd: int, stat: os.stat_result
    ) -> None:
        mtime, ctime = stat.st_mtime_ns, stat.st_ctime_ns
        silent = bool(record.flags & SILENT)
        whole = ctime % SECOND == 0
        # No kernel that counts in nanoseconds stamps whole seconds: an archive does.
        device = read_only_device(fd, stat) if silent or whole else None
        # (Live times are always known, so that equal is known and equal.)
        self.mtime = mtime
        self.ctime_moved = ctime != record.ctime
        self.unmoved = mtime == record.mtime and not self.ctime_moved
        self.same_image = device is not None and device == index.read_only_device
        # Whether equal times mean that nothing changed.
        self.speak = self.same_image or not (silent or whole and device is not None)


def is_fresh(record: "Record", level: str, times: Times, suspect: bool, fd: int) -> bool:
    """Whether times alone say that the record of the directory open at `fd` is true."""
    return (
        times.unmoved
        and times.speak
        and not suspect
        and not record.flags & UNREAD_ONES
        and (not looks_at_each(level, record.count) or each_is_unmoved(record, fd))
    )


def looks_at_each(level: str, count: int) -> bool:
    return level == STRICT or level == AUTO and count <= AUTO_LIMIT


def each_is_unmoved(record: "Record", fd: int) -> bool:
    stat = os.stat
    for name, mtime, ctime in zip(*record.looks()):
        try:
            now = stat(name, dir_fd=fd)
        except OSError:
            return False
        if now.st_mtime_ns != mtime or now.st_ctime_ns != ctime:
            return False
    return True


def may_repeat(ctime: int, now: int) -> bool:
    """Whether a change from `now` on could leave this ctime again, in nanoseconds.

    The kernel stamps files by a clock that ticks every few milliseconds, some file systems by one that
    ticks every second or two.
    """
    if ctime % SECOND == 0:
        return ctime >= now - 2 * SECOND
    return ctime >= now - TICK
