import copy
import pickle
import sys
import unittest

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

    def test_an_earlier_directory_shadows_a_later_one(self):
        self.two_directories()
        self.assertEqual(self.found(group="g"), [("a", "tool:a"), ("a", "other:a")])
        self.assertEqual(self.how(), {"one": "fresh", "two": "fresh"})
        sys.path.reverse()
        self.assertEqual(sorted(self.found(group="g")), [("a", "other:a"), ("old", "tool:old")])

    def test_all_and_by_every_attribute(self):
        self.two_directories()
        everything = epcache.entry_points()
        self.assertEqual(len(everything), 3)
        self.assertIsInstance(everything, epcache.EntryPoints)
        self.assertEqual([ep.value for ep in epcache.entry_points(name="a")], ["tool:a", "other:a"])
        self.assertEqual(self.found(group="g", module="other"), [("a", "other:a")])
        self.assertEqual(self.found(group="nothing"), [])
        self.assertEqual(self.found(group="\udcff"), [])

    def test_dist_knows_name_and_version_and_reads_the_rest(self):
        self.two_directories()
        dist = epcache.entry_points(group="g")["a"].dist
        self.assertEqual((dist.name, dist.version), ("tool", "2"))
        self.assertEqual(dist.metadata["Name"], "tool")
        self.assertIn("[console_scripts]", dist.read_text("entry_points.txt"))

    def test_what_was_found_can_be_pickled_and_copied(self):
        self.two_directories()
        found = epcache.entry_points(group="g")
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            again = pickle.loads(pickle.dumps(found, protocol))
            self.assertEqual(again, found)
            self.assertEqual(again["a"].dist.name, "tool")
        self.assertEqual(copy.deepcopy(found), found)

    def test_an_index_changes_nothing(self):
        self.two_directories()
        with_index = [(ep, ep.dist.name, ep.dist.version) for ep in epcache.entry_points()]
        __import__("os").environ["EPCACHE"] = "off"
        self.assertEqual(
            [(ep, ep.dist.name, ep.dist.version) for ep in epcache.entry_points()], with_index
        )
        self.assertEqual(self.how(), {"one": "live", "two": "live"})


if __name__ == "__main__":
    unittest.main()
