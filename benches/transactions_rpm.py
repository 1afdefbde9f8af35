"""Transactions of rpm in trees of its own, with and without epcache; to be run in mounts of its own.

In:  epcache's .rpm, the packages that a tree needs (tests/rpm/packages), a search directory to fill the tree with, a place
to keep what is prepared, numbers of packages, rounds.
Out: JSON: for each number of packages the samples of each kind of transaction, by round. It judges nothing.
"""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import measure

SITE = "usr/lib/python3.13/site-packages"


def quiet(*command, **more):
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, env={**os.environ, "LC_ALL": "C"}, **more)
    if done.returncode:
        sys.exit(f"transactions_rpm: {' '.join(map(str, command[:8]))}: {done.stdout[-2000:]}")
    return done.stdout


def rpm_command(root, *arguments):
    return ["/usr/bin/rpm", "--root", str(root), "--dbpath", "/var/lib/rpm", *map(str, arguments)]


def packages(place, most):
    """Two releases of so many small packages with one distribution each."""
    for release in ("1", "2"):
        built = place / f"release-{release}"
        if len(list(built.glob("*.rpm"))) >= most:
            continue
        top = place / "rpmbuild"
        shutil.rmtree(top, ignore_errors=True)
        shutil.rmtree(built, ignore_errors=True)
        top.mkdir(parents=True)
        built.mkdir(parents=True)
        spec = ["Name: set", "Version: 1", f"Release: {release}", "Summary: Generated", "License: MIT", "BuildArch: noarch",
                "AutoReqProv: no", "%description", "%{summary}.", "%install"]
        rest = []
        for number in range(most):
            name, info = f"bench_{number:03}", f"bench_{number:03}-1.{release}.dist-info"
            spec += [f"mkdir -p %{{buildroot}}/{SITE}/{name} %{{buildroot}}/{SITE}/{info}",
                     f"for n in 1 2 3 4 5 6 7 8; do seq 400 >%{{buildroot}}/{SITE}/{name}/module_$n.py; done",
                     f"printf 'Metadata-Version: 2.1\\nName: bench-{number:03}\\nVersion: 1.{release}\\n\\nA package.\\n' >%{{buildroot}}/{SITE}/{info}/METADATA",
                     f"printf '[bench.rpm]\\nplugin-{number} = {name}:plugin\\n' >%{{buildroot}}/{SITE}/{info}/entry_points.txt"]
            rest += [f"%package -n python3-bench-{number:03}", "Summary: Generated", f"%description -n python3-bench-{number:03}", "%{summary}.",
                     f"%files -n python3-bench-{number:03}", f"/{SITE}/{name}", f"/{SITE}/{info}"]
        (top / "set.spec").write_text("\n".join([*spec, *rest]) + "\n")
        quiet("rpmbuild", "-bb", "--quiet", "--define", f"_topdir {top}", "--define", "_build_id_links none", "--define", "debug_package %{nil}",
              "--define", "__os_install_post %{nil}", "--define", "_binary_payload w1.gzdio", "--define", "_rpmfilename %%{NAME}.rpm", top / "set.spec")
        for package in (top / "RPMS").glob("*.rpm"):
            shutil.move(package, built)
        shutil.rmtree(top)
    return {release: sorted((place / f"release-{release}").glob("*.rpm")) for release in ("1", "2")}


def main():
    epcache, base, tree, place, counts, rounds = sys.argv[1:]
    place = Path(place)
    place.mkdir(parents=True, exist_ok=True)
    counts = [int(count) for count in counts.split(",")]
    releases = packages(place, max(counts))
    memory = place / "memory"
    memory.mkdir(exist_ok=True)
    quiet("mount", "-t", "tmpfs", "-o", "mode=755,size=4g", "tmpfs", memory)
    roots = {}
    for name in ("with", "without"):
        roots[name] = root = memory / name
        root.mkdir()
        quiet(*rpm_command(root, "-U", *sorted(Path(base).glob("*.rpm"))))
        shutil.copytree(tree, root / SITE, symlinks=True, dirs_exist_ok=True)
        quiet(*rpm_command(root, "-U", *releases["1"]))
    root = roots["with"]
    quiet(*rpm_command(root, "-U", epcache))
    configuration = root / "etc/epcache.conf"

    answer = {"transactions": {}}
    status = json.loads(quiet("chroot", root, "/usr/bin/epcache", "refresh", "--full", "--json"))
    answer["distributions"] = status["distributions"]
    current = {name: "1" for name in roots}
    shuffle = random.Random(1)
    for count in counts:
        samples = {}

        def upgrade(name, number, where):
            release = "2" if current[where] == "1" else "1"
            sample = measure.spawn(rpm_command(roots[where], "-U", "--oldpackage", *releases[release][:count]))
            current[where] = release
            keep(name, number, sample)

        def keep(name, number, sample):
            if number >= 0:
                samples.setdefault(name, {})[number] = [sample.wall_ms, sample.cpu_ms, sample.peak_kb]

        def whole(number):
            upgrade("rpm -U, with epcache", number, "with")

        def without(number):
            upgrade("rpm -U, without epcache", number, "without")

        def switched_off(number):
            configuration.write_text("[epcache]\nauto-update = no\n")
            upgrade("rpm -U, switched off (auto-update = no)", number, "with")
            configuration.unlink()
            quiet("chroot", root, "/usr/bin/epcache", "refresh", "-q")

        def alone(number):
            listed = memory / "list"
            names = [f"bench_{n:03}-1.{current['with']}.dist-info" for n in range(count)]
            for name in names:
                for file in ("METADATA", "entry_points.txt"):
                    path = root / SITE / name / file
                    content = path.read_bytes()
                    path.unlink()
                    path.write_bytes(content)
            listed.write_text("".join(f"/{SITE}/{name}/METADATA\n/{SITE}/{name}/entry_points.txt\n" for name in names))
            sample = measure.spawn(["/bin/sh", "-c", f"exec /usr/sbin/chroot '{root}' /usr/bin/epcache trigger rpm <'{listed}'"])
            keep("epcache trigger rpm alone, the same list", number, sample)

        kinds = [whole, without, switched_off, alone]
        few = int(rounds) if count < 100 else max(2, int(rounds) // 2)
        for number in range(-1, few):   # the first is not counted
            shuffle.shuffle(kinds)
            for kind in kinds:
                kind(number)
        # All of them at one release, for the next number of packages.
        for name, one in roots.items():
            if current[name] == "2":
                quiet(*rpm_command(one, "-U", "--oldpackage", *releases["1"][:count]))
                current[name] = "1"
        answer["transactions"][count] = samples
        print(f"rpm: {count} done", file=sys.stderr, flush=True)
    print(json.dumps(answer))


main()
