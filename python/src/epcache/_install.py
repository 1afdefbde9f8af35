"""The index for programs that have never heard of it.

`install()` puts itself in the place of the path finder's `find_distributions()`: that of the standard
library, and that of the importlib_metadata backport wherever that is imported. What it yields are
distributions of the library's own type, in the library's order, that know their name, version and entry
points already; everything else about them, and everything that is made of them, is the library's doing.
Search directories without a true record are left to the library. Nothing here prints or warns.
"""

import os
import sys

from . import SORTED, hash_of
from ._details import (
    HAS_METADATA,
    NAME_FROM_FILE,
    PROBLEM,
    UNREAD,
    VERSION_FROM_FILE,
)
from ._finders import is_path_finder
from ._index import Unusable
from ._lookup import Answer, current_state
from ._metadata import EGG, egg_base, key_of_name, lookup_key, normalize
from ._question import Question, give_up, holds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Set, Tuple

    from ._details import Facts
    from ._live import Read
    from ._index import Record

_BACKPORT = "importlib_metadata"

# What was replaced: the class, and what its dictionary had there.
_replaced: "List[Tuple[type, Any, Any]]" = []


def install() -> None:
    """Lets importlib.metadata and the importlib_metadata backport answer from the index.

    It spares them the scan of the search directories, not the import of the library. Once is enough;
    `uninstall()` undoes it. Needs Python 3.10.
    """
    if sys.version_info < (3, 10):
        raise RuntimeError("epcache.install() needs Python 3.10 or later")
    for finder in list(sys.meta_path):
        if is_path_finder(finder):
            kind = finder if isinstance(finder, type) else type(finder)
            _replace(kind)
    if not any([isinstance(finder, _BackportHook) for finder in sys.meta_path]):
        sys.meta_path.insert(0, _BackportHook())


def uninstall() -> None:
    """Undoes `install()`."""
    sys.meta_path[:] = [
        finder for finder in sys.meta_path if not isinstance(finder, _BackportHook)
    ]
    while _replaced:
        kind, before, ours = _replaced.pop()
        # The backport takes it away from the standard library's finder: then it stays away.
        if kind.__dict__.get("find_distributions") is ours:
            setattr(kind, "find_distributions", before)


def _replace(kind: "Any") -> None:
    before = kind.__dict__.get("find_distributions")
    if before is None or any([before is ours for _, _, ours in _replaced]):
        return
    # Of old backports it is a method, of an instance on sys.meta_path; else the class has it.
    of_instance = not isinstance(before, (classmethod, staticmethod))

    def find_distributions(owner: "Any", context: "Any" = None) -> "Iterator[Any]":
        original = before.__get__(owner, kind) if of_instance else before.__get__(None, owner)
        return _find(_host_of(kind), original, context)

    find_distributions.__doc__ = before.__doc__
    ours: "Any" = find_distributions if of_instance else classmethod(find_distributions)
    _replaced.append((kind, before, ours))
    setattr(kind, "find_distributions", ours)


def _host_of(kind: "Any") -> "Any":
    """The library that a finder is of."""
    module = kind.__module__
    if module.startswith(("_frozen_importlib", "importlib.")):
        import importlib.metadata

        return importlib.metadata
    return sys.modules[module]


class _BackportHook:
    """On sys.meta_path: sees the backport being imported, and is not in anybody's way otherwise."""

    def find_spec(self, name: str, path: "Any" = None, target: "Any" = None) -> "Any":
        if name.rpartition(".")[2] != _BACKPORT:
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
            _replace(finder)

    try:
        loader.exec_module = exec_module
    except AttributeError:
        pass  # a loader that does not let itself be watched


# ---- finding


def _find(host: "Any", original: "Callable[..., Any]", context: "Any") -> "Iterator[Any]":
    if context is None:
        context = host.DistributionFinder.Context()
    name = context.name
    for path in context.path:
        answer = None
        if isinstance(path, str):
            answer = _answer_of_index(path)
        found = None
        if answer is not None:
            try:
                found = _of_answer(host, answer, name)
            except Unusable:
                found = None
        if found is None:
            found = original(host.DistributionFinder.Context(path=[path], name=name))
        for distribution in found:
            yield distribution


def _answer_of_index(path: str) -> "Optional[Answer]":
    """The answer, if an index has one. Else the library reads the directory, and not we."""
    state = current_state()
    answer = state.answers.get(path)
    if answer is not None and answer.index is not None:
        if holds(answer, state.level):
            return answer
    while True:
        try:
            answer = Question(path, state.indexes).of_index()
            break
        except Unusable as error:
            give_up(state, error)
    if answer is not None:
        state.answers[path] = answer
    return answer


def _of_answer(host: "Any", answer: Answer, name: "Optional[str]") -> "Optional[List[Any]]":
    """The distributions of a search directory, in the library's order; None if it has to look itself."""
    record: "Any" = answer.record
    if record is None or not record.count:
        return []
    make = _type_for(host)
    live: "Optional[Sequence[Read]]" = getattr(record, "found", None)
    if live is not None:
        from ._live import Recorded

        import pathlib

        distributions = []
        for one in live:
            if name and not _has_name(one.sighting.name, one.sighting.kind, one.sighting.egg, name):
                continue
            if isinstance(one, Recorded):
                distributions.append(make(answer.path, one.record, one.facts()))
            else:
                path = pathlib.Path(answer.path, one.sighting.name)
                distributions.append(host.PathDistribution(path))
        return distributions
    numbers = _numbers(record, answer.path, name)
    if record.flags & SORTED and len(numbers) > 1:
        listed = _listed_order(answer.path, record)
        if listed is None:
            return None
        wanted = set(numbers)
        numbers = [number for number in listed if number in wanted]
    if len(numbers) < 8:
        rows = [record.facts(number) for number in numbers]
    else:
        table = record.table()
        rows = [table[number] for number in numbers]
    return [make(answer.path, record, facts) for facts in rows]


