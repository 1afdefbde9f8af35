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

    def compare(self):
        before = answers()
        epcache.install()
        self.assertTrue(hasattr(next(iter(library.distributions())), "_epcache"))
        self.assertEqual(answers(), before)
        epcache.uninstall()
        self.assertFalse(hasattr(next(iter(library.distributions())), "_epcache"))
        self.assertEqual(answers(), before)

    def test_everything_is_as_without(self):
        self.refresh("one", "two")
        self.compare()

    def test_a_sorted_record_is_put_into_the_order_of_the_directory(self):
        self.refresh("one", "two", arguments=["--image"])
        # On an ordinary disk it is not believed, unless somebody says so.
        os.environ["EPCACHE"] = "trust"
        self.compare()

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
        self.compare()

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

    def automatic(self, code, *flags, before="", **environ):
        """With the auto files in a site directory of the interpreter: as site.py would do it."""
        start = "%simport sys; sys.path[:0] = [%r, %r]\nimport site; site.addsitedir(%r)\n" % (
            before, self.path("one"), SOURCE, AUTO,
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
sys.path.remove(%r)  # so that nothing comes in the place of what goes
class Behind:
    def find_spec(name, path=None, target=None):
        print("asked for", name)
sys.meta_path.insert(1, Behind)
import importlib.metadata
""" % SOURCE
        self.assertIn("asked for importlib.metadata", self.automatic(code).splitlines())

    def test_the_auto_files_hurt_nobody_where_epcache_is_missing_or_broken(self):
        index = self.refresh("one", "two")
        broken = self.path("broken")
        self.file("broken/epcache.py", "raise SystemError")
        self.file("broken/sitecustomize.py", "")
        for code in (
            "sys.path.remove(%r)\n" % SOURCE,
            "sys.path.insert(0, %r)\n" % broken,
        ):
            self.assertEqual(self.automatic(code + self.TELL, EPCACHE_INDEX=index), "False")


class Older(Case):
    @unittest.skipIf(sys.version_info >= (3, 10), "for Python before 3.10")
    def test_install_says_what_it_needs(self):
        self.assertRaises(RuntimeError, epcache.install)


if __name__ == "__main__":
    unittest.main()
