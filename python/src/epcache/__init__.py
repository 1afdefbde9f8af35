"""epcache: what installed Python distributions say of themselves, from an index.

    import epcache
    for plugin in epcache.entry_points(group="pytest11"):
        print(plugin.name, plugin.value, plugin.dist.name)

The functions take what those of importlib.metadata take, and return what those of the running
Python return: from the index, where that is trusted and fresh, else from the library. In one thing
they are kinder: a distribution whose entry_points.txt is broken loses only its own entry points.
`install()` lets programs that do not know epcache have the same. See docs/python.md.
"""

import os
import sys

from . import _quick

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Mapping, NoReturn, Optional, Set, Tuple

    from ._stand_in import install, uninstall

__version__ = "0.1.0"

__all__ = [
    "BrokenDistributionWarning",
    "Distribution",
    "EntryPoint",
    "EntryPoints",
    "StaleCacheWarning",
    "distribution",
    "distributions",
    "entry_points",
    "install",
    "packages_distributions",
    "requires",
    "uninstall",
    "version",
]


class StaleCacheWarning(UserWarning):
    """An index is out of date, and was passed over."""


class BrokenDistributionWarning(UserWarning):
    """A distribution has an entry_points.txt that cannot be read."""


# ---- the functions


def entry_points(**params: "Any") -> "EntryPoints":
    """The entry points of all installed distributions that have these attributes.

    Typically `group`, and perhaps `name`; `value`, `module`, `attr` and `extras` serve as well.
    """
    unknown = set(params) - {"group", "name", "value", "module", "attr", "extras"}
    if unknown and "dist" not in unknown:
        raise AttributeError(
            "entry points have no %r: select them by group, name, value, module, attr or extras"
            % sorted(unknown)[0]
        )
    group = params.get("group")
    rows = _quick.entry_points(group if isinstance(group, str) else None)
    if rows is None:
        found = EntryPoints(map(_as_ours, _entry_points_of_library()))
    elif isinstance(group, str):
        found = _made(rows)
        del params["group"]
    else:
        # Up to Python 3.11 the library sorts them by group.
        by_group = sys.version_info < (3, 12)
        found = _made(sorted(rows, key=lambda row: row[2]) if by_group else rows)
    return found.select(**params) if params else found


def version(distribution_name: str) -> str:
    """The version of the distribution of this name."""
    rows = _quick.distribution(distribution_name)
    if rows:
        return rows[0][3]
    return _library("version", rows is None)(distribution_name)  # type: ignore[no-any-return]


def distribution(distribution_name: str) -> "Distribution":
    """The distribution of this name."""
    rows = _quick.distribution(distribution_name)
    if rows:
        return Distribution(rows[0])
    return Distribution(None, _library("distribution", rows is None)(distribution_name))


def distributions(**context: "Any") -> "Iterable[Distribution]":
    """All distributions, shadowed ones too; or those of `name=` or in `path=`."""
    rows = None if context else _quick.distributions()
    if rows is not None:
        return map(Distribution, rows)
    found = _library("distributions", not context)(**context)
    return (Distribution(None, one) for one in found)


def requires(distribution_name: str) -> "Optional[List[str]]":
    """The requirements of the distribution of this name."""
    rows = _quick.requires(distribution_name)
    if rows:
        return None if rows[0] is None else list(rows[0])
    return _library("requires", rows is None)(distribution_name)  # type: ignore[no-any-return]


def packages_distributions() -> "Mapping[str, List[str]]":
    """For each top-level import name, the distributions that provide it."""
    rows = _quick.import_names()
    found = None
    if rows is not None:
        from . import _shape

        found = _shape.packages_distributions(list(rows))
    if found is None:
        found = _library("packages_distributions", rows is None)()
    return found


# ---- what the library is asked for


def _library(name: str, was_asked: bool = False) -> "Any":
    """A function of importlib.metadata; `was_asked`: because the index did not know."""
    import importlib.metadata

    if was_asked:
        _warn_of_stale()
    return getattr(importlib.metadata, name)


