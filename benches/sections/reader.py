"""The Python reader: `import epcache; epcache.entry_points(group=…)`, against the bare interpreter and what others do."""

import os
import shutil
import subprocess

import measure
import plot
import report
from generate_tree import FIXED_ENTRIES, FIXED_GROUP
from workbench import PROJECT, Missing

from .tools import least

IN_ONE_PROCESS = """
import sys, time, json
from {module} import entry_points
entry_points(group={group!r})
times = []
for _ in range(20):
    began = time.perf_counter_ns()
    for _ in range({count}):
        entry_points(group={group!r})
    times.append((time.perf_counter_ns() - began) / {count})
print(json.dumps(times))
"""


def library(bench, place):
    """The reader and an empty package, compiled, in one directory."""
    shutil.copytree(PROJECT / "python/src/epcache", place / "epcache", ignore=shutil.ignore_patterns("__pycache__"))
    (place / "bench_empty").mkdir()
    (place / "bench_empty/__init__.py").touch()
    compile_with(bench, place)
    return place


def compile_with(bench, place):
    for name in ("epcache", "bench_empty"):
        bench.output_of([bench.options.python, "-m", "compileall", "-q", str(place / name)])


def run(bench):
    venv = bench.prepared.get("venv")
    if not venv:
        raise Missing("no venv: run tests/setup")
    python = str(venv / "bin/python")
    place = library(bench, bench.disk / "library")
    for name in ("epcache", "bench_empty"):
        bench.output_of([python, "-m", "compileall", "-q", str(place / name)])
    yield from whole_processes(bench, python, place)
    # The venv's and the system's own; the second may be missing, or have no venv module.
    for interpreter in dict.fromkeys(map(os.path.realpath, (python, "/usr/bin/python3"))):
        if bench.output_of([interpreter, "-c", "import venv"]) is not None:
            yield fewer(bench, place, venv, interpreter)
            yield for_all(bench, interpreter)
    yield repeated(bench, python, place)
    yield large(bench, python, place)


def sys_path_index(bench, python, environment, index):
    """An index of all search directories of this interpreter, those that are not there included, as one of a whole
    system is."""
    paths = (bench.output_of([python, "-P", "-c", "import sys; print(*sys.path, sep='\\n')"], environment) or "").splitlines()
    bench.output_of([bench.epcache, "refresh", "--output", str(index), "--full", "-q", "--path", *paths])
    return index


def environment_of(bench, place, index, **more):
    return {"PYTHONPATH": str(place), "EPCACHE_INDEX": str(index), "HOME": str(bench.disk), **more}


def lookup(group, module="epcache"):
    return f"import {module}; {module}.entry_points(group='{group}')"


# From inside of a process: neither its start nor its end, whose times move more than what is to be
# seen.
INSIDE = "import sys, time; began = time.perf_counter_ns(); {}; print(time.perf_counter_ns() - began)"


def inside(bench, programs, rounds):
    """Milliseconds that the code of each program takes, by its own clock; the programs take turns."""
    found = {program.name: [] for program in programs}
    for _ in range(rounds):
        for program in programs:
            *start, code = program.command
            said = bench.output_of([*start, INSIDE.format(code)], program.environment)
            found[program.name].append(int(said or 0) / 1e6)
    return {name: measure.summarise(values) for name, values in found.items()}


FEWER = 257
FLOOR = """import os
fd = os.open({tree!r}, os.O_RDONLY | os.O_DIRECTORY)
for name in (
{names}):
    os.stat(name, dir_fd=fd)
os.close(fd)
"""


def name_of(bench, interpreter):
    return (bench.output_of([interpreter, "-c", "import platform; print(platform.python_implementation(), platform.python_version())"]) or interpreter).strip()


