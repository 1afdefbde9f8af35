"""The rival of `epcache refresh`: the same collection with importlib.metadata, as a program does it.

In:  OUTPUT, then search directories. Out: OUTPUT, a JSON file of every distribution with its name,
version and entry points; one line of counts on stdout. The headers are parsed once for each
distribution (`.name` and `.version` would each parse them anew), in the rival's favour, and
nothing is synced to disk.
"""

import json
import sys
from importlib.metadata import distributions


def main():
    output, *search_directories = sys.argv[1:]
    collected = []
    entry_points = 0
    for distribution in distributions(path=search_directories):
        headers = distribution.metadata
        points = [(point.group, point.name, point.value) for point in distribution.entry_points]
        entry_points += len(points)
        collected.append((headers["Name"], headers["Version"], points))
    with open(output, "w", encoding="utf-8") as file:
        json.dump(collected, file)
    print(json.dumps({"distributions": len(collected), "entry_points": entry_points}))


main()
