"""Lookups: in a process of their own, and in one that goes on; by the number of distributions, and of groups."""

import measure
import plot
import report
from generate_tree import FIXED_ENTRIES, FIXED_GROUP

GROUPS = (10, 8_000)


def query(bench, tree, index, freshness):
    return [bench.epcache, "query", FIXED_GROUP, "--path", str(tree), "--index", str(index), "--freshness", freshness]


def refreshed(bench, tree, name):
    index = bench.disk / f"query-{name}.index"
    bench.output_of(bench.refresh(tree, index, "--full"))
    return index


def run(bench):
    sizes = bench.options.sizes
    yield processes(bench, sizes)
    yield in_process(bench, sizes)


def processes(bench, sizes):
    programs, remarks, by_size = [], [], {}
    start = measure.Program("epcache --version", [bench.epcache, "--version"])
    true = measure.Program("/bin/true", ["/bin/true"])
    bare = measure.Program("python -I -S -c pass", [bench.options.python, "-I", "-S", "-c", "pass"])
    programs += [true, start, bare]
    for size in sizes:
        tree = bench.generated(size)
        index = refreshed(bench, tree, size)
        answer = (bench.output_of(query(bench, tree, index, "fast")) or "").splitlines()
        if len(answer) != FIXED_ENTRIES:
            remarks.append(f"{size:,}: query printed {len(answer)} lines, not {FIXED_ENTRIES} – NOT THE SAME WORK")
        for freshness in ("fast", "auto"):
            by_size[freshness, size] = measure.Program(
                f"epcache query --freshness {freshness}, {size:,}", query(bench, tree, index, freshness))
        # The one index beside those of this machine; 3: some of these may be stale.
        by_size["status", size] = measure.Program(
            f"epcache status, {size:,}", [bench.epcache, "status"], accept=(0, 3),
            environment={"EPCACHE_INDEX": str(index)})
        by_size["importlib", size] = measure.Program(
            f"importlib.metadata, {size:,}", bench.rival("importlib_query.py", FIXED_GROUP, tree))
    for kind in ("fast", "auto", "status", "importlib"):
        programs += [by_size[kind, size] for size in sizes]
    bench.interleave(programs)

    first, last = min(sizes), max(sizes)
    section = report.timing_section(
        f"Query: one group of {FIXED_ENTRIES} entries, a process each", programs,
        {f"÷ fast at {first:,}": (None, by_size["fast", first]), "÷ epcache --version": (None, start)})
    section.remarks += remarks
    for freshness in ("fast", "auto"):
        growth = measure.ratio(by_size[freshness, last], by_size[freshness, first])
        if growth:
            goal = "; goal: at most 1.5 ×" if freshness == "fast" else " (auto looks at each metadata directory up to 1,000)"
            section.remarks.append(f"{freshness}: {growth.median:.2f} × from {first:,} to {last:,} "
                                   f"({growth.q1:.2f} – {growth.q3:.2f}){goal}")
    for size in sizes:
        gain = measure.ratio(by_size["importlib", size], by_size["auto", size])
        if gain:
            section.remarks.append(f"{size:,}: importlib.metadata takes {gain.median:.0f} × the time of --freshness auto")
    counted = {size: bench.instructions(by_size["fast", size].command) for size in sizes}
    if all(counted.values()):
        section.remarks.append("millions of user-space instructions of `query --freshness fast`: " + ", ".join(
            f"{size:,}: {report.number(count)}" for size, count in counted.items()))
    calls = {size: bench.system_calls(by_size["fast", size].command) for size in sizes}
    if all(calls.values()):
        section.remarks.append("its system calls: " + ", ".join(f"{size:,}: {sum(found.values())}" for size, found in calls.items()))
    curves = {}
    for kind, name in (("fast", "query, fast"), ("auto", "query, auto"), ("importlib", "importlib.metadata")):
        curves[name] = [(size, summary.low) for size in sizes
                        if (summary := measure.summarise(by_size[kind, size].values("wall_ms")))]
    section.plots["query.svg"] = plot.lines("A lookup, whole process", curves, "distributions", "ms, the shortest run")
    return section


def in_process(bench, sizes):
    """From nothing each time: index opened, record found, group looked up. Portions of the programs take turns."""
    cases = {f"{size:,} distributions, 80 groups": bench.generated(size) for size in sizes}
    groups_of = 1_000 if bench.quick else 10_000
    for groups in GROUPS:
        cases[f"{groups_of:,} distributions, {groups:,} groups"] = bench.generated(groups_of, groups)
    section = report.Section("Query in a process that goes on (library)",
                             ["tree", *[f"{level} µs" for level in ("trust", "fast", "auto")]])
    times = {}
    commands = {}
    for name, tree in cases.items():
        index = refreshed(bench, tree, tree.name)
        for level in ("trust", "fast", "auto"):
            commands[name, level] = [bench.probe("lookup"), "2000" if level != "auto" else "50",
                                     str(index), str(tree), FIXED_GROUP, level]
    for _ in range(2 if bench.quick else 5):
        for key, command in commands.items():
            said = bench.said(command)
            times.setdefault(key, []).extend(value / 1e3 for value in said.get("nanoseconds", []))
            if said.get("entry_points") != FIXED_ENTRIES:
                section.remarks.append(f"{key[0]}: {said.get('entry_points')} entry points – NOT THE SAME WORK")
    for name in cases:
        section.rows.append([name, *[report.times(measure.summarise(times[name, level])) for level in ("trust", "fast", "auto")]])
    return section
