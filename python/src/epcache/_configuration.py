"""The two settings of epcache.conf(5) that lookups ask for: index-path and freshness.

In come the places of configuration files, out go paths and a level. No mistake in a file is
fatal, and nothing is said of it: `epcache status` does.
"""

import os
from stat import S_ISREG

from . import CONFIGURATION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional, Sequence, Tuple

    from . import Place

_SIZE_LIMIT = 1 << 20


_read: "Optional[Tuple[List[str], str]]" = None


def configured(named: str) -> "List[Place]":
    """The places that are configured, as they were when the process first asked. A level that is named in the
    environment goes before theirs."""
    global _read
    if _read is None:
        _read = read(CONFIGURATION)
    indexes, level = _read
    return [("configured", path, named or level) for path in indexes]


def read(places: "Sequence[str]") -> "Tuple[List[str], str]":
    indexes: "List[str]" = []
    level = "auto"
    drop_ins: "Dict[str, str]" = {}
    for folder in places[2:]:
        for name in _listed(folder):
            # One in a later directory masks those before it.
            drop_ins[name] = os.path.join(folder, name)
    for path in list(places[:2]) + [drop_ins[name] for name in sorted(drop_ins, key=os.fsencode)]:
        for key, value in _settings(_content(path)):
            if key == "index-path":
                if not value:
                    indexes = []
                indexes += [part.strip() for part in value.split(":") if part.strip()]
            elif key == "freshness":
                level = value if value in ("fast", "strict", "trust") else "auto"
    return indexes, level


def _listed(folder: str) -> "List[str]":
    try:
        return [name for name in os.listdir(folder) if os.path.splitext(name)[1] == ".conf"]
    except OSError:
        return []


def _content(path: str) -> str:
    try:
        if not S_ISREG(os.stat(path).st_mode):
            return ""
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return ""
    with open(fd, "rb") as file:
        try:
            content = file.read(_SIZE_LIMIT + 1)
            return content.decode() if len(content) <= _SIZE_LIMIT else ""
        except (OSError, ValueError):
            return ""


def _settings(text: str) -> "List[Tuple[str, str]]":
    """Key and value of each line of the section [epcache], and of those in front of any section."""
    found = []
    section = "epcache"
    for line in text.split("\n"):
        line = line.strip()
        if line[:1] == "[" and line[-1:] == "]":
            section = line[1:-1].strip()
        elif section == "epcache" and line[:1] not in ("#", ";", ""):
            at: "Optional[int]" = min([line.find(sign) for sign in "=:" if sign in line], default=None)
            if at is not None:
                found.append((line[:at].strip(), line[at + 1 :].strip()))
    return found
