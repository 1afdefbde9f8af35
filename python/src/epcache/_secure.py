"""Whether this process has rights that its caller has not. A module of its own, as every lookup of a user who has
something to ask for asks that."""


def is_secure() -> bool:
    """AT_SECURE of getauxval(3): rights gained through file capabilities, too."""
    try:
        with open("/proc/self/auxv", "rb") as file:
            words = memoryview(file.read()).cast("L").tolist()
    except PermissionError:
        return True  # who has gained rights by capabilities may not even read it
    except (OSError, TypeError):
        return False
    return dict(zip(words[::2], words[1::2])).get(23, 0) != 0
