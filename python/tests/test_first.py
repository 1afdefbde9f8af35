"""The first lookup of a process: all of the answer by the shortest way, or nothing."""

import os
import random
import shutil
import subprocess
import sys
import types
import unittest
from binascii import crc32
from unittest import mock

from mutations import repaired, word
from support import SOURCE, Case, epcache, look_first


class First(Case):
    def setUp(self):
        super().setUp()
        self.dist("one", "alpha", "[g]\na = alpha:a\nb = alpha:b [x]\n[h]\nc = alpha\n")
        self.dist("one", "old", "[g]\no = old:o\n", ending=".egg-info")
        self.dist("one", "none")
        self.dist("one", "bare", "[g]\ne = bare:e\n", headers=False)
        self.dist("two", "beta", "[g]\nz = beta:z\n")
        os.mkdir(self.path("empty"))
        self.index = self.refresh("one", "two", "empty")

    def first(self, group="g"):
        found = look_first(group)
        return None if found is None else [(ep.name, ep.value, ep.dist.name, ep.dist.version) for ep in found]

    def later(self, group="g"):
        return [(ep.name, ep.value, ep.dist.name, ep.dist.version) for ep in epcache.entry_points(group=group)]

    def test_it_says_what_every_later_one_says(self):
        for level in ("auto", "fast", "strict", "trust"):
            os.environ["EPCACHE"] = level
            for group in ("g", "h", "nobody"):
                self.assertEqual(self.first(group), self.later(group), (level, group))
        self.assertEqual(len(self.first()), 5)

    def test_what_is_in_no_index_and_has_nothing_may_be_on_the_way(self):
        os.mkdir(self.path("scripts"))
        sys.path[:0] = [self.path("scripts"), self.path("missing")]
        self.assertEqual(self.first(), self.later())
        self.dist("scripts", "new", "[g]\nn = new:n\n")
        self.assertIsNone(self.first())
        self.assertEqual(self.later()[0], ("n", "new:n", "new", "1"))

    def test_what_is_no_string_is_not_its_business(self):
        sys.path.append(os.fsencode(self.path("two")))
        self.assertIsNone(self.first())
        self.assertEqual(len(self.later()), 5)

    def test_it_leaves_what_is_not_as_recorded(self):
        def replaced():
            new = self.file("one/alpha-1.dist-info/new", "[g]\nreplaced = m\n")
            os.rename(new, self.path("one", "alpha-1.dist-info", "entry_points.txt"))

        def added():
            self.dist("two", "added", "[g]\nadded = m\n")

        def removed():
            shutil.rmtree(self.path("two", "beta-1.dist-info"))

        def suspect():
            with open(self.index, "r+b") as file:
                file.seek(12)
                file.write(b"\1")

        def writable():
            os.chmod(self.index, 0o666)

        def folder():
            os.chmod(self.folder, 0o777)

        def gone():
            shutil.rmtree(self.path("one"))

        def finder():
            sys.meta_path.append(types.SimpleNamespace(find_distributions=lambda *_: (), find_spec=lambda *_: None))

        for change in (replaced, added, removed, suspect, writable, folder, gone, finder):
            with self.subTest(change.__name__):
                self.doCleanups()
                self.setUp()
                self.assertIsNotNone(self.first())
                change()
                self.assertIsNone(self.first())

    def patched(self, at, value):
        """The index with other bytes in the row of its first record, its checksums right."""
        with open(self.index, "rb") as file:
            data = bytearray(file.read())
        at += 64 + 4 * word(data, 24) + 16 * word(data, 28)
        data[at : at + len(value)] = value
        with open(self.index, "wb") as file:
            file.write(repaired(data, word(data, 24)))

    def test_it_leaves_records_whose_times_do_not_tell(self):
        for flags, left in ((0, False), (2, True), (8, True)):
            self.patched(12, bytes([flags]))
            self.assertEqual(self.first() is None, left, flags)

    def test_whole_seconds_on_a_read_only_file_system_may_mean_nothing(self):
        os.environ["EPCACHE"] = "fast"
        del sys.path[1:]
        stat = os.stat(sys.path[0])
        whole = stat.st_ctime_ns // epcache.SECOND * epcache.SECOND
        self.patched(40, whole.to_bytes(8, "little"))
        for flags, left in ((0, False), (1, True)):
            names = "getuid geteuid getegid getgid environ access open close fstat pread fsencode F_OK O_NOFOLLOW"
            system = types.SimpleNamespace(**{name: getattr(os, name) for name in names.split()})
            site = types.SimpleNamespace(
                st_mtime_ns=stat.st_mtime_ns, st_ctime_ns=whole, st_ino=1, st_dev=1
            )
            system.stat = lambda path, **how: site if path == sys.path[0] else os.stat(path, **how)
            system.statvfs = lambda _: types.SimpleNamespace(f_flag=flags)
            with mock.patch.object(epcache, "os", system):
                found = look_first("g")
            self.assertEqual(found is None, left)

    def test_it_leaves_indexes_of_others(self):
        if os.geteuid() != 0:
            self.skipTest("needs root, to give a file away")
        os.chown(self.index, 12345, 12345)
        self.assertIsNone(self.first())

    def test_an_index_that_comes_before_is_asked_anew(self):
        old = self.path("old")
        shutil.copyfile(self.index, old)
        self.dist("two", "gamma", "[g]\ngamma = m\n")
        right = self.refresh("one", "two", "empty")
        self.index = self.path("first") + ":" + right
        told = self.run_one(
            "import epcache, os, warnings; warnings.simplefilter('ignore');"
            "first = list(epcache.entry_points(group='g')); os.rename(%r, %r);"
            "print(list(epcache.entry_points(group='g')) == first)" % (old, self.path("first"))
        )
        self.assertEqual(told.split(), ["True"])

    def test_a_twin_in_another_directory_is_not_its_business(self):
        self.dist("two", "alpha", "[g]\nhidden = alpha:hidden\n", "9")
        self.refresh("one", "two")
        self.assertIsNone(self.first())
        self.assertNotIn("hidden", [row[0] for row in self.later()])
        # Nor is it in its way where it is of another group.
        self.assertEqual(self.first("h"), self.later("h"))

    def test_no_damage_gives_another_answer(self):
        right = self.first()
        with open(self.index, "rb") as file:
            whole = file.read()
        choose = random.Random(1)
        for at in choose.sample(range(len(whole)), 400):
            damaged = bytearray(whole)
            damaged[at] ^= 1 << choose.randrange(8)
            with open(self.index, "wb") as file:
                file.write(damaged)
            self.assertIn(self.first(), (right, None), at)

    def test_what_is_looked_at_needs_no_checksum(self):
        # More than the first block holds, which comes with the header.
        for number in range(90):
            self.dist("many", "d%02d" % number, "[g]\nn%02d = m\n" % number)
        self.index = self.refresh("many")
        right, read = self.first(), os.pread
        self.assertEqual(len(right), 90)
        with open(self.index, "rb") as file:
            whole = file.read()
        body = 64 + 4 * word(whole, 24)
        segment = body + word(whole, body + 16)
        row = segment + 64 * 60
        name = body + word(whole, body + 24) + word(whole, row)
        self.assertEqual(whole[name : name + 1], b"d")
        # The name itself, where it is, how long, and both times.
        for at in (name + 2, row, row + 4, row + 16, row + 24):
            damaged = bytearray(whole)
            damaged[at] ^= 1
            with open(self.index, "wb") as file:
                file.write(damaged)
            self.assertIsNone(self.first(), at)
        with open(self.index, "wb") as file:
            file.write(whole)
        self.assertEqual(self.first(), right)
        with mock.patch("os.pread", lambda fd, length, at: read(fd, length - 64 if length == 90 * 64 else length, at)):
            self.assertIsNone(self.first())
        os.utime(self.path("many", "d89-1.dist-info"), (1, 1))
        self.assertIsNone(self.first())

    def test_an_index_whose_checksums_do_not_come_with_the_header(self):
        for number in range(9):
            rows = "".join("n%05d = %s\n" % (at, "m" * 60) for at in range(13000))
            self.dist("large", "l%d" % number, "[g]\na%d = m\n[large%d]\n%s" % (number, number, rows))
        # Of those that come with it, the first block may not be whole; then not all of them come.
        for count, blocks in ((4, 1008), (9, 2032)):
            for number in range(count, 9):
                shutil.move(self.path("large", "l%d-1.dist-info" % number), self.path("away%d" % number))
            self.index = self.refresh("large")
            with open(self.index, "rb") as file:
                self.assertGreater(word(file.read(64), 24), blocks)
            self.assertEqual(self.first(), self.later())
            self.assertEqual(len(self.first()), count)
            self.assertEqual(len(self.first("large%d" % (count - 1))), 13000)
            for number in range(count, 9):
                shutil.move(self.path("away%d" % number), self.path("large", "l%d-1.dist-info" % number))

    def test_checksums_are_those_of_binascii(self):
        choose = random.Random(2)
        block = bytes([choose.randrange(256) for _ in range(4096)])
        elsewhere = types.SimpleNamespace(modules={}, builtin_module_names=())
        with mock.patch.object(epcache, "sys", elsewhere):
            for count in (0, 1, 2, 7, 60):
                for _ in range(20):
                    sizes = [choose.choice((4096, 44, choose.randrange(1, 4097))) for _ in range(count)]
                    blocks = [(block[-size:], crc32(block[-size:])) for size in sizes]
                    self.assertTrue(epcache.agree(blocks), sizes)
                    if not count:
                        continue
                    at = choose.randrange(count)
                    data, checksum = blocks[at]
                    flipped = bytearray(data)
                    flipped[choose.randrange(len(data))] ^= 1 << choose.randrange(8)
                    for wrong in ((bytes(flipped), checksum), (data, checksum ^ 1 << choose.randrange(32))):
                        self.assertFalse(epcache.agree(blocks[:at] + [wrong] + blocks[at + 1 :]), sizes)
                    if len(set(blocks)) > 1:
                        # The right blocks at wrong places.
                        sums = [checksum for _, checksum in blocks]
                        sums = sums[1:] + sums[:1]
                        if sums != [checksum for _, checksum in blocks]:
                            swapped = [(data, checksum) for (data, _), checksum in zip(blocks, sums)]
                            self.assertFalse(epcache.agree(swapped), sizes)

    def run_one(self, code):
        return subprocess.run(
            [sys.executable, "-S", "-c", "import sys; sys.path[:] = %r; %s" % (self.run_path(), code)],
            stdout=subprocess.PIPE,
            check=True,
            env={"EPCACHE_INDEX": self.index, "HOME": self.folder, "EPCACHE": "auto"},
        ).stdout.decode()

    def run_path(self):
        library = [path for path in self._sys_path if "-packages" not in path and path != SOURCE]
        return [self.path("one"), self.path("two"), SOURCE] + library

    def test_it_is_all_that_a_process_imports_and_the_next_one_goes_on_from_it(self):
        told = self.run_one(
            "import epcache; first = list(epcache.entry_points(group='g'));"
            "print([name for name in sys.modules if name.startswith('epcache.')]);"
            "state = epcache._seen; print(len(state));"
            "print(list(epcache.entry_points(group='g')) == first, len(epcache.entry_points(group='h')));"
            "print(sorted(answer.how for answer in epcache._state.last[0])[:2])"
        )
        if sys.implementation.name == "pypy":
            return  # whose own library has distributions in it, which are read live
        lines = told.splitlines()
        self.assertEqual(lines[0], "['epcache._secure']" if os.getuid() else "[]")
        self.assertEqual(lines[1:], ["2", "True 1", "['fresh', 'fresh']"])

    def test_the_next_one_sees_what_has_come_since(self):
        told = self.run_one(
            "import epcache, os; print(len(epcache.entry_points(group='h')));"
            "os.rename(%r, sys.path[0] + '/new-1.dist-info');"
            "import warnings; warnings.simplefilter('ignore');"
            "print(len(epcache.entry_points(group='h')))" % self.dist("away", "new", "[h]\nnew = m\n")
        )
        self.assertEqual(told.split(), ["1", "2"])

    def test_the_next_one_looks_at_each_again_if_that_was_long_ago(self):
        self.file("one/alpha-1.dist-info/new", "[h]\nreplaced = m\n")
        self.refresh("one", "two", "empty")
        told = self.run_one(
            "import epcache, os, warnings; warnings.simplefilter('ignore'); epcache.entry_points(group='h');"
            "epcache._seen = [seen[:3] + (seen[3] - 10,) for seen in epcache._seen];"
            "os.rename(sys.path[0] + '/alpha-1.dist-info/new', sys.path[0] + '/alpha-1.dist-info/entry_points.txt');"
            "print(*epcache.entry_points(group='h').names)"
        )
        # PyPy's own library has distributions in it: its first lookup has just looked at each.
        if sys.implementation.name != "pypy":
            self.assertEqual(told.split(), ["replaced"])

    def test_a_distribution_is_that_of_the_index_that_was_read_or_of_the_directory(self):
        found = look_first("g")
        os.unlink(self.index)
        # In whatever order the file system lists.
        self.assertEqual({ep.dist.name for ep in found}, {"alpha", "old", "bare", "beta"})
        self.assertEqual({ep.dist.version for ep in found}, {"1"})


if __name__ == "__main__":
    unittest.main()