def fewer(bench, place, venv, interpreter):
    """The first so many of the venv's distributions, the metadata alone, in a directory of their own on PYTHONPATH of
    an environment that is empty. Beside it what no reader in Python can go below: to import anything, and one os.stat
    for each metadata directory."""
    tree, empty_venv, floor_place = (bench.disk / f"{name}-{FEWER}" for name in ("venv", "empty", "floor"))
    for made in (tree, empty_venv, floor_place):
        shutil.rmtree(made, ignore_errors=True)
    tree.mkdir()
    for source in sorted(next(venv.glob("lib/python*/site-packages")).glob("*.dist-info"))[:FEWER]:
        subprocess.run(["cp", "-a", str(source), str(tree)], check=True)
    (floor_place / "bench_floor").mkdir(parents=True)
    (floor_place / "bench_floor/__init__.py").write_text(FLOOR.format(
        tree=str(tree), names="".join(f"    {os.fsencode(name)!r},\n" for name in os.listdir(tree))))
    for package in (place / "epcache", place / "bench_empty", floor_place / "bench_floor"):
        bench.output_of([interpreter, "-m", "compileall", "-q", str(package)])
    index = bench.disk / "fewer.index"
    environment = {**environment_of(bench, place, index), "PYTHONPATH": f"{place}:{tree}"}
    subprocess.run([interpreter, "-m", "venv", "--without-pip", str(empty_venv)], check=True)
    python = str(empty_venv / "bin/python")
    sys_path_index(bench, python, environment, index)

    def program(name, code, **more):
        return measure.Program(name, [python, "-P", "-c", code], environment={**environment, **more})

    bare = program("bare interpreter", "pass")
    empty = program("import of an empty package", "import bench_empty")
    floor = program("floor: one os.stat for each", "import bench_floor", PYTHONPATH=f"{floor_place}:{tree}")
    auto, fast = program("epcache, auto", lookup("pytest11")), program("epcache, fast", lookup("pytest11"), EPCACHE="fast")
    library_ = program("importlib.metadata", "import importlib.metadata as m; m.entry_points(group='pytest11')")
    programs = [bare, empty, floor, auto, fast, library_]
    rounds = bench.options.rounds * (1 if bench.quick else 4)
    bench.interleave(programs, rounds)
    section = report.timing_section(f"Python reader: whole process, {FEWER} of the venv's distributions, group pytest11, {name_of(bench, interpreter)}", programs,
                                    {"importlib.metadata ÷ it": (library_, None)})
    for it, goal in ((empty, None), (floor, None), (auto, "1.3 ms"), (fast, "0.8 ms"), (library_, None)):
        more = measure.difference(it, bare)
        if more:
            section.remarks.append(f"over the bare interpreter: {it.name} {more.median:+.2f} ms ({more.q1:+.2f} – {more.q3:+.2f}), "
                                   f"{least(it, bare)}" + (f"; goal: at most {goal}" if goal else ""))
    timed = inside(bench, [empty, floor, auto, fast], rounds)
    section.remarks.append("by the clock inside of the process, import and lookup: " + ", ".join(
        f"{name} {report.times(summary)} ms, least {report.number(summary.low)}" for name, summary in timed.items()))
    return section


def for_all(bench, interpreter):
    """What python3-epcache-auto costs each start of an interpreter: environments with and without its two files, and
    with a .pth file that does nothing, which comes first where there is any."""
    programs = []
    for name in ("without", "with a .pth file that does nothing", "with epcache-auto"):
        venv = bench.disk / f"start-{len(programs)}"
        shutil.rmtree(venv, ignore_errors=True)
        subprocess.run([interpreter, "-m", "venv", "--without-pip", str(venv)], check=True)
        site = next(venv.glob("lib/python*/site-packages"))
        if name == "with epcache-auto":
            for file in ("epcache-auto.pth", "epcache_auto.py"):
                shutil.copy(PROJECT / "python/auto" / file, site)
        elif programs:
            (site / "nothing.pth").write_text("import sys\n")
        bench.output_of([interpreter, "-m", "compileall", "-q", str(site)])
        programs.append(measure.Program(name, [str(venv / "bin/python"), "-c", "pass"]))
    bench.interleave(programs, bench.options.rounds * (1 if bench.quick else 10))
    section = report.timing_section(f"Python reader: start of an interpreter, {name_of(bench, interpreter)}", programs, {})
    without = programs[0]
    for it in programs[1:]:
        more = measure.difference(it, without)
        if more:
            section.remarks.append(f"{it.name}: {more.median:+.2f} ms ({more.q1:+.2f} – {more.q3:+.2f}), {least(it, without)}"
                                   + ("; goal: at most 0.3 ms" if it is programs[-1] else ""))
    return section


STEVEDORE = "from stevedore import _cache; _cache.get_group_all('pytest11')"


