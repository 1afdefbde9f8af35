"""What importlib.metadata says of each distribution beside its entry points.

    details.py [DIRECTORY_OF_IMPORTLIB_METADATA]

Standard input: a JSON list of search directories. Standard output: a JSON object: `rule`, which of the
rules of packages_distributions() this library has; `suffixes` of modules; and `answers`, for each search
directory an object of its metadata directories, each with `requires`, `version` and `imports` (the names
under which packages_distributions() would list it, sorted). What raises is {"error": text}.
"""

import importlib.machinery
import json
import sys

if len(sys.argv) > 1:
    sys.path.insert(0, sys.argv[1])
    import importlib_metadata as metadata
else:
    import importlib.metadata as metadata


def rule():
    if hasattr(metadata, "_get_toplevel_name"):
        return "3.13"
    if not hasattr(metadata, "_top_level_inferred"):
        return "3.10"
    names = metadata._top_level_inferred.__code__.co_varnames
    return "3.12" if "opt_names" in names else "3.11"


def imports(distribution):
    if rule() == "3.10":
        return (distribution.read_text("top_level.txt") or "").split()
    return list(
        metadata._top_level_declared(distribution) or metadata._top_level_inferred(distribution)
    )


def asked(question, distribution):
    try:
        return question(distribution)
    except Exception as error:
        return {"error": repr(error)}


def of_directory(path):
    found = {}
    for distribution in metadata.distributions(path=[path]):
        names = asked(imports, distribution)
        found[distribution._path.name] = {
            "requires": asked(lambda it: it.requires, distribution),
            "version": asked(lambda it: it.version, distribution),
            "imports": names if isinstance(names, dict) else sorted(names),
        }
    return found


answers = [of_directory(path) for path in json.load(sys.stdin)]
suffixes = importlib.machinery.all_suffixes()
json.dump({"rule": rule(), "suffixes": suffixes, "answers": answers}, sys.stdout)