def _has_name(file_name: str, kind: int, egg: str, name: str) -> bool:
    wanted = name.lower().replace("-", "_") if kind == EGG else normalize(name)
    return lookup_key(file_name, kind, egg) == wanted


def _numbers(record: "Record", path: str, name: "Optional[str]") -> "Sequence[int]":
    """The numbers of the distributions that the library would find by a name."""
    if not name:
        return range(record.count)
    egg = egg_base(path)

    def fits(number: int) -> bool:
        facts = record.facts(number)
        return _has_name(os.fsdecode(facts[0]), facts[4] & 3, egg, name or "")

    if not egg:
        key = os.fsencode(normalize(name))
        chosen = record.find_key(hash_of(key), key)
        if chosen is not None and fits(chosen):
            # All of one name stand together.
            first = last = chosen
            while first > 0 and fits(first - 1):
                first -= 1
            while last + 1 < record.count and fits(last + 1):
                last += 1
            return range(first, last + 1)
    # Nobody has this name, or somebody whose file name and headers say different things.
    wanted, legacy = normalize(name), name.lower().replace("-", "_")
    found = _names(record, egg)
    return found.get((False, wanted), []) + found.get((True, legacy), [])


def _names(record: "Record", egg: str) -> "Dict[Tuple[bool, str], List[int]]":
    known: "Any" = record.known.get("names")
    if known is None:
        known = {}
        for number, facts in enumerate(record.table()):
            kind = facts[4] & 3
            key = lookup_key(os.fsdecode(facts[0]), kind, egg)
            known.setdefault((kind == EGG, key), []).append(number)
        record.known["names"] = known
    return known  # type: ignore[no-any-return]


def _listed_order(path: str, record: "Record") -> "Optional[List[int]]":
    """A record of an image is in the order of the names; the library takes that of the directory."""
    egg = egg_base(path)
    rows = record.table()
    numbers = {facts[0]: number for number, facts in enumerate(rows)}
    ranks: "Dict[Tuple[bool, str], int]" = {}
    ranked: "List[Tuple[bool, int, int, int]]" = []
    try:
        names = os.listdir(path)
    except OSError:
        return None
    for name in names:
        number = numbers.get(os.fsencode(name))
        if number is not None:
            kind = rows[number][4] & 3
            key = kind == EGG, lookup_key(name, kind, egg)
            ranked.append((key[0], ranks.setdefault(key, len(ranks)), len(ranked), number))
    if len(ranked) != len(rows):
        return None
    return [number for _, _, _, number in sorted(ranked)]


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
    all_of: "Any" = getattr(host, "EntryPoints", None)

    class PathDistribution(base):  # type: ignore[misc]
        def __init__(self, directory: str, record: "Record", facts: "Facts") -> None:
            self._epcache = directory, record, facts

        @property
        def _path(self) -> pathlib.Path:
            path = self.__dict__.get("_epcache_path")
            if path is None:
                directory, _, facts = self._epcache
                path = self._epcache_path = pathlib.Path(directory, os.fsdecode(facts[0]))
            return path

        @property
        def _normalized_name(self) -> str:
            key = key_of_name(os.fsdecode(self._epcache[2][0]))
            return key or super()._normalized_name

        @property
        def name(self) -> str:
            facts = self._epcache[2]
            if facts[4] & (NAME_FROM_FILE | UNREAD | PROBLEM) or b"\n" in facts[2]:
                return super().name  # type: ignore[no-any-return]
            return facts[2].decode()

        @property
        def version(self) -> str:
            facts = self._epcache[2]
            if facts[4] & (VERSION_FROM_FILE | UNREAD | PROBLEM) or b"\n" in facts[3]:
                return super().version  # type: ignore[no-any-return]
            return facts[3].decode()

        if all_of is not None:

            @property
            def entry_points(self) -> "Any":
                _, record, facts = self._epcache
                if not facts[4] & (UNREAD | PROBLEM):
                    try:
                        found = record.entries_of(facts[10], facts[11])
                    except Unusable:
                        pass
                    else:
                        return all_of(
                            [
                                one_of(name=name, value=value, group=group)._for(self)
                                for group, name, value in found
                            ]
                        )
                return super().entry_points

        if hasattr(base, "_has_metadata"):

            def _has_metadata(self) -> bool:
                flags = self._epcache[2][4]
                if flags & (UNREAD | PROBLEM):
                    return bool(super()._has_metadata())
                return bool(flags & HAS_METADATA)

        def __reduce__(self) -> "Any":
            return base, (self._path,)

    PathDistribution.__module__ = base.__module__
    PathDistribution.__qualname__ = base.__qualname__
    PathDistribution.__doc__ = base.__doc__
    return PathDistribution
