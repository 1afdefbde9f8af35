"""Readers while packages come, go and are upgraded, and the index is published again and again."""

import os
import struct
import subprocess
import sys
import threading
import traceback
import unittest
import warnings
from mmap import mmap

from support import PROGRAM, Case, _quick, epcache

ROUNDS = 40
STABLE = 12


@unittest.skipIf(sys.version_info < (3, 10), "no index is asked")
class Races(Case):
    def setUp(self):
        super().setUp()
        for number in range(STABLE):
            self.dist("site", "s%d" % number, "[g]\nstable%d = m:a\n" % number)
        self.dist("site", "upgraded", "[g]\nupgraded = m:v0\n")
        self.dist("away", "guest", "[g]\nguest = m:a\n")
        self.index = self.refresh("site")
        # How often the package has been upgraded: begun, done. Children share it.
        self.counters = mmap(-1, 16)

    def write(self):
        """What package managers do, each step at once and for good."""
        here, away = self.path("site", "guest-1.dist-info"), self.path("away", "guest-1.dist-info")
        file = self.path("site", "upgraded-1.dist-info", "entry_points.txt")
        refreshing = None
        for number in range(1, ROUNDS + 1):
            self.counters[:8] = struct.pack("q", number)
            new = self.file("new", "[g]\nupgraded = m:v%d\n" % number)
            os.rename(new, file)
            self.counters[8:] = struct.pack("q", number)
            os.rename(*((away, here) if number % 2 else (here, away)))
            if number % 4 == 0:
                if refreshing is not None:
                    refreshing.wait()
                refreshing = subprocess.Popen(
                    [PROGRAM, "refresh", "--quiet", "--path", self.path("site"), "--output", self.index],
                    stderr=subprocess.DEVNULL,
                )
        refreshing.wait()

    def counter(self, at):
        return struct.unpack("q", self.counters[at : at + 8])[0]

    def look(self, anew):
        """One answer, and why it is wrong if it is."""
        if anew:
            _quick.forget()
        before = self.counter(8)
        found = {ep.name: (ep.value, ep.dist) for ep in epcache.entry_points(group="g")}
        after = self.counter(0)
        stable = [name for name in found if name.startswith("stable")]
        if len(stable) != STABLE or not set(found) - set(stable) <= {"upgraded", "guest"}:
            return "packages that nobody has touched: %r" % (sorted(found),)
        if "upgraded" not in found:
            return "an upgrade at once is no removal"
        version = int(found["upgraded"][0][len("m:v") :])
        # A running process may take a second to see an upgrade in place.
        if version > after or (anew or os.environ["EPCACHE"] == "strict") and version < before:
            return "version %d, between %d and %d" % (version, before, after)
        for name, (_, dist) in found.items():
            if dist.version != "1" and name != "guest":
                return "%s has version %r" % (name, dist.version)
        return None

    def read(self, stop, anew):
        looked = 0
        while True:
            last = stop()
            wrong = self.look(anew)
            if wrong:
                return wrong
            looked += 1
            if last and looked > 2:
                return None

    def reader(self, level):
        """A process with two threads; its exit status says whether all was right."""
        child = os.fork()
        if child:
            return child
        status = 1
        try:
            warnings.simplefilter("ignore")
            os.environ["EPCACHE"] = level
            found = []

            def is_over():
                return self.counter(8) == ROUNDS

            def thread(anew):
                try:
                    found.append(self.read(is_over, anew))
                except BaseException:
                    found.append(traceback.format_exc())

            threads = [threading.Thread(target=thread, args=(anew,)) for anew in (False, level == "auto")]
            for one in threads:
                one.start()
            for one in threads:
                one.join()
            for wrong in found:
                if wrong:
                    os.write(2, ("%s: %s\n" % (level, wrong)).encode())
            status = 0 if found == [None, None] else 1
        finally:
            os._exit(status)

    def test_no_reader_gets_an_answer_that_was_never_true(self):
        readers = [self.reader(level) for level in ("auto", "strict", "auto")]
        self.write()
        self.assertEqual([os.waitpid(reader, 0)[1] for reader in readers], [0, 0, 0])


if __name__ == "__main__":
    unittest.main()
