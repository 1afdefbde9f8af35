"""A refresh that starts from the old index, each kind against a floor program of its own."""

import os
import subprocess
import time

import measure
import report
from workbench import metadata_directories

from .tools import index_size, summary_line, system_call_section


class Site:
    """A root with a Debian-like or Fedora-like Python whose one large search directory is a tree, bound there.

    The tree is renamed into it, and back in the end: links are not followed out of a root. Where this may be mounted, the
    index lies in memory: the triggers sync it, and the floor does not."""

    def __init__(self, bench, tree):
        self.in_memory = False
        self.tree = tree
        self.root = bench.place / "root"
        self.inside = "/usr/lib/python3.13/site-packages"
        self.directory = self.root / self.inside[1:]

    def __enter__(self):
        subprocess.run(["umount", str(self.root / "usr/lib/epcache")], stderr=subprocess.DEVNULL)
        subprocess.run(["rm", "-rf", "--one-file-system", str(self.root)], check=True)
        for place in ("usr/bin", "usr/lib64/python3.13/lib-dynload", "usr/lib64/python3.13/site-packages",
                      "usr/lib/epcache", "usr/lib/python3.13", "var/cache", "etc"):
            (self.root / place).mkdir(parents=True, exist_ok=True)
        (self.root / "usr/bin/python3.13").write_bytes(b"\177ELF\2")
        (self.root / "usr/bin/python3.13").chmod(0o755)
        (self.root / "usr/bin/python3").symlink_to("python3.13")
        (self.root / "usr/lib64/python3.13/os.py").touch()
        (self.root / "usr/lib64/python3.13/site.py").write_text("PREFIXES = [sys.prefix, sys.exec_prefix]\n")
        os.rename(self.tree, self.directory)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(self.root / "usr/lib/epcache")],
                                 stderr=subprocess.DEVNULL)
        self.in_memory = mounted.returncode == 0
        return self

    def __exit__(self, *_):
        if self.in_memory:
            subprocess.run(["umount", "--lazy", str(self.root / "usr/lib/epcache")])
        os.rename(self.directory, self.tree)


def rewrite(directory):
    """What an upgrade in place does to one metadata directory: the same files anew."""
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        with open(path, "rb") as file:
            content = file.read()
        with open(path + ".new", "wb") as file:
            file.write(content)
        os.rename(path + ".new", path)


def run(bench):
    size = 1_000 if bench.quick else 50_000
    with Site(bench, bench.generated(size)) as site:
        yield from sections_of(bench, site, size)


def sections_of(bench, site, size):
    epcache, floor = bench.epcache, bench.compiled("floor_incremental")
    root, index = str(site.root), site.root / "usr/lib/epcache/index"
    name = next(name for name in metadata_directories(site.directory)
                if (site.directory / name / "entry_points.txt").is_file())
    changed = str(site.directory / name)
    listed = bench.disk / "rpm-list"
    listed.write_text(f"{site.inside}/{name}/METADATA\n{site.inside}/{name}/entry_points.txt\n")
    bench.output_of([epcache, "refresh", "--root", root, "--system", "--full", "-q"])

    def touch():
        rewrite(changed)
        # What changed within the clock's last tick is waited for (decision 6); transactions take
        # longer than that.
        time.sleep(0.02)

    def shell(line):
        return ["/bin/sh", "-c", line]

    rpm = measure.Program("one package, rpm's list", shell(f"exec '{epcache}' trigger rpm --root '{root}' <'{listed}'"), prepare=touch)
    dpkg = measure.Program("one package, dpkg", shell(f"exec '{epcache}' trigger dpkg --root '{root}' triggered {site.inside}"), prepare=touch)
    same = measure.Program("nothing changed", [epcache, "refresh", "--root", root, "--system", "-q"])
    path = measure.Program("nothing changed, --path in place of a system", bench.refresh(site.directory, bench.disk / "path.index"))
    for program in (same, path):
        # What the programs before it have changed.
        program.prepare = lambda command=program.command: bench.output_of(command)
    probe = measure.Program("one package, without privilege separation, --path",
                            [bench.probe("refresh"), "unseparated", "old", str(site.directory), str(bench.disk / "probe.index")], prepare=touch)
    bench.output_of(bench.refresh(site.directory, bench.disk / "path.index", "--full"))
    bench.output_of(probe.command)
    copy = [str(index), str(index.parent / "copied")]
    directory = str(site.directory)
    list_copy = measure.Program("floor: list, copy", shell(f"exec '{floor}' list-copy '{directory}' '{copy[0]}' '{copy[1]}'"))
    stat_copy = measure.Program("floor: list, stat each, copy", shell(f"exec '{floor}' stat-copy '{directory}' '{copy[0]}' '{copy[1]}'"))
    stat = measure.Program("floor: list, stat each", [floor, "stat", directory])
    full = measure.Program("epcache refresh --full", [epcache, "refresh", "--root", root, "--system", "--full", "-q"])
    programs = [list_copy, rpm, stat_copy, dpkg, probe, stat, same, path, full]
    bench.interleave(programs)
    section = report.timing_section(f"Incremental refresh: {size:,} generated distributions, an index of "
                                    f"{index_size(index) / 1e6:.1f} MB", programs, {"full ÷ it": (full, None)})
    place = "in memory" if site.in_memory else "on disk, where the triggers sync it, and the floor does not"
    section.remarks += [
        f"indexes: {place}",
        summary_line("one package, rpm's list", rpm, list_copy, "goal: at most 1.3 ×"),
        summary_line("one package, dpkg", dpkg, stat_copy, "goal: at most 1.3 ×"),
        summary_line("nothing changed", same, stat, "goal: at most 1.2 ×"),
        summary_line("nothing changed, --path", path, stat, "the same without looking for search directories"),
    ]
    bench.output_of(same.command)
    before = index.stat()
    bench.output_of(same.command)
    after = index.stat()
    written = (before.st_ino, before.st_mtime_ns) != (after.st_ino, after.st_mtime_ns)
    section.remarks.append(f"nothing changed: the index was {'WRITTEN ANEW' if written else 'not written'}")
    touch()
    counted = {who: bench.instructions(command) for who, command in (
        ("floor: list, copy", list_copy.command), ("floor: list, stat each, copy", stat_copy.command),
        ("one package, without its sandbox", probe.command))}
    if all(counted.values()):
        section.remarks.append("millions of user-space instructions: " + ", ".join(
            f"{who} {report.number(count)}" for who, count in counted.items()))
    yield section

    bench.output_of(same.command)
    touch()
    yield system_call_section(bench, f"incremental refresh, {size:,} generated", {
        "floor: list, copy": list_copy.command, "one package, rpm's list": rpm.command,
        "floor: list, stat each": stat.command, "nothing changed": same.command})
