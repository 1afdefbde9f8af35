"""A file system that answers late, as over a network: and whether reading in parallel pays there."""

import os
import shutil
import subprocess
import time

import measure
import report
from generate_tree import FIXED_GROUP
from workbench import BENCHES, Missing, metadata_directories


class Late:
    """A tree on a mount where each question takes so many milliseconds."""

    def __init__(self, tree, mount, milliseconds):
        self.tree, self.mount, self.milliseconds = tree, mount, milliseconds

    def __enter__(self):
        self.mount.mkdir(exist_ok=True)
        python = "/usr/bin/python3"   # python3-fusepy is Debian's
        self.server = subprocess.Popen([python, str(BENCHES / "latency_fs.py"), str(self.tree), str(self.mount), str(self.milliseconds)],
                                       stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(100):
            if os.path.ismount(self.mount):
                return self
            if self.server.poll() is not None:
                break
            time.sleep(0.05)
        self.__exit__()
        raise Missing("no FUSE, or no python3-fusepy (tests/setup installs both)")

    def __exit__(self, *_):
        subprocess.run(["fusermount3", "-uz", str(self.mount)], stderr=subprocess.DEVNULL)
        if self.server.poll() is None:
            self.server.terminate()
        self.server.wait()


def run(bench):
    bench.tool("fusermount3")
    tree = bench.generated(200 if bench.quick else 500)
    count = len(metadata_directories(tree))
    for milliseconds in ((1,) if bench.quick else (1, 5)):
        with Late(tree, bench.disk / f"late-{milliseconds}", milliseconds) as late:
            mount = str(late.mount)
            index = bench.disk / f"late-{milliseconds}.index"
            bench.output_of(bench.refresh(mount, index, "--full"))
            query = [bench.epcache, "query", FIXED_GROUP, "--path", mount, "--index", str(index), "--freshness"]
            programs = [measure.Program("floor", bench.floor(mount))]
            programs += [measure.Program(f"the floor's questions on {threads} thread{'s'[:threads > 1]}",
                                         [bench.probe("readers"), str(threads), mount]) for threads in (1, 2, 4, 8)]
            programs.append(measure.Program("epcache refresh --full, as it is", bench.refresh(mount, bench.disk / "late-full.index", "--full")))
            if shutil.which("taskset"):
                programs.append(measure.Program("epcache refresh --full, bound to one processor",
                                                ["/usr/bin/taskset", "-c", "0", *bench.refresh(mount, bench.disk / "late-full.index", "--full")]))
            programs += [
                measure.Program("epcache refresh, nothing changed", bench.refresh(mount, index)),
                measure.Program("epcache query, fast", [*query, "fast"]),
                measure.Program("epcache query, auto", [*query, "auto"]),
                measure.Program("importlib.metadata, a group", bench.rival("importlib_query.py", FIXED_GROUP, mount)),
                measure.Program("importlib.metadata to JSON", bench.rival("importlib_refresh.py", bench.disk / "rival.json", mount)),
            ]
            bench.interleave(programs, min(bench.options.rounds, 5))
            section = report.timing_section(f"A file system that answers after {milliseconds} ms: {count} generated distributions",
                                            programs, {"÷ floor": (None, programs[0])})
            yield section
