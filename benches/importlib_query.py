"""The rival of `epcache query GROUP`: `importlib.metadata.entry_points(group=GROUP)`.

In:  GROUP, then search directories, which take the place of site-packages (run it with python -S).
Out: one line for each entry point.
"""

import sys

sys.path += sys.argv[2:]

from importlib.metadata import entry_points  # noqa: E402  (the import is part of the cost)

for point in entry_points(group=sys.argv[1]):
    print(point.name, "=", point.value)
