"""`importlib.metadata` without loading it: for programs that do not know epcache.

In its place stands a module that answers `version`, `distribution`, `distributions`,
`entry_points`, `requires` and `packages_distributions` from an index, and that has
`PackageNotFoundError`, `EntryPoint` and `EntryPoints`. These and the classes of distributions are
the library's own: they are made from the code of the library, of which nothing else has run. As
soon as anything else is asked of the module, or set, that code is executed in this very module,
and the classes that were handed out before stay what they are. From then on the functions ask the
index first.

Whatever the index does not answer, whatever somebody has replaced, and whatever goes wrong here:
the library answers. A library is known by the hash of its source; others are left alone.
"""

import os
import sys

# Built in, so that no file is searched for them.
from _frozen_importlib_external import PathFinder
from _operator import is_

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any, Dict, Iterator, List, Optional, Sequence, Set

NAME = "importlib.metadata"

# The libraries with which CPython's own tests have passed here, by _imp.source_hash().
KNOWN = {
    "939126fcfd37d456",  # 3.11.2 to 3.11.7, Debian 12
    "3cac37f388cdca70",  # 3.12.1
    "901584b002c93dc2",  # 3.13.0, Debian 13
}

# What the module has without the library: other names load it.
LIGHT = frozenset(
    """version distribution distributions entry_points requires packages_distributions
    PackageNotFoundError EntryPoint EntryPoints
    __class__ __doc__ __file__ __loader__ __name__ __package__ __path__ __spec__""".split()
)
# The library's classes, each with the first of these that it has as its base.
CLASSES: "Dict[str, Sequence[Any]]" = {
    "PackageNotFoundError": (ModuleNotFoundError,),
    "DeprecatedTuple": (object,),
    "EntryPoint": ("DeprecatedTuple", object),
    "DeprecatedList": (list,),
    "EntryPoints": ("DeprecatedList", tuple),
    "DeprecatedNonAbstract": (object,),
    "Distribution": ("DeprecatedNonAbstract", object),
    "PathDistribution": ("Distribution",),
}

_the_one: "Optional[StandIn]" = None


# ---- getting into place


def install() -> bool:
    """Let `importlib.metadata` answer from an index in this process.

    False where it is left alone: see KNOWN.
    """
    if sys.version_info < (3, 11) or os.environ.get("EPCACHE", "").lower() == "off":
        return False
    if _the_one is not None:
        return True
    module = sys.modules.get(NAME)
    if module is not None:
        return adopt(module)
    if not any([isinstance(finder, Finder) for finder in sys.meta_path]):
        sys.meta_path.insert(0, Finder())
    return True


def uninstall() -> None:
    """Leave `importlib.metadata` to the library again."""
    global _the_one
    sys.meta_path[:] = [one for one in sys.meta_path if not isinstance(one, Finder)]
    if _the_one is not None:
        _the_one.load()
        _the_one.give_up()
        _the_one = None


def adopt(module: "Any") -> bool:
    """The library was loaded before."""
    global _the_one
    try:
        if type(module) is not type(sys) or not is_known(module.__spec__):
            return False
        stand_in = StandIn(module)
        stand_in.take_over()
    except Exception:
        return False
    _the_one = stand_in
    return True


class Finder:
    """On sys.meta_path, until the library is imported."""

    def find_spec(self, name: str, path: "Any" = None, target: "Any" = None) -> "Any":
        if name != NAME:
            return None
        try:
            sys.meta_path.remove(self)
        except ValueError:
            pass  # another thread was first
        return find_spec(name, path, target)


def find_spec(name: str, path: "Any", target: "Any") -> "Any":
    """What the other finders find; of a library that is known, with a loader of our own."""
    # All of them are asked: the loop that asks this one may have missed one, as it was removed.
    for finder in list(sys.meta_path):
        ask = getattr(finder, "find_spec", None)
        spec = ask and ask(name, path, target)
        if spec is not None:
            try:
                if target is None and is_known(spec):
                    spec.loader = Loader(spec.loader)
            except Exception:
                pass
            return spec
    return None


