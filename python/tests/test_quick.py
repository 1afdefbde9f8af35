"""The quick reader: alone in a folder of its own, as projects have it that copied it."""

import importlib
import importlib.metadata as library
import os
import shutil
import sys
import threading
import types
import unittest
from unittest import mock

from quick_answers import compare, entry_points_of_library, load_quick
from quick_case import QuickCase
from support import Case

LEVELS = "auto", "fast", "strict", "trust"


class Quick(QuickCase):
    # ---- answers

    def test_all_that_is_asked_is_answered_as_the_library_does(self):
        for level in LEVELS:
            os.environ["EPCACHE"] = level
            self.assertEqual(self.knows(), "naged", level)
            self.require_right()

    def test_rows_are_neutral_and_in_order(self):
        self.assertEqual(
            [(one[0], one[1], one[2]) for one in self.quick.entry_points("h")],
            [("c", "alpha", "h")],
        )
        where = self.path("one"), "alpha-1.dist-info", "alpha", "1"
        self.assertEqual(self.quick.entry_points("g", "b")[0][3], where)
        self.assertEqual(self.quick.distribution("ALPHA"), (where,))
        self.assertEqual(self.quick.distribution("nothing"), ())

    def test_names_are_normalized_as_the_library_does(self):
        prepared = library.Prepared.normalize
        for name in ("A.b", "a__b--c", "-a-", "...", "_", "Z", "a.-_b"):
            self.assertEqual(self.quick.normalized(name), prepared(name), name)

    def test_an_entry_without_a_record_that_has_no_metadata_says_nothing(self):
        os.mkdir(self.path("scripts"))
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.path("empty"))
        sys.path[:0] = [self.path("scripts"), self.path("missing"), ""]
        self.assertEqual(self.knows(), "naged")
        self.require_right()
        self.dist("empty", "other", "[g]\nx = y\n")
        # By name, only those of this name count.
        self.assertEqual(self.knows(), "na")
        self.assertIsNone(self.quick.distribution("other"))
        self.require_right()

    def test_a_process_sees_each_change_at_once(self):
        self.assertEqual((self.names(), self.version("alpha")), (["a", "b", "o", "z"], ["1"]))
        shutil.rmtree(self.path("two", "beta-1.dist-info"), True)
        self.dist("two", "gamma", "[g]\nx = y\n")
        self.assertIsNone(self.names())
        self.assertEqual(self.version("alpha"), ["1"])
        self.assertEqual(self.version("gamma"), None)
        self.refresh("one", "two", "empty")
        self.quick.forget()
        self.assertEqual(self.names(), ["a", "b", "o"] + [n for n in self.names() if n in "zx"])
        sys.path.pop(0)
        self.assertEqual(self.version("alpha"), ["0"])
        self.assertIn("hidden", self.names())

    def test_the_metadata_directory_behind_an_answer_by_name_is_looked_at_each_time(self):
        for level in ("auto", "fast"):
            os.environ["EPCACHE"] = level
            self.quick.forget()
            self.assertEqual(self.version("none"), ["1"])
            self.file("one/none-1.dist-info/new", "")
            self.assertEqual(self.version("none"), None if level == "auto" else ["1"])

    def test_the_metadata_directories_behind_a_group_are_looked_at_after_a_second(self):
        self.names()
        self.file("one/alpha-1.dist-info/new", "")
        later = os.times().elapsed + 1.1
        self.assertEqual(self.names(), ["a", "b", "o", "z"])
        times = types.SimpleNamespace(elapsed=later)
        with mock.patch.object(os, "times", lambda: times):
            self.assertIsNone(self.names())

    def test_strict_looks_at_them_each_time(self):
        os.environ["EPCACHE"] = "strict"
        self.assertEqual(self.names(), ["a", "b", "o", "z"])
        self.file("one/alpha-1.dist-info/new", "")
        self.assertIsNone(self.names())

    def test_a_directory_whose_times_moved_is_listed(self):
        os.mkdir(self.path("one", "__pycache__"))
        self.assertEqual(self.knows(), "naged")
        self.require_right()

    def test_threads_share_what_is_known(self):
        right, wrong = self.quick.entry_points(), []

        def look():
            for number in range(150):
                if number % 10 == 0:
                    self.quick.forget()
                answers = self.quick.entry_points(), self.version("beta"), self.version("no")
                if answers != (right, ["2"], []):
                    wrong.append(answers)

        threads = [threading.Thread(target=look) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_no_descriptor_stays_open(self):
        before = os.listdir("/proc/self/fd")
        self.knows()
        self.dist("two", "gamma", "[g]\nx = y\n")
        self.knows()
        self.assertEqual(os.listdir("/proc/self/fd"), before)

    # ---- None

    def test_a_twin_that_matters(self):
        self.dist("one", "Twin", "[t]\ntwin = t:old\n", "1")
        self.dist("one", "twin", "[t]\ntwin = t:new\n", "2")
        self.refresh("one", "two", "empty")
        self.assertEqual(self.knows(), "nagd")
        self.assertEqual((self.names("t"), self.version("twin")), (None, None))
        self.assertEqual(self.names("h"), ["c"])
        self.require_right()

    def test_a_twin_without_entry_points_that_hides_one_with_them(self):
        self.dist("one", "Twin", None, "1")
        self.dist("one", "twin", "[t]\ntwin = t:new\n", "2")
        self.refresh("one", "two", "empty")
        self.assertEqual((self.names("t"), self.names("h")), (None, ["c"]))
        self.require_right()

    def test_a_distribution_without_metadata_that_matters(self):
        self.dist("one", "bare", "[bare]\ne = bare:e\n", headers=False)
        self.dist("one", "beta", None, "0", headers=False)
        self.refresh("one", "two", "empty")
        self.assertEqual(self.knows(), "na")
        for answer in self.names("bare"), self.version("bare"), self.version("beta"), self.names():
            self.assertIsNone(answer)
        self.assertEqual(self.names("h"), ["c"])
        self.require_right()

    def test_a_fault_in_any_file(self):
        self.dist("one", "bad", "[bad]\nno equals sign\n")
        self.refresh("one", "two", "empty")
        self.assertEqual(self.knows(), "na")
        self.require_right()

    def test_odd_file_names(self):
        for name in ("Upper-1.DIST-INFO", ".dist-info", "-1.dist-info", "\u212aelvin-1.dist-info"):
            with self.subTest(name):
                self.file("one/%s/METADATA" % name, "Name: kelvin\nVersion: 7\n")
                self.file("one/%s/entry_points.txt" % name, "[g]\nodd = o\n")
                self.refresh("one", "two", "empty")
                self.quick.forget()
                self.assertIsNone(self.names())
                self.assertIsNone(self.version("kelvin") or self.version("upper") or None)
                self.require_right()
                shutil.rmtree(self.path("one", name))

    def test_an_egg_on_the_path(self):
        self.file("tool-1.egg/EGG-INFO/PKG-INFO", "Name: tool\nVersion: 1\n")
        self.refresh("one", "two", "tool-1.egg")
        self.assertIsNone(self.names())
        self.require_right()

    def test_an_egg_that_no_index_knows(self):
        self.file("tool-1.egg/EGG-INFO/PKG-INFO", "Name: tool\nVersion: 1\n")
        sys.path.append(self.path("tool-1.egg"))
        self.assertEqual(self.knows().replace("n", ""), "")
        self.require_right()

    def test_an_odd_file_name_on_trust(self):
        self.file("one/Upper-1.DIST-INFO/METADATA", "Name: kelvin\nVersion: 7\n")
        self.refresh("one", "two", "empty")
        os.environ["EPCACHE"] = "trust"
        self.assertIsNone(self.version("upper"))
        self.require_right()

    def test_a_name_that_its_file_name_does_not_say_exactly(self):
        # Of such a distribution a name or version may change in place.
        self.dist("two", "da_sh")
        self.file("two/da_sh-1.dist-info/METADATA", "Name: da-sh\nVersion: 1\n")
        self.refresh("one", "two", "empty")
        self.assertEqual(self.knows(), "naged")
        new = self.file("two/da_sh-1.dist-info/new", "Name: da.sh\nVersion: 1\n")
        os.rename(new, self.path("two", "da_sh-1.dist-info", "METADATA"))
        self.assertEqual(self.knows(), "na")
        self.require_right()

    def test_a_directory_that_lists_in_another_order(self):
        self.dist("two", "other", "[g]\nz = other:z\n[i]\nunique = other\n")
        self.refresh("one", "two", "empty")
        os.mkdir(self.path("two", "__pycache__"))
        listdir = os.listdir
        with mock.patch.object(os, "listdir", lambda path: sorted(listdir(path), reverse=True)):
            first = listdir(self.path("two")) != sorted(listdir(self.path("two")), reverse=True)
            self.assertEqual(self.knows(), "nad" if first else "naged")
        with mock.patch.object(os, "listdir", lambda path: sorted(listdir(path))):
            second = listdir(self.path("two")) != sorted(listdir(self.path("two")))
            self.assertEqual(self.knows(), "nad" if second else "naged")
        self.assertTrue(first or second)

    def test_the_entry_points_of_one_distribution(self):
        alpha, beta = self.quick.distribution("alpha")[0], self.quick.distribution("beta")[0]
        of_alpha = self.quick.entry_points_of(alpha)
        self.assertEqual([one[:3] for one in of_alpha][2], ("c", "alpha", "h"))
        self.assertEqual((of_alpha[0][3], len(of_alpha)), (alpha, 3))
        self.assertEqual(self.quick.look_again(beta), (beta,))
        hidden = self.path("two"), "alpha-0.dist-info", "alpha", "0"
        self.assertEqual([one[0] for one in self.quick.entry_points_of(hidden)], ["hidden"])
        self.file("two/beta-2.dist-info/new", "")
        self.quick.forget()
        self.assertIsNone(self.quick.entry_points_of(beta))
        self.assertIsNone(self.quick.look_again(beta))
        self.assertEqual(self.quick.entry_points_of(alpha), of_alpha)

    def test_requirements(self):
        self.file("one/alpha-1.dist-info/METADATA", "Name: alpha\nVersion: 1\nRequires-Dist: b >1\nRequires-Dist: c\n\n")
        self.file("one/Old.Name-1.egg-info/requires.txt", "d\n[x]\ne\n")
        self.refresh("one", "two", "empty", arguments=["--full"])
        self.assertEqual(self.quick.requires("ALPHA"), (("b >1", "c"),))
        self.assertEqual(self.quick.requires("old-name"), (("d", 'e; extra == "x"'),))
        self.assertEqual(self.quick.requires("none"), (None,))
        self.assertEqual(self.quick.requires("nothing"), ())
        self.require_right()
        with open(self.path("one", "Old.Name-1.egg-info", "requires.txt"), "a") as file:
            file.write("f\n")
        self.assertIsNone(self.quick.requires("old-name"))
        self.assertEqual(self.version("old-name"), ["1"])

    def test_import_names(self):
        self.file("one/alpha-1.dist-info/top_level.txt", "alpha alpha\n_alpha\n")
        record = "beta/__init__.py,,\nlone.py,,\ngone.py,,\nlib.so,,\nbeta-2.dist-info/METADATA,,\n"
        self.file("two/beta-2.dist-info/RECORD", record)
        for name in ("beta/__init__.py", "lone.py", "lib.so"):
            self.file("two/" + name)
        self.refresh("one", "two", "empty", arguments=["--full"])
        of = {dist[2]: (source, names) for dist, source, names in self.quick.import_names()}
        self.assertEqual(of["alpha"], (0, []))  # the second one, in two
        self.assertEqual(self.quick.import_names()[0][0][0], self.path("one"))
        self.assertIn(("beta", 2), [(dist[2], source) for dist, source, _ in self.quick.import_names()])
        self.require_right()
        self.file("two/beta-2.dist-info/new")
        self.quick.forget()
        self.assertIsNone(self.quick.import_names())

    def test_a_file_that_is_written_in_place_is_noticed_by_what_depends_on_it(self):
        alpha, none = self.quick.distribution("alpha")[0], self.quick.distribution("none")[0]
        self.names()
        with open(self.path("one", "alpha-1.dist-info", "entry_points.txt"), "a") as file:
            file.write("more = m\n")
        # At once, not after a second.
        self.assertIsNone(self.names())
        self.assertIsNone(self.quick.entry_points_of(alpha))
        self.assertEqual(self.quick.look_again(alpha), (alpha,))
        with open(self.path("one", "none-1.dist-info", "METADATA"), "a") as file:
            file.write("Summary: x\n")
        self.assertIsNone(self.quick.distribution("none") or self.quick.look_again(none))
        self.assertEqual(self.quick.entry_points_of(none), ())
        with open(self.path("one", "file-3.egg-info"), "a") as file:
            file.write("Summary: x\n")
        self.assertIsNone(self.quick.distribution("file"))
        os.environ["EPCACHE"] = "fast"
        self.assertEqual(self.version("file"), ["3"])

    def test_strict_looks_at_each_file(self):
        with open(self.path("one", "none-1.dist-info", "METADATA"), "a") as file:
            file.write("Summary: x\n")
        self.assertEqual(self.knows(), "naged")
        os.environ["EPCACHE"] = "strict"
        self.assertEqual(self.knows(), "na")

    def test_invalidate_caches_is_heard(self):
        self.names()
        self.file("one/none-1.dist-info/new", "")
        self.assertIsNotNone(self.names())
        importlib.invalidate_caches()
        self.assertIsNone(self.names())

    def test_the_entry_points_of_one_with_a_fault_are_left_to_the_library(self):
        self.dist("two", "bad", "[g]\nz = x:y\nno equals sign\n")
        self.refresh("one", "two", "empty")
        bad = self.path("two"), "bad-1.dist-info", "bad", "1"
        self.assertIsNone(self.quick.entry_points_of(bad))

    def test_what_is_out_of_date_is_told(self):
        self.names()
        self.assertEqual(self.quick.stale, [])
        self.dist("two", "gamma")
        self.names()
        told = [(self.index, self.path("two"), "a distribution came or went")]
        self.assertEqual(self.quick.stale, told)

    def test_headers_that_do_not_say_it(self):
        self.file("one/nameless-1.dist-info/METADATA", "Version: 1\n")
        self.refresh("one", "two", "empty")
        self.assertEqual(self.knows(), "nage")
        self.assertIsNone(self.version("nameless"))
        self.file("one/folded-1.dist-info/METADATA", "Name: folded\nVersion: 1\n 2\n")
        self.refresh("one", "two", "empty")
        self.assertIsNone(self.version("folded"))
        self.require_right()

    def test_foreign_finders(self):
        finder = types.SimpleNamespace(find_spec=lambda *_: None)
        sys.meta_path.insert(0, finder)
        self.assertEqual(self.knows(), "naged")
        finder.find_distributions = lambda *_: ()
        self.assertEqual(self.knows(), "")
        sys.meta_path[:] = []
        self.assertEqual(self.knows(), "")

    def test_a_finder_that_comes_later(self):
        self.assertEqual(self.names(), ["a", "b", "o", "z"])
        finder = types.SimpleNamespace(find_spec=lambda *_: None, find_distributions=lambda *_: ())
        sys.meta_path.insert(0, finder)
        self.assertIsNone(self.names())

    def test_entries_that_are_no_directory_or_no_str(self):
        for entry in (os.fsencode(self.path("two")), self.file("archive.zip", "PK"), None):
            sys.path.append(entry)
            self.assertEqual(self.knows().replace("n", ""), "", entry)
            sys.path.pop()

    def test_names_that_are_not_ascii_or_no_names(self):
        for name in ("\u212aelvin", "", None, b"alpha", 7):
            self.assertIsNone(self.quick.distribution(name))
        self.assertIsNone(self.quick.entry_points("g\ud800"))
        self.assertEqual(self.names("gr\u00fc\u00dfe"), [])

    def test_off_and_an_isolated_interpreter(self):
        os.environ["EPCACHE"] = "off"
        self.assertEqual(self.knows(), "")
        del os.environ["EPCACHE"]
        code = "import sys; sys.path[:] = %r; import copied_quick; " % ([self.folder] + sys.path)
        code += "print(copied_quick.entry_points('g') is not None, len(sys.modules))"
        for flag, wanted in (("-B", "True"), ("-I", "False"), ("-E", "False")):
            told = self.run_python(code, flag)
            self.assertEqual(told.split()[0], wanted, told)

    def test_it_imports_nothing_that_an_interpreter_has_not_imported(self):
        code = "import sys; before = set(sys.modules); sys.path[:] = %r; import copied_quick; "
        code += "copied_quick.entry_points('g') + copied_quick.distribution('alpha'); "
        code += "print(sorted(set(sys.modules) - before - {'binascii'}))"
        told = self.run_python(code % ([self.folder] + sys.path), "-B")
        self.assertEqual(told.strip(), "['copied_quick']")

    def test_it_can_be_imported_where_the_system_lacks_what_it_needs(self):
        code = """
import os, sys
for name in "O_DIRECTORY O_CLOEXEC O_NONBLOCK getuid geteuid getgid getegid pread".split():
    delattr(os, name)
sys.path[:0] = [%r]
import copied_quick as quick
print(quick.entry_points("g"), quick.distribution("alpha"), quick.distributions())
""" % self.folder
        self.assertEqual(self.run_python(code, "-W", "error").strip(), "None None None")

    # ---- whether times tell, and whom an index is from

    def test_records_whose_times_do_not_tell(self):
        for flags, knows in ((0, "naged"), (2, ""), (4, "")):
            self.patched(12, bytes([flags]))
            self.assertEqual(self.knows(), knows, flags)

    def test_whole_seconds_on_a_read_only_file_system(self):
        del sys.path[1:]
        whole = os.stat(sys.path[0]).st_ctime_ns // 10**9 * 10**9
        real, device = os.fstat, os.stat(self.index).st_dev
        names = "st_mode", "st_uid", "st_size", "st_ino"

        def fstat(fd):
            stat = real(fd)
            if not os.path.samestat(stat, os.stat(self.path("one"))):
                return stat
            same = {name: getattr(stat, name) for name in names}
            same["st_mtime_ns"] = stat.st_mtime_ns
            return types.SimpleNamespace(st_ctime_ns=whole, st_dev=device + elsewhere, **same)

        self.patched(40, whole.to_bytes(8, "little"))
        for read_only, elsewhere, knows in ((0, 1, "naged"), (1, 1, ""), (1, 0, "naged")):
            system = types.SimpleNamespace(f_flag=read_only)
            with mock.patch.object(os, "fstat", fstat):
                with mock.patch.object(os, "fstatvfs", lambda fd: system):
                    self.assertEqual(self.knows(), knows, (read_only, elsewhere))

    def test_a_sorted_record_of_an_image_answers_what_order_cannot_change(self):
        self.dist("two", "other", "[g]\nz = other:z\n[i]\nunique = other\n")
        self.refresh("one", "two", "empty")
        self.patched(12, bytes([4]))
        real = os.fstatvfs
        with mock.patch.object(os, "fstatvfs", lambda fd: types.SimpleNamespace(f_flag=1)):
            self.assertIsNotNone(real)
            self.assertEqual(self.knows(), "nad")
            self.assertEqual((self.names("h"), self.names("i")), (["c"], ["unique"]))
            _, _, faults = compare(self.quick, is_sorted=True)
            self.assertEqual(faults, [])

    def test_a_suspect_index_is_looked_at_more_closely(self):
        os.environ["EPCACHE"] = "fast"
        with open(self.index, "r+b") as file:
            file.seek(12)
            file.write(b"\1")
        self.assertEqual(self.knows(), "naged")
        self.file("one/alpha-1.dist-info/new", "")
        self.assertEqual(self.knows(), "a")

    def test_an_index_that_other_users_can_write_is_ignored(self):
        for path, mode in ((self.index, 0o664), (self.index, 0o646), (self.folder, 0o777)):
            before = os.stat(path).st_mode & 0o777
            os.chmod(path, mode)
            self.assertEqual(self.knows(), "", (path, mode))
            os.chmod(path, before)
            self.assertEqual(self.knows(), "naged")

    @unittest.skipUnless(os.geteuid() == 0, "only root can give files away")
    def test_an_index_speaks_of_its_owners_directories_alone(self):
        for path in (self.index, self.folder):
            os.chown(path, 12345, 12345)
        self.assertEqual(self.knows(), "")
        os.chown(self.folder, 0, 0)
        for name in ("one", "two", "empty"):
            os.chown(self.path(name), 12345, 12345)
        self.refresh("one", "two", "empty")
        for path in (self.index, self.folder):
            os.chown(path, 12345, 12345)
        self.assertEqual(self.knows(), "naged")

    @unittest.skipUnless(os.geteuid() == 0, "only root can give files away")
    def test_a_folder_of_somebody_else_or_an_owner_without_a_number(self):
        os.chown(self.folder, 12345, 12345)
        self.assertEqual(self.knows(), "")
        os.chown(self.folder, 0, 0)
        self.assertEqual(self.knows(), "naged")
        for name in ("one", "two", "empty"):
            os.chown(self.path(name), 65534, 65534)
        self.refresh("one", "two", "empty")
        for path in (self.index, self.folder):
            os.chown(path, 65534, 65534)
        self.assertEqual(self.knows(), "")

    def test_what_is_no_file_is_not_opened(self):
        os.mkfifo(self.path("fifo"))
        os.environ["EPCACHE_INDEX"] = self.path("fifo")
        opened, real = [], os.open

        def record(path, *rest, **how):
            opened.append(path)
            return real(path, *rest, **how)

        with mock.patch.object(os, "open", record):
            self.assertEqual(self.knows(), "")
        self.assertIn(self.folder, opened)
        self.assertNotIn("fifo", opened)

    def test_another_major_version_and_a_file_that_is_too_large(self):
        with open(self.index, "r+b") as file:
            file.seek(8)
            file.write(b"\2")
        self.assertEqual(self.knows(), "")
        self.refresh("one", "two", "empty")
        with mock.patch.object(self.quick, "SIZE_LIMIT", 100):
            self.assertEqual(self.knows(), "")
        self.assertEqual(self.knows(), "naged")

    def test_of_a_link_the_target_counts_and_a_fifo_does_not_hurt(self):
        os.symlink(self.index, self.path("link"))
        os.mkfifo(self.path("fifo"))
        os.environ["EPCACHE_INDEX"] = self.path("fifo") + ":" + self.path("link")
        self.assertEqual(self.knows(), "naged")

    def test_a_stale_index_in_front_of_a_fresh_one(self):
        first = self.index
        self.dist("two", "gamma", "[g]\nx = y\n")
        second = self.refresh("one", "two", "empty", output="second")
        os.environ["EPCACHE_INDEX"] = first
        self.assertEqual(self.knows(), "na")
        os.environ["EPCACHE_INDEX"] = first + ":" + second
        self.assertEqual(self.knows(), "naged")
        self.require_right()

    def test_every_damaged_byte_is_noticed(self):
        right = entry_points_of_library(group="g")
        with open(self.index, "rb") as file:
            whole = file.read()
        answered = 0
        for at in range(0, len(whole), 7):
            self.file("index.new", whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
            os.rename(self.path("index.new"), self.index)
            self.quick.forget()
            found = self.quick.entry_points("g")
            if found is not None:
                answered += 1
                self.assertEqual([(*one[:3], one[3][1:]) for one in found], right)
        # In the first 16 bytes there are reserved ones.
        self.assertTrue(0 < answered < 4, answered)

    def test_checksums_are_right_with_and_without_binascii(self):
        alone = types.SimpleNamespace(modules={}, builtin_module_names=())
        for system in (sys, alone):
            with mock.patch.object(self.quick, "sys", system):
                blocks = [(os.urandom(size), 0) for size in (1, 44, 4095, 4096, 4096)]
                from binascii import crc32

                blocks = [(data, crc32(data)) for data, _ in blocks]
                self.assertTrue(self.quick.agree(blocks))
                for number, (data, checksum) in enumerate(blocks):
                    wrong = list(blocks)
                    wrong[number] = data, checksum ^ 1 << number
                    self.assertFalse(self.quick.agree(wrong))

    def test_the_configuration_names_indexes(self):
        del os.environ["EPCACHE_INDEX"]
        other = "# none\n[other]\nindex-path = /x\n"
        self.file("conf", other + "[epcache]\nindex-path: %s\n" % self.index)
        self.file("conf.d/a.conf", "freshness = fast\n")
        self.file("conf.d/.conf", "index-path =\n")
        places = self.path("no"), self.path("conf"), self.path("nor"), self.path("conf.d")
        with mock.patch.object(self.quick, "CONFIGURATION", places):
            self.assertEqual(self.knows(), "naged")
            self.assertIn((self.index, "fast"), self.quick.places({}))


class Older(Case):
    @unittest.skipIf(sys.version_info >= (3, 10), "for Python before 3.10")
    def test_it_leaves_everything_to_the_library(self):
        quick = load_quick()
        self.dist("one", "alpha", "[g]\na = alpha:a\n")
        self.refresh("one")
        self.assertIsNone(quick.entry_points("g") or quick.distribution("alpha"))


if __name__ == "__main__":
    unittest.main()
