"""The stand-in for importlib.metadata: the library's answers without the library. Each case in a process of its own."""

import importlib.metadata as library
import os
import re
import shutil
import subprocess
import sys
import textwrap
import unittest

from support import HERE, SOURCE, Case

from epcache import _stand_in

BACKPORT = os.environ.get("EPCACHE_TEST_BACKPORT", "")
AUTO = os.path.join(os.path.dirname(HERE), "auto")
IS_KNOWN = sys.version_info >= (3, 11) and _stand_in.is_known(library.__spec__)

START = """
import sys
sys.path[:0] = [%r]
import epcache
before = set(sys.modules)
assert epcache.install()
import importlib.metadata as m
def loaded(): return type(m) is type(sys)
def count():
    quick = sys.modules.get("epcache._quick")
    return len([rows for _, rows, _, _ in quick._answers.values() if rows is not None])
sys.path[:0] = %r
"""

# All that programs ask, in an order that is the same with and without the stand-in.
ANSWERS = """
import sys, warnings
warnings.simplefilter("ignore")
def said(ask):
    try:
        return repr(ask())
    except Exception as error:
        return repr(error)
def answers(m):
    found = []
    for name in ("tool", "Tool", "TWIN", "odd", "other", "nothing", "of.header", "file", "", "gr\\u00fcn"):
        found.append((name, said(lambda: m.version(name)), said(lambda: m.requires(name))))
        found.append(said(lambda: m.distribution(name).name))
        found.append(said(lambda: str(m.distribution(name)._path)))
        found.append(said(lambda: list(m.distribution(name).entry_points)))
    for params in ({"group": "g"}, {"group": "g", "name": "a"}, {"name": "a"}, {"group": "none"}, {"module": "tool"}, {"grp": "g"}):
        found.append((params, said(lambda: m.entry_points(**params))))
        found.append(said(lambda: [(one.dist.name, one.dist.version) for one in m.entry_points(**params)]))
        found.append(said(lambda: [sorted(vars(one)) for one in m.entry_points(**params)]))
        found.append(said(lambda: type(m.entry_points(**params)).__mro__))
    found.append(said(lambda: [(one.name, one.version, one.entry_points) for one in m.distributions()]))
    found.append(said(lambda: [str(one._path) for one in m.distributions()]))
    found.append(said(m.entry_points))
    found.append(said(lambda: sorted(m.packages_distributions().items())))
    found.append(said(lambda: [sorted({str(kind) for kind in type(one).__mro__}) for one in m.distributions()]))
    found.append(said(lambda: [one.metadata["Name"] for one in m.distributions()]))
    found.append(said(lambda: (m.__name__, m.__file__, m.__all__, dir(m), m.__spec__)))
    found.append(said(lambda: (m, type(m).__mro__, m.__loader__, vars(m)["EntryPoint"])))
    return found
"""


