"""`install()`: importlib.metadata, and the importlib_metadata backport, answer from the index.

It takes the place of the path finders' `find_distributions()`. What it yields are distributions of
the library's own type, in the library's order, that know name, version and entry points already;
everything else is the library's doing, and so is every entry of sys.path of which no index knows
enough. Nothing here prints, warns or raises: whatever goes wrong, the library answers.
"""

import sys

from . import _quick

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

BACKPORT = "importlib_metadata"

# What was replaced: the class, what its dictionary had there, and what it has now.
_replaced: "List[Tuple[type, Any, Any]]" = []


def install() -> None:
    """Let importlib.metadata and the importlib_metadata backport answer from the index.

    Once is enough; `uninstall()` undoes it. Needs Python 3.10.
    """
    if sys.version_info < (3, 10):
        raise RuntimeError("epcache.install() needs Python 3.10 or later")
    for finder in list(sys.meta_path):
        kind = finder if isinstance(finder, type) else type(finder)
        if kind is _quick.PATH_FINDER or _is_of_backport(kind):
            _replace(kind)
    if not any([isinstance(finder, _BackportHook) for finder in sys.meta_path]):
        sys.meta_path.insert(0, _BackportHook())


def uninstall() -> None:
    """Undo `install()`."""
    sys.meta_path[:] = [one for one in sys.meta_path if not isinstance(one, _BackportHook)]
    while _replaced:
        kind, before, ours = _replaced.pop()
        # The backport takes it away from the standard library's finder: then it stays away.
        if kind.__dict__.get("find_distributions") is ours:
            setattr(kind, "find_distributions", before)


def _is_of_backport(kind: type) -> bool:
    """Whether it is the path finder of the backport, vendored or not."""
    module = kind.__module__.rpartition(".")[2]
    return module == BACKPORT and kind.__name__ == "MetadataPathFinder"


def _replace(kind: "Any", host: "Any" = None) -> None:
    before = kind.__dict__.get("find_distributions")
    if before is None or any([before is ours for _, _, ours in _replaced]):
        return
    # Old backports have a method, and an instance on sys.meta_path.
    of_instance = not isinstance(before, (classmethod, staticmethod))
    if host is None and kind is not _quick.PATH_FINDER:
        # Kept, as somebody may take it out of sys.modules.
        host = sys.modules.get(kind.__module__)
        if host is None:
            return

    def find_distributions(owner: "Any", context: "Any" = None) -> "Iterator[Any]":
        original = before.__get__(owner, kind) if of_instance else before.__get__(None, owner)
        return _find(host, original, context)

    find_distributions.__doc__ = before.__doc__
    ours: "Any" = find_distributions if of_instance else classmethod(find_distributions)
    _replaced.append((kind, before, ours))
    setattr(kind, "find_distributions", ours)


class _BackportHook:
    """On sys.meta_path: sees the backport being imported, and is in nobody's way otherwise."""

    def find_spec(self, name: str, path: "Any" = None, target: "Any" = None) -> "Any":
        if name.rpartition(".")[2] != BACKPORT:
            return None
        for finder in list(sys.meta_path):
            find_spec = getattr(finder, "find_spec", None)
            if isinstance(finder, _BackportHook) or find_spec is None:
                continue
            spec = find_spec(name, path, target)
            if spec is not None:
                _watch(spec.loader)
                return spec
        return None


def _watch(loader: "Any") -> None:
    execute = getattr(loader, "exec_module", None)
    if execute is None:
        return

    def exec_module(module: "Any") -> None:
        execute(module)
        finder = getattr(module, "MetadataPathFinder", None)
        hooked = any([isinstance(finder, _BackportHook) for finder in sys.meta_path])
        if hooked and isinstance(finder, type):
            _replace(finder, module)

    try:
        loader.exec_module = exec_module
    except AttributeError:
        pass  # a loader that does not let itself be watched


# ---- finding


def _find(host: "Any", original: "Callable[..., Any]", context: "Any") -> "Iterator[Any]":
    if host is None:
        import importlib.metadata as host
    if context is None:
        context = host.DistributionFinder.Context()
    paths, name = list(context.path), context.name
    make: "Any" = None
    for path in paths:
        rows = None
        # Whatever else is asked of a context, and a name that is none, is the library's business.
        if isinstance(path, str) and (name is None or isinstance(name, str)):
            rows = _quick.search(path, name or None)
        if rows is None:
            yield from original(host.DistributionFinder.Context(path=[path], name=name))
            continue
        make = make or _type_for(host)
        for row in rows:
            yield make(row, name or None, rows)


# ---- distributions of the library's type

_types: "Dict[Any, Any]" = {}


def _type_for(host: "Any") -> "Any":
    made = _types.get(host.PathDistribution)
    if made is None:
        made = _types[host.PathDistribution] = _make_type(host)
    return made


def _make_type(host: "Any") -> "Any":
    import pathlib

    base: "Any" = host.PathDistribution
    one_of: "Any" = host.EntryPoint
    all_of: "Any" = host.EntryPoints

    class PathDistribution(base):  # type: ignore[misc]
        def __init__(self, row: "Any", name: "Optional[str]", rows: "Any") -> None:
            # Its row, how it was asked for, and what else was found with it.
            self._epcache = row, name, rows

        @property
        def _path(self) -> pathlib.Path:
            path = self.__dict__.get("_epcache_path")
            if path is None:
                path = self._epcache_path = pathlib.Path(*self._epcache[0][:2])
            return path

        def _known(self) -> "Any":
            """Its row, if that is still so."""
            row, name, rows = self._epcache
            return row if _quick.search(row[0], name) == rows else None

        @property
        def name(self) -> str:
            known = self._known()
            return super().name if known is None else known[2]  # type: ignore[no-any-return]

        @property
        def version(self) -> str:
            known = self._known()
            return super().version if known is None else known[3]  # type: ignore[no-any-return]

        @property
        def entry_points(self) -> "Any":
            row, name, _ = self._epcache
            if name is None:
                found = (_quick.entry_points_in(row[0]) or {}).get(row[1])
            else:
                found = _quick.entry_points_of(row)
            if found is None:
                return super().entry_points
            return all_of(
                [one_of(name, value, group)._for(self) for name, value, group, _ in found]
            )

        def __reduce__(self) -> "Any":
            return base, (self._path,)

    PathDistribution.__module__ = base.__module__
    PathDistribution.__qualname__ = base.__qualname__
    PathDistribution.__doc__ = base.__doc__
    return PathDistribution