def is_known(spec: "Any") -> bool:
    from _frozen_importlib_external import SourceFileLoader
    from _imp import source_hash

    if type(spec.loader) is not SourceFileLoader or sys.implementation.name != "cpython":
        return False
    with open(spec.origin, "rb") as file:
        return source_hash(0, file.read()).hex() in KNOWN


class Loader:
    def __init__(self, loader: "Any") -> None:
        self._loader = loader

    def create_module(self, spec: "Any") -> "Any":
        try:
            return StandIn.begin(spec.name, self._loader.get_code(spec.name)).module
        except Exception:
            return None

    def exec_module(self, module: "Any") -> None:
        global _the_one
        space = vars_of(module)
        space["__spec__"].loader = space["__loader__"] = self._loader
        stand_in = space.pop(HERE, None)
        try:
            stand_in.mark()
        except Exception:
            if stand_in is not None:
                stand_in.clear()
            self._loader.exec_module(module)
        else:
            _the_one = stand_in


def vars_of(module: "Any") -> "Dict[str, Any]":
    return type(sys).__getattribute__(module, "__dict__")  # type: ignore[no-any-return]


class Module(type(sys)):  # type: ignore[misc]
    """The module until the library is loaded: then it becomes an ordinary one."""

    def __getattribute__(self, name: str) -> "Any":
        if name not in LIGHT or _the_one is None or _the_one.is_loading:
            _load_module(self)
        return type(sys).__getattribute__(self, name)

    def __setattr__(self, name: str, value: object) -> None:
        _load_module(self)
        type(sys).__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        _load_module(self)
        type(sys).__delattr__(self, name)


def _load_module(module: "Any") -> None:
    stand_in = _the_one
    if stand_in is not None and stand_in.module is module:
        stand_in.load()


# ---- names of the library that its classes use, before it has run


class Unknown:
    """Stands in annotations."""

    def __getattr__(self, name: str) -> "Unknown":
        return self

    __getitem__ = __getattr__


class Late:
    """A name of the library: to use it loads the library."""

    def __init__(self, stand_in: "StandIn", name: str) -> None:
        self._epcache = stand_in, name

    def _real(self) -> "Any":
        stand_in, name = self._epcache
        stand_in.load()
        return stand_in.space[name]

    def __getattr__(self, name: str) -> "Any":
        return getattr(self._real(), name)

    def __call__(self, *args: "Any", **params: "Any") -> "Any":
        return self._real()(*args, **params)


class Pattern:
    """A regular expression that is compiled when it is used."""

    def __init__(self, *params: "Any") -> None:
        self._epcache = params

    def __getattr__(self, name: str) -> "Any":
        from re import compile

        return getattr(compile(*self._epcache), name)


class Re:
    """The module re, imported when it is used."""

    compile = Pattern

    def __getattr__(self, name: str) -> "Any":
        import re

        return getattr(re, name)


def codes_in(code: "CodeType") -> "List[CodeType]":
    return [one for one in code.co_consts if isinstance(one, type(code))]


def names_in(code: "CodeType") -> "Iterator[str]":
    yield from code.co_names
    for one in codes_in(code):
        yield from names_in(one)


def amend(ours: "Any", theirs: "Any") -> None:
    """What stood for something that had not been imported becomes what it stands for."""
    for name, value in list(vars(ours).items()):
        right = vars(theirs).get(name)
        if name == "__annotations__" or type(value) is Pattern:
            setattr(ours, name, right)
        function, model = [
            getattr(one, "fget", getattr(one, "__func__", one)) for one in (value, right)
        ]
        if type(function) is type(model) is type(amend):
            function.__annotations__ = model.__annotations__


# ---- the stand-in

HERE = "epcache"


