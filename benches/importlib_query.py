"""The rival of `epcache query GROUP`: `importlib.metadata.entry_points(group=GROUP)`.

In:  GROUP, then search directories, which take the place of the interpreter's own site-packages.
Out: one line for each entry point.
"""

import sys

sys.path[:] = [entry for entry in sys.path if not entry.endswith("-packages")] + sys.argv[2:]

from importlib.metadata import entry_points  # noqa: E402  (the import is part of the cost)

for point in entry_points(group=sys.argv[1]):
    print(point.name, "=", point.value)
