"""CPython's own tests of importlib.metadata, or the importlib_metadata backport's, after epcache.install().

    python -B tests/python_cpython.py EPCACHE MOMENT [LIBRARIES TESTS]

In: the program, when the index is made, and for the backport where it and its tests are. Out: a line that
says what was run and who answered. The exit status is 1 if something failed that must not, or passed that
is said not to. Nothing is written but temporary files.

MOMENT is when the program refreshes the index:

  never    no index is there: install() leaves everything to the library
  before   when the case's setUp() is over; what a case builds later makes the index stale
  asked    before each search: each search directory has to be answered from the index
"""

import collections
import contextlib
import importlib
import importlib.metadata
import os
import pkgutil
import subprocess
import sys
import tempfile
import time
import traceback
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.join(os.path.dirname(HERE), "python", "src")

# Cases that cannot pass after install(), as `module.Class.method`, and why. One that passes all the same is an error.
EXPECTED = {}

# Cases whose directories no index can have, and why. If one answers all the same, that is an error.
WITHOUT_INDEX = {
    "test_main.InaccessibleSysPath.test_discovery": "its file system is one of pyfakefs, which no program sees",
}

# What cases say when they skip themselves, and why that is no loss. Whatever else is skipped is an error.
SKIPPED = {
    "pyfakefs not available": "CPython has a stub in its place; the backport's tests run the same case with it",
    "stdlib Distribution.origin added in Python 3.13": "is run on 3.13",
    "origin is exempt only while Python 3.12 is supported": "is run on 3.12",
}

# What archives are called.
ARCHIVES = ".whl", ".egg"


def main(program, moment, libraries=None, tests=None):
    sys.path[:] = [path for path in sys.path if path and path != HERE]
    if libraries:
        sys.path[:0] = [tests, libraries]
        # Cases start interpreters.
        os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:2])
        library = importlib.import_module("importlib_metadata")
        package = importlib.import_module("tests")
    else:
        library = importlib.metadata
        package = importlib.import_module("test.test_importlib")
        with contextlib.suppress(ImportError):
            package = importlib.import_module("test.test_importlib.metadata")
    suite = cases(package)
    sys.path.append(SOURCE)
    with tempfile.TemporaryDirectory(prefix="epcache-cpython-") as folder:
        os.chmod(folder, 0o755)
        for name in ("EPCACHE", "XDG_CACHE_HOME"):
            os.environ.pop(name, None)
        os.environ.update(HOME=folder, EPCACHE_INDEX=os.path.join(folder, "index"))
        harness = Harness(program, moment, library, folder)
        outcome = Outcome(harness)
        with harness.in_force():
            suite.run(outcome)
    complaints = outcome.complaints() + harness.complaints()
    print(
        "%s %s, index %s: %s; %s"
        % (
            library.__name__,
            library.version("importlib_metadata") if libraries else "of %d.%d.%d" % sys.version_info[:3],
            moment,
            outcome.summary(),
            harness.summary(),
        )
    )
    for reason, names in sorted(outcome.left_out.items()):
        print("  left out: %s: %s" % (", ".join(names), reason))
    for complaint in complaints:
        print("  FAILED %s" % complaint, file=sys.stderr)
    return 1 if complaints else 0


def cases(package):
    """The cases of a package's modules that are about metadata."""
    loader = unittest.TestLoader()
    suite = unittest.TestSuite()
    for module in sorted(modules(package)):
        suite.addTests(loader.loadTestsFromModule(importlib.import_module(module)))
    if loader.errors:
        raise SystemExit("\n".join(loader.errors))
    return suite


def modules(package):
    # Where importlib's own tests are in the same package, three modules are metadata's.
    is_mixed = package.__name__ == "test.test_importlib"
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        last = module.name.rpartition(".")[2]
        if last.startswith("test_") and "data.sources" not in module.name:
            if not is_mixed or last in ("test_main", "test_metadata_api", "test_zip"):
                yield module.name


def short(test):
    """`module.Class.method`, as EXPECTED has it."""
    return ".".join(test.id().split(".")[-3:])


