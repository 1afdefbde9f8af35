"""What Python itself makes of the inputs of tests/metadata_oracle.rs.

Standard input: one JSON object with the key `cases`, a list of lists: a kind, then arguments, all
bytes as hexadecimal digits. Standard output: one JSON object with the keys `oracle` (whose
answers these are) and `answers`, one for each case. Text comes back as hexadecimal digits, too.

The first argument, if any, is a directory with importlib_metadata, and with packaging if versions
are to be compared; without it, the standard library answers.
"""

import email
import email._policybase
import io
import json
import os
import pathlib
import sys

if len(sys.argv) > 1:
    sys.path.insert(0, sys.argv[1])
    import importlib_metadata as metadata
    from importlib_metadata import _adapters
    try:
        from packaging import version as pep440
    except ImportError:
        pep440 = None
else:
    import importlib.metadata as metadata
    from importlib.metadata import _adapters

    pep440 = None


def old_email():
    """Whether this Python keeps the line feed before a value that starts on its second line."""
    return email._policybase.compat32.header_source_parse(["N:\n", " x\n"])[1] != "x"


def new_header_source_parse(self, lines):
    """The rule since 3.13.2: line feeds before a value go, as spaces do."""
    name, _, value = "".join(lines).partition(":")
    return name, value.lstrip(" \t\r\n").rstrip("\r\n")


if old_email():
    email._policybase.Compat32.header_source_parse = new_header_source_parse

# Since 3.14 textwrap.dedent empties every line that isspace(), before that those of " \t" alone.
OLD_DEDENT = sys.version_info < (3, 14)
# Older adapters take the indentation out of every continuation line, newer ones if it is eight
# spaces.
OLD_REDENT = _adapters.Message(email.message_from_string("N: a\n b\n"))["N"] != "a\n b"


def differs_by_release(value):
    """Whether a newer release may make something else of a header's value than this one does."""
    if "\n        " not in value:
        return OLD_REDENT and "\n" in value
    return OLD_DEDENT and any(
        line.isspace() and line.strip(" \t") for line in value.split("\n")
    )


def out(text):
    return None if text is None else os.fsencode(text).hex()


def read(data):
    """The file as Path.read_text(encoding='utf-8') returns it, or None."""
    try:
        return io.TextIOWrapper(io.BytesIO(data), encoding="utf-8").read()
    except UnicodeDecodeError:
        return None


def lines(data):
    text = data.decode()
    return [[out(line), out(line.strip())] for line in text.splitlines()]


def entry_points(data):
    text = read(data)
    if text is None:
        return "not UTF-8"
    try:
        found = list(metadata.EntryPoints._from_text(text))
    except TypeError:
        return "no equals sign"
    return [
        [out(ep.group), out(ep.name), out(ep.value), not ep.pattern.match(ep.value)]
        for ep in found
    ]


def reference(data):
    match = metadata.EntryPoint.pattern.match(data.decode())
    return match and [out(match[part]) for part in ("module", "attr", "extras")]


def headers(data):
    text = read(data)
    if text is None:
        return "not UTF-8"
    message = email.message_from_string(text)
    for name, value in message.items():
        if name.lower() in ("name", "version") and differs_by_release(value):
            return "unsure"
    message = _adapters.Message(message)
    return [out(message[key]) if key in message else None for key in ("Name", "Version")]


def normalize(data):
    text = os.fsdecode(data)
    prepared = metadata.Prepared(text)
    return [out(prepared.normalized), out(prepared.legacy_normalized)]


class Listing:
    """A FastPath that lists one name and touches no file system."""

    def __init__(self, root, child):
        self.root = root
        self.child = child

    def children(self):
        return [self.child]

    def joinpath(self, child):
        return child


class Distribution(metadata.PathDistribution):
    headers = None

    @property
    def metadata(self):
        return self.headers


def directory(search_directory, file_name, header):
    root, child = os.fsdecode(search_directory), os.fsdecode(file_name)
    lookup = metadata.Lookup(Listing(root, child))
    found = [("infos", key) for key in lookup.infos] + [("eggs", key) for key in lookup.eggs]
    if not found:
        return None
    ((kind, key),) = found
    distribution = Distribution(pathlib.PurePosixPath(root, child))
    distribution.headers = {} if header is None else {"Name": header.decode()}
    try:
        shadow = distribution._normalized_name
    except KeyError:
        shadow = None
    return [kind, out(key), out(shadow)]


def versions(one, other):
    """The sign of the comparison by PEP 440; what does not parse is lowest, and bytewise."""
    if pep440 is None:
        return "no packaging"
    one, other = version_key(one), version_key(other)
    return (one > other) - (one < other)


def version_key(data):
    try:
        return True, pep440.Version(data.decode()), b""
    except (UnicodeDecodeError, pep440.InvalidVersion):
        return False, 0, data


def words(_):
    """Every assigned character that is a space, ends a line, or is a letter or number."""
    every = [c for c in map(chr, range(sys.maxunicode + 1)) if not 0xD800 <= ord(c) < 0xE000]
    return [
        ["".join(c for c in every if c.isspace()).encode().hex()],
        ["".join(c for c in every if len(f"a{c}b".splitlines()) == 2).encode().hex()],
        ["".join(c for c in every if c.isalnum()).encode().hex()],
        [unassigned(every).encode().hex()],
    ]


def unassigned(every):
    import unicodedata

    return "".join(c for c in every if unicodedata.category(c) == "Cn")


def main():
    cases = json.load(sys.stdin)["cases"]
    answers = [
        globals()[kind](*(arg if arg is None else bytes.fromhex(arg) for arg in args))
        for kind, *args in cases
    ]
    found = metadata.distributions(name=metadata.__name__, path=sys.argv[1:2])
    version = "".join(f" {distribution.version}" for distribution in found)
    oracle = f"{metadata.__name__}{version} on Python {sys.version.split()[0]}"
    json.dump({"oracle": oracle, "answers": answers}, sys.stdout)


main()
