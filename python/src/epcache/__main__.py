"""`python3 -m epcache`: what `epcache query` prints, for the sys.path of this interpreter; `--explain`
says where that came from."""

import os
import sys

from . import EntryPoints, _warning
from ._lookup import current_state, look, other_finders
from ._warning import describe, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Sequence

    from ._lookup import Answer

_FOUND, _NONE_FOUND, _FAILED = 0, 1, 2
_WIDEST = 40
_BOLD, _CYAN, _DIM, _PLAIN = "\x1b[1m", "\x1b[36m", "\x1b[2m", ""


def main(arguments: "Sequence[str]") -> int:
    import argparse

    parser = argparse.ArgumentParser(
        prog="python3 -m epcache",
        description="Which entry points this interpreter's sys.path has: all groups with their "
        "counts, or the entry points of a group.",
        epilog="Ends with status 0 if there are any, 1 if not, 2 on an error.",
    )
    parser.add_argument("group", metavar="GROUP", nargs="?")
    parser.add_argument("name", metavar="NAME", nargs="?")
    parser.add_argument("--json", action="store_true", help="an array of objects")
    parser.add_argument(
        "--explain",
        action="store_true",
        help="say for each entry of sys.path where its answer comes from, and why",
    )
    wanted = parser.parse_args(arguments)
    _warning._said = True  # what is stale is said below, in the program's own way
    found = look(wanted.group)
    if wanted.name is not None:
        found = found.select(name=wanted.name)
    if wanted.explain:
        _write(explain(json=wanted.json))
        return _FOUND
    state = current_state()
    for answer in state.last[0]:
        if answer.differences:
            _say("warning: " + describe(answer))
    if wanted.json:
        _write(_as_json(found))
    elif wanted.group is None:
        _write(_groups(found))
    else:
        _write(_entries(found))
    return _FOUND if found else _NONE_FOUND


# ---- output


def _say(text: str) -> None:
    line = "epcache: %s\n" % printable(text)
    sys.stderr.write(line.encode("utf-8", "replace").decode(sys.stderr.encoding or "ascii", "replace"))


def _write(text: str) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))
    sys.stdout.buffer.flush()


def _as_json(found: EntryPoints) -> str:
    import json

    rows = []
    for entry in found:
        path = name = version = ""
        if entry.dist is not None:
            path, name, version = described(entry.dist)
        rows.append(
            {
                "group": entry.group,
                "name": entry.name,
                "value": entry.value,
                "distribution": name,
                "version": version,
                "path": path,
            }
        )
    return _escaped(json.dumps(rows, indent=2, ensure_ascii=False)) + "\n"


def described(dist: object) -> "tuple[str, str, str]":
    """Metadata directory, name, version: also of a distribution that another finder knows."""
    facts = getattr(type(dist), "_facts", None)
    if facts is not None:
        return facts(dist)  # type: ignore[no-any-return]
    path = getattr(dist, "_path", "")
    return str(path), str(getattr(dist, "name", "")), str(getattr(dist, "version", ""))


