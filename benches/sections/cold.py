"""With nothing in the page cache, which root can have emptied."""

import os

import measure
import report
from generate_tree import FIXED_GROUP
from workbench import Missing

DROP = "/proc/sys/vm/drop_caches"


def drop():
    os.sync()
    with open(DROP, "w") as file:
        file.write("3\n")


def run(bench):
    if not os.access(DROP, os.W_OK):
        raise Missing("only root can empty the page cache")
    trees = {**bench.real}
    size = max(size for size in bench.options.sizes if size <= 10_000)
    trees[f"{size:,} generated"] = bench.generated(size)
    for name, tree in trees.items():
        group = "console_scripts" if name in bench.real else FIXED_GROUP
        index = bench.disk / f"cold-{name}.index"
        bench.output_of(bench.refresh(tree, index, "--full"))
        query = [bench.epcache, "query", group, "--path", str(tree), "--index", str(index), "--freshness"]
        programs = [
            measure.Program("/bin/true", ["/bin/true"]),
            measure.Program("epcache --version", [bench.epcache, "--version"]),
            measure.Program("floor", bench.floor(tree)),
            measure.Program("epcache refresh --full", bench.refresh(tree, bench.disk / "cold-full.index", "--full")),
            measure.Program("epcache refresh, nothing changed", bench.refresh(tree, index)),
            measure.Program("epcache query, fast", [*query, "fast"]),
            measure.Program("epcache query, auto", [*query, "auto"]),
            measure.Program("python -I -S -c pass", [bench.options.python, "-I", "-S", "-c", "pass"]),
            measure.Program("importlib.metadata, a group", bench.rival("importlib_query.py", group, tree)),
            measure.Program("importlib.metadata to JSON", bench.rival("importlib_refresh.py", bench.disk / "rival.json", tree)),
        ]
        for program in programs:
            program.prepare = drop
        # Each run starts from nothing: no use of many.
        bench.interleave(programs, min(bench.options.rounds, 5))
        by_name = {program.name: program for program in programs}
        section = report.timing_section(f"Cold page cache: {name}", programs, {"÷ floor": (None, by_name["floor"])})
        for own, other in (("epcache query, auto", "importlib.metadata, a group"), ("epcache refresh --full", "importlib.metadata to JSON")):
            gain = measure.ratio(by_name[other], by_name[own])
            if gain:
                section.remarks.append(f"{other} takes {gain.median:.1f} × the time of {own}")
        yield section
