"""epcache.conf: the quick reader reads it as the program does, and looks as hard as it says."""

import json
import os
import random
import subprocess
import unittest

from quick_case import QuickCase
from support import PROGRAM, REQUIRED


class Configuration(QuickCase):
    def setUp(self):
        super().setUp()
        self.root = self.path("root")
        self.quick.CONFIGURATION = tuple([self.root + place for place in self.quick.CONFIGURATION])

    def write(self, place, content):
        self.file("root" + place, content)

    def shared(self, settings):
        """A tree with an index that only the configuration names, changed in place since."""
        del os.environ["EPCACHE_INDEX"]
        self.file("one/alpha-1.dist-info/new")
        self.write("/etc/epcache.conf", "[epcache]\nindex-path = %s\n" % self.index + settings)

    def test_a_configured_index_is_looked_at_as_hard_as_the_configuration_says(self):
        self.shared("freshness = fast\n")
        self.assertEqual(self.knows(), "naged")

    def test_by_default_it_is_looked_at_as_hard_as_any_other(self):
        self.shared("")
        self.assertEqual(self.knows(), "ad")

    def test_a_level_in_the_environment_goes_before(self):
        self.shared("freshness = trust\n")
        os.environ["EPCACHE"] = "strict"
        self.assertEqual(self.knows(), "a")

    def test_only_what_the_configuration_names_is_looked_at_less_hard(self):
        self.shared("index-path =\nindex-path = /elsewhere\nfreshness = trust\n")
        os.environ["EPCACHE_INDEX"] = self.index
        self.assertEqual(self.knows(), "ad")

    def test_the_table_of_cases(self):
        with open(os.path.join(os.path.dirname(__file__), "configuration.json")) as file:
            cases = json.load(file)
        for case in cases:
            for name, content in case["files"].items():
                path = os.path.join(self.root, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as file:
                    file.write(content.encode("latin-1"))
            self.quick.forget()
            wanted = case.get("index-path", []), case.get("freshness", "auto")
            self.assertEqual(self.quick.configuration(), wanted, case)
            for name in case["files"]:
                os.unlink(os.path.join(self.root, name))

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
            "index-path = :", "\tindex-path\t=\t/t\t", "\ufeffindex-path = /bom", "rubbish", "[epcache", "[epcache] # x",
            "index-path = /x # y", "index-path = /x\t;y", "index-path = b:/x", "freshness = Fast", "\x1cindex-path = /f",
            "index-path = /x\x1f", "index-path = /x\x1fy", "= x", "index-path = /a\\", "index-path = #/h", "[a] b]",
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
            self.quick.forget()
            self.assertEqual(self.quick.configuration()[0], theirs)


if __name__ == "__main__":
    unittest.main()