class Harness:
    """Refreshes the index when it is time, and counts who answers."""

    def __init__(self, program, moment, library, folder):
        self.program, self.moment, self.library, self.folder = program, moment, library, folder
        self.answered = collections.Counter()
        self.wrong = []
        # The interpreter's own directories are left out: its user may be the only one who can read them.
        self.own = frozenset(sys.path)
        self.current = None

    @contextlib.contextmanager
    def in_force(self):
        import epcache
        from epcache import _quick

        # The program reads as another user where it is run by root.
        tempfile.tempdir = self.folder
        make = tempfile.mkdtemp
        tempfile.mkdtemp = lambda *args, **kwargs: public(make(*args, **kwargs))
        search = _quick.search

        def counted(path, name=None):
            answer = search(path, name)
            self.count(path, answer)
            return answer

        _quick.search = counted
        epcache.install()
        undo = self.refresh_before_searches() if self.moment == "asked" else None
        try:
            yield
        finally:
            if undo:
                undo()
            epcache.uninstall()
            _quick.search = search
            tempfile.mkdtemp, tempfile.tempdir = make, None

    def refresh_before_searches(self):
        kind = [
            finder if isinstance(finder, type) else type(finder)
            for finder in sys.meta_path
            if self.library.__name__ in getattr(finder, "__module__", "")
            or getattr(finder, "__name__", "") == "PathFinder"
            and self.library is importlib.metadata
        ][0]
        ours = kind.__dict__["find_distributions"]
        default = self.library.DistributionFinder.Context

        def find_distributions(cls, context=None):
            context = default() if context is None else context
            self.refresh(context.path)
            return ours.__get__(None, cls)(context)

        kind.find_distributions = classmethod(find_distributions)
        return lambda: setattr(kind, "find_distributions", ours)

    def start(self, test):
        self.current = test
        if self.moment == "before":
            original = test.setUp

            def set_up():
                original()
                self.refresh([*sys.path, str(getattr(test, "site_dir", ""))])

            test.setUp = set_up

    def stop(self):
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.environ["EPCACHE_INDEX"])

    def refresh(self, paths):
        paths = [path for path in dict.fromkeys(paths) if path[:1] == "/" and path not in self.own]
        if not paths or short(self.current) in WITHOUT_INDEX:
            return
        # Times as young as the clock's last tick may be recorded as unknown: then the index is not believed.
        time.sleep(0.03)
        refresh = [self.program, "refresh", "--quiet", "--path", *paths, "--output", os.environ["EPCACHE_INDEX"]]
        ended = subprocess.run(refresh, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        # 1: something could not be read, as an archive in root's home. No directory may be without an answer.
        if ended.returncode not in (0, 1):
            self.wrong.append("%s: %s: %s" % (short(self.current), refresh, ended.stderr))

    def count(self, path, answer):
        if path in self.own:
            return
        # Archives are the library's business, always.
        archive = path.endswith(ARCHIVES) and not os.path.isdir(path)
        self.answered["archives" if archive else "directories", bool(answer)] += 1
        case = short(self.current)
        if answer and (self.moment == "never" or case in WITHOUT_INDEX):
            self.wrong.append("%s: an index answered for %s, and there is none" % (case, path))

    def complaints(self):
        if self.moment != "never" and not self.answered["directories", True]:
            self.wrong.append("the index answered for no directory of a case")
        return self.wrong

    def summary(self):
        return ", ".join(
            "%s: %d times by the index, %d by the library"
            % (what, self.answered[what, True], self.answered[what, False])
            for what in ("directories", "archives")
        )


def public(directory):
    os.chmod(directory, 0o755)
    return directory


class Outcome(unittest.TestResult):
    """What came of the cases, held against EXPECTED."""

    def __init__(self, harness):
        super().__init__()
        self.harness = harness
        self.failed = {}
        self.passed = []
        self.left_out = collections.defaultdict(list)
        self.unforeseen = []

    def startTest(self, test):
        super().startTest(test)
        self.harness.start(test)

    def stopTest(self, test):
        super().stopTest(test)
        self.harness.stop()

    def addSuccess(self, test):
        self.passed.append(short(test))

    def addError(self, test, error):
        self.failed[short(test)] = "".join(traceback.format_exception(*error))

    addFailure = addError

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self.addError(test, error)

    def addSkip(self, test, reason):
        self.left_out[SKIPPED.get(reason, reason)].append(short(test))
        if reason not in SKIPPED:
            self.unforeseen.append("%s was skipped: %s" % (short(test), reason))

    def addUnexpectedSuccess(self, test):
        self.failed[short(test)] = "its own expectation to fail was not met"

    def complaints(self):
        found = list(self.unforeseen)
        for name, told in self.failed.items():
            if name in EXPECTED:
                self.left_out[EXPECTED[name]].append(name)
            else:
                found.append("%s:\n%s" % (name, told))
        for name in self.passed:
            if name in EXPECTED and name not in self.failed:
                found.append("%s passes: it is no exception any more" % name)
        if not self.passed:
            found.append("no case was run")
        return found

    def summary(self):
        return "%d of %d cases pass" % (
            len(set(self.passed) - set(self.failed)),
            self.testsRun,
        )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
