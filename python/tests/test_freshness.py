"""Changes that an index does not know: the quick reader notices them, or says None."""

import os
import shlex
import shutil
import subprocess
import sys
import types
import unittest
from unittest import mock

from quick_case import QuickCase
from support import PROGRAM, REQUIRED, SOURCE, Case

LATER = 1.1


class Freshness(QuickCase):
    def upgrade(self, keep_times=False):
        """Another entry_points.txt of the same size, renamed over the old one."""
        folder = self.path("one", "alpha-1.dist-info")
        path = os.path.join(folder, "entry_points.txt")
        before = os.stat(path), os.stat(folder)
        with open(path) as file:
            new = self.file("one/alpha-1.dist-info/new", file.read().replace("alpha:a", "alpha:z"))
        os.rename(new, path)
        if keep_times:
            for name, stat in zip((path, folder), before):
                os.utime(name, ns=(stat.st_atime_ns, stat.st_mtime_ns))
                self.assertEqual(os.stat(name).st_mtime_ns, stat.st_mtime_ns)

    def values(self):
        found = self.quick.entry_points("g")
        return None if found is None else [one[1] for one in found]

    def test_an_upgrade_of_the_same_size_that_keeps_all_mtimes_is_noticed(self):
        self.upgrade(keep_times=True)
        for level in ("auto", "strict"):
            os.environ["EPCACHE"] = level
            self.assertEqual(self.knows(), "ad" if level == "auto" else "a")
            self.assertIsNone(self.quick.distribution("alpha"))

    def test_fast_and_trust_do_not_look_at_each_metadata_directory(self):
        self.upgrade()
        for level in ("fast", "trust"):
            os.environ["EPCACHE"] = level
            self.assertEqual(self.knows(), "naged")
            self.assertIn("alpha:a", self.values())

    def test_what_came_and_went_is_noticed_but_with_trust(self):
        self.dist("two", "new", "[g]\nnew = n\n")
        os.rename(self.path("two", "beta-2.dist-info"), self.path("beta-2.dist-info"))
        for level in ("auto", "fast", "strict"):
            os.environ["EPCACHE"] = level
            self.assertEqual(self.knows(), "na")
            self.assertIsNone(self.quick.distribution("beta"))
            self.assertIsNone(self.quick.distribution("new"))
            self.require_right()
        os.environ["EPCACHE"] = "trust"
        self.assertEqual(self.knows(), "naged")

    def test_files_that_come_beside_metadata_directories_change_nothing(self):
        self.file("one/module.py")
        os.mkdir(self.path("two", "package"))
        self.assertEqual(self.knows(), "naged")
        self.require_right()

    def test_a_directory_that_is_gone_has_nothing(self):
        os.rename(self.path("two"), self.path("away"))
        self.assertEqual(self.quick.distribution("beta"), ())
        self.assertEqual(self.names(), ["a", "b", "o"])
        self.require_right()

    def test_a_directory_that_was_missing_and_comes(self):
        self.refresh("one", "never")
        self.assertEqual(self.knows(), "naged")
        self.dist("never", "late", "[g]\nlate = l\n")
        self.assertIsNone(self.names())
        self.assertIsNone(self.quick.distribution("late"))
        self.require_right()

    def test_a_copy_of_a_tree_is_not_taken_for_the_tree(self):
        os.rename(self.path("one"), self.path("away"))
        shutil.copytree(self.path("away"), self.path("one"))
        with open(self.path("one/alpha-1.dist-info/entry_points.txt"), "r+") as file:
            file.write("[g]\nz = alpha:z\n")
        self.require_right()

    def test_a_running_process_sees_a_new_index(self):
        os.environ["EPCACHE"] = "fast"
        self.assertIn("alpha:a", self.values())
        self.upgrade()
        self.assertIn("alpha:a", self.values())
        self.refresh("one", "two", "empty")
        later = types.SimpleNamespace(elapsed=os.times().elapsed + LATER)
        with mock.patch.object(os, "times", lambda: later):
            self.assertIn("alpha:z", self.values())

    def test_a_running_process_sees_that_an_index_went(self):
        self.assertIsNotNone(self.names())
        os.unlink(self.index)
        later = types.SimpleNamespace(elapsed=os.times().elapsed + LATER)
        with mock.patch.object(os, "times", lambda: later):
            self.assertIsNone(self.names())

    def test_an_index_that_comes_in_front_is_asked(self):
        first = self.path("first")
        os.environ["EPCACHE_INDEX"] = first + ":" + self.index
        os.environ["EPCACHE"] = "fast"
        self.assertIn("alpha:a", self.values())
        self.upgrade()
        self.refresh("one", "two", "empty", output="first")
        os.environ["EPCACHE_INDEX"] = first + ":" + self.index
        later = types.SimpleNamespace(elapsed=os.times().elapsed + LATER)
        with mock.patch.object(os, "times", lambda: later):
            self.assertIn("alpha:z", self.values())

    def test_a_relative_entry_of_sys_path_is_that_of_the_current_directory(self):
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder)
        sys.path[:] = ["one", self.path("two")]
        # No index knows it by that string, and it has metadata.
        self.assertEqual(self.knows(), "a")
        os.chdir(self.path("empty"))
        self.assertEqual(self.quick.distribution("none"), ())
        self.require_right()

    def test_an_entry_is_known_by_its_exact_string_alone(self):
        for path in (self.path("two") + "/", self.path(".", "two")):
            sys.path[:] = [self.path("one"), path]
            self.assertEqual(self.knows(), "na")
            self.require_right()


