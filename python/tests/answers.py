"""All entry points along each sys.path of a batch, as `tests/oracle/oracle.py` prints them.

    answers.py [--as UID] < array of {"path": [...], "index": PATH or null}.json

Prints an array of {"entry_points": [...], "how": [...]}: the answer, and where each entry of sys.path had it from.
With `--as`, as that user.
"""

import json
import os
import sys
import warnings

from support import epcache, look_first
from epcache.__main__ import _as_json

if sys.argv[1:2] == ["--as"]:
    os.setgroups([])
    os.setgid(int(sys.argv[2]))
    os.setuid(int(sys.argv[2]))
    os.environ["HOME"] = "/nonexistent"

warnings.simplefilter("ignore")
before = list(sys.path)
answers = []
for asked in json.load(sys.stdin):
    epcache._state = None
    epcache._seen = []
    os.environ["EPCACHE"] = "auto" if asked["index"] else "off"
    os.environ["EPCACHE_INDEX"] = asked["index"] or ""
    sys.path[:] = asked["path"]
    found = json.loads(_as_json(epcache.entry_points()))
    groups = {}
    for one in found:
        groups.setdefault(one["group"], []).append((one["name"], one["value"]))
    # The index has two orders: by distribution, and by group.
    for group, entries in list(groups.items())[:50]:
        alone = [(ep.name, ep.value) for ep in epcache.entry_points(group=group)]
        assert alone == entries, (asked, group, alone, entries)
        first = look_first(group)
        assert first is None or [(ep.name, ep.value) for ep in first] == entries, (asked, group, first)
    how = [answer.how for answer in epcache._state.last[0]]
    sys.path[:] = before
    answers.append({"entry_points": found, "how": how})
json.dump(answers, sys.stdout)
