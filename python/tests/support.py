"""What the tests share: a tree of search directories, the program that indexes it, and a process state of
its own for each test.

EPCACHE_TEST_PROGRAM names the program epcache; tests that need an index are skipped without it.
"""

# Whatever is imported while a test's sys.path is in force has to be there before.
import ast  # noqa: F401
import email.message  # noqa: F401
import email.parser  # noqa: F401
import hashlib  # noqa: F401
import importlib.metadata  # noqa: F401
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest
import zipfile  # noqa: F401

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.join(os.path.dirname(HERE), "src")
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
if SOURCE not in sys.path:
    sys.path.insert(0, SOURCE)

import epcache  # noqa: E402
from epcache import _quick  # noqa: E402

PROGRAM = os.environ.get("EPCACHE_TEST_PROGRAM", "")
REQUIRED = os.environ.get("EPCACHE_TEST_REQUIRE_ALL", "0") not in ("", "0")


class Case(unittest.TestCase):
    """A test with a folder of its own, sys.path within it, and no index but its own."""

    def setUp(self):
        self.folder = os.path.realpath(tempfile.mkdtemp(prefix="epcache-"))
        os.chmod(self.folder, 0o755)
        self.addCleanup(shutil.rmtree, self.folder, True)
        self._environ = {
            name: os.environ.pop(name, None)
            for name in ("EPCACHE", "EPCACHE_INDEX", "XDG_CACHE_HOME", "HOME")
        }
        self.addCleanup(self._restore_environ)
        os.environ["HOME"] = self.folder
        self._sys_path = list(sys.path)
        self.addCleanup(sys.path.__setitem__, slice(None), self._sys_path)
        self._meta_path = list(sys.meta_path)
        self.addCleanup(sys.meta_path.__setitem__, slice(None), self._meta_path)
        self.forget()
        self.addCleanup(self.forget)

    def _restore_environ(self):
        for name, value in self._environ.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value

    def forget(self):
        """As if the process had just started."""
        _quick.forget()
        epcache._said.clear()

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def file(self, name, content=""):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if isinstance(content, str):
            content = content.encode()
        with open(path, "wb") as file:
            file.write(content)
        return path

    def dist(self, directory, name, entry_points=None, version="1", ending=".dist-info", headers=True):
        """A metadata directory in a search directory."""
        metadata = self.path(directory, "%s-%s%s" % (name, version, ending))
        os.makedirs(metadata)
        if headers:
            file = "METADATA" if ending == ".dist-info" else "PKG-INFO"
            self.file(os.path.join(metadata, file), "Name: %s\nVersion: %s\n" % (name, version))
        if entry_points is not None:
            self.file(os.path.join(metadata, "entry_points.txt"), textwrap.dedent(entry_points))
        return metadata

    def refresh(self, *directories, output="index", arguments=()):
        """Indexes search directories; they are on sys.path from now on, and nothing else is."""
        if not PROGRAM:
            if REQUIRED:
                self.fail("EPCACHE_TEST_PROGRAM is not set")
            self.skipTest("EPCACHE_TEST_PROGRAM is not set")
        paths = [self.path(directory) for directory in directories]
        index = self.path(output)
        # Times as young as the clock's last tick may be recorded as unknown; then nothing is fresh at once.
        time.sleep(0.05)
        subprocess.run(
            [PROGRAM, "refresh", "--quiet", "--path"]
            + paths
            + ["--output", index]
            + list(arguments),
            check=True,
            stdout=subprocess.DEVNULL,
            env=dict(os.environ, PATH="/usr/bin:/bin"),
        )
        os.environ["EPCACHE_INDEX"] = index
        sys.path[:] = paths
        return index

    def found(self, **params):
        return [(ep.name, ep.value) for ep in epcache.entry_points(**params)]

    def from_index(self):
        """Whether an index answers for all of sys.path."""
        _quick.forget()
        return _quick.distributions() is not None
