"""Where the time goes: samples of the kernel's clock (perf) and counted instructions (callgrind), by function."""

import re
import shutil
import subprocess

import measure
import report
from workbench import Missing

MOST = 16


def sampled(bench, what, command):
    section = report.Section(f"Profile: {what} (perf, CPU time)", ["function", "of all", "in"])
    data = bench.disk / "perf.data"
    recorded = subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-F", "4000", "-o", str(data), "--", *command],
                              env=measure.ENVIRONMENT, capture_output=True, text=True)
    told = subprocess.run(["perf", "report", "-i", str(data), "--stdio", "--no-children", "-F", "overhead,dso,sym", "-g", "none"],
                          env=measure.ENVIRONMENT, capture_output=True, text=True)
    for line in told.stdout.splitlines():
        found = re.match(r"\s*([\d.]+)%\s+(\S+)\s+\[(.)\]\s+(.*?)(\s+-\s+-)?\s*$", line)
        if found and len(section.rows) < MOST:
            section.rows.append([found[4].strip(), f"{found[1]} %", "kernel" if found[3] == "k" else found[2]])
    if not section.rows:
        section.remarks.append(f"nothing was recorded: {recorded.stderr.strip()[:200]}")
    return section


def counted(bench, what, command):
    section = report.Section(f"Profile: {what}, without its sandbox (callgrind, user-space instructions)", ["function", "instructions", "of all"])
    out = bench.disk / "callgrind.out"
    subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *command],
                   env=measure.ENVIRONMENT, capture_output=True, text=True)
    told = subprocess.run(["callgrind_annotate", "--threshold=95", str(out)], capture_output=True, text=True)
    for line in told.stdout.splitlines():
        found = re.match(r"\s*([\d,]+)\s*\(\s*([\d.]+)%\)\s+(.*)$", line)
        if found and len(section.rows) < MOST:
            name = re.sub(r"^(\S*/)?([^/ ]+:)", r"\2", found[3]).split(" [")[0]
            section.rows.append([name.replace("|", "/")[:110], found[1], f"{found[2]} %"])
    if not section.rows:
        section.remarks.append("callgrind counted nothing")
    return section


def run(bench):
    size = max(size for size in bench.options.sizes if size <= 50_000)
    tree = bench.generated(size)
    index = bench.disk / "profile.index"
    full, again = bench.refresh(tree, index, "--full"), bench.refresh(tree, index)
    bench.output_of(full)
    small = min(size, 10_000)
    probe = [bench.probe("refresh"), "unseparated"]
    rest = [str(bench.generated(small)), str(bench.disk / "profile-small.index")]
    if shutil.which("perf"):
        yield sampled(bench, f"full refresh of {size:,}", full)
        yield sampled(bench, f"refresh of {size:,} in which nothing has changed", again)
    if shutil.which("valgrind"):
        yield counted(bench, f"full refresh of {small:,}", [*probe, "full", *rest])
        yield counted(bench, f"refresh of {small:,} in which nothing has changed", [*probe, "old", *rest])
    if not shutil.which("perf") and not shutil.which("valgrind"):
        raise Missing("neither perf nor valgrind is installed")
