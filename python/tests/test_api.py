import copy
import importlib.metadata as library
import os
import pickle
import sys
import unittest
import warnings

import support
from support import Case, epcache


class Values(unittest.TestCase):
    def test_an_entry_point_says_what_its_value_is_made_of(self):
        ep = epcache.EntryPoint("n", "package.module:attr.inner [one, two]", "g")
        self.assertEqual(
            (ep.module, ep.attr, ep.extras), ("package.module", "attr.inner", ["one", "two"])
        )
        self.assertEqual(epcache.EntryPoint("n", "m", "g").attr, None)
        self.assertEqual(epcache.EntryPoint("n", "m : a", "g").attr, "a")
        self.assertIsNone(ep.dist)

    def test_a_malformed_value_raises_when_it_is_looked_at(self):
        ep = epcache.EntryPoint("n", "not-a-module", "g")
        for look in (lambda: ep.module, lambda: ep.attr, lambda: ep.extras, ep.load):
            self.assertRaises(ValueError, look)

    def test_load_imports(self):
        self.assertIs(epcache.EntryPoint("n", "sys", "g").load(), sys)
        self.assertIs(epcache.EntryPoint("n", "os:path.join", "g").load(), __import__("os").path.join)

    def test_entry_points_compare_hash_sort_and_print(self):
        one, two = epcache.EntryPoint("a", "m", "g"), epcache.EntryPoint("b", "m", "g")
        self.assertEqual(one, epcache.EntryPoint("a", "m", "g"))
        self.assertEqual(len({one, epcache.EntryPoint("a", "m", "g"), two}), 2)
        self.assertEqual(sorted([two, one]), [one, two])
        self.assertNotEqual(one, "a")
        self.assertEqual(repr(one), "EntryPoint(name='a', value='m', group='g')")
        self.assertEqual(repr(epcache.EntryPoints([one])), "EntryPoints((%r,))" % one)

    def test_entry_points_are_immutable(self):
        with self.assertRaises(AttributeError):
            epcache.EntryPoint("a", "m", "g").name = "b"

    def test_matching_by_dist_is_refused(self):
        with self.assertRaises(ValueError):
            epcache.EntryPoint("a", "m", "g").matches(dist=None)

    def test_selection(self):
        eps = epcache.EntryPoints(
            epcache.EntryPoint(n, v, g)
            for n, v, g in [("a", "m:x", "g"), ("b", "m:y", "g"), ("a", "o", "h")]
        )
        self.assertEqual([ep.value for ep in eps.select(name="a")], ["m:x", "o"])
        self.assertEqual([ep.value for ep in eps.select(module="m", attr="y")], ["m:y"])
        self.assertEqual(eps["a"].value, "m:x")
        self.assertRaises(KeyError, lambda: eps["c"])
        self.assertEqual((eps.names, eps.groups), ({"a", "b"}, {"g", "h"}))


