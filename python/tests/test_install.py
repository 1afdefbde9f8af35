"""install(): the same answers as without, from the index. And the files for all interpreters."""

import os
import pickle
import shutil
import subprocess
import sys
import unittest
import warnings

import importlib.metadata as library
from support import HERE, SOURCE, Case, epcache

BACKPORT = os.environ.get("EPCACHE_TEST_BACKPORT", "")
AUTO = os.path.join(os.path.dirname(HERE), "auto")


def answers(of=library):
    """All that programs ask."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        entry_points = of.entry_points()
        found = [repr(type(entry_points)), repr(entry_points)]
        for dist in of.distributions():
            found.append(
                (
                    str(dist._path),
                    dist.metadata["Name"],
                    dist.version,
                    dist._normalized_name,
                    repr(dist.entry_points),
                    dist.read_text("entry_points.txt"),
                    isinstance(dist, of.PathDistribution),
                )
            )
        for name in ("tool", "Tool", "TWIN", "odd", "other", "nothing", "of.header", "image"):
            try:
                found.append((name, of.version(name), str(of.distribution(name)._path)))
            except of.PackageNotFoundError as error:
                found.append((name, repr(error)))
        return found


@unittest.skipIf(sys.version_info < (3, 10), "needs Python 3.10")
class Install(Case):
    def setUp(self):
        super().setUp()
        self.addCleanup(epcache.uninstall)
        self.dist("one", "tool", "[g]\na = tool:a\n[console_scripts]\nt = tool:m [x]\n", "2")
        self.dist("one", "Twin", "[g]\ntwin = t:old\n", "1.0")
        self.dist("one", "twin", "[g]\ntwin = t:new\n", "2.0")
        self.dist("one", "Odd.Name", "[g]\nbroken = not-an-object\n", "3", ending=".egg-info")
        self.file("one/File-1.egg-info", "Name: File\nVersion: 1\n")
        self.file("one/Upper-1.DIST-INFO/METADATA", "Name: of.header\nVersion: 7\n")
        self.dist("two", "tool", "[g]\nold = tool:old\n", "1")
        self.dist("two", "other", "[g]\na = other:a\n")

    def counted(self):
        """How many distributions know their index."""
        return sum([hasattr(dist, "_epcache") for dist in library.distributions()])

    def compare(self, indexed):
        before = answers()
        epcache.install()
        self.assertEqual(self.counted(), indexed)
        self.assertEqual(answers(), before)
        epcache.uninstall()
        self.assertFalse(hasattr(next(iter(library.distributions())), "_epcache"))
        self.assertEqual(answers(), before)

    def test_everything_is_as_without(self):
        self.refresh("one", "two")
        self.compare(8)

    def test_a_sorted_record_is_left_to_the_library(self):
        self.refresh("one", "two", arguments=["--image"])
        # On an ordinary disk it is not believed, unless somebody says so.
        os.environ["EPCACHE"] = "trust"
        # On a file system that can be written, that order is not believed.
        self.compare(0)

    def test_the_finder_of_an_old_backport_is_asked_as_the_instance_that_it_is(self):
        class MetadataPathFinder(library.MetadataPathFinder):
            def find_distributions(self, context):
                self.was_asked = True
                return super().find_distributions(context)

        MetadataPathFinder.__module__ = "importlib.metadata"
        finder = MetadataPathFinder()
        sys.meta_path.append(finder)
        epcache.install()
        context = library.DistributionFinder.Context(path=[self.path("two")])
        found = [dist.version for dist in finder.find_distributions(context)]
        self.assertEqual((sorted(found), finder.was_asked), (["1", "1"], True))

    def test_a_stale_index_is_silently_put_right(self):
        self.refresh("one", "two")
        self.dist("one", "new", "[g]\nnew = n:n\n")
        self.file("one/tool-2.dist-info/entry_points.txt", "[g]\nchanged = tool:changed\n")
        os.utime(self.path("one", "tool-2.dist-info"))
        shutil.rmtree(self.path("two", "other-1.dist-info"))
        before = answers()
        epcache.install()
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            list(library.distributions())
        self.assertEqual([w for w in said if w.category is epcache.StaleCacheWarning], [])
        self.assertEqual(answers(), before)

    def test_a_bad_file_does_what_it_does_without(self):
        self.dist("one", "bad", "[g]\nno equals sign\n")
        self.refresh("one", "two")
        epcache.install()
        self.assertRaises(Exception, lambda: list(library.entry_points()))

    def test_search_directories_without_a_record_are_left_to_the_library(self):
        self.refresh("one")
        sys.path.append(self.path("two"))
        self.compare(6)

    def test_a_path_of_the_callers_own_is_searched(self):
        self.refresh("one", "two")
        epcache.install()
        found = list(library.distributions(path=[self.path("two")]))
        self.assertEqual(sorted(dist.metadata["Name"] for dist in found), ["other", "tool"])
        self.assertTrue(hasattr(found[0], "_epcache"))

    def test_distributions_can_be_pickled(self):
        self.refresh("one", "two")
        epcache.install()
        dist = library.distribution("tool")
        again = pickle.loads(pickle.dumps(dist))
        self.assertEqual((again.version, again._path), (dist.version, dist._path))

    def test_installing_twice_is_undone_at_once(self):
        self.refresh("one", "two")
        before = list(sys.meta_path)
        epcache.install()
        epcache.install()
        epcache.uninstall()
        self.assertEqual(sys.meta_path, before)
        self.assertFalse(hasattr(next(iter(library.distributions())), "_epcache"))

    def test_off_leaves_all_to_the_library(self):
        self.refresh("one", "two")
        epcache.install()
        os.environ["EPCACHE"] = "off"
        self.assertFalse(hasattr(next(iter(library.distributions())), "_epcache"))

    def test_a_damaged_index_is_as_absent(self):
        index = self.refresh("one", "two")
        before = answers()
        with open(index, "rb") as file:
            whole = file.read()
        for at in range(0, len(whole), 11):
            self.file("index", whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
            self.forget()
            epcache.install()
            self.assertEqual(answers(), before)

    def run_python(self, code, *flags, **environ):
        return subprocess.run(
            [sys.executable] + list(flags) + ["-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict({"PATH": "/usr/bin:/bin"}, **environ),
        ).stdout.decode().strip()

    @unittest.skipUnless(BACKPORT, "EPCACHE_TEST_BACKPORT does not name an importlib_metadata")
    def test_the_backport_before_and_after(self):
        # Some versions raise for it, with and without an index.
        shutil.rmtree(self.path("one", "Odd.Name-3.egg-info"))
        index = self.refresh("one", "two")
        code = """
