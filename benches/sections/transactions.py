"""What epcache's trigger adds to transactions of real package managers: dpkg in a real Debian, with man-db's trigger in
the same transactions, and rpm in a tree of its own."""

import json
import os
import shutil
import subprocess
import sys

import measure
import report
from measure import Program, Sample
from workbench import BENCHES, PROJECT, Missing, say


def package(bench, given, kind):
    """epcache's own package, as it is built for distributions."""
    if given:
        return given.resolve()
    dist = bench.place / "dist"
    dist.mkdir(exist_ok=True)
    environment = {**os.environ, "CARGO_TARGET_DIR": str(bench.place / "packages"), "DEB_BUILD_OPTIONS": "nocheck"}
    if kind == "deb":
        command, environment["DIST"] = [str(PROJECT / "packaging/deb")], str(dist)
    else:
        command = [str(PROJECT / "rpm/build"), str(dist), "--without", "check"]
    say(f"building the {kind} package")
    log = bench.place / f"{kind}.log"
    with open(log, "wb") as file:
        if subprocess.run(command, cwd=PROJECT, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file).returncode:
            raise Missing(f"the {kind} package could not be built, see {log}")
    found = [path for path in dist.glob(f"epcache[_-][0-9]*.{kind}") if "debug" not in path.name]
    if not found:
        raise Missing(f"no {kind} package in {dist}")
    return max(found, key=lambda path: path.stat().st_mtime)


def measured(bench, script, *arguments):
    """The samples of a script that sets a system up and measures in it, in mounts of its own."""
    command = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
               sys.executable, str(BENCHES / script), *map(str, arguments)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise Missing(f"{script} ended with status {done.returncode}")
    return json.loads(done.stdout)


def programs_of(samples):
    """Name to Program, as if they had been run here."""
    return {name: Program(name, None, rounds={int(number): Sample(*values) for number, values in rounds.items()})
            for name, rounds in samples.items()}


def run(bench):
    if os.geteuid() != 0:
        raise Missing("package managers need root")
    counts = [1, 10] if bench.quick else [1, 10, 200]
    rounds = max(2, bench.options.rounds // 2)   # each takes seconds
    yield from dpkg(bench, counts, rounds)
    yield from rpm(bench, counts, rounds)


def dpkg(bench, counts, rounds):
    tree = bench.prepared.get("debian-bookworm")
    if not tree or not shutil.which("debootstrap"):
        raise Missing("no Debian: run tests/setup")
    deb = package(bench, bench.options.deb, "deb")
    answer = measured(bench, "transactions_dpkg.py", deb, tree, bench.cache / "debs/bookworm",
                      bench.place / "debian", ",".join(map(str, counts)), rounds)
    for count in counts:
        found = programs_of(answer["transactions"][str(count)])
        section = report.timing_section(f"dpkg: a transaction of {count} Python package{'s'[:count > 1]}, "
                                        f"{answer['distributions']} distributions", list(found.values()), {})
        names = answer["names"][str(count)]
        section.remarks.append(f"{', '.join(names[:4])}{' …' if len(names) > 4 else ''}; Debian's own packages, installed again; man pages: {answer['man_pages']:,}")
        cpu = {name: measure.summarise(program.values("cpu_ms")).median for name, program in found.items()}
        nothing = found["dpkg --triggers-only: a trigger that does nothing"]
        ours, theirs = found["dpkg --triggers-only: epcache"], found["dpkg --triggers-only: man-db"]
        whole = found["dpkg -i, with epcache"]
        mine, other, all_ = (measure.difference(it, nothing) for it in (ours, theirs, whole))
        rest = measure.summarise(whole.values("wall_ms"))
        section.remarks.append(f"epcache's trigger, over one that does nothing: {mine.median:+.2f} ms ({mine.q1:+.2f} – {mine.q3:+.2f}); "
                               f"man-db's {other.median:+.0f} ms ({other.q1:+.0f} – {other.q3:+.0f}): "
                               f"{mine.median / other.median:.3f} of it; goal: a tenth")
        did = cpu[nothing.name]
        section.remarks.append(f"in CPU time: epcache's {cpu[ours.name] - did:.1f} ms, man-db's {cpu[theirs.name] - did:.0f} ms, "
                               f"{(cpu[ours.name] - did) / (cpu[theirs.name] - did):.3f} of it; {100 * (cpu[ours.name] - did) / cpu[whole.name]:.2f} % of the transaction")
        section.remarks.append(f"of the transaction: {100 * mine.median / rest.median:.2f} %"
                               + ("; goal: under 5 %" if count == 1 else ""))
        for name in ("dpkg -i, switched off (auto-update = no)", "dpkg -i, without epcache"):
            if name not in found:
                continue
            more = measure.difference(whole, found[name])
            section.remarks.append(f"with epcache against {name}: {more.median:+.1f} ms ({more.q1:+.1f} – {more.q3:+.1f})")
        yield section


def rpm(bench, counts, rounds):
    bench.tool("rpmbuild")
    venv = bench.prepared.get("venv")
    if not venv:
        raise Missing("no venv: run tests/setup")
    sets = bench.place / "rpm-sets"
    if not (sets / "base").exists():
        say("making RPM packages")
        command = [str(PROJECT / "tests/rpm/packages"), str(sets), str(bench.cache / "wheels"), str(venv / "bin/python"), "-m", "pip"]
        if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).returncode:
            raise Missing("tests/rpm/packages failed")
    own = package(bench, bench.options.rpm, "rpm")
    answer = measured(bench, "transactions_rpm.py", own, sets / "base", bench.generated(450), bench.place / "rpm",
                      ",".join(map(str, counts)), rounds)
    for count in counts:
        found = programs_of(answer["transactions"][str(count)])
        section = report.timing_section(f"rpm: a transaction of {count} Python package{'s'[:count > 1]}, "
                                        f"{answer['distributions']} distributions", list(found.values()), {})
        section.remarks.append("generated packages, each brought from one release to another")
        whole = found["rpm -U, with epcache"]
        for name in ("rpm -U, switched off (auto-update = no)", "rpm -U, without epcache"):
            more, ratio = measure.difference(whole, found[name]), measure.ratio(whole, found[name])
            section.remarks.append(f"with epcache against {name}: {more.median:+.1f} ms ({more.q1:+.1f} – {more.q3:+.1f}), "
                                   f"{100 * (ratio.median - 1):+.1f} %" + ("; goal: under 5 %" if count == 1 and "without" in name else ""))
        trigger = measure.summarise(found["epcache trigger rpm alone, the same list"].values("wall_ms"))
        every = measure.summarise(whole.values("wall_ms"))
        section.remarks.append(f"the trigger's program alone: {100 * trigger.median / every.median:.1f} % of the transaction")
        yield section
