"""Peak memory, of the process that root starts and of its worker apart."""

import measure
import report

from .incremental import Site, rewrite
from .tools import index_size
from workbench import metadata_directories


def run(bench):
    size = max(size for size in bench.options.sizes if size <= 50_000)
    tree = bench.generated(size)
    section = report.Section(f"Peak memory: {size:,} generated distributions", ["program", "first process MB", "its worker MB"])
    index = bench.disk / "memory.index"
    bench.output_of(bench.refresh(tree, index, "--full"))
    goal = (3 * index_size(index) + 8e6) / 1e6
    with Site(bench, tree) as site:
        name = next(name for name in metadata_directories(site.directory) if (site.directory / name).is_dir())
        listed = bench.disk / "memory-list"
        listed.write_text(f"{site.inside}/{name}/METADATA\n")
        system = [bench.epcache, "refresh", "--root", str(site.root), "--system", "-q"]
        bench.output_of([*system, "--full"])
        change = lambda: rewrite(site.directory / name)  # noqa: E731
        rpm = ["/bin/sh", "-c", f"exec '{bench.epcache}' trigger rpm --root '{site.root}' <'{listed}'"]
        dpkg = [bench.epcache, "trigger", "dpkg", "--root", str(site.root), "triggered", site.inside]
        for what, command, prepare in (
                ("epcache refresh --full", [*system, "--full"], None),
                ("one package, rpm's list", rpm, change), ("one package, dpkg", dpkg, change),
                ("nothing changed", system, None),
                ("importlib.metadata to JSON", bench.rival("importlib_refresh.py", bench.disk / "rival.json", site.directory), None),
                ("floor", bench.floor(site.directory), None)):
            found = []
            for _ in range(1 if what.startswith("importlib") else 3):
                if prepare:
                    prepare()
                found.append(measure.peaks(command))
            first, worker = (max(column) * 1024 / 1e6 for column in zip(*found))
            section.rows.append([what, report.number(first), report.number(worker) if worker else "–"])
    section.remarks.append(f"the index has {index_size(index) / 1e6:.1f} MB; goal: each below three times that and 8 MB, {goal:.1f} MB")
    yield section
