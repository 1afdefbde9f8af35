"""When an index is believed, and what is said when it is wrong."""

import os
import shutil
import time
import unittest
import warnings

from mutations import repaired, word
from support import Case, epcache

ENTRY = "[g]\n%s = m:%s\n"


class Freshness(Case):
    def setUp(self):
        super().setUp()
        for name in ("alpha", "beta", "gamma"):
            self.dist("site", name, ENTRY % (name, "one"))
            # No two mtimes alike, as after a real installation.
            stamp = time.time() - 1000 - len(name) * 7 - ord(name[0])
            os.utime(self.path("site", name + "-1.dist-info"), (stamp, stamp))
        self.index = self.refresh("site")

    def asked(self, level=None):
        """What is found, and what is said."""
        self.forget()
        if level is not None:
            os.environ["EPCACHE"] = level
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found = sorted(self.found(group="g"))
        return found, [str(warning.message) for warning in said]

    def replace(self, name, attribute):
        """An upgrade in place, as package managers do it: a new file, renamed over the old one."""
        new = self.file("site/%s-1.dist-info/new" % name, ENTRY % (name, attribute))
        os.rename(new, self.path("site", name + "-1.dist-info", "entry_points.txt"))

    OLD = [("alpha", "m:one"), ("beta", "m:one"), ("gamma", "m:one")]

    def test_what_is_as_recorded_is_fresh_at_every_level(self):
        for level in ("auto", "fast", "strict", "trust"):
            self.assertEqual(self.asked(level), (self.OLD, []))
            how = "trust" if level == "trust" else "fresh"
            self.assertEqual(self.how(), {"site": how})

    def test_an_upgrade_in_place_is_seen_by_auto_and_strict(self):
        self.replace("beta", "two")
        new = [("alpha", "m:one"), ("beta", "m:two"), ("gamma", "m:one")]
        for level in ("auto", "strict"):
            found, said = self.asked(level)
            self.assertEqual(found, new)
            self.assertEqual(len(said), 1)
            self.assertIn("beta-1.dist-info changed", said[0])
        for level in ("fast", "trust"):
            self.assertEqual(self.asked(level), (self.OLD, []))

    def test_what_came_and_went_is_said_once_with_the_command_that_mends_it(self):
        self.dist("site", "new", ENTRY % ("new", "one"))
        os.rename(self.path("site", "alpha-1.dist-info"), self.path("alpha-1.dist-info"))
        for level in ("auto", "fast", "strict"):
            found, said = self.asked(level)
            self.assertEqual(
                found, [("beta", "m:one"), ("gamma", "m:one"), ("new", "m:one")]
            )
            self.assertEqual(len(said), 1)
            self.assertIn(self.path("site") + ": 2 distributions differ from the index", said[0])
            self.assertIn("new-1.dist-info new", said[0])
            self.assertIn("alpha-1.dist-info gone", said[0])
            self.assertIn(
                "`epcache refresh --path %s --output %s`" % (self.path("site"), self.index), said[0]
            )
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            epcache.entry_points(group="g")
        self.assertEqual(said, [])
        self.refresh("site")
        self.assertEqual(self.asked()[1], [])

    def test_the_warning_is_never_an_exception(self):
        self.dist("site", "new", ENTRY % ("new", "one"))
        self.forget()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            self.assertEqual(len(self.found(group="g")), 4)

    def test_the_warning_is_of_a_class_of_its_own_and_names_the_caller(self):
        self.dist("site", "new", ENTRY % ("new", "one"))
        self.forget()
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            epcache.entry_points(group="g")
        self.assertIs(said[0].category, epcache.StaleCacheWarning)
        self.assertEqual(said[0].filename, __file__)

    def test_changes_that_change_nothing_are_silent(self):
        os.mkdir(self.path("site", "__pycache__"))
        os.chmod(self.path("site", "alpha-1.dist-info"), 0o750)
        self.file("site/beta-1.dist-info/INSTALLER", "test")
        self.assertEqual(self.asked("auto"), (self.OLD, []))
        self.assertEqual(self.how(), {"site": "moved"})

    def test_a_copy_is_fresh(self):
        """An image layer: all ctimes are new, mtimes are cut to seconds."""
        os.rename(self.path("site"), self.path("away"))
        shutil.copytree(self.path("away"), self.path("site"))
        for folder, folders, files in os.walk(self.path("site"), topdown=False):
            for name in folders + files:
                path = os.path.join(folder, name)
                seconds = int(os.stat(path).st_mtime)
                os.utime(path, (seconds, seconds))
        self.assertEqual(self.asked("auto"), (self.OLD, []))
        self.assertEqual(self.how(), {"site": "moved"})
        # Taken from the index, unread: a change that keeps size and times is not seen.
        path = self.path("site", "alpha-1.dist-info", "entry_points.txt")
        stat = os.stat(path)
        with open(path, "r+") as file:
            file.write((ENTRY % ("alpha", "two")))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        self.assertEqual(self.asked("auto"), (self.OLD, []))

    def test_an_image_s_index_on_an_ordinary_disk_is_compared_by_contents(self):
        """It has no ctimes, and mtimes can be put back."""
        folders = [self.path("site"), self.path("site", "alpha-1.dist-info")]
        self.refresh("site", arguments=["--image"])
        found, said = self.asked("auto")
        self.assertEqual((found, said, self.how()), (self.OLD, [], {"site": "moved"}))
        path = self.path("site", "alpha-1.dist-info", "entry_points.txt")
        times = {name: os.stat(name).st_mtime_ns for name in folders + [path]}
        with open(path, "r+") as file:
            file.write(ENTRY % ("alpha", "two"))
        for name, mtime in times.items():
            os.utime(name, ns=(mtime, mtime))
        for level in ("auto", "fast", "strict"):
            found, said = self.asked(level)
            self.assertIn(("alpha", "m:two"), found)
            self.assertEqual((len(said), self.how()), (1, {"site": "stale"}))
        self.assertEqual(self.asked("trust")[0], self.OLD)

    def test_a_suspect_index_is_looked_at_more_closely(self):
        with open(self.index, "r+b") as file:
            file.seek(12)
            file.write(b"\1")
        self.assertEqual(self.asked("auto"), (self.OLD, []))
        self.assertEqual(self.how(), {"site": "moved"})

    def test_a_record_whose_times_say_nothing_or_that_is_incomplete_is_looked_at_more_closely(self):
        with open(self.index, "rb") as file:
            whole = file.read()
        blocks = word(whole, 24)
        at = 64 + 4 * blocks + 16 * word(whole, 28) + 12
        for flag, how in ((0, "fresh"), (epcache.SILENT, "moved"), (epcache.HAS_UNREAD, "moved")):
            changed = bytearray(whole)
            changed[at] |= flag
            self.file("index", repaired(changed, blocks))
            for level in ("auto", "fast"):
                self.assertEqual(self.asked(level), (self.OLD, []))
                self.assertEqual(self.how(), {"site": how})

    def test_a_directory_that_is_gone_has_nothing(self):
        os.rename(self.path("site"), self.path("away"))
        found, said = self.asked("auto")
        self.assertEqual(found, [])
        self.assertIn("3 distributions differ", said[0])

    def test_a_directory_that_was_missing_and_is_missing_is_fresh(self):
        self.refresh("never")
        self.assertEqual(self.asked("auto"), ([], []))
        self.dist("never", "late", ENTRY % ("late", "one"))
        found, said = self.asked("auto")
        self.assertEqual(found, [("late", "m:one")])
        self.assertIn("late-1.dist-info new", said[0])

    def test_the_second_index_answers_where_the_first_is_stale(self):
        self.dist("site", "new", ENTRY % ("new", "one"))
        self.refresh("site", output="second")
        os.environ["EPCACHE_INDEX"] = self.index + ":" + self.path("second")
        found, said = self.asked("auto")
        self.assertEqual(len(found), 4)
        self.assertEqual(said, [])
        self.assertEqual(self.how(), {"site": "fresh"})

    def test_off_reads_live(self):
        self.assertEqual(self.asked("off"), (self.OLD, []))
        self.assertEqual(self.how(), {"site": "live"})

    def test_a_running_process_notices_a_new_index_and_a_changed_directory(self):
        os.environ["EPCACHE"] = "fast"
        self.assertEqual(len(self.found(group="g")), 3)
        self.replace("beta", "two")
        self.assertIn(("beta", "m:one"), self.found(group="g"))
        self.refresh("site")
        self.assertIn(("beta", "m:two"), self.found(group="g"))
        self.dist("site", "new", ENTRY % ("new", "one"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.assertIn(("new", "m:one"), self.found(group="g"))

    def test_a_running_process_sees_an_upgrade_in_place_after_a_while(self):
        self.assertEqual(len(self.found(group="g")), 3)
        self.replace("beta", "two")
        for answer in epcache._state.last[0]:
            answer.checked -= 10
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.assertIn(("beta", "m:two"), self.found(group="g"))

    def test_what_was_found_stays_what_it_was(self):
        found = epcache.entry_points(group="g")
        self.replace("beta", "two")
        os.unlink(self.index)
        self.assertEqual([ep.dist.name for ep in found], [ep.name for ep in found])

    def test_a_daemon_that_closes_all_descriptors_loses_nothing(self):
        found = epcache.entry_points(group="g")
        for index in epcache._state.indexes:
            os.close(index.fd)
        taken = os.open(os.devnull, os.O_RDONLY)  # its number is somebody else's now
        self.assertEqual({ep.dist.name for ep in found}, {"alpha", "beta", "gamma"})
        self.assertEqual(len(self.found(group="g")), 3)
        del found
        self.forget()
        os.fstat(taken)  # and was not closed
        os.close(taken)


if __name__ == "__main__":
    unittest.main()
