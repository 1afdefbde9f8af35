"""What is said when an index is wrong: once, and never more than said."""

import os
import sys

from . import SYSTEM_INDEXES, environment, user_index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List

    from ._index import Index
    from ._lookup import Answer

_said = False
_NAMED = 3
_DIRECTORIES = 8


class StaleCacheWarning(UserWarning):
    """An index is wrong about a directory, which is read live where it differs."""

    __module__ = "epcache"


def warn(answers: "List[Answer]") -> None:
    """Says what the indexes have wrong, once in a process."""
    global _said
    if _said:
        return
    _said = True
    import warnings

    texts = [describe(answer) for answer in answers if answer.differences]
    try:
        warnings.warn("\n".join(texts), StaleCacheWarning, stacklevel=_level())
    except Exception:
        # `-W error` in somebody's test suite is no reason to fail: the answer is right.
        pass


def _level() -> int:
    """How many frames up the first caller is that is not ours."""
    depth = 2
    folder = os.path.dirname(__file__)
    try:
        while os.path.dirname(sys._getframe(depth).f_code.co_filename) == folder:
            depth += 1
    except ValueError:
        return 2
    return depth


def describe(answer: "Answer") -> str:
    differences = answer.differences
    named = ["%s %s" % (printable(name), how) for name, how in differences[:_NAMED]]
    if len(differences) > _NAMED:
        named.append("…")
    text = "%s: %d distribution%s from the index (%s); answered live" % (
        printable(answer.path),
        len(differences),
        " differs" if len(differences) == 1 else "s differ",
        ", ".join(named),
    )
    if answer.index is not None:
        text += ", `%s` mends it" % mending(answer.index)
    return text


def mending(index: "Index") -> str:
    """The command that brings an index up to date."""
    path = index.path
    command = "epcache refresh"
    folder, _, name = path.rpartition("/")
    if path in SYSTEM_INDEXES:
        return command + " --system"
    if os.path.basename(folder) == ".epcache":
        return "%s --venv %s" % (command, _word(os.path.dirname(folder) or "."))
    if path == user_index(environment()):
        return command + " --user"
    from ._details import paths
    from ._index import Unusable

    try:
        directories = paths(index)
    except Unusable:
        directories = []
    if directories and len(directories) <= _DIRECTORIES:
        words = " ".join([_word(directory) for directory in directories])
        command += " --path " + words
    else:
        command += " ..."
    return "%s --output %s" % (command, _word(path))


def printable(text: str) -> str:
    """With control characters, and those that reorder the text around them, written out."""
    if text.isprintable():
        return text
    return "".join([_shown(character) for character in text])


def _shown(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return "\N{REPLACEMENT CHARACTER}"
    if (
        code < 0x20
        or 0x7F <= code < 0xA0
        or code in (0x2028, 0x2029, 0x200E, 0x200F, 0x61C)
        or 0x202A <= code <= 0x202E
        or 0x2066 <= code <= 0x2069
    ):
        return "\\x%02x" % code if code < 0x100 else "\\u%04x" % code
    return character


def _word(text: str) -> str:
    """As a word of a shell's command line."""
    if text and all([character.isalnum() or character in "/._-+=:,@%" for character in text]):
        return text
    return "'" + printable(text).replace("'", "'\\''") + "'"
