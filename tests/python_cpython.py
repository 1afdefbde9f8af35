"""CPython's own tests of importlib.metadata with the stand-in, or the importlib_metadata backport's.

    python -B -S tests/python_cpython.py EPCACHE STATE INDEX [LIBRARIES TESTS]

In: the program, in which state the stand-in is, whether there is an index, and for the backport where
it and its tests are. Out: a line that says what was run and how much the index answered. The exit
status is 1 if something failed that must not, or if an index answered too little or too much.

STATE, for each case in a process of its own:

  fresh    the library has not been loaded when the case starts
  middle   it is loaded when the case's setUp() is over, after the stand-in has answered
  start    it was loaded before the stand-in came

INDEX:

  never    there is none
  asked    it is refreshed before each question
  stale    it is made when the case's setUp() is over, and all metadata directories change after that

The cases import names of the library at the top of their modules, which would load it. So these
imports are moved to where a name is used (`Later`).
"""

import ast
import collections
import contextlib
import importlib
import importlib.abc
import importlib.machinery
import os
import pickle
import pkgutil
import subprocess
import sys
import tempfile
import time
import traceback
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.join(os.path.dirname(HERE), "python", "src")
LIBRARY = "importlib.metadata"

# Cases that this process cannot run, and why.
LEFT_OUT = {
    "test_main.InaccessibleSysPath.test_discovery": "CPython has a stub of pyfakefs in its place",
}

# What cases say when they skip themselves, and why that is no loss. Whatever else is skipped is an error.
SKIPPED = {
    "pyfakefs not available": "CPython has a stub in its place; the backport's tests run the same case with it",
    "stdlib Distribution.origin added in Python 3.13": "is run on 3.13",
    "origin is exempt only while Python 3.12 is supported": "is run on 3.12",
}

QUESTIONS = "distribution", "distributions", "entry_points", "entry_points_of", "look_again", "requires", "import_names"


def main(program, state, index, libraries=None, tests=None):
    sys.path[:] = [path for path in sys.path if path and path != HERE]
    if libraries:
        sys.path[:0] = [tests, libraries]
        # Cases start interpreters.
        os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:2])
    sys.path.append(SOURCE)
    for name in ("EPCACHE", "XDG_CACHE_HOME"):
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory(prefix="epcache-cpython-") as folder:
        os.chmod(folder, 0o755)
        os.environ.update(HOME=folder, EPCACHE_INDEX=os.path.join(folder, "index"))
        if state == "start" or libraries:
            importlib.import_module(LIBRARY)
        sys.meta_path.insert(0, Mover())
        if libraries:
            package = importlib.import_module("tests")
        else:
            package = importlib.import_module("test.test_importlib")
            with contextlib.suppress(ImportError):
                package = importlib.import_module("test.test_importlib.metadata")
        suite = list(cases(package))
        if state != "start" and not libraries:
            assert LIBRARY not in sys.modules, "the library is loaded before any case runs"
        sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, Mover)]
        # The program reads as another user where it is run by root.
        tempfile.tempdir = folder
        make = tempfile.mkdtemp
        tempfile.mkdtemp = lambda *args, **kwargs: public(make(*args, **kwargs))
        outcome = Outcome()
        for case in suite:
            outcome.add(case, forked(lambda: Case(program, state, index, case).run()))
        tempfile.tempdir = None
    complaints = outcome.complaints(index, bool(libraries))
    what = "the backport" if libraries else "%s of %d.%d.%d" % ((LIBRARY,) + sys.version_info[:3])
    print("%s, %s, index %s: %s" % (what, state, index, outcome.summary()))
    for reason, names in sorted(outcome.left_out.items()):
        print("  left out: %s: %s" % (", ".join(names), reason))
    for complaint in complaints:
        print("  FAILED %s" % complaint, file=sys.stderr)
    return 1 if complaints else 0


# ---- the cases, with imports of the library moved to where they are used


