"""Where indexes lie, which of them are believed, and what the environment asks for.

A process with rights that its caller has not, and an interpreter with -E or -I, asks no environment. An
index that others could have written is not believed, and one that is damaged is not used: both are as
absent, and `Unusable` or `Damage` say why to whoever wants to know.
"""

import os
import sys
from stat import S_ISLNK, S_ISREG

from ._index import Index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Mapping, Optional, Tuple, Union

    # What tells one state of a file from another: device, inode, size, mtime, ctime. None: not there.
    Identity = Optional[Tuple[int, int, int, int, int]]

OFF, AUTO, FAST, STRICT, TRUST = LEVELS = ("off", "auto", "fast", "strict", "trust")

_SYSTEM = ("/usr/lib/epcache/index", "/var/cache/epcache/index")

_ST_RDONLY = 1  # os.ST_RDONLY, which PyPy has not

_NOTHING: "Mapping[str, str]" = {}
_secure: "Optional[bool]" = None


def environment() -> "Mapping[str, str]":
    """os.environ; empty where it is not to be trusted."""
    if (
        sys.flags.ignore_environment
        or os.geteuid() != os.getuid()
        or os.getegid() != os.getgid()
        or _is_secure()
    ):
        return _NOTHING
    return os.environ


def _is_secure() -> bool:
    """AT_SECURE of getauxval(3): rights gained through file capabilities, too."""
    global _secure
    if _secure is None:
        try:
            fd = os.open("/proc/self/auxv", os.O_RDONLY | os.O_CLOEXEC)
            try:
                vector = os.read(fd, 4096)
            finally:
                os.close(fd)
            words = list(memoryview(vector[: len(vector) & ~15]).cast("L"))
            _secure = any(
                key == 23 and value != 0 for key, value in zip(words[0::2], words[1::2])
            )
        except PermissionError:
            _secure = True  # who has gained rights by capabilities may not even read it
        except OSError:
            _secure = False
    return _secure


def level(environ: "Mapping[str, str]") -> str:
    """How hard to look: `EPCACHE`, by default `auto`."""
    wanted = environ.get("EPCACHE", AUTO).lower()
    return wanted if wanted in LEVELS else AUTO


def places(environ: "Mapping[str, str]") -> "List[Tuple[str, str]]":
    """Why and where indexes may lie, in the order in which they are asked."""
    found = [
        ("environment", path)
        for path in environ.get("EPCACHE_INDEX", "").split(":")
        if path
    ]
    if sys.prefix != sys.base_prefix:
        found.append(("venv", sys.prefix + "/.epcache/index"))
    user = user_index(environ)
    if user:
        found.append(("user", user))
    found += [("system", path) for path in _SYSTEM]
    return found


def user_index(environ: "Mapping[str, str]") -> "Optional[str]":
    cache = environ.get("XDG_CACHE_HOME", "")
    if cache[:1] != "/":
        home = environ.get("HOME")
        if not home:
            return None
        cache = home + "/.cache"
    return cache + "/epcache/index"


def identity(path: str) -> "Identity":
    """Another one: another index, or the same one marked suspect meanwhile."""
    try:
        stat = os.stat(path)
    except (OSError, ValueError):
        return None
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


class Unusable(Exception):
    """Why an index is not opened."""


class OpenIndex:
    """An index that is believed about what its owner may speak of."""

    def __init__(self, path: str) -> None:
        """Raises Unusable or Damage."""
        self.path = path
        folder = os.path.dirname(path) or "."
        try:
            if S_ISLNK(os.lstat(path).st_mode):
                folder = os.path.dirname(os.path.realpath(path))
            # O_NONBLOCK: a FIFO would keep us waiting for ever.
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                stat, folder_stat = os.fstat(fd), os.stat(folder)
                self.read_only_device = read_only_device(fd, stat)
                self._require_trust(folder, stat, folder_stat)
                self.identity = (
                    stat.st_dev,
                    stat.st_ino,
                    stat.st_size,
                    stat.st_mtime_ns,
                    stat.st_ctime_ns,
                )
                self.owner = stat.st_uid
                own, fd = fd, -1
                self.index = Index(own, stat)
            finally:
                if fd >= 0:
                    os.close(fd)
        except FileNotFoundError:
            raise Unusable("missing")
        except (OSError, ValueError) as error:
            raise Unusable("cannot be opened: %s" % error)

    def _require_trust(
        self, folder: str, stat: os.stat_result, folder_stat: os.stat_result
    ) -> None:
        if not S_ISREG(stat.st_mode):
            raise Unusable("not a regular file")
        for what, mode in (self.path, stat.st_mode), (folder, folder_stat.st_mode):
            if mode & 0o022:
                raise Unusable("not trusted: others can write %s" % what)
        if folder_stat.st_uid not in (0, stat.st_uid):
            raise Unusable("not trusted: %s belongs to somebody else" % folder)

    def may_speak_of(self, directory: "Union[str, bytes]") -> bool:
        """Whether its owner may: one who does not decide already what runs from there must not begin to."""
        if self.owner == 0 or self.owner == os.geteuid():
            return True
        try:
            return os.stat(directory).st_uid == self.owner
        except (OSError, ValueError):
            return False


def read_only_device(fd: int, stat: os.stat_result) -> "Optional[int]":
    """The device that an open file lies on, if its file system is mounted read-only."""
    return stat.st_dev if os.fstatvfs(fd).f_flag & _ST_RDONLY else None