@unittest.skipUnless(IS_KNOWN, "a library that is left alone")
class StandIn(Case):
    def setUp(self):
        super().setUp()
        self.dist("one", "tool", "[g]\na = tool:a\n[console_scripts]\nt = tool:m [x]\n", "2")
        self.dist("one", "Odd.Name", "[g]\nbroken = not-an-object\n", "3", ending=".egg-info")
        self.file("one/File-1.egg-info", "Name: File\nVersion: 1\n")
        self.dist("two", "tool", "[g]\nold = tool:old\n", "1")
        self.dist("two", "other", "[g]\na = os:sep\nl = os.path:join\n")
        self.index = self.refresh("one", "two")

    def python(self, code, *flags, start=None, **environ):
        """What a process prints, standard error included."""
        if start is None:
            start = START % (SOURCE, [self.path("one"), self.path("two")])
        environ = {"EPCACHE_INDEX": self.index, "PATH": "/usr/bin:/bin", **environ}
        return subprocess.run(
            [sys.executable, "-S", *flags, "-c", start + textwrap.dedent(code)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environ,
            cwd=self.folder,
        ).stdout.decode("utf-8", "replace").strip()

    def says(self, code, wanted, *flags, about=None, **environ):
        told = self.python(code, *flags, **environ)
        self.assertEqual(told, wanted, (about, told[-600:]))

    # ---- answers

    def dumped(self, how, *flags, **environ):
        code = ANSWERS + "import importlib.metadata as m\n%s\nfor one in answers(m): print(one)" % how
        told = self.python(code, *flags, **environ)
        told = "\n".join([line for line in told.splitlines() if line[:12] != "import time:"])
        return re.sub("0x[0-9a-f]+", "0x", told)

    def test_everything_is_as_without(self):
        plain = "import sys\nsys.path[:0] = %r\n" % [self.path("one"), self.path("two")]
        for change in (None, self.make_twins, self.make_broken):
            if change:
                change()
            self.maxDiff = 3000
            for flags in ((), ("-O",), ("-W", "error"), ("-X", "importtime")):
                right = self.dumped("", *flags, start=plain)
                self.assertGreater(len(right.splitlines()), 60)
                for how in ("", "m.Distribution", "m.version('tool')\nm.files"):
                    self.assertEqual(self.dumped(how, *flags), right)
            right = self.dumped("", start=plain)
            self.assertEqual(self.dumped("", EPCACHE_INDEX="/nowhere"), right)
            self.assertEqual(self.dumped("", EPCACHE="off", start=plain), right)

    def make_twins(self):
        self.dist("one", "Twin", "[g]\ntwin = t:old\n", "1.0")
        self.dist("one", "twin", "[g]\ntwin = t:new\n", "2.0")
        self.file("one/Upper-1.DIST-INFO/METADATA", "Name: of.header\nVersion: 7\n")
        self.refresh("one", "two")

    def make_broken(self):
        self.dist("two", "bad", "[g]\nno equals sign\n")
        self.refresh("one", "two")

    def test_the_usual_questions_load_nothing(self):
        self.says(
            """
            from importlib.metadata import EntryPoint, EntryPoints, PackageNotFoundError
            assert m.version("TOOL") == "2"
            d = m.distribution("other")
            assert (d.name, d.version, len(d.entry_points)) == ("other", "1", 2)
            assert [e.value for e in m.entry_points(group="g")][0] == "tool:a"
            assert len(list(m.distributions())) == 5
            try: m.version("nothing")
            except PackageNotFoundError as error: print(error, error.name)
            heavy = {"collections", "email", "functools", "inspect", "pathlib", "re", "typing", "zipfile"}
            print(sorted(heavy & set(sys.modules) - before), loaded(), count() > 4)
            """,
            "No package metadata was found for nothing nothing\n[] False True",
        )

    def test_other_names_load_the_library_into_the_same_module(self):
        for what in (
            "m.Distribution", "m.files", "m.metadata('tool')", "vars(m)", "dir(m)", "m.__all__",
            "m.__dict__", "hasattr(m, 'no_such_name')", "setattr(m, 'x', 1)", "m.distribution('tool')._path",
            "m.distribution('tool').metadata", "__import__('inspect').getmembers(m)",
            "__import__('importlib').reload(m)",
        ):
            code = "same = m\nassert not loaded()\n%s\nimport importlib.metadata\n" % what
            code += "print(loaded(), importlib.metadata is same, m.version('tool'))"
            self.says(code, "True True 2")

    def test_classes_handed_out_before_stay_the_classes(self):
        self.says(
            """
            import pickle, copy
            E, ES, P = m.EntryPoint, m.EntryPoints, m.PackageNotFoundError
            d = m.distribution("other")
            early, e = type(d), d.entry_points["a"]
            dumped = pickle.dumps(e), copy.copy(e)
            shown = repr(early)
            m.Distribution
            assert (m.EntryPoint, m.EntryPoints, m.PackageNotFoundError) == (E, ES, P)
            assert isinstance(d, m.Distribution) and isinstance(d, m.PathDistribution)
            assert isinstance(e, m.EntryPoint) and type(m.entry_points(group="g")) is ES
            assert type(m.PathDistribution(d._path).entry_points) is ES
            assert type(d) is m.PathDistribution and repr(type(d)) == shown
            assert pickle.loads(dumped[0]) == e == dumped[1]
            d = m.distribution("tool")
            assert pickle.loads(pickle.dumps(d))._path == d._path and type(d) is m.PathDistribution
            try: m.Distribution.from_name("nothing")
            except P: pass
            try: m.files("nothing")
            except P: pass
            assert vars(e)["dist"].version == "1"
            assert type(E.pattern).__name__ == "Pattern" and type(E.pattern).__module__ == "re"
            print(copy.deepcopy(m.distribution("tool")).version, m.distribution.__module__)
            """,
            "2 importlib.metadata",
        )

    def test_entry_points_work_before_and_after(self):
        use = """
            e = [one for one in m.entry_points(group="g") if one.dist.name == "other"]
            import os
            assert [one.load() for one in e] == [os.sep, os.path.join]
            assert (e[0].module, e[0].attr, e[0].extras) == ("os", "sep", [])
            assert e[0] == m.EntryPoint("a", "os:sep", "g") and len({e[0], e[0]}) == 1 and e[0] < e[1]
            t = m.EntryPoint("t", "tool:m [x]", "c")
            assert t.extras == ["x"] and t.matches(extras=["x"], name="t")
            assert m.entry_points(group="g").select(name="l")["l"] == e[1]
            assert m.entry_points(group="g").names == {"a", "broken", "l"}
            assert m.EntryPoints._from_text("[g]\\nx = y\\n")
            try: e[0].name = "x"
            except AttributeError: pass
            """
        for before in ("", "m.Distribution\n"):
            self.says(before + textwrap.dedent(use) + "print('right')", "right")
        code = textwrap.dedent(use).replace("assert m.EntryPoints._from_text", "#") + "print(loaded())"
        self.says(code, "False")

    def test_it_is_there_after_it_was_loaded(self):
        start = "import importlib.metadata as real\n" + START % (SOURCE, [self.path("one"), self.path("two")])
        self.says(
            """
            assert m is real and loaded()
            assert m.version("tool") == "2" and m.distribution("other").entry_points["a"].load()
            print(count() > 1, type(m.distribution("other")).__bases__[0] is m.PathDistribution)
            epcache.uninstall()
            print(m.version.__module__, m.version.__code__.co_filename == m.__file__, type(m.distribution("tool")) is m.PathDistribution)
            """,
            "True True\nimportlib.metadata True True",
            start=start,
        )

    # ---- what others change

    def test_what_others_replaced_stays_replaced(self):
        patches = (
            ("m.distributions", "lambda **_: []", "list(m.entry_points(group='g'))", "[]"),
            ("m.distribution", "lambda name: name", "m.distribution('tool')", "tool"),
            ("m.version", "lambda name: '9'", "m.version('tool')", "9"),
            ("m.Distribution.version", "property(lambda _: '9')", "m.version('tool')", "9"),
            ("m.PathDistribution.version", "property(lambda _: '9')", "m.version('tool')", "9"),
            ("m.Distribution.discover", "lambda **_: iter([])", "list(m.distributions())", "[]"),
            ("m.PathDistribution.read_text", "lambda *_: '[g]\\nx = y\\n'", "m.distribution('tool').entry_points.names", "{'x'}"),
            ("m.MetadataPathFinder._search_paths", "lambda *_: []", "list(m.distributions())", "[]"),
            ("m.EntryPoint.load", "lambda _: 9", "m.distribution('tool').entry_points['a'].load()", "9"),
            ("m.EntryPoints.names", "9", "m.entry_points(group='g').names", "9"),
            ("os.listdir", "lambda *_: []", "list(m.distributions(path=[sys.path[0]]))", "[]"),
            ("pathlib.Path.read_text", "lambda *_, **__: 'Name: q\\nVersion: 9\\n'", "m.version('tool')", "9"),
            ("sys.meta_path", "[]", "list(m.distributions())", "[]"),
            ("sys.path", "[]", "list(m.distributions())", "[]"),
        )
        for name, value, ask, wanted in patches:
            for before in ("", "m.files\n", "m.version('tool')\n"):
                place, _, attribute = name.rpartition(".")
                code = "import os, pathlib\n%splace = %s\nold = place.__dict__.get(%r)\n" % (before, place, attribute)
                code += "setattr(place, %r, %s)\nprint(%s)\n" % (attribute, value, ask)
                code += "setattr(place, %r, old) if old else delattr(place, %r)\n" % (attribute, attribute)
                code += "print(m.version('tool'))"
                self.says(code, wanted + "\n2")

    def test_a_distribution_s_own_files_may_be_written_in_place(self):
        for before in ("", "m.files\n"):
            code = """
            from io import open
            d, kept = m.distribution("tool"), m.entry_points(group="g")
            assert m.version("tool") == "2"
            with open(sys.path[0] + "/tool-2.dist-info/METADATA", "w") as file: file.write("Name: tool\\nVersion: 3\\n")
            print(m.version("tool"), d.version, m.distribution("tool").version, kept["a"].dist.version)
            with open(sys.path[0] + "/tool-2.dist-info/entry_points.txt", "w") as file: file.write("[g]\\nnew = n\\n")
            print(*d.entry_points.names, *m.distribution("tool").entry_points.names, "new" in m.entry_points(group="g").names)
            """
            self.says(before + textwrap.dedent(code), "3 3 3 3\nnew new True")
            shutil.rmtree(self.path("one", "tool-2.dist-info"))
            self.dist("one", "tool", "[g]\na = tool:a\n", "2")
            self.refresh("one", "two")

    def test_invalidate_caches_is_heard(self):
        new = self.file("one/tool-2.dist-info/new", "[g]\nnew = n\n")
        self.refresh("one", "two")
        self.says(
            """
            import importlib, os
            assert m.entry_points(group="g").names == {"a", "broken", "l"}
            os.rename(%r, sys.path[0] + "/tool-2.dist-info/entry_points.txt")
            importlib.invalidate_caches()
            print(*sorted(m.entry_points(group="g").names))
            """ % new,
            "broken l new" if sys.version_info < (0,) else "a broken l new",
        )

    def test_whatever_goes_wrong_inside_the_library_answers(self):
        ask = "print(m.version('tool'), len(m.distribution('other').entry_points), *sorted(m.entry_points(group='g').names), "
        ask += "len(list(m.distributions())), [d.version for d in m.distributions() if d.name == 'tool'], m.files('tool'))"
        right = self.python(ask)
        self.assertIn("a broken l 5 ['2', '1'] None", right)
        names = [name for name in vars(_stand_in.StandIn) if callable(getattr(_stand_in.StandIn, name))]
        places = ["epcache._stand_in.StandIn." + name for name in names if name[:2] != "__" and name not in ("ask", "load", "_execute", "library", "give_up", "clear", "_remove_substitutes")]
        places += ["epcache._stand_in." + name for name in ("is_known", "early_class", "functions", "amend", "codes_in", "names_in", "adopt")]
        places += ["epcache._quick." + name for name in ("distribution", "distributions", "entry_points", "entry_points_of", "look_again", "_ask")]
        self.assertGreater(len(places), 18)
        for place in places:
            where, _, name = place.rpartition(".")
            start = START.replace("before = ", "import epcache._quick, epcache._stand_in\n"
                                  "def broken(*_, **__): raise MemoryError\n%s.%s = broken\nbefore = " % (where, name))
            start = start.replace("assert epcache.install()", "epcache.install()").replace("%s.%s" % (where, name), place)
            self.says(ask, right, start=start % (SOURCE, [self.path("one"), self.path("two")]), about=place)

    def test_threads_that_load_at_once(self):
        self.says(
            """
            import threading
            wrong = []
            barrier = threading.Barrier(8)
            def work(number):
                barrier.wait()
                try:
                    for _ in range(20):
                        assert m.version("tool") == "2"
                        assert m.entry_points(group="g")["a"].dist.name == "tool"
                        if number % 2: assert m.distribution("tool").metadata["Name"] == "tool"
                        assert isinstance(m.distribution("other"), m.Distribution)
                except BaseException as error:
                    wrong.append(repr(error))
            threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
            for one in threads: one.start()
            for one in threads: one.join()
            print(wrong, loaded())
            """,
            "[] True",
        )

    def test_forks_and_the_end_of_a_process(self):
        self.says(
            """
            import os
            m.version("tool")
            child = os.fork()
            if child == 0:
                os._exit(0 if m.version("tool") == "2" and m.distribution("tool").metadata and loaded() else 1)
            print(os.waitpid(child, 0)[1], loaded())
            sys.keep = list(sys.modules.values())
            """,
            "0 False",
        )

    # ---- for all interpreters

    def furnished(self, site="site"):
        """A site directory as the packages make it: the auto files and the package beside each other."""
        site = self.path(site)
        if not os.path.exists(site):
            shutil.copytree(AUTO, site, ignore=shutil.ignore_patterns("__pycache__"))
            shutil.copytree(os.path.join(SOURCE, "epcache"), os.path.join(site, "epcache"))
        return site

    def automatic(self, code, *flags, before="", **environ):
        """With the auto files in a site directory of the interpreter: as site.py would do it."""
        start = "%simport sys; sys.path[:0] = %r\nimport site; site.addsitedir(%r)\n" % (
            before, [self.path("one"), self.path("two")], self.furnished(),
        )
        return self.python(code, *flags, start=start, **environ)

    TELL = "import importlib.metadata as m; print(type(m) is not type(sys), m.version('tool'))"

    def test_the_auto_files_stand_in_when_somebody_asks(self):
        self.assertEqual(self.automatic(self.TELL), "True 2")
        self.assertEqual(self.automatic(self.TELL, EPCACHE="off"), "False 2")
        self.assertEqual(self.automatic(self.TELL, "-I"), "False 2")
        told = self.automatic("print([n for n in sys.modules if 'epcache' in n or n == 'importlib.metadata'])")
        self.assertEqual(told, "['epcache_auto']")

    WAITING = "print([f.__globals__['__name__'] for f in sys.meta_path if hasattr(f, '__globals__')])\n"

    def test_the_auto_files_wait_for_the_library_and_then_are_gone(self):
        for flags, level, waiting in (((), "auto", "['epcache_auto']"), ((), "off", "[]"), (("-I",), "auto", "[]")):
            code = self.WAITING + "import json\nimport importlib.metadata\n" + self.WAITING
            self.assertEqual(self.automatic(code, *flags, EPCACHE=level).splitlines(), [waiting, "[]"])

    def test_the_auto_files_come_too_late_for_nobody(self):
        code = self.WAITING + "import importlib.metadata as m; print(m.version('tool'), m.version.__code__.co_filename[-12:])"
        told = self.automatic(code, before="import importlib.metadata, sys\n")
        self.assertEqual(told.split(), ["[]", "2", "_stand_in.py"])

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
        package = os.path.join(self.furnished(), "epcache")
        for name, content in (("_stand_in.py", "raise SystemError"), ("_quick.py", "raise SystemError"), ("_stand_in.py", "def find_spec(*_): raise OSError")):
            self.file("site/epcache/" + name, content)
            self.assertIn(self.automatic(self.TELL), ("False 2", "True 2"))
            shutil.copy(os.path.join(SOURCE, "epcache", name), package)
        shutil.rmtree(package)
        self.assertEqual(self.automatic(self.TELL), "False 2")
        self.file("site/epcache", "not a package")
        self.assertEqual(self.automatic(self.TELL), "False 2")

    def test_the_auto_files_never_run_another_epcache(self):
        self.file("epcache.py", "print('another epcache runs')\nMINE = 'mine'\n")
        self.assertEqual(self.automatic("sys.path.insert(0, '')\n" + self.TELL), "True 2")
        told = self.automatic("sys.path.insert(0, '')\n" + self.TELL + "\nimport epcache; print(epcache.MINE)")
        self.assertEqual(told.splitlines(), ["True 2", "another epcache runs", "mine"])

    def test_a_library_that_was_changed_is_left_alone(self):
        folder = os.path.dirname(library.__file__)
        shutil.copytree(folder, self.path("changed", "importlib", "metadata"))
        with open(self.path("changed", "importlib", "metadata", "__init__.py"), "a") as file:
            file.write("\nMINE = 1\n")
        code = "import importlib; importlib.__path__.insert(0, %r)\n" % self.path("changed", "importlib")
        self.assertEqual(self.automatic(code + self.TELL + "; print(m.MINE)"), "False 2\n1")

    @unittest.skipUnless(BACKPORT, "EPCACHE_TEST_BACKPORT does not name an importlib_metadata")
    def test_the_backport_is_left_alone(self):
        ask = "print(b.entry_points(), [type(d) for d in b.distributions()], b.version('tool'), m.version('tool'), m.entry_points(group='g'))"
        for order in ("import importlib.metadata as m, importlib_metadata as b", "import importlib_metadata as b, importlib.metadata as m"):
            code = "sys.path[:0] = [%r]\n%s\n%s\ndel sys.modules['importlib_metadata']\nprint(m.version('tool'), m.entry_points(group='g'))" % (BACKPORT, order, ask)
            right = self.automatic(code, EPCACHE="off")
            self.assertIn("tool:a", right)
            self.assertEqual(self.automatic(code), right)


class Older(Case):
    @unittest.skipIf(IS_KNOWN, "this library is known")
    def test_a_library_that_is_not_known_is_left_alone(self):
        import epcache

        before = dict(vars(library))
        self.assertFalse(epcache.install())
        self.assertEqual(dict(vars(library)), before)


if __name__ == "__main__":
    unittest.main()
