"""Transactions of dpkg in a real Debian, with and without epcache; to be run in mounts of its own.

In:  epcache's .deb, the Debian, its packages, a place to keep what is prepared, numbers of packages, rounds.
Out: JSON: for each number of packages the samples of each kind of transaction, by round. It judges nothing.

What is prepared once: a layer over the Debian, with man-db, all packages' manual pages (the tree was made without)
and 200 more distributions in /usr/local. Over it each run lays two systems in memory, one with epcache and one without.
"""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import measure

BENCHES = Path(__file__).resolve().parent
INSIDE = ["/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/root", "DEBIAN_FRONTEND=noninteractive"]
MAN_DB = ("man-db", "libpipeline1", "groff-base", "bsdextrautils", "libgdbm6", "libuchardet0")
MORE = 200
# A package with epcache's interest, whose trigger does nothing: what dpkg itself takes for a
# trigger.
NOTHING = "bench-nothing"


def quiet(*command, **more):
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **more)
    if done.returncode:
        sys.exit(f"transactions_dpkg: {' '.join(map(str, command[:8]))}: {done.stdout[-2000:]}")
    return done.stdout


def overlay(lower, upper, work, root):
    for place in (upper, work, root):
        place.mkdir(parents=True, exist_ok=True)
    quiet("mount", "-t", "overlay", "-o", f"lowerdir={lower},upperdir={upper},workdir={work}", "overlay", root)
    quiet("mount", "-t", "proc", "proc", root / "proc")


def prepare(tree, debs, layer):
    """The layer over the Debian; made once."""
    if (layer / "complete").exists():
        return
    shutil.rmtree(layer, ignore_errors=True)
    root = layer / "root"
    overlay(tree, layer / "upper", layer / "work", root)
    proxy = subprocess.run("apt-config dump | grep -E '^Acquire::https?::Proxy '", shell=True, capture_output=True, text=True).stdout
    (root / "etc/apt/apt.conf.d/00proxy").write_text(proxy)
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    quiet("chroot", root, *INSIDE, "apt-get", "update", "-q")
    wanted = ["man-db", "systemd-standalone-sysusers", "systemd-standalone-tmpfiles"]
    quiet("chroot", root, *INSIDE, "apt-get", "install", "-q", "-y", "--no-install-recommends", *wanted)
    for deb in sorted(debs.rglob("*.deb")):
        subprocess.run(f"dpkg-deb --fsys-tarfile '{deb}' | tar -x -C '{root}' --wildcards './usr/share/man/*'", shell=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    quiet("chroot", root, *INSIDE, "mandb", "-c", "-q")
    local = root / "usr/local/lib/python3.11/dist-packages"
    local.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(local, ignore_errors=True)
    quiet(sys.executable, BENCHES / "generate_tree.py", MORE, local)
    (root / "usr/local/lib/python3.11/dist-packages.json").unlink()
    for leftover in ("etc/apt/apt.conf.d/00proxy",):
        (root / leftover).unlink()
    shutil.rmtree(root / "var/lib/apt/lists")
    quiet("umount", root / "proc")
    quiet("umount", root)
    (layer / "complete").touch()


def nothing_package(place):
    (place / "nothing/DEBIAN").mkdir(parents=True)
    (place / "nothing/DEBIAN/control").write_text(
        f"Package: {NOTHING}\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: nothing\n")
    (place / "nothing/DEBIAN/triggers").write_text("interest-noawait /usr/lib/python3/dist-packages\n")
    script = place / "nothing/DEBIAN/postinst"
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o755)
    quiet("dpkg-deb", "--root-owner-group", "-Znone", "-b", place / "nothing", place / "nothing.deb")
    return place / "nothing.deb"


def candidates(root, debs):
    """Debian's own packages that are installed there and have a distribution: those with a manual page first."""
    found = []
    for deb in sorted((debs / "apt").glob("python3-*.deb")):
        if not (root / f"var/lib/dpkg/info/{deb.name.split('_')[0]}.list").exists():
            continue
        files = quiet("dpkg-deb", "-c", deb)
        if "/usr/lib/python3/dist-packages/" in files and (".egg-info" in files or ".dist-info" in files):
            found.append(("/usr/share/man/man" not in files, deb.name, deb))
    return [deb for _, _, deb in sorted(found)]


