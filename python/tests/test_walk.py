"""sys.path: what stands on it, and who else is asked."""

import io
import os
import pathlib
import sys
import unittest
import zipfile

from support import Case, epcache

from epcache import _live


class Walk(Case):
    def test_the_current_directory_is_read_live(self):
        self.dist("here", "tool", "[g]\nhere = m:a\n")
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(self.path("here"))
        sys.path[:] = [""]
        self.assertEqual(self.found(group="g"), [("here", "m:a")])
        os.chdir(self.folder)
        self.assertEqual(self.found(group="g"), [])

    def test_a_directory_is_matched_by_its_exact_string(self):
        self.dist("site", "tool", "[g]\nt = m:a\n")
        self.refresh("site")
        for path, how in (
            (self.path("site"), "fresh"),
            (self.path("site") + "/", "live"),
            (self.path(".", "site"), "live"),
        ):
            sys.path[:] = [path]
            self.assertEqual(self.found(group="g"), [("t", "m:a")])
            self.assertEqual(list(self.how().values()), [how])

    def archive(self, name, metadata, prefix=b""):
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr(metadata + "/METADATA", "Name: zipped\nVersion: 3\n")
            archive.writestr(metadata + "/entry_points.txt", "[g]\nz = m:z\n")
        return self.file(name, prefix + content.getvalue())

    def test_archives_are_read_live(self):
        for name, metadata, prefix in (
            ("app.pyz", "zipped-3.dist-info", b"#!/usr/bin/python3\n"),
            ("zipped-3.egg", "EGG-INFO", b""),
        ):
            sys.path[:] = [self.archive(name, metadata, prefix)]
            found = epcache.entry_points(group="g")
            self.assertEqual([(ep.name, ep.value) for ep in found], [("z", "m:z")])
            if metadata != "EGG-INFO":
                self.assertEqual((found["z"].dist.name, found["z"].dist.version), ("zipped", "3"))

    def test_no_fifo_is_opened(self):
        self.dist("site", "tool", "[g]\nt = m:a\n")
        bad = self.dist("site", "bad", "[g]\nb = m:b\n")
        files = [os.path.join(bad, name) for name in ("entry_points.txt", "METADATA")]
        for path in files:
            os.remove(path)
        for path in files + [self.path(name) for name in ("fifo-index", "fifo.conf", "fifo")]:
            os.mkfifo(path)
        os.symlink("fifo", self.path("link"))
        sys.path[:] = [self.path("site")]
        os.environ["EPCACHE_INDEX"] = self.path("fifo-index") + ":" + self.path("link")
        opened = []
        opener = os.open

        def noted(path, *args, **kwargs):
            opened.append(os.fsdecode(path))
            return opener(path, *args, **kwargs)

        os.open = noted
        try:
            found = [(ep.name, ep.dist.version) for ep in epcache.entry_points(group="g")]
            self.assertTrue(epcache.says_something(self.path("fifo.conf")))
            self.assertEqual(epcache._configuration._content(self.path("fifo.conf")), "")
        finally:
            os.open = opener
        self.assertEqual(found, [("t", "1")])
        names = [os.path.basename(path) for path in opened if "bad-1" not in path]
        self.assertIn("entry_points.txt", names)
        self.assertEqual([path for path in opened if "bad-1" in path], [])
        for name in ("fifo-index", "fifo.conf", "fifo"):
            self.assertNotIn(name, names)

    def test_where_the_files_are_too_large_together_the_largest_are_left_unread(self):
        self.dist("site", "small", "[g]\ns = m:s\n")
        for name in ("large", "larger"):
            self.dist("site", name, "[g]\n%s = m:l\n" % name + "#\n" * 100)
        sys.path[:] = [self.path("site")]
        limit = _live._CONTENT_LIMIT
        try:
            _live._CONTENT_LIMIT = 450
            self.assertEqual(len(self.found(group="g")), 3)
            _live._CONTENT_LIMIT = 300
            self.forget()
            self.assertEqual(sorted(self.found(group="g")), [("large", "m:l"), ("s", "m:s")])
        finally:
            _live._CONTENT_LIMIT = limit

    def test_an_unpacked_egg_is_read(self):
        self.file("tool-1.egg/EGG-INFO/PKG-INFO", "Name: tool\nVersion: 1\n")
        self.file("tool-1.egg/EGG-INFO/entry_points.txt", "[g]\negg = m:e\n")
        sys.path[:] = [self.path("tool-1.egg")]
        self.assertEqual(self.found(group="g"), [("egg", "m:e")])
        self.refresh("tool-1.egg")
        self.assertEqual(self.found(group="g"), [("egg", "m:e")])
        self.assertEqual(self.how(), {"tool-1.egg": "fresh"})

    def test_whatever_else_stands_there_has_nothing(self):
        self.file("file", "no archive")
        os.mkfifo(self.path("fifo"))
        self.file("broken.zip", b"PK\x03\x04" + b"\0" * 100)
        sys.path[:] = [
            self.path("file"), self.path("fifo"), self.path("broken.zip"), self.path("missing"),
            "nul\0byte", "\udfff", b"bytes", None, 3, pathlib.Path(self.path("missing")),
        ]
        self.assertEqual(self.found(), [])

    def test_a_path_object_counts(self):
        self.dist("site", "tool", "[g]\nt = m:a\n")
        sys.path[:] = [pathlib.Path(self.path("site"))]
        self.assertEqual(self.found(group="g"), [("t", "m:a")])

    def test_a_bad_file_costs_its_own_entry_points(self):
        self.dist("site", "good", "[g]\ngood = m:a\n")
        self.dist("site", "bad", "[g]\nno equals sign\n")
        self.dist("site", "latin", None)
        self.file("site/latin-1.dist-info/entry_points.txt", b"[g]\n\xff = m\n")
        os.mkfifo(self.path("site", "good-1.dist-info", "x"))
        self.dist("site", "fifo", None)
        os.mkfifo(self.path("site", "fifo-1.dist-info", "entry_points.txt"))
        sys.path[:] = [self.path("site")]
        self.assertEqual(self.found(), [("good", "m:a")])

    def test_of_twins_the_higher_version_with_metadata_counts(self):
        for version in ("1.10", "1.9", "2.0rc1"):
            self.dist("site", "tool", "[g]\nv = m:v%s\n" % version.replace(".", "_"), version)
        self.dist("site", "tool", "[g]\nv = m:empty\n", "3.0", headers=False)
        sys.path[:] = [self.path("site")]
        self.assertEqual(self.found(group="g"), [("v", "m:v2_0rc1")])
        self.refresh("site")
        self.assertEqual(self.found(group="g"), [("v", "m:v2_0rc1")])

    def test_distributions_without_metadata_come_last_and_hide_nothing(self):
        self.dist("one", "tool", "[g]\nleftover = m:a\n", headers=False)
        self.dist("two", "tool", "[g]\nreal = m:a\n")
        for index in (False, True):
            sys.path[:] = [self.path("one"), self.path("two")]
            if index:
                self.refresh("one", "two")
            self.assertEqual(self.found(group="g"), [("real", "m:a")])
            self.assertEqual(self.found(), [("real", "m:a")])

    # ---- sys.meta_path

    def finder(self, name, group):
        import importlib.metadata as library

        class Distribution(library.Distribution):
            def read_text(self, filename):
                return {
                    "METADATA": "Name: %s\nVersion: 9\n" % name,
                    "entry_points.txt": "[%s]\nown = own:main\n" % group,
                }.get(filename)

            def locate_file(self, path):
                return path

        class Finder:
            @staticmethod
            def find_spec(*arguments):
                return None

            @staticmethod
            def find_distributions(context):
                return [Distribution()]

        return Finder()

    def test_finders_of_others_are_asked_in_their_place(self):
        self.dist("site", "tool", "[g]\nt = m:a\n")
        self.refresh("site")
        sys.meta_path.append(self.finder("own", "g"))
        self.assertEqual(self.found(group="g"), [("t", "m:a"), ("own", "own:main")])
        self.assertEqual(epcache.entry_points(group="g")["own"].dist.metadata["Version"], "9")
        sys.meta_path.insert(0, sys.meta_path.pop())
        self.assertEqual(self.found(group="g"), [("own", "own:main"), ("t", "m:a")])
        self.assertEqual(self.found(), [("own", "own:main"), ("t", "m:a")])

    def test_a_finder_in_front_shadows(self):
        self.dist("site", "tool", "[g]\nt = m:a\n")
        self.refresh("site")
        sys.meta_path.insert(0, self.finder("tool", "g"))
        self.assertEqual(self.found(group="g"), [("own", "own:main")])

    def test_without_a_path_finder_sys_path_has_nothing(self):
        self.dist("site", "tool", "[g]\nt = m:a\n")
        self.refresh("site")
        sys.meta_path[:] = [
            finder for finder in sys.meta_path if not hasattr(finder, "find_distributions")
        ]
        self.assertEqual(self.found(), [])

    def test_the_backport_in_the_path_finders_place_is_not_asked(self):
        self.dist("site", "tool", "[g]\nt = m:a\n")
        self.refresh("site")

        class MetadataPathFinder:
            __module__ = "importlib_metadata"

            @staticmethod
            def find_distributions(context):
                raise AssertionError

        sys.meta_path.append(MetadataPathFinder())
        self.assertEqual(self.found(), [("t", "m:a")])
        self.assertEqual(self.how(), {"site": "fresh"})


if __name__ == "__main__":
    unittest.main()
