"""epcache: Python entry points from the system's index.

    import epcache
    for plugin in epcache.entry_points(group="pytest11"):
        print(plugin.name, plugin.value, plugin.dist.name)

`entry_points()` takes what importlib.metadata's of current CPython takes, and returns what it returns.
`install()` lets programs that have never heard of epcache have the same. See docs/python.md.
"""

from ._lookup import entry_points as _entry_points
from ._model import Distribution, EntryPoint, EntryPoints

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._install import install as install, uninstall as uninstall
    from ._warning import StaleCacheWarning as StaleCacheWarning

__version__ = "0.1.0"

__all__ = [
    "Distribution",
    "EntryPoint",
    "EntryPoints",
    "StaleCacheWarning",
    "entry_points",
    "install",
    "uninstall",
]

for _public in (Distribution, EntryPoint, EntryPoints):
    _public.__module__ = __name__
del _public


def entry_points(**params: "Any") -> EntryPoints:
    """The entry points of all installed distributions that have these attributes.

    Typically `group`, and perhaps `name`; `value`, `module`, `attr` and `extras` serve as well.
    """
    return _entry_points(**params)


def __getattr__(name: str) -> "Any":
    if name == "StaleCacheWarning":
        from ._warning import StaleCacheWarning

        return StaleCacheWarning
    if name in ("install", "uninstall"):
        from . import _install

        return getattr(_install, name)
    raise AttributeError("module %r has no attribute %r" % (__name__, name))


def __dir__() -> "list[str]":
    return sorted(set(globals()) | set(__all__))