def _escaped(text: str) -> str:
    """JSON in which nothing stands raw that must not reach a terminal."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(
        [
            character
            if character == "\n"
            or printable(character) == character
            and not 0xD800 <= ord(character) < 0xE000
            else "\\u%04x" % ord(character)
            for character in text
        ]
    )


def _groups(found: EntryPoints) -> str:
    counts: "Dict[str, int]" = {}
    for entry in found:
        counts[entry.group] = counts.get(entry.group, 0) + 1
    rows = [(printable(group), str(counts[group])) for group in sorted(counts)]
    if not sys.stdout.isatty():
        return "".join(["%s\t%s\n" % row for row in rows])
    width = max([len(count) for _, count in rows] or [0])
    return _table([[count.rjust(width), group] for group, count in rows], [_DIM, _BOLD])


def _entries(found: EntryPoints) -> str:
    if not sys.stdout.isatty():
        rows = [(entry.group, entry.name, entry.value) for entry in found]
        return "".join(["\t".join(map(printable, row)) + "\n" for row in rows])
    cells = []
    for entry in found:
        value = printable(entry.value)
        try:
            entry.module
        except ValueError:
            value += " (malformed)"
        _, name, version = described(entry.dist)
        cells.append([printable(entry.name), value, printable("%s %s" % (name, version))])
    return _table(cells, [_CYAN, _PLAIN, _DIM])


def _table(rows: "List[List[str]]", styles: "List[str]") -> str:
    if "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
        styles = [""] * len(styles)
    widths = [0] * len(styles)
    for row in rows:
        widths = [max(width, min(len(cell), _WIDEST)) for width, cell in zip(widths, row)]
    lines = []
    for row in rows:
        line = ""
        for number, (cell, width, style) in enumerate(zip(row, widths, styles)):
            line += style + cell + ("\x1b[0m" if style else "")
            if number + 1 < len(styles):
                line += " " * (max(width - len(cell), 0) + 2)
        lines.append(line + "\n")
    return "".join(lines)


# ---- where answers come from

_HOW = {
    "fresh": "from the index: its times are as recorded",
    "moved": "from the index: its times have moved, and nothing else has",
    "stale": "from the index where that is right, the rest is read live",
    "trust": "from the index, on trust",
    "missing": "there is no such directory",
    "live": "read live",
    "archive": "an archive, read live",
    "no archive": "neither a directory nor an archive",
    "unreadable": "cannot be read",
}


def explain(json: bool = False) -> str:
    """For each place of an index, and each entry of sys.path, what became of it and why."""
    state = current_state()
    answers = [state.answer(path) for path in sys.path if isinstance(path, str)]
    places = [
        (kind, path, state.unusable.get(path, "used" if any_of(answers, path) else "not needed"))
        for kind, path, _ in state.placed
    ]
    entries = []
    for answer in answers:
        record = answer.record
        why = [_HOW.get(answer.how, answer.how)]
        index = None if answer.index is None else answer.index.path
        if answer.how in ("live", "archive") and not answer.passed and state.placed:
            why.append("no index has a true record of it")
        if answer.differences:
            why.append(describe(answer))
        if answer.index is not None and answer.index.suspect:
            why.append("the index is suspect: a refresh has failed since")
        why += ["%s: %s" % passed for passed in answer.passed if passed[1] != "stale"]
        entries.append((answer.path, answer.how, index, record.count if record else 0, why))
    if json:
        import json as library

        return (
            _escaped(
                library.dumps(
                    {
                        "level": state.level,
                        "indexes": [
                            {"kind": kind, "path": path, "state": what}
                            for kind, path, what in places
                        ],
                        "sys_path": [
                            {
                                "path": path,
                                "answer": how,
                                "index": index,
                                "distributions": count,
                                "why": why,
                            }
                            for path, how, index, count, why in entries
                        ],
                    },
                    indent=2,
                    ensure_ascii=False,
                )
            )
            + "\n"
        )
    lines = ["level: %s" % state.level, "indexes:"]
    lines += ["  %s (%s): %s" % (path, kind, what) for kind, path, what in places]
    if not places:
        lines.append("  none is asked")
    lines.append("sys.path:")
    for path, _, index, count, why in entries:
        shown = repr(path) if not path else path
        lines.append("  %s: %d distribution%s" % (shown, count, "" if count == 1 else "s"))
        if index is not None:
            lines.append("    index: %s" % index)
        lines += ["    %s" % reason for reason in why]
    finders = other_finders()
    if finders is None:
        lines.append("no path finder on sys.meta_path: sys.path is not searched")
    for finder in finders or ():
        if finder is not None:
            lines.append("asked, too: %r" % (finder,))
    return "".join([printable(line) + "\n" for line in lines])


def any_of(answers: "List[Answer]", path: str) -> bool:
    return any([answer.index is not None and answer.index.path == path for answer in answers])


def _run() -> int:
    try:
        return main(sys.argv[1:])
    except BrokenPipeError:
        # Whoever read along has seen enough. Python flushes once more at its end: into nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return _FOUND
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(_run())
