"""What unchanged programs gain by epcache-auto: processor time of whole programs, in interleaved pairs.

    unshare --mount --net python3 -B benches/programs.py (venv | debian) EPCACHE TREE [PAIRS]

In: the program, and a tree that tests/setup has made. Each program runs alternately without and with
the index (EPCACHE=off and auto), and once more without, which shows what the machine's noise is. Out:
a table in Markdown with medians. For root; the tree stays as it is (tests/python_programs.py).
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "tests"))

from python_programs import Debian, Venv, run  # noqa: E402

CALL = "import importlib.metadata as m; %s"
# In Debian the first three only go through a wrapper that asks for one entry point.
PROGRAMS = {
    "`pygmentize -V`": ["pygmentize", "-V"],
    "`mid3v2 --version`": ["mid3v2", "--version"],
    "`markdown_py --version`": ["markdown_py", "--version"],
    "`pytest --version`": ["pytest", "--version"],
    "`python3 -c pass`": ["python3", "-c", "pass"],
    "`version(…)`": ["python3", "-c", CALL % "m.version('pygments')"],
    "`distribution(…).entry_points`": ["python3", "-c", CALL % "m.distribution('pygments').entry_points"],
    "`entry_points(group=…)`": ["python3", "-c", CALL % "m.entry_points(group='pytest11')"],
    "names and versions of all": ["python3", "-c", CALL % "[(d.name, d.version) for d in m.distributions()]"],
    "`packages_distributions()`": ["python3", "-c", CALL % "m.packages_distributions()"],
    "`metadata(…)`": ["python3", "-c", CALL % "m.metadata('pygments')"],
}


def main(kind, program, tree, pairs="20"):
    with tempfile.TemporaryDirectory(prefix="epcache-programs-") as work:
        os.chmod(work, 0o755)
        run("mount", "-t", "tmpfs", "-o", "mode=755,size=2g", "tmpfs", work)
        try:
            system = (Venv if kind == "venv" else Debian)(program, tree, work)
            os.makedirs(system.root + system.folder, exist_ok=True)
            print("| %s | without, ms | with, ms | median difference | noise |" % kind)
            print("|---|---:|---:|---:|---:|")
            # Compile everything, then make the index.
            known = {name: words for name, words in PROGRAMS.items() if once(system, words, False) is not None}
            time.sleep(0.1)
            subprocess.run(system.refresh, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for name, words in known.items():
                row(system, name, words, int(pairs))
        finally:
            os.chdir("/")
            run("umount", "-R", "-l", work)


def row(system, name, words, pairs):
    once(system, words, True)
    times = [(once(system, words, False), once(system, words, True), once(system, words, False)) for _ in range(pairs)]
    without, with_index, again = zip(*times)
    gained = statistics.median([on - off for off, on, _ in times])
    noise = statistics.median([second - first for first, _, second in times])
    medians = statistics.median(without), statistics.median(with_index)
    print("| %s | %.1f | %.1f | %+.1f (%+.0f %%) | %+.1f |" % (name, *medians, gained, 100 * gained / medians[0], noise))
    sys.stdout.flush()


def once(system, words, is_on):
    """Milliseconds of processor time; None where the program is not there."""
    environment = {"PATH": system.path + ":/usr/bin:/bin", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}
    environment["EPCACHE"] = "auto" if is_on else "off"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run(system.command(words), env=environment, stdin=subprocess.DEVNULL, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode:
        return None
    return 1e3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
