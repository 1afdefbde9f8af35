"""At the start of the interpreter: programs get their entry points from the index (epcache.install()).

Imported by epcache-auto.pth, in every process, so it does next to nothing: it leaves a note where
importlib.metadata will ask, and another one where the importlib_metadata backport would be imported. Only
when one of them is found is epcache imported. Whatever goes wrong then, the library does its own work.
Not with -I, nor with EPCACHE=off.
"""

import os
import sys


def start():
    if sys.version_info < (3, 10) or sys.flags.isolated:
        return
    if not sys.flags.ignore_environment and os.environ.get("EPCACHE") == "off":
        return
    for finder in sys.meta_path:
        if isinstance(finder, type) and finder.__name__ == "PathFinder":
            before = finder.__dict__.get("find_distributions")
            if before is not None:
                break
    else:
        return
    if isinstance(before, classmethod) and getattr(before.__func__, "epcache_auto", False):
        return

    def install():
        """Takes the notes away, and the real thing in their place."""
        sys.meta_path[:] = [one for one in sys.meta_path if not isinstance(one, Note)]
        if finder.__dict__.get("find_distributions") is note:
            finder.find_distributions = before
        try:
            import epcache

            epcache.install()
        except Exception:
            pass

    def find_distributions(cls, *args, **kwargs):
        install()
        return finder.find_distributions(*args, **kwargs)

    class Note:
        def find_spec(self, name, path=None, target=None):
            if name == "importlib_metadata":
                install()
                for other in sys.meta_path:
                    spec = other.find_spec(name, path, target)
                    if spec is not None:
                        return spec
            return None

    find_distributions.epcache_auto = True
    note = classmethod(find_distributions)
    finder.find_distributions = note
    sys.meta_path.insert(0, Note())


start()
