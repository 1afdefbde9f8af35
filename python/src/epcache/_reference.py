"""Object references: the value of an entry point taken apart, and what it names."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Optional, Tuple


def load(value: str) -> "Any":
    """Import the module, and return it or the attribute of it that the value names."""
    from importlib import import_module

    module, attr, _ = parts(value)
    found = import_module(module)
    for name in filter(None, (attr or "").split(".")):
        found = getattr(found, name)
    return found


def parts(value: str) -> "Tuple[str, Optional[str], List[str]]":
    """Module, attribute and extras."""
    # Nearly every value is `package.module` or `package.module:object.attribute`.
    module, colon, attr = value.partition(":")
    if _is_plain(module) and (not colon or _is_plain(attr)):
        return module, attr or None, []
    import re

    match = re.match(
        r"(?P<module>[\w.]+)\s*(:\s*(?P<attr>[\w.]+)\s*)?((?P<extras>\[.*\])\s*)?$", value
    )
    if not match:
        raise ValueError(
            "Invalid object reference. See https://packaging.python.org"
            "/en/latest/specifications/entry-points/#data-model",
            value,
        )
    extras = re.findall(r"\w+", match.group("extras") or "")
    return match.group("module"), match.group("attr"), extras


def _is_plain(words: str) -> bool:
    return words.isascii() and words.replace(".", "_").isidentifier()
