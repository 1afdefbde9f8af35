"""At the start of the interpreter: programs get their entry points from the index (epcache.install()).

Imported by epcache-auto.pth, in every process, so it does next to nothing: it waits for somebody to import importlib.metadata
or the importlib_metadata backport, and only then loads the package epcache that lies beside this file. Whatever goes
wrong then, the library does its own work. Not with -I, nor with EPCACHE=off.
"""

import os
import sys

# Makes `epcache_auto.epcache` a name of the package beside this file.
__path__ = [os.path.dirname(__file__)]


# A finder on sys.meta_path that finds what the others find, once, and nothing before.
def find_spec(name, path=None, target=None):
    # The backport may be part of another package.
    if name[-18:] not in ("importlib.metadata", "importlib_metadata"):
        return None
    try:
        sys.meta_path.remove(find_spec)
    except ValueError:
        pass  # another thread was first
    else:
        install()
    # All of them: what has been removed and added moves those that the importing loop has yet to ask.
    for finder in list(sys.meta_path):
        ask = getattr(finder, "find_spec", None)
        spec = ask and ask(name, path, target)
        if spec is not None:
            return spec
    return None


def install():
    try:
        beside().install()
    except Exception:
        pass


# The package beside this file, loaded from there. `import epcache` may find another one, such as an epcache.py in
# the current directory of `python3 -c`. That one is not run here, and it keeps its name: the package beside this
# file is then loaded by another name.
def beside():
    # Every interpreter has these two built in, so no file is searched for them.
    from _frozen_importlib import _load
    from _frozen_importlib_external import PathFinder

    ours = PathFinder.find_spec("epcache", __path__)
    loaded = sys.modules.get("epcache")
    found = loaded.__spec__ if loaded else PathFinder.find_spec("epcache")
    if found and found.origin == ours.origin:
        return loaded or _load(ours)
    return _load(PathFinder.find_spec(__name__ + ".epcache", __path__))


if (
    sys.version_info >= (3, 10)
    and not sys.flags.isolated
    and (sys.flags.ignore_environment or os.environ.get("EPCACHE") != "off")
):
    if "importlib.metadata" in sys.modules or "importlib_metadata" in sys.modules:
        install()
    else:
        find_spec.find_spec = find_spec
        sys.meta_path.insert(0, find_spec)