class Lookups(Case):
    def two_directories(self):
        self.dist("one", "tool", "[g]\na = tool:a\n[console_scripts]\ntool = tool:main\n", "2")
        self.dist("two", "tool", "[g]\nold = tool:old\n", "1")
        self.dist("two", "other", "[g]\na = other:a\n")
        self.refresh("one", "two")
        if sys.version_info >= (3, 10):
            self.assertTrue(self.from_index())

    @unittest.skipIf(sys.version_info < (3, 10), "the library shadows from Python 3.10 on")
    def test_an_earlier_directory_shadows_a_later_one(self):
        self.two_directories()
        self.assertEqual(self.found(group="g"), [("a", "tool:a"), ("a", "other:a")])
        sys.path.reverse()
        self.assertEqual(sorted(self.found(group="g")), [("a", "other:a"), ("old", "tool:old")])

    def test_an_index_changes_nothing(self):
        self.two_directories()

        def answers():
            self.forget()
            found = [(repr(ep), ep.dist and ep.dist.name) for ep in epcache.entry_points()]
            found += [(dist.name, dist.version, len(dist.entry_points)) for dist in epcache.distributions()]
            found += [epcache.version("tool"), epcache.distribution("Other").name]
            found += [repr(epcache.entry_points(name="a")), epcache.requires("tool")]
            return found + [repr(epcache.entry_points(group="g", module="other"))]

        with_index = answers()
        os.environ["EPCACHE"] = "off"
        self.assertEqual(answers(), with_index)

    def test_absent_names_raise_what_the_library_raises(self):
        self.two_directories()
        for ask in (epcache.version, epcache.distribution, epcache.requires):
            self.assertRaises(library.PackageNotFoundError, ask, "no-such")
        if sys.version_info >= (3, 12):
            self.assertRaises(ValueError, epcache.version, "")

    def test_a_path_of_the_callers_own(self):
        self.two_directories()
        found = epcache.distributions(path=[self.path("two")])
        self.assertEqual(sorted(dist.name for dist in found), ["other", "tool"])
        self.assertEqual([d.version for d in epcache.distributions(name="tool")][0], "2")

    @unittest.skipIf(sys.version_info < (3, 10), "the library has it from Python 3.10 on")
    def test_import_names(self):
        self.two_directories()
        self.file("one/tool-2.dist-info/top_level.txt", "tool")
        self.assertEqual(epcache.packages_distributions(), library.packages_distributions())
        self.assertEqual(epcache.packages_distributions()["tool"], ["tool"])

    def test_a_distribution_asks_the_library_for_the_rest(self):
        self.two_directories()
        dist = epcache.distribution("tool")
        self.assertEqual(dist.metadata["Name"], "tool")
        self.assertIn("[console_scripts]", dist.read_text("entry_points.txt"))
        self.assertEqual(dist, epcache.distribution("TOOL"))
        self.assertEqual(len({dist, epcache.distribution("TOOL")}), 1)
        self.assertRaises(AttributeError, lambda: dist.nothing)

    def test_what_was_found_can_be_pickled_and_copied(self):
        self.two_directories()
        for level in ("auto", "off"):
            os.environ["EPCACHE"] = level
            found = epcache.entry_points(name="a")
            for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
                again = pickle.loads(pickle.dumps(found, protocol))
                self.assertEqual(again, found)
                if sys.version_info >= (3, 10):
                    self.assertEqual(again["a"].dist.name, "tool")
            self.assertEqual(copy.deepcopy(found), found)

    def test_a_broken_distribution_loses_only_its_own_entry_points(self):
        self.two_directories()
        self.dist("two", "bad", "[g]\nz = x:y\nno equals sign\n")
        self.refresh("one", "two")
        for level in ("auto", "off"):
            os.environ["EPCACHE"] = level
            self.forget()
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                values = [value for _, value in self.found(group="g")]
                self.found(group="g")
            self.assertTrue({"tool:a", "other:a"} <= set(values))
            self.assertNotIn("x:y", values)
            said = [str(one.message) for one in said if one.category is epcache.BrokenDistributionWarning]
            self.assertEqual(len(said), 1)
            self.assertIn("bad-1.dist-info", said[0])

    @unittest.skipIf(sys.version_info < (3, 10), "no index is asked")
    def test_a_stale_index_is_told_once_with_the_command_that_mends_it(self):
        self.two_directories()
        self.dist("two", "new", "[g]\nnew = new:n\n")
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            self.assertIn(("new", "new:n"), self.found(group="g"))
            self.found(group="g")
            epcache.version("new")
        said = [one for one in said if one.category is epcache.StaleCacheWarning]
        self.assertEqual(len(said), 1)
        self.assertIn("`epcache refresh --output %s`" % self.path("index"), str(said[0].message))
        self.assertEqual(said[0].filename, support.__file__)

    @unittest.skipIf(sys.version_info < (3, 10), "no index is asked")
    def test_a_warning_is_never_an_exception(self):
        self.two_directories()
        self.dist("two", "new", "[g]\nnew = new:n\n")
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            self.assertIn(("new", "new:n"), self.found(group="g"))

    def test_the_idioms_of_old_say_what_to_write(self):
        self.two_directories()
        found = epcache.entry_points()
        with self.assertRaisesRegex(KeyError, r"entry_points\(group='g'\)"):
            found["g"]
        with self.assertRaisesRegex(AttributeError, r"entry_points\(group=...\)"):
            found.get("g")
        with self.assertRaisesRegex(AttributeError, "no 'grp'.*group, name"):
            epcache.entry_points(grp="g")
        with self.assertRaises(ValueError):
            epcache.entry_points(dist="tool")


if __name__ == "__main__":
    unittest.main()
