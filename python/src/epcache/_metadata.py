"""The grammars: entry_points.txt, the headers Name and Version, names of metadata directories.

In come bytes and strings that somebody else has read, out go values; nothing here knows a file system.
The yardstick is the newest importlib_metadata, to the character; where it would raise for everybody, here
one file is bad (docs/decisions.md, 2).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, NamedTuple, Optional, Tuple

    class Headers(NamedTuple):
        name: Optional[str]
        version: Optional[str]
        not_utf8: bool


DIST_INFO, EGG_INFO, EGG = 0, 1, 2

SIZE_LIMIT = 1 << 20
COUNT_LIMIT = 1 << 16


# No index has any of these: they end lines, or start what a terminal acts on.
_CONTROLS = frozenset(map(chr, [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029]))


def is_plain(text: str) -> bool:
    """Whether there is no control character in it."""
    return _CONTROLS.isdisjoint(text)


# ---- names of metadata directories


def recognise(name: str, egg: str) -> "Optional[int]":
    """Which sort of metadata directory a name stands for, if any. `egg` is what `egg_base` says of the
    search directory. One with a control character in its name is left out, as by the index's writer."""
    low = name.lower()
    if low[-4:] != "info" or not is_plain(name):
        return None
    if low.endswith(".dist-info"):
        return DIST_INFO
    if low.endswith(".egg-info"):
        return EGG_INFO
    if egg and low == "egg-info":
        return EGG
    return None


def egg_base(path: str) -> str:
    """The last component of a search directory that is an egg, else nothing."""
    base = path.rpartition("/")[2]
    return base if base.lower().endswith(".egg") else ""


def normalize(name: str) -> str:
    """`re.sub(r"[-_.]+", "-", name).lower().replace("-", "_")`"""
    name = name.replace("-", "_").replace(".", "_")
    while "__" in name:
        name = name.replace("__", "_")
    return name.lower()


def lookup_key(name: str, kind: int, egg: str) -> str:
    """The key by which `distribution(name)` finds a metadata directory."""
    if kind == EGG:
        stem = egg.lower().rpartition(".")[0].partition("-")[0]
        return stem.lower().replace("-", "_")
    return normalize(name.lower().rpartition(".")[0].partition("-")[0])


def key_of_name(name: str) -> str:
    """The key by which one distribution shadows another, as far as the file name has it; may be empty."""
    stem, _, ending = name.rpartition(".")
    # os.path.splitext counts no dot as the start of an extension that has only dots before it.
    if ending not in ("dist-info", "egg-info") or not stem.strip("."):
        return ""
    return normalize(stem.partition("-")[0])


def stem_of(name: str, kind: int, egg: str) -> "Tuple[str, str]":
    """Name and version as the file name suggests them."""
    parts = (egg if kind == EGG else name).rpartition(".")[0].split("-")
    return parts[0], parts[1] if len(parts) > 1 else ""


# ---- entry_points.txt


def parse_entry_points(content: bytes) -> "Optional[List[Tuple[str, str, str]]]":
    """Group, name and value of each entry point; None where the file is bad, all of it."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    found: "List[Tuple[str, str, str]]" = []
    group = None
    for line in text.splitlines():
        line = line.strip()
        if not line or line[0] == "#":
            continue
        if line[0] == "[" and line[-1] == "]":
            group = line.strip("[]")
        elif group is not None:
            name, equals, value = line.partition("=")
            if not equals or len(found) == COUNT_LIMIT:
                return None
            found.append((group, name.strip(), value.strip()))
    return found


# ---- METADATA, PKG-INFO

_FIELD = frozenset(range(0x21, 0x7F)) - {ord(":")}


def parse_headers(head: bytes, end: bool) -> "Optional[Headers]":
    """The first Name and Version; None where more bytes have to be read first."""
    values: "dict[bytes, Optional[str]]" = {}
    field, lines = b"", [b""]

    def store() -> None:
        if field and field not in values:
            values[field] = _value(b"".join(lines))

    decided = end
    for line in head.splitlines(True):
        content = line.rstrip(b"\r\n")
        if content[:1] in (b" ", b"\t"):
            lines.append(line)
            continue
        store()
        field = b""
        if len(values) == 2:
            decided = True
            break
        if content.startswith(b"From "):
            continue
        name, colon, _ = content.partition(b":")
        if not colon or not _FIELD.issuperset(name):
            # Not a header: they are over, unless the line goes on beyond what was read.
            decided = end or content != line or not _FIELD.issuperset(content)
            break
        name = name.lower()
        if name in (b"name", b"version"):
            field, lines = name, [line[len(name) + 1 :]]
    else:
        if end:
            store()
    if not decided:
        return None
    known = values.get(b"name"), values.get(b"version")
    return (known[0], known[1], None in values.values())  # type: ignore[return-value]


def _value(raw: bytes) -> "Optional[str]":
    try:
        value = raw.decode().lstrip(" \t\r\n").rstrip("\r\n")
    except UnicodeDecodeError:
        return None
    if "\n" not in value and "\r" not in value:
        return value
    value = value.replace("\r\n", "\n").replace("\r", "\n")
    # So importlib_metadata recognises a value that was folded when it was written.
    indent = " " * 8
    return _dedent(indent + value) if "\n" + indent in value else value


def _dedent(text: str) -> str:
    """textwrap.dedent of CPython 3.14."""
    lines = text.split("\n")
    margin: "Optional[str]" = None
    for line in lines:
        if not line or line.isspace():
            continue
        indentation = line[: len(line) - len(line.lstrip(" \t"))]
        if margin is None:
            margin = indentation
        while not indentation.startswith(margin):
            margin = margin[:-1]
    cut = len(margin or "")
    return "\n".join(["" if line.isspace() else line[cut:] for line in lines])


# ---- which of several metadata directories counts


def preference(version: bytes) -> "Tuple[object, ...]":
    """What a version is compared by (PEP 440). One that does not parse is lower than all that do."""
    import re

    try:
        text = version.decode().strip().lower()
    except UnicodeDecodeError:
        return 0, version
    match = re.match(
        r"v?(?:([0-9]+)!)?([0-9]+(?:\.[0-9]+)*)"
        r"(?:[-_.]?(a|b|c|rc|alpha|beta|pre|preview)[-_.]?([0-9]+)?)?"
        r"(?:-([0-9]+)|[-_.]?(post|rev|r)[-_.]?([0-9]+)?)?"
        r"(?:[-_.]?(dev)[-_.]?([0-9]+)?)?"
        r"(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?\Z",
        text,
        re.ASCII,
    )
    if not match or any([int(digits) >= 1 << 64 for digits in re.findall(r"[0-9]+", text)]):
        return 0, version
    epoch, release, stage, stage_number, bare, post, post_number, dev, dev_number, local = (
        match.groups()
    )
    numbers = [int(part) for part in release.split(".")]
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    stage = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}.get(stage, stage)
    after = int(bare if bare else post_number or 0) if bare or post else -1
    before: "Tuple[object, ...]"
    if stage:
        before = (1, stage, int(stage_number or 0))
    elif after < 0 and dev:
        before = (0,)  # 1.dev0 comes before 1a0
    else:
        before = (2,)
    parts = re.split(r"[-_.]", local) if local else []
    return (
        1,
        int(epoch or 0),
        numbers,
        before,
        after,
        (0, int(dev_number or 0)) if dev else (1,),
        [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts],
    )
