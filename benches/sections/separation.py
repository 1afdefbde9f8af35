"""What fork, dropped privileges, sandbox and pipe add to a refresh: the same program with and without them."""

import measure
import report

from .tools import least, system_call_section


def run(bench):
    trees = {**bench.real}
    for size in bench.options.sizes:
        if size <= 10_000 or not bench.quick:
            trees[f"{size:,} generated"] = bench.generated(size)
    program = bench.probe("refresh")
    place = bench.memory or bench.disk
    for name, tree in trees.items():
        def command(how, start, tree=tree, name=name):
            return measure.Program(f"{how}, {'all read' if start == 'full' else 'nothing changed'}",
                                   [program, how, start, str(tree), str(place / f"{name}-{how}-{start}.index")])
        programs = [command(how, start) for start in ("full", "old") for how in ("unseparated", "separated")]
        for it in programs:
            bench.output_of(it.command)
        rounds = bench.options.rounds * (1 if bench.quick else 2)
        bench.interleave(programs, rounds)
        section = report.timing_section(f"Privilege separation: {name}, index in memory", programs, {})
        for base, other in (programs[0:2], programs[2:4]):
            more, cpu = measure.difference(other, base), measure.difference(other, base, "cpu_ms")
            if more:
                section.remarks.append(f"{other.name}: {more.median:+.2f} ms ({more.q1:+.2f} – {more.q3:+.2f}), "
                                       f"CPU {cpu.median:+.2f} ms; {least(other, base)}; goal: less than 1.5 ms")
            else:
                section.remarks.append(f"{other.name}: {base.failure or other.failure}")
        yield section
    name, tree = next(iter(trees.items()))
    yield system_call_section(bench, f"with and without privilege separation, {name}", {
        how: [program, how, "full", str(tree), str(place / f"calls-{how}.index")] for how in ("unseparated", "separated")})