import sys
own = list(sys.path)
sys.path[:0] = [%r, %r]
import epcache, warnings
warnings.simplefilter("ignore")
import importlib_metadata as m, importlib.metadata as std, importlib_metadata._adapters
m.version("importlib_metadata"), list(m.entry_points())
plain = __import__("os").environ.get("ORDER")
sys.path[:0] = [%r, %r]
def answers(): return repr(m.entry_points()), [(str(d._path), d.version, type(d).__module__) for d in m.distributions()], repr(std.entry_points())
before = answers()
epcache.install()
print(answers() == before, hasattr(next(iter(m.distributions())), "_epcache"))
epcache.uninstall()
print(answers() == before, hasattr(next(iter(m.distributions())), "_epcache"))
""" % (SOURCE, BACKPORT, self.path("one"), self.path("two"))
        told = self.run_python(code, EPCACHE_INDEX=index)
        self.assertEqual(told.split(), ["True", "True", "True", "False"], told)
        first = code.replace("import importlib_metadata as m", "epcache.install()\nimport importlib_metadata as m")
        told = self.run_python(first, EPCACHE_INDEX=index)
        self.assertEqual(told.split()[-1], "False")
        after = """
import sys
sys.path[:0] = [%r, %r, %r, %r]
import epcache
epcache.install()
import importlib_metadata as m
print(hasattr(next(iter(m.distributions())), "_epcache"), m.version("tool"))
import importlib.metadata as std
print(type(next(iter(std.distributions()))).__module__)
""" % (self.path("one"), self.path("two"), SOURCE, BACKPORT)
        self.assertEqual(self.run_python(after, EPCACHE_INDEX=index).split(), ["True", "2", "importlib_metadata"])

    # ---- for all interpreters

    def furnished(self, site):
        """A site directory as the packages make it: the auto files and the package beside each other."""
        site = self.path(site)
        if not os.path.exists(site):
            shutil.copytree(AUTO, site, ignore=shutil.ignore_patterns("__pycache__"))
            shutil.copytree(os.path.join(SOURCE, "epcache"), os.path.join(site, "epcache"))
        return site

    def automatic(self, code, *flags, before="", **environ):
        """With the auto files in a site directory of the interpreter: as site.py would do it."""
        start = "%simport sys; sys.path[:0] = [%r]\nimport site; site.addsitedir(%r)\n" % (
            before, self.path("one"), self.furnished("site"),
        )
        return self.run_python(start + code, *flags, **environ)

    TELL = "import importlib.metadata as m; print(hasattr(next(iter(m.distributions())), '_epcache'))"

    def test_the_auto_files_install_when_somebody_asks(self):
        index = self.refresh("one", "two")
        self.assertEqual(self.automatic(self.TELL, EPCACHE_INDEX=index), "True")
        self.assertEqual(self.automatic(self.TELL, EPCACHE_INDEX=index, EPCACHE="off"), "False")
        self.assertEqual(self.automatic(self.TELL, "-I", EPCACHE_INDEX=index), "False")
        told = self.automatic(
            "print([n for n in ('epcache', 'importlib.metadata') if n in sys.modules])",
            EPCACHE_INDEX=index,
        )
        self.assertEqual(told, "[]")

    WAITING = "print([f.__globals__['__name__'] for f in sys.meta_path if hasattr(f, '__globals__')])\n"

    def test_the_auto_files_wait_for_the_library_and_then_are_gone(self):
        index = self.refresh("one", "two")
        for flags, level, waiting in (((), "auto", "['epcache_auto']"), ((), "off", "[]"), (("-I",), "auto", "[]")):
            told = self.automatic(
                self.WAITING + "import json; print('epcache' in sys.modules)\nimport importlib.metadata\n" + self.WAITING,
                *flags, EPCACHE_INDEX=index, EPCACHE=level,
            )
            self.assertEqual(told.splitlines(), [waiting, "False", "[]"])

    def test_the_auto_files_come_too_late_for_nobody(self):
        index = self.refresh("one", "two")
        start = "import importlib.metadata, sys\n"
        told = self.automatic(self.WAITING + self.TELL, EPCACHE_INDEX=index, before=start)
        self.assertEqual(told.split(), ["[]", "True"])

    def test_finders_behind_the_auto_files_are_asked_all_the_same(self):
        code = """
