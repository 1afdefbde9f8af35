"""epcache: Python entry points from the system's index.

    import epcache
    for plugin in epcache.entry_points(group="pytest11"):
        print(plugin.name, plugin.value, plugin.dist.name)

`entry_points()` takes what importlib.metadata's of current CPython takes, and returns what it returns.
`install()` lets programs that have never heard of epcache have the same. See docs/python.md.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, NoReturn, Optional, Set, Tuple

    from ._install import install as install, uninstall as uninstall
    from ._warning import StaleCacheWarning as StaleCacheWarning

__version__ = "0.1.0"

__all__ = [
    "Distribution",
    "EntryPoint",
    "EntryPoints",
    "StaleCacheWarning",
    "entry_points",
    "install",
    "uninstall",
]


def entry_points(**params: "Any") -> "EntryPoints":
    """The entry points of all installed distributions that have these attributes.

    Typically `group`, and perhaps `name`; `value`, `module`, `attr` and `extras` serve as well.
    """
    return _lookup.entry_points(params)


class EntryPoint:
    """An entry point: https://packaging.python.org/en/latest/specifications/entry-points/."""

    name: str
    value: str
    group: str
    dist: "Optional[Distribution]" = None

    def __init__(self, name: str, value: str, group: str) -> None:
        self.__dict__.update(name=name, value=value, group=group)

    def load(self) -> "Any":
        """Import the module, and return it or the attribute of it that the value names."""
        module, attr, _ = self._parts()
        from importlib import import_module

        found = import_module(module)
        for name in filter(None, (attr or "").split(".")):
            found = getattr(found, name)
        return found

    @property
    def module(self) -> str:
        return self._parts()[0]

    @property
    def attr(self) -> "Optional[str]":
        return self._parts()[1]

    @property
    def extras(self) -> "List[str]":
        extras = self._parts()[2]
        if not extras:
            return []
        import re

        return re.findall(r"\w+", extras)

    def _parts(self) -> "Tuple[str, Optional[str], Optional[str]]":
        # Nearly every value is `package.module` or `package.module:object.attribute`.
        module, colon, attr = self.value.partition(":")
        if _is_plain(module) and (not colon or _is_plain(attr)):
            return module, attr or None, None
        import re

        match = re.match(
            r"(?P<module>[\w.]+)\s*(:\s*(?P<attr>[\w.]+)\s*)?((?P<extras>\[.*\])\s*)?$", self.value
        )
        if not match:
            raise ValueError(
                "Invalid object reference. See https://packaging.python.org"
                "/en/latest/specifications/entry-points/#data-model",
                self.value,
            )
        return match.group("module"), match.group("attr"), match.group("extras")

    def matches(self, **params: "Any") -> bool:
        """Whether every attribute that is named has this value."""
        if "dist" in params:
            raise ValueError(
                '"dist" is not suitable for matching. Instead, use '
                "Distribution.entry_points.select() on a located distribution."
            )
        for name, wanted in params.items():
            if not wanted == getattr(self, name):
                return False
        return True

    def _key(self) -> "Tuple[str, str, str]":
        return self.name, self.value, self.group

    def __lt__(self, other: "Any") -> bool:
        if not hasattr(other, "_key"):
            return NotImplemented
        return bool(self._key() < other._key())

    def __eq__(self, other: object) -> bool:
        key = getattr(other, "_key", None)
        if key is None:
            return NotImplemented
        return bool(self._key() == key())

    def __hash__(self) -> int:
        return hash(self._key())

    def __setattr__(self, name: str, value: object) -> "NoReturn":
        raise AttributeError("EntryPoint objects are immutable.")

    def __repr__(self) -> str:
        return "EntryPoint(name=%r, value=%r, group=%r)" % self._key()


def _is_plain(words: str) -> bool:
    return words.isascii() and words.replace(".", "_").isidentifier()


if TYPE_CHECKING:
    _Base = Tuple[EntryPoint, ...]
else:
    _Base = tuple


class EntryPoints(_Base):
    """Entry points, in their order; immutable."""

    __slots__ = ()

    def __getitem__(self, name: str) -> EntryPoint:  # type: ignore[override]
        """The first entry point of this name."""
        for found in self:
            if found.name == name:
                return found
        raise KeyError(name)

    def __repr__(self) -> str:
        return "%s(%r)" % (self.__class__.__name__, tuple(self))

    def select(self, **params: "Any") -> "EntryPoints":
        """Those whose attributes have these values: typically group, name, or both."""
        return EntryPoints([found for found in self if found.matches(**params)])

    @property
    def names(self) -> "Set[str]":
        return {found.name for found in self}

    @property
    def groups(self) -> "Set[str]":
        return {found.group for found in self}


class Distribution:
    """The distribution of an entry point.

    Name and version are what the index says. Whatever else is asked for, importlib.metadata reads from
    the metadata directory.
    """

    __slots__ = ("__weakref__", "_source", "_known", "_read")

    def __init__(self, path: str, record: "Any", number: int, crc: int) -> None:
        # Where it can be read once somebody wants to know.
        self._source: "Any" = (path, record, number, crc)
        self._known: "Optional[Tuple[str, str, str]]" = None
        self._read: "Any" = None

    def _facts(self) -> "Tuple[str, str, str]":
        """Metadata directory, name, version."""
        known = self._known
        if known is None:
            from ._live import described

            # Several threads may ask at once: they find the same.
            known = self._known = described(*self._source)
        return known

    @property
    def name(self) -> str:
        return self._facts()[1]

    @property
    def version(self) -> str:
        return self._facts()[2]

    def _host(self) -> "Any":
        read = self._read
        if read is None:
            from importlib.metadata import PathDistribution
            from pathlib import Path

            read = self._read = PathDistribution(Path(self._facts()[0]))
        return read

    def __getattr__(self, name: str) -> "Any":
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._host(), name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Distribution):
            return NotImplemented
        return self is other or self._facts() == other._facts()

    def __hash__(self) -> int:
        return hash(self._facts())

    def __repr__(self) -> str:
        path, name, version = self._facts()
        return "<%s %s %s: %s>" % (type(self).__name__, name, version, path)

    def __getstate__(self) -> "Tuple[str, str, str]":
        return self._facts()

    def __setstate__(self, state: "Tuple[str, str, str]") -> None:
        self._source, self._known, self._read = None, state, None


def make_entry_point(name: str, value: str, group: str, dist: Distribution) -> EntryPoint:
    made = EntryPoint.__new__(EntryPoint)
    made.__dict__.update(name=name, value=value, group=group, dist=dist)
    return made


def __getattr__(name: str) -> "Any":
    if name == "StaleCacheWarning":
        from ._warning import StaleCacheWarning

        return StaleCacheWarning
    if name in ("install", "uninstall"):
        from . import _install

        return getattr(_install, name)
    raise AttributeError("module %r has no attribute %r" % (__name__, name))


def __dir__() -> "list[str]":
    return sorted(set(globals()) | set(__all__))


# At the end: it needs the classes. And now, not at the first lookup: sys.path may be anything by then.
from . import _lookup  # noqa: E402