def _entry_points_of_library() -> "List[Any]":
    find = _library("entry_points", True)
    try:
        found = find()
    except Exception:
        return _unbroken_entry_points()
    if isinstance(found, dict):  # up to Python 3.11, where its own methods warn
        return [one for ones in dict.values(found) for one in ones]
    return list(found)


def _unbroken_entry_points() -> "List[Any]":
    """One broken distribution makes the library's function raise. So each is asked alone."""
    found: "List[Any]" = []
    broken: "List[str]" = []
    seen: "Set[str]" = set()
    for one in _library("distributions")():
        try:
            key = getattr(one, "_normalized_name", None) or one.metadata["Name"].lower()
            if key not in seen:
                seen.add(key)
                for entry in one.entry_points:
                    found.append(entry if getattr(entry, "dist", None) else _with_dist(entry, one))
        except Exception as error:
            broken.append("%s: %s" % (getattr(one, "_path", one), error))
    _warn(BrokenDistributionWarning, "\n".join(broken))
    return found


def _with_dist(entry: "Any", dist: "Any") -> "EntryPoint":
    """Entry points do not know their distribution before Python 3.10."""
    return _entry_point(entry.name, entry.value, entry.group, [None, Distribution(None, dist)])


# ---- warnings: each once in a process

_said: "Set[Any]" = set()


def _warn(kind: "Any", text: str) -> None:
    if kind in _said or not text:
        return
    _said.add(kind)
    import warnings

    depth = 2
    while os.path.dirname(sys._getframe(depth).f_code.co_filename) == os.path.dirname(__file__):
        depth += 1
    try:
        warnings.warn(_printable(text), kind, stacklevel=depth + 1)
    except Warning:
        pass  # `-W error`: the answer is right, and that counts


def _warn_of_stale() -> None:
    for index, directory, why in _quick.stale:
        text = "the index %s is out of date for %s (%s): `%s` mends that"
        _warn(StaleCacheWarning, text % (index, directory, why, _mending(index)))


def _mending(index: str) -> str:
    """The command that brings an index up to date."""
    folder = os.path.dirname(index)
    if index in _quick.SYSTEM_INDEXES:
        return "epcache refresh --system"
    if os.path.basename(folder) == ".epcache":
        return "epcache refresh --venv " + os.path.dirname(folder)
    if folder.endswith("/epcache"):
        return "epcache refresh --user"
    return "epcache refresh --output %s" % index


def _printable(text: str) -> str:
    """With control characters, and those that reorder the text around them, written out."""
    escaped = [
        one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in text
    ]
    return "".join(escaped)


# ---- values


class EntryPoint:
    """An entry point: https://packaging.python.org/en/latest/specifications/entry-points/."""

    if TYPE_CHECKING:
        name: str
        value: str
        group: str

    def __init__(self, name: str, value: str, group: str) -> None:
        self.__dict__.update(name=name, value=value, group=group)

    @property
    def dist(self) -> "Optional[Distribution]":
        # [what the index says of it, the distribution once it was asked for], shared by all
        # entry points of one distribution.
        source = self.__dict__.get("_source")
        if source is None:
            return None
        if source[1] is None:
            source[1] = Distribution(source[0])
        return source[1]  # type: ignore[no-any-return]

    def load(self) -> "Any":
        """Import the module, and return it or the attribute of it that the value names."""
        from importlib import import_module

        module, attr, _ = self._parts()
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
        return self._parts()[2]

    def _parts(self) -> "Tuple[str, Optional[str], List[str]]":
        # Nearly every value is `package.module` or `package.module:object.attribute`.
        module, colon, attr = self.value.partition(":")
        if _is_plain(module) and (not colon or _is_plain(attr)):
            return module, attr or None, []
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
        extras = re.findall(r"\w+", match.group("extras") or "")
        return match.group("module"), match.group("attr"), extras

    def matches(self, **params: "Any") -> bool:
        """Whether every attribute that is named has this value."""
        if "dist" in params:
            raise ValueError(
                '"dist" is not suitable for matching. Instead, use '
                "Distribution.entry_points.select() on a located distribution."
            )
        return all([wanted == getattr(self, name) for name, wanted in params.items()])

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

    def __getstate__(self) -> "Dict[str, Any]":
        return {
            "name": self.name,
            "value": self.value,
            "group": self.group,
            "_source": self.dist and [None, self.dist],
        }

    def __setstate__(self, state: "Dict[str, Any]") -> None:
        self.__dict__.update(state)

    def __setattr__(self, name: str, value: object) -> "NoReturn":
        raise AttributeError("EntryPoint objects are immutable.")

    def __repr__(self) -> str:
        return "EntryPoint(name=%r, value=%r, group=%r)" % self._key()