def main():
    epcache, tree, debs, layer, counts, rounds = sys.argv[1:]
    debs, layer = Path(debs), Path(layer)
    layer.mkdir(parents=True, exist_ok=True)
    prepare(tree, debs, layer / "layer")
    memory = layer / "memory"
    memory.mkdir(exist_ok=True)
    quiet("mount", "-t", "tmpfs", "-o", "mode=755,size=8g", "tmpfs", memory)
    nothing = nothing_package(memory)
    roots = {}
    for name in ("with", "without"):
        roots[name] = root = memory / name
        overlay(f"{layer}/layer/upper:{tree}", memory / f"{name}.upper", memory / f"{name}.work", root)
        (root / "srv/debs").mkdir()
        shutil.copy(nothing, root / "srv/debs/nothing.deb")
        quiet("chroot", root, *INSIDE, "dpkg", "-i", "/srv/debs/nothing.deb")
    root = roots["with"]
    shutil.copy(epcache, root / "srv/debs/epcache.deb")
    quiet("chroot", root, *INSIDE, "dpkg", "-i", "/srv/debs/epcache.deb")
    available = candidates(root, debs)

    answer = {"transactions": {}, "names": {}}
    status = json.loads(quiet("chroot", root, *INSIDE, "epcache", "refresh", "--full", "--json"))
    answer["distributions"] = status["distributions"]
    answer["man_pages"] = sum(len(files) for _, _, files in os.walk(root / "usr/share/man"))
    shuffle = random.Random(1)
    for count in map(int, counts.split(",")):
        chosen = available[:count]
        for deb in chosen:
            for one in roots.values():
                if not (one / "srv/debs" / deb.name).exists():
                    shutil.copy(deb, one / "srv/debs")
        files = [f"/srv/debs/{deb.name}" for deb in chosen]
        answer["names"][count] = [deb.name.split("_")[0] for deb in chosen]
        samples = {}

        def dpkg(name, number, where, *arguments):
            sample = measure.spawn(["/usr/sbin/chroot", str(roots[where]), *INSIDE, "dpkg", *arguments])
            if number >= 0:
                samples.setdefault(name, {})[number] = [sample.wall_ms, sample.cpu_ms, sample.peak_kb]

        def whole(number):
            dpkg("dpkg -i, with epcache", number, "with", "-i", *files)

        def without(number):
            dpkg("dpkg -i, without epcache", number, "without", "-i", *files)

        def switched_off(number):
            configuration = roots["with"] / "etc/epcache.conf"
            configuration.write_text("[epcache]\nauto-update = no\n")
            dpkg("dpkg -i, switched off (auto-update = no)", number, "with", "-i", *files)
            configuration.unlink()
            quiet("chroot", roots["with"], *INSIDE, "epcache", "refresh", "-q")

        def apart(number):
            dpkg("dpkg --no-triggers -i", number, "with", "--no-triggers", "-i", *files)
            triggers = [("epcache", "epcache"), ("man-db", "man-db"), ("a trigger that does nothing", NOTHING)]
            shuffle.shuffle(triggers)
            for what, package in triggers:
                dpkg(f"dpkg --triggers-only: {what}", number, "with", "--triggers-only", package)
            quiet("chroot", roots["with"], *INSIDE, "dpkg", "--triggers-only", "-a")

        kinds = [whole, without, switched_off, apart]
        numbers = range(-1, int(rounds))   # the first is not counted
        if count >= 100:
            # Minutes each: what epcache adds is below what two of them differ by, and told by its
            # trigger apart.
            kinds = [whole, apart]
            numbers = range(max(1, int(rounds) // 4))
        for number in numbers:
            shuffle.shuffle(kinds)
            for kind in kinds:
                kind(number)
        answer["transactions"][count] = samples
        print(f"dpkg: {count} done", file=sys.stderr, flush=True)
    print(json.dumps(answer))


main()
