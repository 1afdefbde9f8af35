"""What the quick reader answers to the questions of a vector, at level trust.

    quick.py QUICK_READER FOLDER < array of {"index": NAME, "paths": [...], "groups": [...], "names": [...]}.json

All strings are as `text` of the tests writes them: %XX for a byte that is no printable ASCII. Prints an array of
{"groups": {...}, "names": {...}, "distributions": [...]}, each answer null where the library is to be asked.
"""

import importlib.util
import json
import os
import sys
import urllib.parse


def load(path):
    spec = importlib.util.spec_from_file_location("copied_quick", path)
    quick = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = quick
    spec.loader.exec_module(quick)
    return quick


def path_of(distribution):
    return spelled(distribution[0] + "/" + distribution[1])


def spelled(text):
    return "".join(
        chr(byte) if 32 <= byte <= 126 and byte != 37 else "%%%02X" % byte
        for byte in os.fsencode(text)
    )


def plain(text):
    return os.fsdecode(urllib.parse.unquote_to_bytes(text))


def answers(quick, question):
    def told(found, row):
        return None if found is None else [row(one) for one in found]

    groups, names = {}, {}
    for group in question["groups"]:
        found = quick.entry_points(plain(group))
        groups[group] = told(
            found, lambda one: [spelled(one[0]), spelled(one[1]), path_of(one[3])]
        )
    for name in question["names"]:
        names[name] = told(quick.distribution(plain(name)), path_of)
    found = quick.distributions()
    return {"groups": groups, "names": names, "distributions": told(found, path_of)}


def main():
    quick = load(sys.argv[1])
    own = list(sys.path)
    os.environ["EPCACHE"] = "trust"
    told = []
    for question in json.load(sys.stdin):
        os.environ["EPCACHE_INDEX"] = os.path.join(sys.argv[2], question["index"])
        quick.forget()
        sys.path[:] = [plain(path) for path in question["paths"]]
        try:
            told.append(answers(quick, question))
        finally:
            sys.path[:] = own
    json.dump(told, sys.stdout)


main()