def _is_plain(words: str) -> bool:
    return words.isascii() and words.replace(".", "_").isidentifier()


def _entry_point(name: str, value: str, group: str, source: "List[Any]") -> EntryPoint:
    made = EntryPoint(name, value, group)
    made.__dict__["_source"] = source
    return made


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
        if name in self.groups:
            raise KeyError("%s is a group: use entry_points(group=%r)" % (name, name))
        raise KeyError(name)

    def __getattr__(self, name: str) -> "NoReturn":
        if name in ("get", "items", "keys", "values"):
            raise AttributeError(
                "entry points are no longer a dict of groups, so that they have no %r: "
                "use entry_points(group=...)" % name
            )
        raise AttributeError(name)

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


def _made(rows: "Iterable[_quick.EntryPoint]") -> EntryPoints:
    sources: "Dict[Any, List[Any]]" = {}
    made = []
    for name, value, group, dist in rows:
        source = sources.get(dist)
        if source is None:
            source = sources[dist] = [dist, None]
        made.append(_entry_point(name, value, group, source))
    return EntryPoints(made)


def _as_ours(entry: "Any") -> EntryPoint:
    """An entry point of the library."""
    if isinstance(entry, EntryPoint):
        return entry
    dist = getattr(entry, "dist", None)
    source = None if dist is None else [None, Distribution(None, dist)]
    return _entry_point(entry.name, entry.value, entry.group, source)  # type: ignore[arg-type]


class Distribution:
    """A distribution. Name, version and entry points are what the index says.

    For whatever else is asked for, the library reads the metadata directory.
    """

    __slots__ = ("__weakref__", "_library", "_row")

    def __init__(self, row: "Optional[_quick.Distribution]", library: "Any" = None) -> None:
        self._row = row
        self._library = library

    @property
    def name(self) -> str:
        if self._row is not None:
            return self._row[2]
        return self._library.metadata["Name"]  # type: ignore[no-any-return]

    @property
    def version(self) -> str:
        return self._library.version if self._row is None else self._row[3]

    @property
    def entry_points(self) -> EntryPoints:
        rows = None if self._row is None else _quick.entry_points_of(self._row)
        if rows is not None:
            return _made(rows)
        return EntryPoints(map(_as_ours, self._of_library().entry_points))

    def _of_library(self) -> "Any":
        if self._library is None:
            from importlib.metadata import PathDistribution
            from pathlib import Path

            self._library = PathDistribution(Path(self._row[0], self._row[1]))  # type: ignore[index]
        return self._library

    def __getattr__(self, name: str) -> "Any":
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._of_library(), name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Distribution):
            return NotImplemented
        return self is other or str(self._path) == str(other._path)

    def __hash__(self) -> int:
        return hash(str(self._path))

    @property
    def _path(self) -> "Any":
        if self._row is None:
            return getattr(self._library, "_path", self._library)
        from pathlib import Path

        return Path(self._row[0], self._row[1])

    def __repr__(self) -> str:
        return "<%s %s %s: %s>" % (type(self).__name__, self.name, self.version, self._path)

    def __reduce__(self) -> "Tuple[Any, ...]":
        return Distribution, (self._row, None if self._row is not None else self._library)


# ---- the rest


def __getattr__(name: str) -> "Any":
    # Nothing that only looks up needs these.
    if name in ("install", "uninstall"):
        from . import _stand_in

        return getattr(_stand_in, name)
    raise AttributeError("module %r has no attribute %r" % (__name__, name))


def __dir__() -> "List[str]":
    return sorted(__all__)
