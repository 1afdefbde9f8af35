"""A refresh that reads everything, against the floor program, importlib.metadata, stevedore, and, for scale, ldconfig and
fc-cache on as many files."""

import os
import shutil
import subprocess
from pathlib import Path

import measure
import plot
import report
from workbench import Missing

from .tools import index_size, summary_line, system_call_section


def publish_like(place, size):
    """What publishing costs by itself: write as many bytes as the index has, fsync, rename, fsync."""
    content = b"\0" * size

    def publish():
        temporary, final = place / "publish.new", place / "publish"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.write(descriptor, content)
        os.fsync(descriptor)
        os.close(descriptor)
        os.rename(temporary, final)
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(descriptor)
        os.close(descriptor)

    return publish


def same_work(bench, tree):
    """One line on whether the three did the same work: what each says that it found."""
    found = {
        "floor": bench.said(bench.floor(tree)),
        "epcache": bench.said(bench.refresh(tree, bench.disk / "same-work.index", "--full", "--json")[:-1]),
        "importlib": bench.said(bench.rival("importlib_refresh.py", bench.disk / "same-work.json", tree)),
    }
    counts = {name: answer.get("distributions", "?") for name, answer in found.items()}
    remark = "distributions: " + ", ".join(f"{name} {count}" for name, count in counts.items())
    remark += "; entry points: " + ", ".join(
        f"{name} {found[name].get('entry_points', '?')}" for name in ("epcache", "importlib"))
    if len(set(counts.values())) > 1:
        remark += " – NOT THE SAME WORK"
    if found["epcache"].get("warnings"):
        remark += f"; epcache gave {len(found['epcache']['warnings'])} warnings"
    return remark


def stevedore(bench):
    """Building stevedore's cache of the whole environment, from nothing each time."""
    venv = bench.prepared.get("venv")
    if not venv:
        return None
    cache = bench.disk / "stevedore"
    code = "from stevedore import _cache; _cache.get_group_all('pytest11')"
    return measure.Program("stevedore builds its cache", [str(venv / "bin/python"), "-c", code],
                           prepare=lambda: shutil.rmtree(cache, ignore_errors=True),
                           environment={"XDG_CACHE_HOME": str(cache)})


def system_caches(bench, count):
    """Caches of other kinds, of as many files, built anew."""
    programs = []
    try:
        libraries = bench.disk / f"libraries-{count}"
        if not libraries.exists():
            libraries.mkdir()
            plain = bench.disk / "library.so"
            subprocess.run(["cc", "-shared", "-o", str(plain), "-Wl,-soname,libbench00000.so.1", "-x", "c", "/dev/null"], check=True)
            content = plain.read_bytes()
            for number in range(count):
                name = f"libbench{number:05}.so.1"
                (libraries / name).write_bytes(content.replace(b"libbench00000.so.1", name.encode()))
        (bench.disk / "ld.so.conf").write_text(f"{libraries}\n")
        ldconfig = shutil.which("ldconfig", path="/usr/sbin:/sbin:/usr/bin")
        if ldconfig:
            command = [ldconfig, "-i", "-X", "-f", str(bench.disk / "ld.so.conf"), "-C", str(bench.disk / "ld.so.cache")]
            programs.append(measure.Program(f"ldconfig, {count} libraries and the system's", command))
    except subprocess.CalledProcessError:
        pass
    fonts = [path for path in Path("/usr/share/fonts").rglob("*.ttf")]
    if fonts and shutil.which("fc-cache"):
        directory = bench.disk / f"fonts-{count}"
        if not directory.exists():
            directory.mkdir()
            for number in range(count):
                shutil.copy(fonts[number % len(fonts)], directory / f"{number}.ttf")
        configuration = bench.disk / "fonts.conf"
        configuration.write_text(f"<fontconfig><dir>{directory}</dir><cachedir>{bench.disk}/fonts-cache</cachedir></fontconfig>")
        programs.append(measure.Program(f"fc-cache, {count} fonts", ["/usr/bin/fc-cache", "-f"],
                                        environment={"FONTCONFIG_FILE": str(configuration)}))
    return programs


def of_tree(bench, name, tree, goal, others=()):
    index = bench.disk / f"{name}.index"
    in_memory = (bench.memory or bench.disk) / f"{name}.index"
    work = same_work(bench, tree)
    size = index_size(bench.disk / "same-work.index")

    floor = measure.Program("floor", bench.floor(tree))
    free = measure.Program("epcache refresh --full, fsync is free (tmpfs)", bench.refresh(tree, in_memory, "--full"))
    full = measure.Program("epcache refresh --full", bench.refresh(tree, index, "--full"))
    bare = measure.Program("the same without privilege separation, to tmpfs",
                           [bench.probe("refresh"), "unseparated", "full", str(tree), str(in_memory)])
    rival = measure.Program("importlib.metadata to JSON", bench.rival("importlib_refresh.py", bench.disk / "rival.json", tree))
    start = measure.Program("epcache --version", [bench.epcache, "--version"])
    programs = [start, floor, free, bare, full, rival, *others]
    if size:
        programs.append(measure.Program(f"publishing {size / 1024:,.0f} kB alone", publish_like(bench.disk, size)))
    bench.interleave(programs)

    section = report.timing_section(f"Full refresh: {name}", programs,
                                    {"÷ floor": (None, floor), "importlib ÷ it": (rival, None)})
    section.remarks.append(work)
    section.remarks.append(summary_line("epcache, fsync aside", free, floor, goal))
    section.remarks.append(summary_line("without privilege separation", bare, floor, "says how much of that is the separation"))
    if full.rounds and rival.rounds:
        faster = measure.ratio(rival, full)
        section.remarks.append(f"importlib.metadata takes {faster.median:.1f} × the time of epcache, "
                               f"fsync included ({faster.q1:.1f} – {faster.q3:.1f}); goal: at least 10 ×")
    counted = {who: bench.instructions(program.command) for who, program in
               (("floor", floor), ("epcache without its sandbox (which valgrind cannot enter)", bare))}
    if all(counted.values()):
        section.remarks.append("millions of user-space instructions: " + ", ".join(
            f"{who} {report.number(count)}" for who, count in counted.items()))
    return section, {"floor": floor, "epcache": free, "importlib.metadata": rival}


def run(bench):
    curves = {}
    for name, tree in bench.real.items():
        count = len([entry for entry in os.listdir(tree) if entry.endswith(("-info",))])
        others = system_caches(bench, count) if name == "Debian" else [program for program in [stevedore(bench)] if program]
        section, _ = of_tree(bench, name, tree, "goal: at most floor + 2.5 ms", others)
        yield section
    for size in bench.options.sizes:
        goal = "goal: at most 1.2 × floor" if size >= 10_000 else "goal: at most floor + 2.5 ms" if size <= 500 else "no goal of its own"
        section, programs = of_tree(bench, f"{size:,} generated", bench.generated(size), goal)
        for name, program in programs.items():
            summary = measure.summarise(program.values("wall_ms"))
            if summary:
                curves.setdefault(name, []).append((size, summary.low))
        if size == bench.options.sizes[-1]:
            section.plots["refresh.svg"] = plot.lines("A full refresh", curves, "distributions", "ms, the shortest run")
        yield section
    if not bench.real:
        raise Missing("no real tree: run tests/setup")
    name, tree = next(iter(bench.real.items()))
    yield system_call_section(bench, f"full refresh, {name}", {
        "floor": bench.floor(tree),
        "epcache refresh --full": bench.refresh(tree, bench.disk / "calls.index", "--full")})
