"""At the start of the interpreter: programs get their entry points from the index (epcache.install()).

Imported by epcache-auto.pth, in every process, so it does next to nothing: it waits for somebody to import importlib.metadata
or the importlib_metadata backport, and only then imports epcache. Whatever goes wrong then, the library does its own
work. Not with -I, nor with EPCACHE=off.
"""

import os
import sys


def find_spec(name, path=None, target=None):
    """A finder on sys.meta_path that finds what the others find, once, and nothing before."""
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
        import epcache

        epcache.install()
    except Exception:
        pass


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
