"""Tables for people, Markdown and JSON for files, from one description of a run.

In:  sections with rows, remarks and raw samples. Out: text. It measures nothing and judges nothing.
"""

import json
from dataclasses import asdict, dataclass, field

from measure import ratio, summarise


@dataclass
class Section:
    title: str
    columns: list
    rows: list = field(default_factory=list)
    remarks: list = field(default_factory=list)
    samples: dict = field(default_factory=dict)
    # File name to SVG.
    plots: dict = field(default_factory=dict)
    # Of which part of the benchmark.
    part: str = ""


def number(value):
    if value is None:
        return "–"
    if value >= 1000:
        return f"{value:,.0f}"
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def interval(summary, low="low", high="high"):
    return f"{number(getattr(summary, low))} – {number(getattr(summary, high))}"


def times(summary):
    if summary is None:
        return "–"
    spread = "" if summary.low == summary.high else f" ({interval(summary, 'q1', 'q3')})"
    return number(summary.median) + spread


def timing_section(title, programs, ratios):
    """A table of programs. `ratios` maps a column's name to (numerator, denominator), where None
    stands for the program of the row."""
    section = Section(title, ["program", "n", "median ms", "min – max", "quartiles", "CPU ms", *ratios])
    for program in programs:
        wall = summarise(program.values("wall_ms"))
        if wall is None:
            section.rows.append([program.name, "0", f"failed: {program.failure}"]
                                + [""] * (3 + len(ratios)))
            continue
        section.rows.append([
            program.name, str(wall.n), number(wall.median), interval(wall), interval(wall, "q1", "q3"),
            number(summarise(program.values("cpu_ms")).median),
            *[times(ratio(above or program, below or program)) for above, below in ratios.values()]])
        if program.failure:
            section.remarks.append(f"{program.name}: later failed: {program.failure}")
        section.samples[program.name] = {
            str(round_number): asdict(sample) for round_number, sample in program.rounds.items()}
    return section


def as_text(section):
    table = [section.columns, *section.rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(section.columns))]
    lines = ["", section.title, "-" * len(section.title)]
    for row in table:
        cells = [cell.ljust(width) if column == 0 else cell.rjust(width)
                 for column, (cell, width) in enumerate(zip(row, widths))]
        lines.append("  ".join(cells).rstrip())
    lines += [f"  * {remark}" for remark in section.remarks]
    return "\n".join(lines)


def as_markdown(machine, sections):
    lines = ["# epcache benchmark", "",
             "For people who check the figures of README.md and docs/performance.md. Made by `benches/run --record`;",
             "[README.md](README.md) says what is compared and how.", ""]
    lines += [f"- {key}: {value}" for key, value in machine.items()]
    for section in sections:
        lines += ["", f"## {section.title}", ""]
        lines.append("| " + " | ".join(section.columns) + " |")
        lines.append("|---|" + "---:|" * (len(section.columns) - 1))
        lines += ["| " + " | ".join(row) + " |" for row in section.rows]
        lines += ["", *[f"- {remark}" for remark in section.remarks]] if section.remarks else []
        lines += [f"\n![{section.title}](plots/{name})" for name in section.plots]
    return "\n".join(lines) + "\n"


def as_json(machine, sections):
    return json.dumps({"machine": machine, "sections": [asdict(section) for section in sections]},
                      ensure_ascii=False, indent=1) + "\n"


def from_json(text):
    return [Section(**section) for section in json.loads(text)["sections"]]