class StandIn:
    """One module, and what it has of the library. Before `load()` that is a part, then all."""

    def __init__(self, module: "Any") -> None:
        self.module = module
        self.space = vars_of(module)
        self.is_loading = False
        self.classes: "Dict[str, Any]" = {}
        # The functions of the library, once it has run, and those that stand before them.
        self.real: "Dict[str, Any]" = {}
        self.light: "Dict[str, Any]" = functions(self)
        self.early: "Any" = None
        self._code: "Optional[CodeType]" = None
        self._put: "Dict[str, Any]" = {}
        self._paths = list(sys.path), list(sys.meta_path)
        self._marks: "List[Any]" = []
        self._marks_of_one: "List[Any]" = []
        self._has_paths = False

    @classmethod
    def begin(cls, name: str, code: "CodeType") -> "StandIn":
        """With a module in which the library has not run."""
        module: "Any" = type(sys).__new__(Module)
        type(sys).__init__(module, name)
        self = cls(module)
        self._code = code
        self._make_classes({one.co_name: one for one in codes_in(code)})
        self.space.update(self.light)
        self.space[HERE] = self
        return self

    def _make_classes(self, codes: "Dict[str, CodeType]") -> None:
        import _functools  # type: ignore[import-not-found]
        import _operator
        import _warnings
        import abc
        import builtins
        import importlib

        put = self._put
        put.update(functools=_functools, operator=_operator, warnings=_warnings, abc=abc, re=Re())
        put.update(import_module=lambda name: importlib.import_module(name))
        put.update(cast=lambda _, value: value, Match=None)
        put.update(dict.fromkeys(("Optional", "_meta", "SimplePath"), Unknown()))
        self.space.update(put)
        wanted: "Set[str]" = set()
        for name, bases in CLASSES.items():
            if name in codes:
                wanted.update(names_in(codes[name]))
                bases = [self.classes.get(one, one) for one in bases]
                body: "Dict[str, Any]" = {}
                exec(codes[name], self.space, body)
                base = [one for one in bases if isinstance(one, type)][0]
                self.classes[name] = self.space[name] = type(name, (base,), body)
        for name in wanted.difference(self.space, vars(builtins)):
            put[name] = self.space[name] = Late(self, name)
        self.early = early_class(self, self.classes["PathDistribution"])

    def load(self) -> None:
        """Execute the library in the module, unless that has been done."""
        if self._code is None:
            return
        from _frozen_importlib import _ModuleLockManager  # type: ignore[attr-defined]

        with _ModuleLockManager(NAME):
            if self._code is None or self.is_loading:
                return
            self.is_loading = True
            try:
                # The library would not import those of its submodules that seem to be there.
                for name in [name for name in self._put if name[:1] == "_"]:
                    self.space.pop(name, None)
                self._execute()
                try:
                    self.take_over()
                except Exception:
                    self.give_up()
            finally:
                self.is_loading = False

    def _execute(self) -> None:
        try:
            exec(self._code, self.space)  # type: ignore[arg-type]
        except ImportError:
            # Somebody has emptied sys.path or sys.meta_path since the library was imported.
            now = sys.path, sys.meta_path
            sys.path, sys.meta_path = self._paths
            try:
                exec(self._code, self.space)  # type: ignore[arg-type]
            finally:
                sys.path, sys.meta_path = now

    def take_over(self) -> None:
        """The library has run: its functions come behind ours, its classes are those of before."""
        space = self.space
        for name, ours in self.classes.items():
            amend(ours, space[name])
            space[name] = ours
        self._remove_substitutes()
        for name, ours in self.light.items():
            self.real[name] = ours.__wrapped__ = theirs = space[name]
            ours.__doc__, ours.__annotations__ = theirs.__doc__, theirs.__annotations__
            space[name] = ours
        if self.early is None:
            self.classes = {name: space[name] for name in CLASSES if name in space}
            self.early = early_class(self, self.classes["PathDistribution"])
        self.mark()
        self._code = None
        if type(self.module) is Module:
            type(sys).__setattr__(self.module, "__class__", type(sys))

    def _remove_substitutes(self) -> None:
        for name, value in self._put.items():
            if self.space.get(name) is value and name != "abc":
                del self.space[name]

    def clear(self) -> None:
        """Leave the module to the library, which has not run."""
        self._remove_substitutes()
        type(sys).__setattr__(self.module, "__class__", type(sys))

    def give_up(self) -> None:
        """Leave the module to the library, which has run in it."""
        for name, ours in self.light.items():
            if self.space.get(name) is ours:
                self.space[name] = self.real[name]
            self.real.setdefault(name, self.space[name])
        self._code = None
        if type(self.module) is Module:
            type(sys).__setattr__(self.module, "__class__", type(sys))

    # ---- whether all is the library's own

    def mark(self) -> None:
        """Remember what an answer of the library depends on, to notice when it is replaced."""
        space = self.space
        kinds = list(self.classes.values()) + [PathFinder]
        for name in ("MetadataPathFinder", "DistributionFinder", "FastPath", "Lookup", "Prepared"):
            if isinstance(space.get(name), type):
                kinds.append(space[name])
        self._marks = [marked(vars(kind), True) for kind in kinds] + [marked(space, False)]
        # Of one distribution nothing is searched.
        self._marks_of_one = self._marks[: len(self.classes)]
        self._has_paths = False

    def is_untouched(self, of_one: bool = False) -> bool:
        """Whether nobody has replaced a function, a method or a property."""
        if SYSTEM != (os, os.stat, os.listdir, open):
            return False
        if not self._has_paths and "pathlib" in sys.modules:
            kind = sys.modules["pathlib"].Path
            if not all([is_of_pathlib(getattr(kind, name)) for name in ("open", "read_text")]):
                return False
            values = {name: vars(kind)[name] for name in PATHS if name in vars(kind)}
            mark = vars(kind), values, False
            self._marks.append(mark)
            self._marks_of_one.append(mark)
            self._has_paths = True
        for space, values, is_whole in self._marks_of_one if of_one else self._marks:
            if not all(map(is_, map(space.get, values), values.values())):
                return False
            # In a class, more names may hide those of its base.
            if is_whole and len(space) - (NOTES in space) != len(values):
                return False
        return True

    def ask(
        self, question: str, params: "Sequence[Any]", make: "Any" = list, of_one: bool = False
    ) -> "Any":
        """What `make` makes of the rows that the index answers; None: ask the library."""
        try:
            if not self.is_untouched(of_one):
                return None
            from . import _quick

            rows = getattr(_quick, question)(*params)
            return None if rows is None else make(rows)
        except Exception:
            return None

    def library(self, name: str) -> "Any":
        self.load()
        return self.real[name]

    # ---- values

    def distributions(self, rows: "Any") -> "List[Any]":
        made = [object.__new__(self.early) for _ in rows]
        for one, row in zip(made, rows):
            vars(one)[ROW] = row
        return made

    def entry_points(self, rows: "Any", dist: "Any" = None) -> "Any":
        """Those of one distribution, or each with its own."""
        kind, all_of_them = self.classes["EntryPoint"], self.classes["EntryPoints"]
        dists: "Dict[Any, Any]" = {}
        made = []
        for name, value, group, row in rows:
            owner = dist or dists.get(row)
            if owner is None:
                owner = dists[row] = self.distributions([row])[0]
            made.append(kind(name, value, group)._for(owner))
        return all_of_them(made)

    def selected(self, params: "Dict[str, Any]") -> "Any":
        """What entry_points() returns; None: ask the library."""
        group = params.get("group")
        if isinstance(group, str):
            params = {name: value for name, value in params.items() if name != "group"}
        elif not params and sys.version_info < (3, 12):
            return None  # a dict
        else:
            group = None

        def make(rows: "Any") -> "Any":
            if group is None and sys.version_info < (3, 12):
                rows = sorted(rows, key=lambda row: row[2])  # type: ignore[no-any-return]
            found = self.entry_points(rows)
            return found.select(**params) if params else found

        return self.ask("entry_points", (group,), make)


