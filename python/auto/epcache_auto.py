"""At the start of the interpreter: importlib.metadata answers from an index (epcache.install()).

epcache-auto.pth imports this in every process, so it does next to nothing: it waits for somebody to
import importlib.metadata, and only then loads the package epcache that lies beside this file.
Whatever goes wrong then, the library is imported as without it. Not with -I, nor with EPCACHE=off.
"""

import os
import sys

# Makes `epcache_auto._stand_in` a name of the file in the package beside this one. `import epcache`
# may find another one, such as an epcache.py in the current directory of `python3 -c`.
__path__ = [os.path.join(os.path.dirname(__file__), "epcache")]


# A finder on sys.meta_path that finds what the others find, once, and nothing before.
def find_spec(name, path=None, target=None):
    if name != "importlib.metadata":
        return None
    try:
        sys.meta_path.remove(find_spec)
    except ValueError:
        pass  # another thread was first
    try:
        from epcache_auto import _stand_in

        return _stand_in.find_spec(name, path, target)
    except Exception:
        # What has been removed moves the finders that the importing loop has yet to ask.
        for finder in list(sys.meta_path):
            ask = getattr(finder, "find_spec", None)
            spec = ask and ask(name, path, target)
            if spec is not None:
                return spec
    return None


def start():
    if "importlib.metadata" not in sys.modules:
        find_spec.find_spec = find_spec
        sys.meta_path.insert(0, find_spec)
        return
    try:
        from epcache_auto import _stand_in

        _stand_in.install()
    except Exception:
        pass


if (
    (3, 11) <= sys.version_info < (3, 14)
    and not sys.flags.isolated
    and (sys.flags.ignore_environment or os.environ.get("EPCACHE") != "off")
):
    start()
