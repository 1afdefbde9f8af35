"""Images without times: ostree's checkouts, where every mtime is 0, and an index brings along what the times cannot
tell. Each in a mount namespace of its own, which ends with the test."""

import os
import shlex
import subprocess
import sys
import unittest

from support import PROGRAM, REQUIRED, SOURCE, Case

LOOK = (
    "import sys, warnings; warnings.simplefilter('ignore'); sys.path[:0] = [sys.argv[1], %r]; import epcache\n"
    "first = epcache.entry_points(group='g')\n"
    "later = epcache.entry_points(group='g')\n"
    "assert list(first) == list(later)\n"
    "print(epcache._state.last[0][0].how, *[ep.value for ep in later])"
) % SOURCE

# What is deployed says something else than the index, and nothing in its times tells.
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
EPCACHE=auto EPCACHE_INDEX={index} HOME={folder} {python} -B -S -c {code} {folder}/image/site
"""


class Images(Case):
    def setUp(self):
        super().setUp()
        if not PROGRAM or os.geteuid() != 0:
            if REQUIRED:
                self.fail("needs root, and EPCACHE_TEST_PROGRAM")
            self.skipTest("needs root, and EPCACHE_TEST_PROGRAM")
        self.dist("site", "alpha", "[g]\nalpha = m:recorded\n")
        os.mkdir(self.path("image"))

    def deployed(self, index, more):
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
        return ran.stdout.decode().split()

    READ_ONLY = "mount -o remount,ro {folder}/image"

    def test_on_one_read_only_file_system_the_index_is_believed(self):
        self.assertEqual(self.deployed("image/index", self.READ_ONLY), ["moved", "m:recorded"])

    def test_an_index_from_elsewhere_is_not(self):
        self.assertEqual(self.deployed("index", self.READ_ONLY), ["stale", "m:deployed"])

    def test_nor_is_one_where_something_can_be_written(self):
        self.assertEqual(self.deployed("image/index", ":"), ["stale", "m:deployed"])

    def test_nor_is_a_suspect_one(self):
        suspect = "printf '\\001' | dd of={folder}/image/index bs=1 seek=12 conv=notrunc status=none; "
        self.assertEqual(self.deployed("image/index", suspect + self.READ_ONLY), ["stale", "m:deployed"])


if __name__ == "__main__":
    unittest.main()
