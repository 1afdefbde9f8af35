"""What several sections say in the same way."""

import measure
import report


def index_size(path):
    return path.stat().st_size if path.is_file() else 0


def least(program, baseline):
    """The shortest run of each: where a machine is busy, what it takes to be left alone for once."""
    ours, theirs = (min(it.values("wall_ms")) for it in (program, baseline))
    return f"the shortest runs {ours - theirs:+.2f} ms, {ours / theirs:.2f} ×"


def summary_line(what, program, baseline, goal):
    """A program against its baseline, in one line."""
    more, ratio = measure.difference(program, baseline), measure.ratio(program, baseline)
    if not more:
        return f"{what}: could not be measured: {program.failure or baseline.failure}"
    cpu = measure.ratio(program, baseline, "cpu_ms")
    return (f"{what}: {baseline.name} {more.median:+.2f} ms ({more.q1:+.2f} – {more.q3:+.2f}), "
            f"{ratio.median:.2f} × ({ratio.q1:.2f} – {ratio.q3:.2f}), CPU time {cpu.median:.2f} ×; {least(program, baseline)}; {goal}")


def system_call_section(bench, what, commands, environment=None):
    counts = {program: bench.system_calls(command, environment) for program, command in commands.items()}
    section = report.Section(f"System calls: {what}", ["system call", *commands])
    if not any(counts.values()):
        section.remarks.append("strace is not installed, or could not be used")
    names = {call for calls in counts.values() for call in calls or {}}

    def column(call):
        return [str(calls.get(call, 0)) if calls is not None else "failed" for calls in counts.values()]

    rows = [[call, *column(call)] for call in
            sorted(names, key=lambda call: -max((calls or {}).get(call, 0) for calls in counts.values()))]
    section.rows = [["all", *[str(sum(calls.values())) if calls is not None else "failed" for calls in counts.values()]],
                    *rows[:14]]
    if len(rows) > 14:
        section.remarks.append(f"{len(rows) - 14} rarer kinds are left out of the table")
    return section