def whole_processes(bench, python, place):
    index = bench.disk / "reader.index"
    sys_path_index(bench, python, environment_of(bench, place, index), index)

    with_current = "epcache, auto, and the current directory"

    def program(name, code, **more):
        # -P: without the current directory, which no index has and every library lists.
        return measure.Program(name, [python, *([] if name == with_current else ["-P"]), "-c", code], environment=environment_of(bench, place, index, **more))

    code = lookup("pytest11")
    count = "len(list({}.entry_points(group='pytest11')))"
    found = [bench.output_of([python, "-c", f"import {module}; print({count.format(module)})"], environment_of(bench, place, index))
             for module in ("epcache", "importlib.metadata")]
    bare = program("bare interpreter", "pass")
    empty = program("import of an empty package", "import bench_empty")
    auto = program("epcache, auto", code)
    fast = program("epcache, fast", code, EPCACHE="fast")
    none = program("epcache without an index", code, EPCACHE="off")
    library_ = program("importlib.metadata", "import importlib.metadata as m; m.entry_points(group='pytest11')")
    imported = program("import importlib.metadata alone", "import importlib.metadata")
    warm = program("stevedore, warm cache", STEVEDORE)
    cold = program("stevedore, no cache", STEVEDORE, XDG_CACHE_HOME=str(bench.disk / "stevedore-cold"))
    cold.prepare = lambda: shutil.rmtree(bench.disk / "stevedore-cold", ignore_errors=True)
    current = program(with_current, code)
    programs = [bare, empty, auto, fast, current, none, imported, library_, warm, cold]
    rounds = bench.options.rounds * (1 if bench.quick else 4)
    bench.interleave(programs, rounds)
    section = report.timing_section("Python reader: whole process, venv, group pytest11", programs,
                                    {"importlib.metadata ÷ it": (library_, None)})
    section.remarks.append(f"entry points: epcache {(found[0] or '?').strip()}, importlib.metadata {(found[1] or '?').strip()}")
    counted = {it.name: bench.instructions(it.command, it.environment) for it in (bare, auto, fast, library_, warm)}
    calls = {it.name: bench.system_calls(it.command, it.environment) for it in (bare, auto, fast, library_, warm)}
    rows = []
    for it, goal in ((empty, ""), (auto, "1.3 ms"), (fast, "0.8 ms"), (current, ""), (none, ""), (imported, ""), (library_, ""), (warm, ""), (cold, "")):
        more = measure.difference(it, bare)
        cpu = measure.difference(it, bare, "cpu_ms")
        if not more:
            continue
        rows.append((it.name, cpu))
        text = f"over the bare interpreter: {it.name} {more.median:+.2f} ms ({more.q1:+.2f} – {more.q3:+.2f}), CPU {cpu.median:+.2f} ms, {least(it, bare)}"
        if counted.get(it.name) and counted.get(bare.name):
            text += f", {counted[it.name] - counted[bare.name]:+.2f} million instructions"
        if calls.get(it.name) and calls.get(bare.name):
            text += f", {sum(calls[it.name].values()) - sum(calls[bare.name].values()):+d} system calls"
        section.remarks.append(text + (f"; goal: at most {goal}" if goal else ""))
    timed = inside(bench, [auto, fast, library_, warm], rounds)
    section.remarks.append("by the clock inside of the process, import and lookup: " + ", ".join(
        f"{name} {report.times(summary)} ms, least {report.number(summary.low)}" for name, summary in timed.items()))
    colours = {"epcache, auto": 0, "epcache, fast": 0}
    shown = ("epcache, fast", "epcache, auto", "import importlib.metadata alone", "stevedore, warm cache", "importlib.metadata")
    section.plots["reader.svg"] = plot.bars(
        f"Looking up pytest11 among {venv_size(bench)} distributions: CPU time over a bare Python",
        [(name, max(more.median, 0), max(more.q1, 0), max(more.q3, 0), colours.get(name, 1))
         for wanted in shown for name, more in rows if name == wanted])
    yield section

    listing = report.Section("Python reader: imports (`-X importtime`, the shortest of ten runs, µs of its own and with what it imports)", ["module", "own", "cumulative"])
    best = None
    for _ in range(10):
        done = subprocess.run([python, "-P", "-X", "importtime", "-c", lookup("pytest11")], capture_output=True, text=True,
                              env={**measure.ENVIRONMENT, **environment_of(bench, place, index)})
        lines = [line.removeprefix("import time:").split("|") for line in done.stderr.splitlines() if line.startswith("import time:")]
        if lines and (best is None or int(lines[-1][1]) < int(best[-1][1])):
            best = lines
    seen = best or []
    begun = next((number for number, line in enumerate(seen) if line[-1].strip() == "site"), 0)
    listing.rows = [[line[2].rstrip(), line[0].strip(), line[1].strip()] for line in seen[begun + 1:]]
    yield listing


