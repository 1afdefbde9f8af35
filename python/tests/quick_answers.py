"""What the quick reader answers, held against importlib.metadata of this interpreter.

    quick_answers.py [--as UID] < array of {"path": [...], "index": PATH}.json

For each sys.path: all questions that the quick reader knows. What it answers has to be what the
library answers, and where the library raises it has to answer None. Prints an array of [number of
answers, number of Nones, array of faults].
"""

import importlib.metadata as library
import csv  # noqa: F401 (the library imports these when it needs them)
import importlib.util
import inspect  # noqa: F401
import json
import os
import signal
import sys
import warnings

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.join(os.path.dirname(HERE), "src")
QUICK = os.path.join(SOURCE, "epcache", "_quick.py")
if SOURCE not in sys.path:
    sys.path.insert(0, SOURCE)

from epcache import _shape  # noqa: E402


def load_quick(path=QUICK):
    """The file alone, as a project does that has copied it."""
    spec = importlib.util.spec_from_file_location("copied_quick", path)
    quick = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = quick
    spec.loader.exec_module(quick)
    return quick


class Patience:
    """The library waits for ever where a FIFO stands: after 20 seconds it counts as raising."""

    def __enter__(self):
        signal.signal(signal.SIGALRM, self.give_up)
        signal.setitimer(signal.ITIMER_REAL, 20)

    def __exit__(self, *_):
        signal.setitimer(signal.ITIMER_REAL, 0)

    @staticmethod
    def give_up(*_):
        raise TimeoutError("the library waits for ever")


def row(dist):
    """A distribution of the library, as the quick reader tells it."""
    name = os.path.basename(str(dist._path))
    return name, dist.metadata["Name"], dist.metadata["Version"]


def entry_points_of_library(**params):
    found = library.entry_points(**params)
    if not params and isinstance(found, dict):  # 3.10 and 3.11
        found = [one for group in found.values() for one in group]
    return [(one.name, one.value, one.group, row(one.dist)) for one in found]


def entry_points_of_quick(quick, group=None):
    found = quick.entry_points(group)
    if found is None:
        return None
    found = [(name, value, group, dist[1:]) for name, value, group, dist in found]
    if group is None and sys.version_info < (3, 12):
        found.sort(key=lambda one: one[2])
    return found


def found_by_name(name):
    try:
        return [row(library.distribution(name))]
    except library.PackageNotFoundError:
        return []


def requires_of_library(name):
    try:
        found = library.requires(name)
    except library.PackageNotFoundError:
        return ()
    return (None if found is None else tuple(found),)


def packages_of_quick(quick):
    rows = quick.import_names()
    found = None if rows is None else _shape.packages_distributions(rows)
    return None if found is None else sorted(found.items())


def distributions_of_quick(found):
    return None if found is None else [dist[1:] for dist in found]


def questions(quick):
    """Pairs of functions: what the library answers, what the quick reader answers."""
    yield (
        "distributions()",
        lambda: [row(dist) for dist in library.distributions()],
        lambda: distributions_of_quick(quick.distributions()),
    )
    known = []

    def all_of_library():
        if not known:
            known.append(entry_points_of_library())
        return known[0]

    yield (
        "packages_distributions()",
        lambda: sorted(library.packages_distributions().items()),
        lambda: packages_of_quick(quick),
    )
    yield "entry_points()", all_of_library, lambda: entry_points_of_quick(quick)
    groups, names = {"no.such.group"}, {"no-such-name", "wheel", "Setup.Tools"}
    for dist in library.distributions():
        file_name = os.path.basename(str(dist._path))
        names.add(file_name.partition("-")[0] or "-")
        try:
            with Patience():
                groups |= {one.group for one in dist.entry_points}
                name = dist.metadata["Name"] or "none"
                names |= {name, name.upper(), name.replace("-", "__"), name.replace("_", ".")}
        except Exception:
            pass
    for number, group in enumerate(sorted(groups)):

        def of_group():
            # The library takes a group out of all. To ask it for each would take minutes.
            if number < 2:
                return entry_points_of_library(group=group)
            return [one for one in all_of_library() if one[2] == group]

        yield "group %r" % group, of_group, lambda: entry_points_of_quick(quick, group)
    for name in sorted(names):
        yield (
            "requirements of %r" % name,
            lambda: requires_of_library(name),
            lambda: quick.requires(name),
        )
        yield (
            "name %r" % name,
            lambda: found_by_name(name),
            lambda: distributions_of_quick(quick.distribution(name)),
        )


def compare(quick, is_sorted=False):
    """The number of answers, of Nones, and what was answered wrongly."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _compare(quick, is_sorted)


def _compare(quick, is_sorted):
    answered, unsure, faults = 0, 0, []
    for what, right, answer in questions(quick):
        first, again = answer(), answer()
        if first is None:
            unsure += 1
            continue
        answered += 1
        try:
            with Patience():
                wanted = right()
        except Exception as error:
            faults.append("%s is answered, and the library raises %r" % (what, error))
            continue
        if is_sorted:
            first, again, wanted = sorted(first), sorted(again), sorted(wanted)
        if first != wanted or again != wanted:
            faults.append("%s: %r and %r, not %r" % (what, first, again, wanted))
    return answered, unsure, faults


def main():
    if sys.argv[1:2] == ["--as"]:
        os.setgroups([])
        os.setgid(int(sys.argv[2]))
        os.setuid(int(sys.argv[2]))
        os.environ["HOME"] = "/nonexistent"
    quick = load_quick()
    library.version("pip") if found_by_name("pip") else None  # everything is imported
    before = list(sys.path)
    results = []
    for asked in json.load(sys.stdin):
        os.environ["EPCACHE_INDEX"] = asked["index"]
        sys.path[:] = asked["path"]
        try:
            results.append(compare(quick, asked.get("sorted", False)))
        finally:
            sys.path[:] = before
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
