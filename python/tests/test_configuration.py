"""epcache.conf: read as the program reads it, and asked as hard as it says."""

import json
import os
import random
import subprocess
import unittest
from unittest import mock

from support import PROGRAM, REPOSITORY, REQUIRED, Case, _configuration, epcache


class Configuration(Case):
    def setUp(self):
        super().setUp()
        self.root = self.path("root")
        self.places = tuple([self.root + place for place in epcache.CONFIGURATION])
        epcache._is_configured = None
        for module in (epcache, _configuration):
            patched = mock.patch.object(module, "CONFIGURATION", self.places)
            patched.start()
            self.addCleanup(patched.stop)

    def write(self, place, content):
        self.file("root" + place, content)

    def shared(self, settings):
        """A tree with an index beside it that only the configuration names, changed in place since."""
        self.dist("site", "alpha", "[g]\nalpha = m:one\n")
        self.refresh("site")
        del os.environ["EPCACHE_INDEX"]
        new = self.file("site/alpha-1.dist-info/new", "[g]\nalpha = m:two\n")
        os.rename(new, self.path("site", "alpha-1.dist-info", "entry_points.txt"))
        self.write("/etc/epcache.conf", "[epcache]\nindex-path = %s\n" % self.path("index") + settings)

    def test_a_configured_index_is_asked_as_hard_as_the_configuration_says(self):
        self.shared("freshness = fast\n")
        self.assertEqual(self.found(group="g"), [("alpha", "m:one")])
        self.assertEqual(self.how(), {"site": "fresh"})

    def test_by_default_it_is_asked_as_hard_as_any_other(self):
        self.shared("")
        with mock.patch("epcache._warning._said", True):
            self.assertEqual(self.found(group="g"), [("alpha", "m:two")])

    def test_a_level_in_the_environment_goes_before(self):
        self.shared("freshness = trust\n")
        os.environ["EPCACHE"] = "strict"
        with mock.patch("epcache._warning._said", True):
            self.assertEqual(self.found(group="g"), [("alpha", "m:two")])

    def test_only_what_the_configuration_names_is_asked_less_hard(self):
        self.shared("index-path =\nindex-path = /elsewhere\nfreshness = trust\n")
        os.environ["EPCACHE_INDEX"] = self.path("index")
        with mock.patch("epcache._warning._said", True):
            self.assertEqual(self.found(group="g"), [("alpha", "m:two")])

    def test_without_a_setting_nothing_more_is_imported_than_without_a_file(self):
        with open(os.path.join(REPOSITORY, "packaging", "epcache.conf")) as file:
            packaged = file.read()
        with mock.patch.object(_configuration, "read", side_effect=AssertionError):
            for content in (None, "", packaged, "\t; nothing\r\n[other]\n"):
                if content is not None:
                    self.write("/etc/epcache.conf", content)
                epcache._is_configured = None
                kinds = [kind for kind, _, _ in epcache.places({}) if kind != "venv"]
                self.assertEqual(kinds, ["system", "system"])
            self.write("/etc/epcache.conf", packaged + "index-path = /a\n")
            epcache._is_configured = None
            self.assertRaises(AssertionError, epcache.places, {})

    def test_files_are_read_as_the_program_reads_them(self):
        if not PROGRAM:
            self.assertFalse(REQUIRED)
            self.skipTest("EPCACHE_TEST_PROGRAM is not set")
        generator = random.Random(3)
        lines = [
            "[epcache]", "[other]", "[ epcache ]", "index-path = /a:/b", "index-path=/c", "index-path =",
            "  index-path : /d", "index-path = /e : /f ; g", "# index-path = /no", ";index-path=/no", "",
            "freshness = fast", "index-path = 'x y'", 'index-path = "/q"', "index-path = /\u00e9 # h",
            "INDEX-PATH = /no", "index-path = a=b:c", "index-path = \\x41\\n", "directories = /g", "[]",
            "index-path = :", "\tindex-path\t=\t/t\t", "\ufeffindex-path = /bom",
        ]
        files = ["/etc/epcache.conf", "/usr/lib/epcache/epcache.conf", "/etc/epcache.conf.d/b.conf",
                 "/usr/lib/epcache/conf.d/a.conf", "/usr/lib/epcache/conf.d/b.conf",
                 "/etc/epcache.conf.d/.conf", "/etc/epcache.conf.d/c.txt"]
        for _ in range(60):
            for file in files:
                content = "\n".join(generator.choices(lines, k=generator.randrange(5)))
                if generator.random() < 0.7:
                    self.write(file, content + generator.choice(["", "\n", "\r\n"]))
                elif os.path.exists(self.root + file):
                    os.unlink(self.root + file)
            told = subprocess.run(
                [PROGRAM, "status", "--json", "--root", self.root],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            ).stdout
            theirs = [
                index["path"]
                for index in json.loads(told.decode())["indexes"]
                if index["kind"] == "configured"
            ]
            self.assertEqual(_configuration.read(self.places)[0], theirs)


if __name__ == "__main__":
    unittest.main()
