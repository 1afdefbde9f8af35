"""What the library of this Python makes of the import names in an index (`_quick.import_names`)."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterator, List, Optional

    from ._quick import ImportNames

# Where import names come from, and what an index says of the first part of paths: docs/format.md.
TOP_LEVEL, INSTALLED_FILES = 1, 3
ALONE, PYTHON, EXISTS = 1, 2, 4


def packages_distributions(rows: "List[ImportNames]") -> "Optional[Dict[str, List[str]]]":
    """What packages_distributions() returns; None: ask the library."""
    found: "Dict[str, List[str]]" = {}
    for dist, source, names in rows:
        if source == INSTALLED_FILES and sys.version_info < (3, 13):
            return None
        for name in names if source == TOP_LEVEL else dict.fromkeys(inferred(names)):
            found.setdefault(name, []).append(dist[2])
    return found


def inferred(parts: "List[str]") -> "Iterator[str]":
    """Import names by the first parts of the paths of a distribution's files."""
    for one in parts:
        bits, name = ord(one[0]) - ord("0"), one[1:]
        if sys.version_info < (3, 11):
            return
        if sys.version_info < (3, 12):
            if bits & PYTHON:
                yield name[:-3] if bits & ALONE else name
        elif bits & EXISTS:
            if bits & ALONE:
                module = module_name(name)
                if module is None and sys.version_info < (3, 13):
                    continue
                name = module or name
            if "." not in name:
                yield name


def module_name(file: str) -> "Optional[str]":
    """As inspect.getmodulename() does it."""
    from importlib.machinery import all_suffixes

    for suffix in sorted(all_suffixes(), key=len, reverse=True):
        if file.endswith(suffix):
            return file[: -len(suffix)]
    return None
