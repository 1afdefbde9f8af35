"""What importlib.metadata answers for a sys.path: the oracle that epcache is compared with.

    pythonX.Y -I -X utf8 oracle.py [--libraries DIR] [--backport] [--twins] PATH...
    pythonX.Y -I -X utf8 oracle.py [--libraries DIR] [--backport] [--twins] --batch < array-of-arrays-of-PATH.json

Prints a JSON array of {group, name, value, distribution, version, path}, one object for each entry point of
every group, in the order of entry_points() when sys.path is exactly the PATHs. Where the library has no name or
version, or raises, `distribution` and `version` come from the file name, as decision 2 has it. `path` is the
metadata directory. Where entry_points() itself
raises: {"error": "..."}, exit status 0. With --batch, an array with one such answer for each sys.path asked for.

--libraries DIR  where importlib_metadata and packaging are installed; the options below need them.
--backport       asks importlib_metadata instead of the interpreter's own library.
--twins          first applies epcache's decision 2: of several metadata directories of one distribution in one
                 search directory, one is chosen by rule, not by luck. Done by letting the directory list the
                 chosen one where it listed the first of them, and that one in its place: all else is the
                 library's own doing. `packaging` is the reference for PEP 440. And it leaves out metadata
                 directories and entry points with control characters; names and versions with some are taken
                 from the file name.
"""

import argparse
import json
import os
import sys

parser = argparse.ArgumentParser()
parser.add_argument("--libraries", metavar="DIR")
parser.add_argument("--backport", action="store_true")
parser.add_argument("--twins", action="store_true")
parser.add_argument("--batch", action="store_true")
parser.add_argument("path", nargs="*")
arguments = parser.parse_args()

if arguments.libraries:
    sys.path.insert(0, arguments.libraries)
if arguments.twins:
    from packaging.version import InvalidVersion, Version
if arguments.backport:
    import importlib_metadata as library
else:
    import importlib.metadata as library

if hasattr(library, "SelectableGroups"):
    # 3.10 and 3.11 sort what entry_points() found into a dict of groups. Keep the order found:
    # everything before this last step is the same chain of unique distributions that later versions
    # return.
    library.SelectableGroups.load = classmethod(lambda cls, eps: library.EntryPoints(eps))


CONTROLS = frozenset(map(chr, [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029]))


def is_left_out(text):
    """Whether epcache leaves it out, for a control character in it."""
    return arguments.twins and not CONTROLS.isdisjoint(text)


def attribute(distribution, name):
    """The name or version of a distribution; None where there is none, or the library raises."""
    try:
        value = getattr(distribution, name)
    except Exception:
        return None
    return None if value is None or is_left_out(str(value)) else str(value)


def name_and_version(distribution):
    """From the headers, else from the file name (for EGG-INFO that of the egg): `name-version-...`."""
    path = str(distribution._path)
    if os.path.basename(path).lower() == "egg-info":
        path = os.path.dirname(path)
    name, _, rest = os.path.basename(path).rpartition(".")[0].partition("-")
    header_name, header_version = attribute(distribution, "name"), attribute(distribution, "version")
    return (
        name if header_name is None else header_name,
        rest.partition("-")[0] if header_version is None else header_version,
    )


def describe(distribution):
    """What every entry point of a distribution shares. Asked once for each: the library parses all of it anew."""
    name, version = name_and_version(distribution)
    return {
        "distribution": name,
        "version": version,
        "path": str(distribution._path).encode(errors="surrogateescape").decode(errors="replace"),
    }


def entry_points(path):
    """All entry points for this sys.path. Raises what the library raises."""
    saved, sys.path[:] = sys.path[:], path
    try:
        found, described = [], {}
        for ep in library.entry_points():
            if is_left_out(ep.group + ep.name + ep.value):
                continue
            if id(ep.dist) not in described:
                # The distribution is kept as well, so that no other one can get its id.
                described[id(ep.dist)] = ep.dist, describe(ep.dist)
            found.append({"group": ep.group, "name": ep.name, "value": ep.value, **described[id(ep.dist)][1]})
        return found
    finally:
        sys.path[:] = saved


# ---- decision 2


def shadowing_key(search_directory, name):
    """The normalized name by which entry_points() takes two metadata directories for the same distribution."""
    distribution = library.PathDistribution(library.FastPath(search_directory).joinpath(name))
    try:
        return distribution._normalized_name
    except Exception:
        # The library raises for the whole system here; epcache takes the file name.
        return library.Prepared.normalize(name.lower().rpartition(".")[0].partition("-")[0])


def preference(search_directory, name):
    """What makes a twin the chosen one: the greatest is."""
    distribution = library.PathDistribution(library.FastPath(search_directory).joinpath(name))
    if hasattr(distribution, "_has_metadata"):
        has_metadata = distribution._has_metadata()
    else:  # before importlib_metadata 10, and in CPython up to 3.13
        try:
            has_metadata = distribution.metadata is not None
        except Exception:
            has_metadata = False
    version = name_and_version(distribution)[1]
    try:
        version = (1, Version(version))
    except InvalidVersion:
        version = (0, version.encode(errors="surrogateescape"))
    return has_metadata, version, name.lower().endswith(".dist-info"), Smallest(os.fsencode(name))


class Smallest(bytes):
    """Compares the other way round: the bytewise smallest name is preferred."""

    def __lt__(self, other):
        return bytes.__gt__(self, other)

    def __gt__(self, other):
        return bytes.__lt__(self, other)


def choose_twins(listdir):
    """A replacement for os.listdir."""

    def listed(directory="."):
        names = listdir(directory)
        try:
            return choose(directory, names)
        except Exception as error:
            # The library takes any exception here for an empty directory, which would be a wrong
            # answer.
            sys.exit(f"choosing twins in {directory!r}: {error!r}")

    def choose(directory, names):
        endings = (".dist-info", ".egg-info")
        names = [name for name in names if not (name.lower().endswith(endings) and is_left_out(name))]
        twins = {}
        for position, name in enumerate(names):
            if name.lower().endswith(endings):
                twins.setdefault(shadowing_key(directory, name), []).append(position)
        for positions in twins.values():
            if len(positions) > 1:
                chosen = max(positions, key=lambda position: preference(directory, names[position]))
                first = positions[0]
                names[first], names[chosen] = names[chosen], names[first]
        return names

    return listed


# ---- main

# Modules that the library imports only when first needed must be there before sys.path changes. A
# missing path is tried as a zip archive, hence the second path.
try:
    entry_points([*sys.path, os.path.join(os.sep, "nonexistent", "directory")])
except Exception:
    pass
import email.message  # noqa: E402
import email._policybase  # noqa: E402
import zipfile  # noqa: E402, F401


def header_source_parse(self, lines):
    """The rule since 3.13.2: line feeds before a value go, as spaces do."""
    name, _, value = "".join(lines).partition(":")
    return name, value.lstrip(" \t\r\n").rstrip("\r\n")


if email._policybase.compat32.header_source_parse(["N:\n", " x\n"])[1] != "x":
    email._policybase.Compat32.header_source_parse = header_source_parse

email.message_from_string("Name: warm\n\n")

if arguments.twins:
    os.listdir = choose_twins(os.listdir)


def answer(path):
    try:
        return entry_points(path)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}".encode(errors="replace").decode()}


result = [answer(path) for path in json.load(sys.stdin)] if arguments.batch else answer(arguments.path)
json.dump(result, sys.stdout)
