#!/usr/bin/env python3
"""Write a search directory of N distributions, shaped like real ones, the same for the same seed.

In:  how many distributions, a seed, a place. Out: the directory, and beside it NAME.json, which says
what was generated and lets a later run reuse the tree. Real trees were the model: about 40 % of
distributions have an entry_points.txt, most with one or two entries and one in thirty with dozens (in
real trees a few such distributions hold most entries); console_scripts holds almost half of all
entries and some 80 groups share the rest unevenly; METADATA is 2-30 kB, mostly below 8;
one metadata directory in seven is an egg-info, one in a hundred a plain file of that name. Each
distribution also has a package directory or a module, so half of what is listed is not metadata.
The group `bench.fixed` has exactly ten entries in ten distributions, however large the tree is.
"""

import argparse
import json
import os
import random
import shutil
import sys
import time

GENERATOR_VERSION = 2
FIXED_GROUP = "bench.fixed"
FIXED_ENTRIES = 10
GROUPS = 80

WORDS = (
    "agent atlas audio azure base batch beam binary bloom bridge buffer cable cache canvas chart "
    "client cloud codec color config core crypto cursor data delta django docs driver edge engine "
    "event express fast field file filter flask flow font forge format frame fuzzy graph grid hash "
    "http image index inline input jupyter kernel key lazy ledger lens light link list local log "
    "magic map mark mesh meta mini model module mono name net node note numba object open orbit "
    "oslo packet page parse patch path pipe pixel plot poly port print proto proxy pulse py query "
    "queue quick range ray record redis render rest ring route rule scan schema script search "
    "secure server shell signal simple site slice smart socket space spark sphinx sql stack state "
    "static stream string sync table tag task tensor test text time token tool trace tree type "
    "unit utils vault vector view wave web wheel worker xml yaml zero zip zone"
).split()
VERSIONS = ("{0}.{1}.{2}", "{0}.{1}.{2}", "{0}.{1}.{2}", "{0}.{1}", "20{0:02}.{1}.{2}",
            "{0}.{1}.{2}.post1", "{0}.{1}rc{2}", "{0}.{1}.dev{2}", "1!{0}.{1}", "{0}.{1}.{2}+local.1")
CLASSIFIERS = (
    "Development Status :: 5 - Production/Stable", "Intended Audience :: Developers",
    "License :: OSI Approved :: MIT License", "Operating System :: OS Independent",
    "Programming Language :: Python :: 3", "Programming Language :: Python :: 3.11",
    "Programming Language :: Python :: 3.12", "Programming Language :: Python :: 3.13",
    "Programming Language :: Python :: Implementation :: CPython", "Typing :: Typed",
    "Topic :: Software Development :: Libraries", "Topic :: Utilities",
)


def write(path, text):
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def filler(rng):
    """One long piece of prose; descriptions are slices of it, for speed."""
    lines = []
    size = 0
    while size < 70_000:
        line = " ".join(rng.choices(WORDS, k=rng.randint(6, 14)))
        size += len(line) + 1
        lines.append(line if rng.random() < 0.9 else "")
    return "\n".join(lines)


def core_metadata(rng, name, version, prose):
    headers = [
        "Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}",
        "Summary: " + " ".join(rng.choices(WORDS, k=8)), f"Home-page: https://example.org/{name}",
        "Author: Example Authors", f"Author-email: authors@{name}.example", "License: MIT",
        f"Project-URL: Source, https://example.org/{name}/source",
        f"Project-URL: Changelog, https://example.org/{name}/changes",
    ]
    headers += ["Classifier: " + text for text in rng.sample(CLASSIFIERS, rng.randint(3, 10))]
    headers.append("Requires-Python: >=3.8")
    headers += [f"Requires-Dist: {rng.choice(WORDS)}-{rng.choice(WORDS)} (>={rng.randint(0, 9)}.{rng.randint(0, 20)})"
                for _ in range(int(rng.expovariate(1 / 5)))]
    headers += ["Description-Content-Type: text/x-rst", "License-File: LICENSE", "", ""]
    text = "\n".join(headers)
    size = min(30_000, max(2_000, int(rng.lognormvariate(8.6, 0.8))))
    length = max(200, size - len(text))
    start = rng.randrange(len(prose) - length)
    return text + prose[start:start + length] + "\n"