LOOK = """
import sys; sys.path[:0] = [%r]; from epcache import _quick
sys.path[:] = sys.argv[1:]
_quick.SYSTEM_INDEXES = ()
found = _quick.entry_points("g")
print(found and found[0][1])
""" % SOURCE

# What is deployed says something else than the index, and nothing in its times tells: in ostree's
# checkouts each mtime is 0.
DEPLOY = """
set -e
mount -t tmpfs -o mode=755 tmpfs {folder}/image
cp -r --preserve=mode {folder}/site {folder}/image/site
{program} refresh --quiet --path {folder}/image/site --output {folder}/image/index
sed -i s/:recorded/:deployed/ {folder}/image/site/alpha-1.dist-info/entry_points.txt
cp {folder}/image/index {folder}/index
chmod 644 {folder}/index
find {folder}/image -exec touch -h -d @0 {{}} +
{more}
EPCACHE_INDEX={index} HOME={folder} {python} -B -S -c {code} {folder}/image/site
"""


@unittest.skipIf(sys.version_info < (3, 10), "it answers from Python 3.10 on")
class Images(Case):
    def deployed(self, index, more):
        if not PROGRAM or os.geteuid() != 0:
            if REQUIRED:
                self.fail("needs root, and EPCACHE_TEST_PROGRAM")
            self.skipTest("needs root, and EPCACHE_TEST_PROGRAM")
        self.dist("site", "alpha", "[g]\nalpha = m:recorded\n")
        os.mkdir(self.path("image"))
        script = DEPLOY.format(
            folder=self.folder,
            program=PROGRAM,
            more=more.format(folder=self.folder),
            index=os.path.join(self.folder, index),
            python=sys.executable,
            code=shlex.quote(LOOK),
        )
        ran = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
        )
        self.assertEqual(ran.stderr.decode(), "")
        return ran.stdout.decode().strip()

    READ_ONLY = "mount -o remount,ro {folder}/image"

    def test_an_index_from_elsewhere_is_not_believed(self):
        self.assertEqual(self.deployed("index", self.READ_ONLY), "None")

    def test_nor_is_one_where_something_can_be_written(self):
        self.assertEqual(self.deployed("image/index", ":"), "None")

    def test_nor_is_a_suspect_one(self):
        suspect = "printf '\\001' | "
        suspect += "dd of={folder}/image/index bs=1 seek=12 conv=notrunc status=none; "
        self.assertEqual(self.deployed("image/index", suspect + self.READ_ONLY), "None")


if __name__ == "__main__":
    unittest.main()
