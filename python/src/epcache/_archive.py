"""Zip archives on sys.path: wheels, zipped eggs, applications in one file. Read live, always: no index has them.

In comes a path that is no directory, out goes an answer. What is no archive, or a broken one, has nothing.
"""

from stat import S_ISREG

from ._lookup import Answer
from ._live import Found, LiveRecord, Sighting, _HEADERS_LIMIT
from ._question import Question
from ._metadata import SIZE_LIMIT, egg_base, parse_headers, recognise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional
    from zipfile import ZipFile

    from ._live import Read
    from ._metadata import Headers


def look_into(question: Question) -> Answer:
    path, stamp, settled = question.path, question.stamp(), question.is_settled()
    if question.stat is None or not S_ISREG(question.stat.st_mode):
        return Answer(path, None, stamp, "unreadable", settled)
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            found = _read(archive, path)
    except Exception:
        # zipfile raises whatever it pleases for what is no archive.
        return Answer(path, None, stamp, "no archive", settled)
    return Answer(path, LiveRecord(path, found), stamp, "archive", settled)


def _read(archive: "ZipFile", path: str) -> "List[Read]":
    files: "Dict[str, List[str]]" = {}
    for name in archive.namelist():
        first, _, rest = name.partition("/")
        files.setdefault(first, []).append(rest)
    egg = egg_base(path)
    found: "List[Read]" = []
    for name, inside in files.items():
        kind = recognise(name, egg)
        if kind is not None:
            raw = name.encode("utf-8", "surrogateescape")
            found.append(Member(archive, Sighting(path, raw, name, kind, egg), inside))
    return found


class Member(Found):
    """A metadata directory in an archive."""

    def __init__(self, archive: "ZipFile", sighting: Sighting, inside: "List[str]") -> None:
        super().__init__(sighting)
        prefix = sighting.name + "/"
        if "entry_points.txt" in inside:
            self._take_entry_points(_content(archive, prefix + "entry_points.txt", SIZE_LIMIT + 1), 0)
        self._has_metadata = "METADATA" in inside or "PKG-INFO" in inside or inside == [""]
        self._known: "Optional[Headers]" = None
        for file in ("METADATA", "PKG-INFO"):
            if file in inside and self._known is None:
                content = _content(archive, prefix + file, _HEADERS_LIMIT)
                self._known = parse_headers(content, True) if content else None

    def _headers(self) -> "Headers":
        return self._known or (None, None, False)  # type: ignore[return-value]

    def _key_of_name(self) -> str:
        # importlib.metadata asks the headers here.
        return ""


def _content(archive: "ZipFile", name: str, limit: int) -> bytes:
    with archive.open(name) as file:
        return file.read(limit)
