"""The quick reader alone in a folder of its own, with two directories and an index of them."""

import os
import shutil
import subprocess
import sys
import unittest

from mutations import repaired, word
from quick_answers import QUICK, compare, load_quick
from support import Case


@unittest.skipIf(sys.version_info < (3, 10), "it answers from Python 3.10 on")
class QuickCase(Case):
    def setUp(self):
        super().setUp()
        self.quick = load_quick(shutil.copy(QUICK, self.path("copied_quick.py")))
        # Indexes of this machine have no say here.
        self.quick.SYSTEM_INDEXES = ()
        self.dist("one", "alpha", "[g]\na = alpha:a\nb = alpha:b [x]\n[h]\nc = alpha\n")
        self.dist("one", "Old.Name", "[g]\no = old:o\n", ending=".egg-info")
        self.dist("one", "none")
        self.file("one/file-3.egg-info", "Name: file\nVersion: 3\n")
        self.dist("two", "beta", "[g]\nz = beta:z\n", "2")
        self.dist("two", "alpha", "[g]\nhidden = alpha:hidden\n", "0")
        os.mkdir(self.path("empty"))
        self.index = self.refresh("one", "two", "empty")

    def forget(self):
        super().forget()
        if hasattr(self, "quick"):
            self.quick.forget()

    def names(self, group="g"):
        found = self.quick.entry_points(group)
        return None if found is None else [one[0] for one in found]

    def version(self, name):
        found = self.quick.distribution(name)
        return None if found is None else [one[3] for one in found]

    def knows(self):
        """Which questions are answered: a name, an absent one, a group, all, distributions."""
        self.quick.forget()
        quick = self.quick
        answers = (
            quick.distribution("alpha"),
            quick.distribution("nothing"),
            quick.entry_points("g"),
            quick.entry_points(),
            quick.distributions(),
        )
        return "".join([letter for letter, one in zip("naged", answers) if one is not None])

    def require_right(self):
        """What is answered has to be the library's answer."""
        self.quick.forget()
        answered, _, faults = compare(self.quick)
        self.assertEqual(faults, [])
        return answered

    def patched(self, at, value):
        """The index with other bytes in the row of its first record, its checksums right."""
        with open(self.index, "rb") as file:
            data = bytearray(file.read())
        at += 64 + 4 * word(data, 24) + 16 * word(data, 28)
        data[at : at + len(value)] = value
        self.file("index.new", repaired(data, word(data, 24)))
        os.rename(self.path("index.new"), self.index)

    def run_python(self, code, *flags):
        return subprocess.run(
            [sys.executable] + list(flags) + ["-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ).stdout.decode()
