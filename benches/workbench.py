"""What all sections of the benchmark work with: programs, trees, places to write to.

In:  the options of the command line. Out: programs and trees, each built or generated when a section first
asks for it. It measures nothing.
"""

import functools
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import measure

BENCHES = Path(__file__).resolve().parent
PROJECT = BENCHES.parent
SHARED_MEMORY = Path("/dev/shm")


class Missing(Exception):
    """What a section, or a part of it, needs and this machine has not."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def has_metadata(directory):
    return any(name.lower().endswith((".dist-info", ".egg-info")) for name in os.listdir(directory))


def metadata_directories(directory):
    return sorted(name for name in os.listdir(directory) if name.lower().endswith((".dist-info", ".egg-info")))


def search_directory_in(place):
    """`place` itself where it holds metadata directories, else the largest known place below it."""
    if not place.is_dir():
        return None
    if has_metadata(place):
        return place
    below = [found for pattern in ("usr/lib/python3/dist-packages", "lib/python3*/site-packages")
             for found in place.glob(pattern) if has_metadata(found)]
    return max(below, key=lambda found: len(os.listdir(found)), default=None)


def file_system_of(path):
    best = ("", "unknown")
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind = line.split()[:3]
        where = where.replace("\\040", " ")
        if os.path.commonpath([where, path]) == where and len(where) >= len(best[0]):
            best = (where, kind)
    return best[1]


def idling():
    """How long an idle processor of a virtual machine waits before it is given back; README.md says why it matters."""
    try:
        nanoseconds = int(Path("/sys/module/haltpoll/parameters/guest_halt_poll_ns").read_text())
    except (OSError, ValueError):
        return ""
    return f", an idle processor waits {nanoseconds / 1000:.0f} µs before it is given back"


class Workbench:
    def __init__(self, options):
        self.options = options
        self.quick = options.quick
        self.target = Path(os.environ.get("CARGO_TARGET_DIR") or PROJECT / "target").resolve()
        self.place = self.target / "bench"
        (self.place / "trees").mkdir(parents=True, exist_ok=True)
        # 0755, unlike a temporary directory's 0700: an index that a reader may trust must be
        # reachable.
        self.disk = Path(tempfile.mkdtemp(prefix="out-", dir=self.place))
        self.disk.chmod(0o755)
        self.memory = None
        if SHARED_MEMORY.is_dir() and file_system_of(str(SHARED_MEMORY)) == "tmpfs":
            self.memory = Path(tempfile.mkdtemp(prefix="epcache-bench-", dir=SHARED_MEMORY))
            self.memory.chmod(0o755)
        self.budget_s = options.patience
        self.fewest = 1 if options.quick else 3

    def close(self):
        for place in (self.disk, self.memory):
            if place:
                shutil.rmtree(place, ignore_errors=True)

    # ---- programs

    @functools.cached_property
    def epcache(self):
        if self.options.epcache:
            return str(self.options.epcache.resolve())
        self._cargo("--bin", "epcache", at=PROJECT)
        return str(self.target / "release" / "epcache")

    def probe(self, name):
        """A program of `probe/`."""
        self._probes
        return str(self.target / "release" / name)

    @functools.cached_property
    def _probes(self):
        self._cargo("--bins", at=BENCHES / "probe")

    def _cargo(self, *arguments, at):
        say(f"cargo build --release {' '.join(arguments)} ({at.name})")
        command = ["cargo", "build", "--release", "--locked", "--quiet", "--target-dir", str(self.target), *arguments]
        if subprocess.run(command, cwd=at).returncode:
            sys.exit(f"benches/run: {at}: the build failed")

    @functools.cache
    def compiled(self, name):
        """A program in C beside this file."""
        program = self.place / name
        if subprocess.run(["cc", "-O2", "-o", str(program), str(BENCHES / f"{name}.c")]).returncode:
            sys.exit(f"benches/run: {name}.c could not be compiled")
        return str(program)

    def rival(self, script, *arguments):
        # -S: without what happens to be in this interpreter's site-packages, its .pth files above
        # all.
        return [self.options.python, "-I", "-S", str(BENCHES / script), *map(str, arguments)]

    def floor(self, tree):
        return [self.compiled("floor"), str(tree)]

    def refresh(self, tree, output, *arguments):
        return [self.epcache, "refresh", "--path", str(tree), "--output", str(output), *arguments, "-q"]

    def tool(self, name):
        found = shutil.which(name)
        if not found:
            raise Missing(f"{name} is not installed")
        return found

    # ---- trees

    @functools.cached_property
    def prepared(self):
        """Name to place of what tests/setup has made."""
        listed = {}
        try:
            for line in (self.cache / "trees").read_text().splitlines():
                name, _, place = line.strip().replace("\t", " ").partition(" ")
                if place.strip() and not name.startswith("#"):
                    listed[name] = Path(self.cache, place.strip())
        except OSError:
            say(f"no {self.cache}/trees: tests/setup prepares the real trees")
        return listed

    @property
    def cache(self):
        return Path(os.environ.get("EPCACHE_TEST_CACHE") or os.path.join(
            os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "epcache-tests"))

    @functools.cached_property
    def real(self):
        """Name to search directory of the trees that real package managers wrote."""
        debian, venv = self.options.debian_tree, self.options.venv_tree
        if not debian:
            debian = self.prepared.get("debian-bookworm") or Path("/usr/lib/python3/dist-packages")
        if not venv:
            venv = self.prepared.get("venv")
        found = {"Debian": search_directory_in(debian), "venv": venv and search_directory_in(venv)}
        return {name: tree for name, tree in found.items() if tree}

    @functools.cache
    def generated(self, size, groups=None):
        tree = self.place / "trees" / (f"{size}-groups-{groups}" if groups else str(size))
        # In a process of its own: its memory would count as that of every program started from
        # here.
        command = [sys.executable, str(BENCHES / "generate_tree.py"), str(size), str(tree)]
        command += ["--groups", str(groups)] if groups else []
        if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
            sys.exit(f"benches/run: {tree} could not be generated")
        return tree

    # ---- running

    def interleave(self, programs, rounds=None):
        return measure.interleave(programs, rounds or self.options.rounds, self.budget_s, self.fewest)

    def output_of(self, command, environment=None, accept=(0,)):
        """The stdout of an untimed run, or None and a word on stderr."""
        try:
            done = subprocess.run(command, env={**measure.ENVIRONMENT, **(environment or {})},
                                  capture_output=True, text=True)
        except OSError as error:
            say(f"{command[0]}: {error.strerror}")
            return None
        if done.returncode not in accept:
            say(f"{' '.join(map(str, command))}: exit status {done.returncode}: {done.stderr.strip()[:500]}")
            return None
        return done.stdout

    def said(self, command, environment=None):
        """What an untimed run prints, as JSON; empty where it fails."""
        try:
            return json.loads(self.output_of(command, environment) or "{}")
        except ValueError:
            return {}

    def instructions(self, command, environment=None):
        """Millions of user-space instructions of a command and its children, or None."""
        environment = {**measure.ENVIRONMENT, **(environment or {})}
        if shutil.which("perf"):
            done = subprocess.run(["perf", "stat", "-x,", "-e", "instructions:u", *command],
                                  env=environment, capture_output=True, text=True)
            found = re.search(r"^(\d+),[^,]*,instructions:u", done.stderr, re.M)
            if done.returncode == 0 and found:
                return int(found[1]) / 1e6
        if shutil.which("valgrind"):
            done = subprocess.run(["valgrind", "--tool=cachegrind", "--cache-sim=no", "--trace-children=yes",
                                   "--cachegrind-out-file=/dev/null", *command],
                                  env=environment, capture_output=True, text=True)
            found = re.findall(r"I +refs: +([\d,]+)", done.stderr)
            if done.returncode == 0 and found:
                return sum(int(count.replace(",", "")) for count in found) / 1e6
        return None

    def system_calls(self, command, environment=None):
        """Calls by name for a command and its children, or None."""
        if not shutil.which("strace"):
            return None
        with tempfile.NamedTemporaryFile() as summary:
            if self.output_of(["strace", "-f", "-c", "-o", summary.name, *command], environment) is None:
                return None
            calls = {}
            for line in Path(summary.name).read_text().splitlines():
                fields = line.split()
                if len(fields) >= 5 and re.fullmatch(r"[\d.]+", fields[0]) and fields[-1] != "total":
                    calls[fields[-1]] = int(fields[3])
            return calls

    # ---- what this is

    @functools.cached_property
    def revision(self):
        return subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=PROJECT, capture_output=True, text=True).stdout.strip()

    def description(self):
        model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        version = self.output_of([self.options.python, "-I", "-S", "-c", "import sys; print(sys.version.split()[0])"])
        compiler = (self.output_of(["cc", "--version"]) or "").partition("\n")[0]
        return {
            "epcache": f"{(self.output_of([self.epcache, '--version']) or '').partition(chr(10))[0]} {self.revision}".strip(),
            "rival": f"importlib.metadata of CPython {(version or '').strip()}",
            "floor programs": f"{compiler}, -O2",
            "machine": f"{os.cpu_count()} × {model[1] if model else platform.machine()}, {memory:.0f} GB, "
                       f"Linux {platform.release()}, load {os.getloadavg()[0]:.1f} at the start{idling()}",
            "run as": "root" if os.geteuid() == 0 else "an ordinary user",
            "rounds": "interleaved; warm page cache where nothing else is said",
            **{f"tree {name}": f"{len(metadata_directories(tree))} metadata directories ({file_system_of(str(tree))})"
               for name, tree in self.real.items()},
            "generated trees": f"{file_system_of(str(self.place))}",
        }
