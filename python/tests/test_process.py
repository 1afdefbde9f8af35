"""Threads, forks, subinterpreters, imports, and the command line."""

import json
import os
import subprocess
import sys
import threading
import unittest

from support import PROGRAM, SOURCE, Case, epcache


@unittest.skipIf(sys.version_info < (3, 10), "no index is asked")
class Process(Case):
    def setUp(self):
        super().setUp()
        for number in range(20):
            self.dist("site", "d%d" % number, "[g]\ne%d = m:a\n[h%d]\nx = y\n" % (number, number))
        self.refresh("site")

    def test_many_threads_find_the_same(self):
        right = self.found(group="g")
        wrong = []
        stop = threading.Event()

        def look():
            while not stop.is_set():
                try:
                    found = epcache.entry_points(group="g")
                    if [(ep.name, ep.value) for ep in found] != right:
                        wrong.append(found)
                    [ep.dist.name for ep in found]
                except BaseException as error:
                    wrong.append(error)

        threads = [threading.Thread(target=look) for _ in range(6)]
        for thread in threads:
            thread.start()
        for _ in range(10):
            self.refresh("site")
            self.forget()
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_a_forked_child_reads_on(self):
        found = epcache.entry_points(group="g")
        children = []
        for _ in range(4):
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    names = [ep.dist.name for ep in found]
                    if len(names) == 20 and len(self.found(group="g")) == 20:
                        status = 0
                finally:
                    os._exit(status)
            children.append(child)
        self.assertEqual([os.waitpid(child, 0)[1] for child in children], [0] * 4)

    def test_subinterpreters_know_nothing_of_each_other(self):
        try:
            import _interpreters as interpreters
        except ImportError:
            try:
                import _xxsubinterpreters as interpreters
            except ImportError:
                self.skipTest("no subinterpreters here")
        self.found()
        code = "import sys; sys.path[:0] = [%r, %r]\nimport epcache\n" % (self.path("site"), SOURCE)
        code += "assert len(epcache.entry_points(group='g')) == 20\n"
        for _ in range(2):
            made = interpreters.create()
            try:
                failed = interpreters.run_string(made, code)
                self.assertIsNone(failed)
            finally:
                interpreters.destroy(made)
        self.assertEqual(len(self.found(group="g")), 20)

    def python(self, *arguments, **environ):
        return subprocess.run(
            [sys.executable] + list(arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(
                {
                    "PATH": "/usr/bin:/bin",
                    "HOME": self.folder,
                    "PYTHONPATH": self.path("site") + ":" + SOURCE,
                    "EPCACHE_INDEX": self.path("index"),
                    "LC_ALL": "C.UTF-8",
                },
                **environ
            ),
        )

    def test_no_module_of_weight_is_imported(self):
        code = (
            "import os, sys; before = set(sys.modules); import epcache\n"
            "assert len(epcache.entry_points(group='g')) == 20\n"
            "print(sorted(set(sys.modules) - before))"
        )
        ran = self.python("-S", "-c", code)
        self.assertEqual(ran.stderr, b"")
        if sys.implementation.name == "pypy":
            return  # whose own library has distributions in it, which are read live
        own = {"epcache", "epcache._quick"}
        self.assertEqual(set(eval(ran.stdout)) - {"binascii"}, own)

    # ---- python -m epcache

    def both(self, *arguments):
        """What Python prints, and what the program does, about the same sys.path."""
        code = "import sys; print('\\n'.join(p for p in sys.path if p))"
        paths = self.python("-c", code).stdout.decode().split("\n")[:-1]
        ours = self.python("-m", "epcache", *arguments)
        here = os.getcwd()
        theirs = subprocess.run(
            [PROGRAM, "query"]
            + list(arguments)
            + ["--index", self.path("index"), "--path", here]
            + paths,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        return (ours.returncode, ours.stdout), (theirs.returncode, theirs.stdout)

    def test_the_command_prints_what_the_program_prints(self):
        self.dist("site", "o", "[t\xe9st]\ndel\u202e = x:y\n  two = not-well-formed\n")
        self.refresh("site")
        for arguments in (
            [], ["g"], ["g", "e3"], ["g", "none"], ["none"], ["--json"], ["--json", "g"],
            ["--json", "none"], ["t\xe9st"], ["--json", "t\xe9st"],
        ):
            ours, theirs = self.both(*arguments)
            self.assertEqual(ours, theirs, arguments)

    def test_a_mistaken_call_ends_with_2(self):
        self.assertEqual(self.python("-m", "epcache", "a", "b", "c").returncode, 2)

    def test_what_is_stale_is_said_on_standard_error(self):
        self.dist("site", "new", "[g]\nnew = m:n\n")
        ran = self.python("-m", "epcache", "g")
        self.assertIn(b"epcache: warning: the index " + self.path("index").encode(), ran.stderr)
        self.assertIn(self.path("site").encode() + b" (a distribution came or went)", ran.stderr)
        self.assertEqual(ran.returncode, 0)

    def test_explain_says_where_each_answer_comes_from(self):
        self.dist("site", "new", "[g]\nnew = m:n\n")
        self.file("bad", "nonsense")
        index = self.path("bad") + ":" + self.path("index")
        told = self.python("-m", "epcache", "--explain", EPCACHE_INDEX=index).stdout.decode()
        self.assertIn(self.path("bad") + " (auto): not trusted, damaged, or not an index", told)
        self.assertIn(self.path("index") + " (auto): there", told)
        self.assertIn("/site: the library is asked: a distribution came or went", told)
        self.assertIn("`epcache refresh --output %s` mends that" % self.path("index"), told)
        self.refresh("site")
        told = self.python("-m", "epcache", "--explain").stdout.decode()
        self.assertIn("/site: 21 distributions, as recorded\n    index: " + self.path("index"), told)
        told = json.loads(self.python("-m", "epcache", "--explain", "--json").stdout.decode())
        by_path = {one["path"]: one for one in told["sys_path"]}
        self.assertEqual(by_path[self.path("site")]["index"], self.path("index"))

    def test_nobody_reading_is_no_error(self):
        command = "%s -S -m epcache --json | head -c 1; echo ${PIPESTATUS[0]}" % sys.executable
        ran = subprocess.run(
            ["bash", "-c", command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={
                "PATH": "/usr/bin:/bin",
                "PYTHONPATH": self.path("site") + ":" + SOURCE,
                "EPCACHE": "off",
            },
        )
        self.assertEqual((ran.stdout, ran.stderr), (b"[0\n", b""))


if __name__ == "__main__":
    unittest.main()