SYSTEM = os, os.stat, os.listdir, open
ROW = "_epcache"
# Some classes have that only after somebody has asked for it.
NOTES = "__annotations__"
# What the library uses of pathlib.Path.
PATHS = "__init__", "__new__", "joinpath", "open", "parent", "read_text"


def marked(space: "Any", is_whole: bool) -> "Any":
    return space, {name: space[name] for name in space if name != NOTES}, is_whole


def is_of_pathlib(method: "Any") -> bool:
    return getattr(method, "__globals__", {}).get("__name__", "")[:7] == "pathlib"  # type: ignore[no-any-return]


def made_lists(rows: "Any") -> "List[Any]":
    return [None if row is None else list(row) for row in rows]


def shaped(rows: "Any") -> "Any":
    from . import _shape

    return _shape.packages_distributions(rows)


def early_class(stand_in: StandIn, base: "Any") -> "Any":
    """Distributions that know what an index says of them. They become ordinary ones as soon as
    they are asked for anything else."""

    class PathDistribution(base):  # type: ignore[misc]
        @property
        def name(self) -> str:
            found = _asked(self, "look_again")
            return found[0][2] if found else _ordinary(self).name  # type: ignore[no-any-return]

        @property
        def version(self) -> str:
            found = _asked(self, "look_again")
            return found[0][3] if found else _ordinary(self).version  # type: ignore[no-any-return]

        @property
        def entry_points(self) -> "Any":
            found = _asked(self, "entry_points_of", lambda rows: stand_in.entry_points(rows, self))
            return _ordinary(self).entry_points if found is None else found

        def __getattr__(self, name: str) -> "Any":
            if name != "_path":
                raise AttributeError("%r object has no attribute %r" % (base.__name__, name))
            return _ordinary(self)._path

        def __reduce_ex__(self, protocol: "Any") -> "Any":
            return _ordinary(self).__reduce_ex__(protocol)

    def _asked(dist: "Any", question: str, make: "Any" = list) -> "Any":
        space = vars(dist)
        if len(space) != 1 or ROW not in space:
            return None
        return stand_in.ask(question, [space[ROW]], make, of_one=True)

    def _ordinary(dist: "Any") -> "Any":
        stand_in.load()
        space = vars(dist)
        row = space.pop(ROW, None)
        if row is not None and "_path" not in space:
            from pathlib import Path

            space["_path"] = Path(row[0], row[1])
        dist.__class__ = base
        return dist

    for name in ("__module__", "__qualname__", "__doc__"):
        setattr(PathDistribution, name, getattr(base, name))
    return PathDistribution