class Behind:
    def find_spec(name, path=None, target=None):
        print("asked for", name)
sys.meta_path.insert(1, Behind)
import importlib.metadata
"""
        self.assertIn("asked for importlib.metadata", self.automatic(code).splitlines())

    def test_the_auto_files_hurt_nobody_where_epcache_is_missing_or_broken(self):
        index = self.refresh("one", "two")
        self.furnished("site")
        package = self.path("site/epcache")
        self.file("site/epcache/__init__.py", "raise SystemError")
        self.assertEqual(self.automatic(self.TELL, EPCACHE_INDEX=index), "False")
        shutil.rmtree(package)
        self.assertEqual(self.automatic(self.TELL, EPCACHE_INDEX=index), "False")
        self.file("site/epcache", "not a package")
        self.assertEqual(self.automatic(self.TELL, EPCACHE_INDEX=index), "False")

    # What somebody else has named epcache: it says so when it runs.
    OTHER = "print('another epcache runs')\nMINE = 'mine'\ndef install(): print('and is asked')\n"
    USE = TELL + "\nimport epcache; print(getattr(epcache, 'MINE', 'ours'))"

    def started(self, *arguments, folder="", **environ):
        """What an interpreter prints that has the auto files in its user's site directory from its start on."""
        environ.update(PYTHONUSERBASE=self.path("user"), PYTHONPATH=self.path("one"), PATH="/usr/bin:/bin")
        ask = [sys.executable, "-c", "import site; print(site.getusersitepackages())"]
        site = subprocess.run(ask, stdout=subprocess.PIPE, env=environ).stdout.decode().strip()
        self.furnished(os.path.relpath(site, self.path("")))
        return subprocess.run(
            [sys.executable, "-B"] + list(arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environ,
            cwd=self.path(folder),
        ).stdout.decode().split("\n")[:-1]

    def test_the_auto_files_load_the_package_beside_them_and_never_another(self):
        index = self.refresh("one", "two")
        for folder, file in (("module", "epcache.py"), ("package", "epcache/__init__.py"), ("none", "other.py")):
            self.file(folder + "/" + file, self.OTHER)
            self.file(folder + "/program.py", self.TELL)
            self.file(folder + "/user.py", self.USE)
            self.file(folder + "/first.py", "import epcache\n" + self.USE)
            whose = ["ours"] if folder == "none" else ["another epcache runs", "mine"]
            for start in (["-c", self.TELL], ["-m", "program"], ["program.py"]):
                told = self.started(*start, folder=folder, EPCACHE_INDEX=index)
                self.assertEqual(told, ["True"], (start, folder))
            # A program that imports it itself gets what it would get without the auto files.
            for start in (["-c", self.USE], ["-m", "user"], ["user.py"]):
                told = self.started(*start, folder=folder, EPCACHE_INDEX=index)
                self.assertEqual(told, ["True"] + whose, (start, folder))
            told = self.started("first.py", folder=folder, EPCACHE_INDEX=index)
            self.assertEqual(told, whose[:-1] + ["True"] + whose[-1:], folder)

    def test_the_auto_files_search_no_file_for_the_import_machinery(self):
        index = self.refresh("one", "two")
        for name in ("importlib/__init__", "importlib/util", "importlib/machinery", "_frozen_importlib", "pkgutil", "types"):
            self.file("names/%s.py" % name, "print('%s runs')" % name)
        self.file("names/importlib_metadata.py", "print('the backport of this folder')")
        told = self.started("-c", "import importlib_metadata", folder="names", EPCACHE_INDEX=index)
        self.assertEqual(told, ["the backport of this folder"])

    def test_the_auto_files_work_from_an_archive(self):
        index = self.refresh("one", "two")
        archive = shutil.make_archive(self.path("archive"), "zip", self.furnished("site"))
        code = "import sys; sys.path[:0] = [%r, %r]\nimport epcache_auto\n" % (self.path("one"), archive)
        self.assertEqual(self.run_python(code + self.TELL, EPCACHE_INDEX=index), "True")



class Older(Case):
    @unittest.skipIf(sys.version_info >= (3, 10), "for Python before 3.10")
    def test_install_says_what_it_needs(self):
        self.assertRaises(RuntimeError, epcache.install)


if __name__ == "__main__":
    unittest.main()
