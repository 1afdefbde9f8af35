"""Whose indexes the quick reader believes, where it looks for them, and what lies in them do."""

import os
import subprocess
import sys
import unittest
from unittest import mock

from mutations import repaired, word
from quick_case import QuickCase
from support import SOURCE

NAMED = {"EPCACHE": "fast", "EPCACHE_INDEX": "/named"}


class Trust(QuickCase):
    def test_the_places_and_their_order(self):
        quick = self.quick
        quick.SYSTEM_INDEXES = "/system/1", "/system/2"
        quick.CONFIGURATION = self.path("no"), self.file("conf", "index-path = /c:/d\n"), "", ""
        own = [sys.prefix + "/.epcache/index"] if sys.prefix != sys.base_prefix else []
        rest = ["/c", "/d", "/system/1", "/system/2"]
        user = self.file("cache/epcache/index")
        home = self.file("home/.cache/epcache/index")
        for environ, first, last in (
            ({"EPCACHE_INDEX": "/a::b", "XDG_CACHE_HOME": self.path("cache")}, ["/a", "b"], [user]),
            ({"XDG_CACHE_HOME": "cache", "HOME": self.path("home")}, [], [home]),
            ({"HOME": self.path("nowhere")}, [], []),
            ({}, [], []),
        ):
            wanted = [(path, "auto") for path in first + own + last + rest]
            self.assertEqual(quick.places(environ), wanted)
        self.assertEqual(quick.places({"EPCACHE": "off", "EPCACHE_INDEX": "/a"}), [])

    def test_an_isolated_interpreter_does_not_ask_the_environment(self):
        code = "import sys; sys.path.append(%r); from epcache import _quick; "
        code += "print(_quick.places(_quick.environment()))"
        for flag, asked in (("-I", False), ("-E", False), ("-B", True)):
            told = subprocess.run(
                [sys.executable, flag, "-c", code % SOURCE],
                stdout=subprocess.PIPE,
                check=True,
                env=dict(NAMED, HOME=self.folder),
            ).stdout.decode()
            self.assertEqual(("/named" in told, "fast" in told), (asked, asked), (flag, told))

    def test_a_process_with_more_rights_than_its_caller_does_not_either(self):
        with mock.patch.dict(os.environ, NAMED):
            self.assertTrue(self.quick.environment())
            for getter in ("getuid", "getgid"):
                with mock.patch.object(os, getter, lambda: 12345):
                    self.assertEqual(self.quick.environment(), {}, getter)
            # By the capabilities of a file, the numbers of the user are those of the caller.
            with mock.patch.object(os, "getuid", lambda: 1), mock.patch.object(os, "geteuid", lambda: 1):
                for value, secure in ((0, False), (1, True)):
                    words = [6, 4096, 23, value, 0, 0]
                    vector = b"".join([word.to_bytes(8, sys.byteorder) for word in words])
                    with mock.patch("builtins.open", mock.mock_open(read_data=vector)):
                        self.assertEqual(self.quick.environment() == {}, secure)
                # Who cannot find out does not ask.
                with mock.patch("builtins.open", side_effect=PermissionError):
                    self.assertEqual(self.quick.environment(), {})

    @unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
    def test_an_index_that_this_user_cannot_read_is_treated_as_missing(self):
        os.chmod(self.index, 0o600)
        self.addCleanup(os.seteuid, 0)
        os.seteuid(12345)
        self.assertEqual(self.knows(), "")

    def test_what_lies_in_the_wrong_place_is_not_used(self):
        with open(self.index, "rb") as file:
            whole = file.read()
        blocks = word(whole, 24)
        record = 64 + 4 * blocks + 16 * word(whole, 28)
        segment = 64 + 4 * blocks + word(whole, record)
        groups = segment + (64 + 8) * word(whole, record + 16)
        entries = groups + 16 * word(whole, record + 20)
        pool = word(whole, record + 8)
        for at, value in (
            (groups, pool),  # a string beyond the pool
            (groups + 12, 9),  # entry points of a group beyond the table
            (entries + 8, pool),  # a string beyond the pool
            (entries + 12, 99),  # an entry point of no distribution
            (segment, pool),  # strings of a distribution beyond the pool
            (record + 8, 9),  # a pool in front of its tables
            (record + 4, 9),  # a segment that is too short
        ):
            lie = bytearray(whole)
            lie[at : at + 4] = value.to_bytes(4, "little")
            self.file("index.new", repaired(lie, blocks))
            os.rename(self.path("index.new"), self.index)
            self.assertNotIn("g", self.knows(), at)

    def test_a_small_index_cannot_pose_as_a_large_one(self):
        # Many rows that name one and the same long string.
        with open(self.index, "rb") as file:
            whole = file.read()
        blocks = word(whole, 24)
        record = 64 + 4 * blocks + 16 * word(whole, 28)
        segment = 64 + 4 * blocks + word(whole, record)
        entries = segment + 72 * word(whole, record + 16) + 16 * word(whole, record + 20)
        for table, size in ((entries, 12), (segment, 12)):
            lie = bytearray(whole)
            row = 16 if table == entries else 64
            lie[table + row : table + row + size] = lie[table : table + size]
            pool = 64 + 4 * blocks + word(whole, record + 8)
            if table == segment:
                # The lengths of all but the first add up to more than the pool has.
                lie[table + 4 : table + 12] = lie[table + row + 4 : table + row + 12] = b"\xff\x00" * 4
            self.assertLess(pool, len(whole))
            self.file("index.new", repaired(lie, blocks))
            os.rename(self.path("index.new"), self.index)
            self.assertNotIn("g", self.knows(), table)

    def test_a_file_name_that_leads_elsewhere_is_not_used(self):
        with open(self.index, "rb") as file:
            whole = file.read()
        at = whole.index(b"alpha-1.dist-info")
        for name in (b"../////1.dist-info"[:17], b"alpha\x00-1.dist-inf"[:17]):
            lie = bytearray(whole)
            lie[at : at + 17] = name
            self.file("index.new", repaired(lie, word(whole, 24)))
            os.rename(self.path("index.new"), self.index)
            self.assertNotIn("g", self.knows(), name)


if __name__ == "__main__":
    unittest.main()