def entry_points(rng, module, groups, weights):
    """The sections of one entry_points.txt: group to lines."""
    sections = {}
    if rng.random() < 1 / 30:
        count = rng.randint(40, 160)
    else:
        count = rng.choices(range(1, 11), weights=(46, 20, 10, 7, 5, 4, 3, 2, 2, 1))[0]
    for number, group in enumerate(rng.choices(groups, weights=weights, k=count)):
        name = f"{rng.choice(WORDS)}-{module}-{number}"
        extras = " [extra]" if rng.random() < 0.02 else ""
        sections.setdefault(group, []).append(f"{name} = {module}.{rng.choice(WORDS)}:main{extras}")
    return sections


def fill(directory, count, seed, group_count):
    """Populate an empty directory; the counts of what is in it."""
    rng = random.Random(f"{seed}:{count}")
    prose = filler(rng)
    groups = ["console_scripts"] + [
        f"{rng.choice(WORDS)}.{rng.choice(WORDS)}{number}" for number in range(1, group_count)]
    weights = [45.0] + [20.0 / number for number in range(1, group_count)]
    with_fixed = {count * number // FIXED_ENTRIES: number for number in range(FIXED_ENTRIES)}
    counts = {"distributions": 0, "entry_point_files": 0, "entry_points": 0, "metadata_bytes": 0}

    os.mkdir(os.path.join(directory, "__pycache__"))
    for number in range(count):
        module = f"{rng.choice(WORDS)}_{rng.choice(WORDS)}_{number}"
        version = rng.choice(VERSIONS).format(rng.randint(0, 24), rng.randint(0, 30), rng.randint(0, 9))
        shape = rng.random()
        sections = entry_points(rng, module, groups, weights) if rng.random() < 0.4 else {}
        if number in with_fixed:
            sections[FIXED_GROUP] = [f"fixed-{with_fixed[number]} = {module}.plugin:Plugin"]
            shape = 1.0
        headers = core_metadata(rng, module.replace("_", "-"), version, prose)

        if rng.random() < 0.75:
            os.mkdir(os.path.join(directory, module))
            write(os.path.join(directory, module, "__init__.py"), "")
        else:
            write(os.path.join(directory, module + ".py"), "")
        stem = os.path.join(directory, f"{module}-{version}")
        counts["distributions"] += 1
        counts["metadata_bytes"] += len(headers)
        if shape < 0.01:
            write(stem + ".egg-info", headers)
            continue
        egg = shape < 0.15
        stem += ".egg-info" if egg else ".dist-info"
        os.mkdir(stem)
        write(os.path.join(stem, "PKG-INFO" if egg else "METADATA"), headers)
        if sections:
            lines = [f"[{group}]\n" + "\n".join(entries) + "\n" for group, entries in sections.items()]
            write(os.path.join(stem, "entry_points.txt"), "\n".join(lines))
            counts["entry_point_files"] += 1
            counts["entry_points"] += sum(map(len, sections.values()))
    return counts


def generate(directory, count, seed=1, groups=GROUPS):
    """The description of the tree at `directory`, generated unless the same one is there already."""
    if count < FIXED_ENTRIES:
        raise ValueError(f"a tree needs at least {FIXED_ENTRIES} distributions")
    description = f"{directory}.json"
    wanted = {"generator": GENERATOR_VERSION, "seed": seed, "count": count}
    if groups != GROUPS:
        wanted["groups"] = groups
    try:
        with open(description, encoding="utf-8") as file:
            found = json.load(file)
        if os.path.isdir(directory) and wanted.items() <= found.items():
            return found
    except (OSError, ValueError):
        pass
    unfinished = f"{directory}.unfinished"
    for leftover in (unfinished, directory):
        shutil.rmtree(leftover, ignore_errors=True)
    os.makedirs(unfinished)
    found = {**wanted, **fill(unfinished, count, seed, groups)}
    os.rename(unfinished, directory)
    with open(description, "w", encoding="utf-8") as file:
        json.dump(found, file)
    return found


def main():
    parser = argparse.ArgumentParser(description="Write a search directory of COUNT distributions.")
    parser.add_argument("count", type=int)
    parser.add_argument("directory")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--groups", type=int, default=GROUPS)
    options = parser.parse_args()
    started = time.monotonic()
    found = generate(options.directory, options.count, options.seed, options.groups)
    print(json.dumps(found))
    elapsed = time.monotonic() - started
    if elapsed > 1:
        print(f"{elapsed:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