def functions(stand_in: StandIn) -> "Dict[str, Any]":
    """The functions of the module."""

    def version(distribution_name):  # type: ignore[no-untyped-def]
        rows = stand_in.ask("distribution", [distribution_name])
        if rows is None:
            return stand_in.library("version")(distribution_name)
        if not rows:
            raise stand_in.classes["PackageNotFoundError"](distribution_name)
        return rows[0][3]

    def distribution(distribution_name):  # type: ignore[no-untyped-def]
        found = stand_in.ask("distribution", [distribution_name], stand_in.distributions)
        if found is None:
            return stand_in.library("distribution")(distribution_name)
        if not found:
            raise stand_in.classes["PackageNotFoundError"](distribution_name)
        return found[0]

    def distributions(**kwargs):  # type: ignore[no-untyped-def]
        found = None if kwargs else stand_in.ask("distributions", (), stand_in.distributions)
        if found is None:
            return stand_in.library("distributions")(**kwargs)
        from itertools import chain

        return chain.from_iterable([found])

    def entry_points(**params):  # type: ignore[no-untyped-def]
        try:
            found = stand_in.selected(params)
        except Exception:
            found = None
        return stand_in.library("entry_points")(**params) if found is None else found

    def requires(distribution_name):  # type: ignore[no-untyped-def]
        found = stand_in.ask("requires", [distribution_name], made_lists)
        if found is None:
            return stand_in.library("requires")(distribution_name)
        if not found:
            raise stand_in.classes["PackageNotFoundError"](distribution_name)
        return found[0]

    def packages_distributions():  # type: ignore[no-untyped-def]
        found = stand_in.ask("import_names", (), shaped)
        return stand_in.library("packages_distributions")() if found is None else found

    made: "Dict[str, Any]" = {}
    for one in version, distribution, distributions, entry_points, requires, packages_distributions:
        one.__module__, one.__qualname__ = NAME, one.__name__
        made[one.__name__] = one
    return made
