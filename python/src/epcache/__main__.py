"""`python3 -m epcache`: what `epcache query` prints, for the sys.path of this interpreter.

`--explain` says where that comes from.
"""

import os
import sys
import warnings

from . import EntryPoints, StaleCacheWarning, _mending, _printable, _quick, entry_points

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence

FOUND, NONE_FOUND = 0, 1
WIDEST = 40
BOLD, CYAN, DIM, PLAIN = "\x1b[1m", "\x1b[36m", "\x1b[2m", ""


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
        help="say for each entry of sys.path which index knows it, or why none does",
    )
    wanted = parser.parse_args(arguments)
    if wanted.explain:
        write(explain(as_json=wanted.json))
        return FOUND
    params = {"group": wanted.group, "name": wanted.name}
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = say  # type: ignore[assignment]
        found = entry_points(**{key: value for key, value in params.items() if value is not None})
    if wanted.group is None:
        write(groups(found, wanted.json))
    elif wanted.json:
        write(as_json(found))
    else:
        write(entries(found))
    return FOUND if found else NONE_FOUND


# ---- output


def say(message: "Any", *_: "Any") -> None:
    if isinstance(message, UserWarning):
        line = "epcache: warning: %s\n" % _printable(str(message))
        encoding = sys.stderr.encoding or "ascii"
        sys.stderr.write(line.encode("utf-8", "replace").decode(encoding, "replace"))


def write(text: str) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))
    sys.stdout.buffer.flush()


def as_json(found: EntryPoints) -> str:
    rows = []
    for entry in found:
        dist = entry.dist
        row = {"group": entry.group, "name": entry.name, "value": entry.value}
        row["distribution"] = dist.name if dist else ""
        row["version"] = dist.version if dist else ""
        row["path"] = str(dist._path) if dist else ""
        rows.append(row)
    return dumped(rows)


def dumped(value: "Any") -> str:
    """JSON in which nothing stands raw that must not reach a terminal."""
    import json

    text = json.dumps(value, indent=2, ensure_ascii=False)
    shown = [one if one.isprintable() or one == "\n" else "\\u%04x" % ord(one) for one in text]
    return "".join(shown) + "\n"


def groups(found: EntryPoints, as_json: bool) -> str:
    counts: "Dict[str, int]" = {}
    for entry in found:
        counts[entry.group] = counts.get(entry.group, 0) + 1
    if as_json:
        return dumped([{"group": group, "count": counts[group]} for group in sorted(counts)])
    rows = [(_printable(group), str(counts[group])) for group in sorted(counts)]
    if not sys.stdout.isatty():
        return "".join(["%s\t%s\n" % row for row in rows])
    width = max([len(count) for _, count in rows] or [0])
    return table([[count.rjust(width), group] for group, count in rows], [DIM, BOLD])


def entries(found: EntryPoints) -> str:
    if not sys.stdout.isatty():
        rows = [(entry.group, entry.name, entry.value) for entry in found]
        return "".join(["\t".join(map(_printable, row)) + "\n" for row in rows])
    cells = []
    for entry in found:
        value = _printable(entry.value)
        try:
            entry.module
        except ValueError:
            value += " (malformed)"
        dist = entry.dist
        of = "%s %s" % (dist.name, dist.version) if dist else ""
        cells.append([_printable(entry.name), value, _printable(of)])
    return table(cells, [CYAN, PLAIN, DIM])


def table(rows: "List[List[str]]", styles: "List[str]") -> str:
    if "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
        styles = [""] * len(styles)
    widths = [0] * len(styles)
    for row in rows:
        widths = [max(width, min(len(cell), WIDEST)) for width, cell in zip(widths, row)]
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


def explain(as_json: bool = False) -> str:
    """For each place of an index, and each entry of sys.path, what became of it and why."""
    _quick.forget()
    places = _quick.places(_quick.environment())
    indexes = []
    for path, level in places:
        index = _quick.opened(path, level)
        what = "there" if index else "missing, or not trusted"
        if index is None and os.access(path, os.F_OK):
            what = "not trusted, damaged, or not an index of this version"
        elif index and index.is_suspect:
            what = "suspect: a refresh has failed since"
        indexes.append({"path": path, "level": level, "state": what})
    entries = [about(path) for path in sys.path if isinstance(path, str)]
    try:
        _quick.Question()
        why = ""
    except Exception as error:
        why = "the library is asked for everything: %s" % error
    if as_json:
        return dumped({"indexes": indexes, "sys_path": entries, "why": why})
    lines = ["indexes:"] + ["  %(path)s (%(level)s): %(state)s" % one for one in indexes]
    if not places:
        lines.append("  none is asked")
    lines.append("sys.path:")
    for one in entries:
        lines.append("  %s: %s" % (one["path"] or "''", one["answer"]))
        if one["index"]:
            lines.append("    index: %s" % one["index"])
    return "".join([_printable(line) + "\n" for line in lines + ([why] if why else [])])


def about(path: str) -> "Dict[str, Any]":
    """Which index knows an entry of sys.path; else why the library is asked."""
    index = None
    try:
        question = _quick.Question()
        entry = question.first(path, lambda entry: entry.everything())
        for one in question.indexes:
            one.require_sound()
        if entry is None:
            answer = "no metadata"
        else:
            index = entry.record.index.path
            answer = "%d distributions, as recorded" % entry.record.count
    except _quick.Stale as error:
        answer = "the library is asked: %s since the index was written" % error
        answer += "; `%s` mends that" % _mending(_quick.stale[-1][0])
    except _quick.Damaged as error:
        answer = "the library is asked: the index %s is damaged" % error
    except Exception as error:
        answer = "the library is asked: %s" % error
    return {"path": path, "index": index, "answer": answer}


def run() -> int:
    warnings.simplefilter("ignore", StaleCacheWarning)
    try:
        return main(sys.argv[1:])
    except BrokenPipeError:
        # Who reads has seen enough. Python flushes once more at its end: into nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return FOUND
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(run())
