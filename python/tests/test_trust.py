"""Which indexes are believed, where they lie, and what damage does."""

import os
import random
import subprocess
import sys
import unittest
import warnings
from unittest import mock

from mutations import repaired, word
from support import PROGRAM, SOURCE, Case, _secure, epcache


class Trust(Case):
    def setUp(self):
        super().setUp()
        self.dist("site", "alpha", "[g]\nalpha = m:one\n[h]\nx = y\n")
        os.mkdir(self.path("place"))
        self.index = self.refresh("site", output="place/index")

    def test_an_index_that_others_can_write_is_not_believed(self):
        for path in (self.index, self.path("place")):
            mode = os.stat(path).st_mode & 0o777
            for more in (0o020, 0o002):
                os.chmod(path, mode | more)
                self.forget()
                self.assertEqual(self.found(group="g"), [("alpha", "m:one")])
                self.assertEqual(self.how(), {"site": "live"})
                self.assertIn("others can write", epcache._state.unusable[self.index])
            os.chmod(path, mode)
        self.forget()
        self.found()
        self.assertEqual(self.how(), {"site": "fresh"})

    @unittest.skipUnless(os.geteuid() == 0, "only root can give files away")
    def test_an_index_of_somebody_else_speaks_of_his_own_directories_alone(self):
        places = self.index, self.path("place")
        for path in places:
            os.chown(path, 12345, 12345)
        self.found()
        self.assertEqual(self.how(), {"site": "live"})
        for path in places:
            os.chown(path, 0, 0)
        os.chown(self.path("site"), 12345, 12345)
        self.refresh("site", output="place/index")
        for path in places:
            os.chown(path, 12345, 12345)
        self.forget()
        self.found()
        self.assertEqual(self.how(), {"site": "fresh"})

    @unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
    def test_an_index_that_may_not_be_read_is_as_missing(self):
        from epcache import _live  # noqa: F401, which that user may not be able to load

        os.chmod(self.index, 0o600)
        self.addCleanup(os.seteuid, 0)
        os.seteuid(12345)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            self.assertEqual(self.found(group="g"), [("alpha", "m:one")])
        self.assertEqual((said, self.how()), ([], {"site": "live"}))

    @unittest.skipUnless(os.geteuid() == 0, "only root can give files away")
    def test_a_folder_of_somebody_else_is_not_believed(self):
        os.chown(self.path("place"), 12345, 12345)
        self.found()
        self.assertEqual(self.how(), {"site": "live"})

    @unittest.skipUnless(os.geteuid() == 0, "only root can give files away")
    def test_where_nobody_may_be_a_stranger_his_index_is_as_absent(self):
        os.chown(self.path("site"), 65534, 65534)
        self.refresh("site", output="place/index")
        for path in (self.index, self.path("place")):
            os.chown(path, 65534, 65534)
        for map, how in ((b"0 0 4294967295\n", "fresh"), (b"0 1000 1\n1 100000 65536\n", "live")):
            opened = mock.mock_open(read_data=map)
            with mock.patch("builtins.open", opened):
                self.forget()
                self.found(group="g")
            self.assertEqual(self.how(), {"site": how})
        self.assertEqual(epcache._state.unusable[self.index], "missing")

    def test_of_a_link_the_target_counts(self):
        os.symlink(self.index, self.path("link"))
        os.environ["EPCACHE_INDEX"] = self.path("link")
        self.found()
        self.assertEqual(self.how(), {"site": "fresh"})
        os.chmod(self.path("place"), 0o777)
        self.forget()
        self.found()
        self.assertEqual(self.how(), {"site": "live"})

    def test_a_fifo_or_a_directory_in_its_place_does_not_hurt(self):
        os.mkfifo(self.path("fifo"))
        os.environ["EPCACHE_INDEX"] = self.path("fifo") + ":" + self.path("site")
        self.assertEqual(self.found(group="g"), [("alpha", "m:one")])
        self.assertEqual(self.how(), {"site": "live"})

    def test_the_places_and_their_order(self):
        def places(environ):
            return [place[:2] for place in epcache.places(environ)]

        listed = places({"EPCACHE_INDEX": "/a::b", "HOME": "/home/x"})
        own = [("venv", sys.prefix + "/.epcache/index")] if sys.prefix != sys.base_prefix else []
        system = [("system", path) for path in epcache.SYSTEM_INDEXES]
        self.assertEqual(
            listed,
            [("environment", "/a"), ("environment", "b")]
            + own
            + [("user", "/home/x/.cache/epcache/index")]
            + system,
        )
        self.assertEqual(
            places({"XDG_CACHE_HOME": "/c", "HOME": "/h"})[len(own)],
            ("user", "/c/epcache/index"),
        )
        self.assertEqual(
            places({"XDG_CACHE_HOME": "c", "HOME": "/h"})[len(own)],
            ("user", "/h/.cache/epcache/index"),
        )
        self.assertEqual(places({}), own + system)

    def test_an_isolated_interpreter_does_not_ask_the_environment(self):
        code = (
            "import sys; sys.path.append(%r); from epcache import _lookup; "
            "state = _lookup.current_state(); print([place[0] for place in state.placed], state.level)"
            % SOURCE
        )
        for flag, wanted in (("-I", False), ("-E", False), ("-B", True)):
            told = subprocess.run(
                [sys.executable, flag, "-c", code],
                stdout=subprocess.PIPE,
                check=True,
                env={"EPCACHE_INDEX": self.index, "EPCACHE": "fast", "HOME": "/root"},
            ).stdout.decode()
            self.assertEqual("environment" in told, wanted, (flag, told))
            self.assertEqual("user" in told, wanted, (flag, told))
            self.assertEqual("fast" in told, wanted, (flag, told))

    def test_a_process_with_more_rights_than_its_caller_does_not_either(self):
        for privileged, getter in ((True, "getuid"), (True, "getgid"), (False, "isatty")):
            with mock.patch.object(os, getter, lambda *_: 12345):
                self.assertEqual(not epcache.environment(), privileged, getter)
        # By the capabilities of a file, with the numbers of the user who called it.
        both = mock.patch.object(os, "getuid", lambda: 1), mock.patch.object(os, "geteuid", lambda: 1)
        with both[0], both[1]:
            for secure in (False, True):
                with mock.patch.object(_secure, "is_secure", lambda: secure):
                    self.assertEqual(not epcache.environment(), secure)
                    # Nothing is asked for: nothing is ignored, and nothing has to be found out.
                    with mock.patch.dict(os.environ):
                        del os.environ["EPCACHE_INDEX"]
                        self.assertTrue(epcache.environment())

    # ---- damage

    def test_no_damage_gives_a_wrong_answer_or_an_exception(self):
        with open(self.index, "rb") as file:
            whole = file.read()
        right = sorted(self.found())
        generator = random.Random(1)
        damaged = [whole[:size] for size in range(0, len(whole), 37)]
        for _ in range(300):
            at = generator.randrange(len(whole))
            damaged.append(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        damaged += [b"", b"\0" * 100, whole + b"\0", whole[:8] + b"\2\0" + whole[10:]]
        for content in damaged:
            self.file("place/index", content)
            self.forget()
            self.assertEqual(sorted(self.found(group="g")), [("alpha", "m:one")])
            self.assertEqual(sorted(self.found()), right)
            self.assertEqual(epcache.entry_points(group="g")["alpha"].dist.version, "1")

    def test_no_lie_with_right_checksums_does_harm(self):
        """Hostile files: whatever the numbers say, an answer comes, and nothing is raised."""
        from binascii import crc32

        with open(self.index, "rb") as file:
            whole = bytearray(file.read())
        blocks = int.from_bytes(whole[24:28], "little")
        start = 64 + 4 * blocks
        generator = random.Random(2)
        for _ in range(1500):
            lie = bytearray(whole)
            for _ in range(generator.choice((1, 1, 2, 5))):
                at = generator.randrange(start, len(lie) - 4)
                value = generator.choice((0, 1, 2, 0x7FFFFFFF, 0xFFFFFFFF, generator.getrandbits(32)))
                lie[at : at + 4] = value.to_bytes(4, "little")
            for number in range(blocks):
                block = lie[start + 4096 * number : start + 4096 * (number + 1)]
                lie[64 + 4 * number : 68 + 4 * number] = crc32(block).to_bytes(4, "little")
            lie[16:20] = crc32(bytes(lie[20:64])).to_bytes(4, "little")
            self.file("place/index", bytes(lie))
            for level in ("auto", "trust"):
                os.environ["EPCACHE"] = level
                self.forget()
                from epcache import _warning

                _warning._said = True
                for params in ({"group": "g"}, {}):
                    for ep in epcache.entry_points(**params):
                        self.assertLess(len(repr(ep)), 10000)
                        ep.dist.name

    def reason(self, content):
        """Why an index of this content is not used."""
        self.file("place/index", content)
        self.forget()
        right = [("alpha", "m:one")]
        self.assertEqual(self.found(group="g"), right)
        self.assertEqual(epcache.entry_points(group="g")["alpha"].dist.version, "1")
        return epcache._state.unusable.get(self.index)

    def test_every_byte_of_the_header_that_counts_is_under_a_checksum(self):
        with open(self.index, "rb") as file:
            whole = file.read()
        for at in range(64):
            flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
            # The minor version, the suspect byte, and reserved ones.
            self.assertEqual(self.reason(flipped) is None, 10 <= at < 16, at)

    def test_what_lies_in_the_wrong_place_is_not_used(self):
        with open(self.index, "rb") as file:
            whole = file.read()
        blocks = word(whole, 24)
        record = 64 + 4 * blocks + 16 * word(whole, 28)
        segment = 64 + 4 * blocks + word(whole, record)
        groups = segment + (64 + 8) * word(whole, record + 16)
        entries = groups + 16 * word(whole, record + 20)
        pool = word(whole, record + 4)
        for at, value, wanted in (
            (groups, pool, "a string points beyond the pool"),
            (groups + 12, 3, "entry points of a group are out of range"),
            (entries + 8, pool, "a string points beyond the pool"),
            (entries + 12, 1, "an entry point is nobody's"),
            (segment, pool, "a string points beyond the pool"),
            (record + 8, 9, "a segment does not fit"),
            (record + 4, 9, "a segment does not fit"),
        ):
            lie = bytearray(whole)
            lie[at : at + 4] = value.to_bytes(4, "little")
            self.assertEqual(self.reason(repaired(lie, blocks)), wanted, at)

    def test_a_small_index_cannot_pose_as_a_large_one(self):
        """A thousand rows of one and the same long string would be a gigabyte."""
        many = "".join(["n%d = m:%s\n" % (number, "a" * 50) for number in range(100)])
        self.dist("site", "beta", "[many]\n" + many)
        self.refresh("site", output="place/index")
        self.found(group="many")
        record = epcache._state.last[0][0].record
        with open(self.index, "rb") as file:
            lie = bytearray(file.read())
        blocks = word(lie, 24)
        entries = 64 + 4 * blocks + record.entries_at
        first = 1 + [record.rows(row, 1)[0][0] for row in range(record.entries)].index("n0")
        lie[entries + 16 * first : entries + 16 * first + 12] = lie[
            entries + 16 * (first - 1) : entries + 16 * (first - 1) + 12
        ]
        self.file("place/index", repaired(lie, blocks))
        self.forget()
        self.assertEqual(len(self.found(group="many")), 100)
        self.assertEqual(epcache._state.unusable[self.index], "entry points overlap")

    def test_a_name_that_is_none_is_not_looked_at(self):
        with open(self.index, "rb") as file:
            whole = file.read()
        blocks = word(whole, 24)
        at = whole.index(b"alpha-1.dist-info")
        for name in (b"../////1.dist-info", b"alpha\x00-1.dist-inf"):
            lie = bytearray(whole)
            lie[at : at + 17] = name[:17]
            self.assertIn("file name", self.reason(repaired(lie, blocks)))

    def test_damage_is_explained(self):
        self.file("place/index", b"nonsense" * 20)
        self.found()
        self.assertEqual(epcache._state.unusable[self.index], "no index of major version 1")


if __name__ == "__main__":
    unittest.main()