class Later(ast.NodeTransformer):
    """`from importlib.metadata import x` goes; each use of `x` becomes `importlib.metadata.x`."""

    def __init__(self):
        self.names = {}

    def visit_ImportFrom(self, node):
        if node.module == LIBRARY and not node.level:
            self.names.update({one.asname or one.name: one.name for one in node.names})
            return None
        if node.module == "importlib" and not node.level:
            kept = [one for one in node.names if one.name != "metadata"]
            self.names.update({one.asname or one.name: "" for one in node.names if one.name == "metadata"})
            return ast.ImportFrom("importlib", kept, 0) if kept else None
        return node

    def visit_Import(self, node):
        kept = []
        for one in node.names:
            if one.name == LIBRARY and one.asname:
                self.names[one.asname] = ""
            elif one.name == LIBRARY:
                self.names["importlib"] = "importlib"
                kept.append(ast.alias("importlib"))
            else:
                kept.append(one)
        return ast.Import(kept) if kept else None

    def visit_FunctionDef(self, node):
        """Names that a function binds itself are its own."""
        bound = {one.arg for one in ast.walk(node) if isinstance(one, ast.arg)}
        bound |= {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
        kept, self.names = self.names, {name: what for name, what in self.names.items() if name not in bound}
        self.generic_visit(node)
        self.names = kept
        return node

    def visit_Name(self, node):
        if node.id not in self.names or not isinstance(node.ctx, ast.Load):
            return node
        if self.names[node.id] == "importlib":
            return ast.parse("(__import__(%r), importlib)[1]" % LIBRARY, mode="eval").body
        module = "__import__(%r, fromlist=['*'])" % LIBRARY
        name = self.names[node.id]
        return ast.parse(module + ("." + name if name else ""), mode="eval").body


class Mover(importlib.abc.MetaPathFinder):
    """Loads the modules of the tests transformed by `Later`."""

    def find_spec(self, name, path=None, target=None):
        if not name.startswith("test.test_importlib."):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = Transformed(name, spec.origin)
        return spec


class Transformed(importlib.machinery.SourceFileLoader):
    def get_code(self, name):
        with open(self.path, "rb") as file:
            tree = Later().visit(ast.parse(file.read(), self.path))
        return compile(ast.fix_missing_locations(tree), self.path, "exec")


def cases(package):
    """Class and method of the cases that are about metadata. Some use the library when they are made."""
    loader = unittest.TestLoader()
    for name in sorted(modules(package)):
        for kind in vars(importlib.import_module(name)).values():
            if isinstance(kind, type) and issubclass(kind, unittest.TestCase):
                for method in loader.getTestCaseNames(kind):
                    yield kind, method


def modules(package):
    # Where importlib's own tests are in the same package, three modules are metadata's.
    is_mixed = package.__name__ == "test.test_importlib"
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        last = module.name.rpartition(".")[2]
        if last.startswith("test_") and "data.sources" not in module.name:
            if not is_mixed or last in ("test_main", "test_metadata_api", "test_zip"):
                yield module.name


def short(case):
    kind, method = case
    return "%s.%s.%s" % (kind.__module__.rpartition(".")[2], kind.__qualname__, method)


# ---- one case, in a process of its own


def forked(work):
    """What `work` returns, done in a child."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            try:
                result = work()
            except BaseException:
                result = {"failed": traceback.format_exc()}
            with open(writing, "wb") as file:
                pickle.dump(result, file)
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as file:
        content = file.read()
    os.waitpid(child, 0)
    return pickle.loads(content) if content else {"failed": "the process died"}


class Case:
    def __init__(self, program, state, index, case):
        self.program, self.state, self.index, self.case = program, state, index, case
        self.answered = collections.Counter()
        self.own = frozenset(sys.path)
        self.is_asking = False

    def run(self):
        from epcache import _quick, _stand_in

        for name in QUESTIONS:
            if hasattr(_quick, name):
                setattr(_quick, name, self.counted(getattr(_quick, name)))
        assert _stand_in.install(), "this library is not known"
        kind, method = self.case
        self.test = kind(method)
        set_up = self.test.setUp

        def after_set_up():
            set_up()
            if self.index == "stale":
                self.refresh([*sys.path, str(getattr(self.test, "site_dir", ""))])
                self.change([*sys.path, str(getattr(self.test, "site_dir", ""))])
            if self.state == "middle":
                library = importlib.import_module(LIBRARY)
                with contextlib.suppress(library.PackageNotFoundError):
                    library.version("egginfo-pkg")
                library.Distribution
                assert type(library) is type(sys)

        self.test.setUp = after_set_up
        result = unittest.TestResult()
        self.test.run(result)
        told = [text for _, text in result.failures + result.errors]
        told += ["its own expectation to fail was not met"] * len(result.unexpectedSuccesses)
        library = sys.modules.get(LIBRARY)
        return {
            "failed": "\n".join(told),
            "skipped": [reason for _, reason in result.skipped],
            "answered": self.answered["index"],
            "left": self.answered["library"],
            "unloaded": library is not None and type(library) is not type(sys),
        }

    def counted(self, question):
        def ask(*params):
            if self.index == "asked" and not self.is_asking:
                self.is_asking = True
                try:
                    self.refresh(sys.path)
                finally:
                    self.is_asking = False
            answer = question(*params)
            self.answered["library" if answer is None else "index"] += 1
            return answer

        return ask

    def refresh(self, paths):
        paths = [path for path in dict.fromkeys(paths) if path[:1] == "/" and path not in self.own]
        # Of a directory without metadata the program makes no index.
        if not any(has_metadata(path) for path in paths):
            return
        # Times as young as the clock's last tick may be recorded as unknown: then nothing is fresh.
        time.sleep(0.03)
        refresh = [self.program, "refresh", "--quiet", "--path", *paths, "--output", os.environ["EPCACHE_INDEX"]]
        ended = subprocess.run(refresh, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        # 1: something could not be read, as an archive in root's home.
        assert ended.returncode in (0, 1), ended.stderr

    def change(self, paths):
        """Nothing that a case sees, and all that an index goes by."""
        for path in dict.fromkeys(paths):
            if path[:1] == "/" and path not in self.own and os.path.isdir(path):
                for name in [*os.listdir(path), ""]:
                    os.utime(os.path.join(path, name), (1600000000, 1600000000))
                os.mkdir(os.path.join(path, "stale-0.dist-info"))
                os.rmdir(os.path.join(path, "stale-0.dist-info"))


def has_metadata(path):
    with contextlib.suppress(OSError):
        return any(name.lower().endswith((".dist-info", ".egg-info", "egg-info")) for name in os.listdir(path))
    return False


def public(directory):
    os.chmod(directory, 0o755)
    return directory


class Outcome:
    def __init__(self):
        self.passed, self.failed, self.answered, self.left, self.unloaded = 0, {}, 0, 0, 0
        self.left_out = collections.defaultdict(list)
        self.unforeseen = []

    def add(self, case, result):
        name = short(case)
        for reason in result.get("skipped", ()):
            self.left_out[SKIPPED.get(reason, reason)].append(name)
            if reason not in SKIPPED:
                self.unforeseen.append("%s was skipped: %s" % (name, reason))
        if result["failed"]:
            self.failed[name] = result["failed"]
        else:
            self.passed += not result["skipped"]
        self.answered += result.get("answered", 0)
        self.left += result.get("left", 0)
        self.unloaded += result.get("unloaded", False)

    def complaints(self, index, of_backport):
        found = list(self.unforeseen)
        for name, told in self.failed.items():
            if name in LEFT_OUT and not of_backport:
                self.left_out[LEFT_OUT[name]].append(name)
            else:
                found.append("%s:\n%s" % (name, told))
        if self.passed < 60:
            found.append("only %d cases were run" % self.passed)
        # What is asked in these tests by the functions that go by an index; the rest asks classes.
        if index == "asked" and not of_backport and self.answered < 30:
            found.append("the index answered only %d questions" % self.answered)
        if index == "never" and self.answered:
            found.append("an index answered %d questions, and there is none" % self.answered)
        return found

    def summary(self):
        return "%d cases pass; %d questions to the index, %d left to the library; %d cases never loaded the library" % (
            self.passed,
            self.answered,
            self.left,
            self.unloaded,
        )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