def venv_size(bench):
    return sum(name.endswith((".dist-info", ".egg-info")) for name in os.listdir(bench.real["venv"]))


def repeated(bench, python, place):
    index = bench.disk / "reader.index"
    section = report.Section("Python reader: repeated calls in one process, venv, group pytest11", ["library", "µs per call"])
    times = {}
    for _ in range(1 if bench.quick else 3):
        for name, module, count, more in (("epcache, auto", "epcache", 2000, {}), ("epcache, fast", "epcache", 2000, {"EPCACHE": "fast"}),
                                          ("importlib.metadata", "importlib.metadata", 1, {})):
            code = IN_ONE_PROCESS.format(module=module, group="pytest11", count=count)
            said = bench.said([python, "-c", code], environment_of(bench, place, index, **more))
            times.setdefault(name, []).extend(value / 1e3 for value in said or [])
    for name, values in times.items():
        section.rows.append([name, report.times(measure.summarise(values))])
    ours, theirs = (measure.summarise(times[name]) for name in ("epcache, auto", "importlib.metadata"))
    if ours and theirs:
        section.remarks.append(f"importlib.metadata takes {theirs.median / ours.median:,.0f} × the time; goal: at least 100 ×")
    return section


def large(bench, python, place):
    """With the tree in PYTHONPATH, and the interpreter that the environment was made from."""
    python = os.path.realpath(python)
    size = max(size for size in bench.options.sizes if size <= 50_000)
    tree = bench.generated(size)
    for name in ("epcache", "bench_empty"):   # of an earlier run
        shutil.rmtree(tree / name, ignore_errors=True)
    library(bench, tree)
    bench.output_of([python, "-m", "compileall", "-q", str(tree / "epcache"), str(tree / "bench_empty")])
    programs = []
    differences = []
    for what, path in (("from a small directory before it", f"{place}:{tree}"), ("from that directory", str(tree))):
        index = bench.disk / f"reader-{len(programs)}.index"
        environment = {"PYTHONPATH": path, "EPCACHE_INDEX": str(index), "EPCACHE": "fast", "HOME": str(bench.disk)}
        sys_path_index(bench, python, environment, index)
        empty = measure.Program(f"import of an empty package {what}", [python, "-P", "-c", "import bench_empty"], environment=environment)
        ours = measure.Program(f"epcache, fast, {what}", [python, "-P", "-c", lookup(FIXED_GROUP)], environment=environment)
        said = bench.output_of([python, "-P", "-c", f"import epcache; print(len(epcache.entry_points(group='{FIXED_GROUP}')))"], environment)
        differences.append((what, empty, ours, said))
        programs += [empty, ours]
    bench.interleave(programs, bench.options.rounds * (1 if bench.quick else 4))
    section = report.timing_section(f"Python reader: {size:,} generated distributions, a group of {FIXED_ENTRIES}", programs, {})
    for what, empty, ours, said in differences:
        more, cpu = measure.difference(ours, empty), measure.difference(ours, empty, "cpu_ms")
        if not more:
            section.remarks.append(f"{what}: {ours.failure or empty.failure}")
            continue
        text = f"{what}: over importing an empty package {more.median:+.2f} ms ({more.q1:+.2f} – {more.q3:+.2f}), CPU {cpu.median:+.2f} ms, {least(ours, empty)}"
        timed = inside(bench, [empty, ours], bench.options.rounds * (1 if bench.quick else 2))
        text += f"; by the clock inside, {timed[ours.name].median - timed[empty.name].median:+.2f} ms, the least of each {timed[ours.name].low - timed[empty.name].low:+.2f}"
        counts = [bench.instructions(program.command, program.environment) for program in (ours, empty)]
        if all(counts):
            text += f", {counts[0] - counts[1]:+.2f} million instructions"
        section.remarks.append(text + "; goal: at most 0.5 ms")
        if (said or "").strip() != str(FIXED_ENTRIES):
            section.remarks.append(f"{what}: {said} entry points – NOT THE SAME WORK")
    return section
