"""Makes a tree of every odd case that an installation of Python distributions can hold.

    python3 generate.py ROOT

Standard library only. ROOT must not exist. Each case gets a directory of its own below ROOT, with one or more
search directories in it, and an object in the array ROOT/expected.json:

    name         the behaviour that the case protects
    why          one sentence more, where the name does not say it all
    path         the search directories, in sys.path order
    cpython      what importlib.metadata does with it:
                   "same"     epcache must give what it gives (after decision 2, where there are twins)
                   "raises"   entry_points() raises for everybody; epcache must give `expected`
                   "hangs"    it never returns, or reads without end: never ask it; epcache must give `expected`
                   "differs"  it answers, and epcache deliberately gives `expected` instead
                   "listing"  twins: it takes the one that happens to be listed first; epcache must give `expected`
    expected     the entry points that epcache must give, in order; absent when cpython is the only measure
    fields       which fields of an entry point are compared
    warning      true where epcache must say on stderr that something cost entries
    unprivileged true where the case means nothing to a reader that may read everything

The order of `expected` follows the order in which the directory lists, as CPython's does, so a tree must be used
where it was made, not copied.
"""

import json
import os
import re
import socket
import sys
import textwrap

FIELDS = ["group", "name", "value", "distribution", "version"]
MEBIBYTE = 1 << 20  # the size from which on an entry_points.txt is "oversized" (decision 2)

cases = []


def add(name, fill, cpython="same", why="", fields=FIELDS, warning=False, unprivileged=False):
    """Adds a case; `fill` gets a `Case` to fill."""
    properties = dict(name=name, why=why, cpython=cpython, fields=fields, warning=warning, unprivileged=unprivileged)
    cases.append((properties, fill))


def case(*arguments, **properties):
    """Makes a case of the decorated function, named after it."""
    return lambda fill: add(fill.__name__, fill, *arguments, **properties)


class Case:
    def __init__(self, directory):
        self.directory = directory
        self.sites = []
        self.expected = None

    def site(self, name="site"):
        """A search directory, appended to the path."""
        path = os.path.join(self.directory, name)
        os.makedirs(path, exist_ok=True)
        self.sites.append(path)
        return Site(path)

    def expect(self, site, by_directory):
        """Appends to `expected` what each named metadata directory of `site` contributes, in listing order."""
        self.expected = self.expected or []
        for name in os.listdir(site.path):
            self.expected += by_directory.get(name, [])


class Site:
    """A search directory to fill."""

    def __init__(self, path):
        self.path = path

    def dist(self, directory, name="", version="1.0", entry_points=None, metadata=None, file="METADATA"):
        """A metadata directory. Without `metadata`: a header with `name` and `version`, the name by default that
        of the directory; with None for a name, no metadata file at all. Returns its path."""
        path = os.path.join(os.fsencode(self.path), os.fsencode(directory))
        os.mkdir(path)
        if metadata is None and name is not None:
            metadata = header(name or stem(directory), version)
        if metadata is not None:
            write(os.path.join(path, os.fsencode(file)), metadata)
        if entry_points is not None:
            write(os.path.join(path, b"entry_points.txt"), entry_points)
        return os.fsdecode(path)

    def neighbour(self):
        """An ordinary distribution, which must keep its entry points whatever happens around it. Returns what
        `Case.expect` wants to know of it. Two of them, so that one is likely listed on either side."""
        expected = {}
        for directory in ("aa_neighbour-1.0.dist-info", "zz_neighbour-1.0.dist-info"):
            name = stem(directory)
            self.dist(directory, entry_points=f"[neighbours]\n{name} = {name}:main\n")
            expected[directory] = [entry("neighbours", name, f"{name}:main", name)]
        return expected


def stem(directory):
    return os.fsdecode(directory).partition("-")[0]


def header(name, version="1.0"):
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"


def entry(group, name, value, distribution, version="1.0"):
    return dict(group=group, name=name, value=value, distribution=distribution, version=version)


def reference(provider):
    """An object reference that tells its provider. A valid one: some versions of CPython refuse others."""
    return re.sub(r"\W+", "_", provider)


def plain(provider):
    """An entry_points.txt with one entry point, by whose value its provider is known."""
    return f"[g]\ne = {reference(provider)}\n"


def write(path, content):
    if isinstance(content, str):
        content = content.encode("utf-8", errors="surrogateescape")
    with open(path, "wb") as file:
        file.write(content)


# ---- entry_points.txt: lines


@case(why="str.splitlines() knows more line ends than \\n; universal newlines come before it")
def every_line_separator_ends_a_line(case):
    site = case.site()
    separators = ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
    for number, end in enumerate([*separators, "\n\r", "\r\r\n", "\x1f", "\x1b", "\u200b", "\x00"]):
        text = f"[g]{end}a{number} = x:y{end}{end}# comment{end}b{number} = z{end}"
        if end in separators or end in ("\n\r", "\r\r\n"):
            site.dist(f"separator{number}-1.0.dist-info", entry_points=text)
        else:  # separates nothing
            site.dist(f"separator{number}-1.0.dist-info", entry_points=f"[g]\na{number} = x:y{end}b = z\n")


@case(why="str.strip() takes off every Unicode space, and nothing else")
def unicode_spaces_are_stripped(case):
    site = case.site()
    spaces = [c for c in map(chr, range(sys.maxunicode + 1)) if c.isspace()]
    others = ["\u200b", "\u180e", "\ufeff", "\u2060", "\x00", "\x1b", "\x08", "\u00ad"]
    for space in spaces + others:
        number = f"{ord(space):04x}"
        if not f"a{space}b".splitlines()[1:]:
            site.dist(
                f"space{number}-1.0.dist-info",
                entry_points=f"{space}[g]{space}\n[g{space}]\n{space}a{number}{space}={space}x{space}:{space}y{space}\n"
                if space.isspace()
                else f"[g]\n{space}a{number}{space}={space}x{space}:{space}y{space}\n",
            )


@case()
def line_with_only_spaces_is_no_entry(case):
    case.site().dist("blank-1.0.dist-info", entry_points="[g]\n \t\n\u3000\n\x1f\na = b\n\xa0\n")


@case(why="no BOM is removed, so the first section is no section and its lines belong to none")
def byte_order_mark_hides_the_first_section(case):
    site = case.site()
    site.dist("bom-1.0.dist-info", entry_points="\ufeff[first]\na = b\n[second]\nc = d\n")
    site.dist("bom_inside-1.0.dist-info", entry_points="[first]\n\ufeffa = b\n\ufeff[c] = d\n")


@case(why="also those without '='")
def lines_before_the_first_section_are_dropped(case):
    case.site().dist("early-1.0.dist-info", entry_points="a = b\nno equals sign\n]\n[\n[g]\nc = d\n")


@case()
def file_may_be_empty_or_lack_the_last_newline(case):
    site = case.site()
    site.dist("nothing-1.0.dist-info", entry_points="")
    site.dist("comment-1.0.dist-info", entry_points="# only this")
    site.dist("section-1.0.dist-info", entry_points="[g]")
    site.dist("unended-1.0.dist-info", entry_points="[g]\na = b")


# ---- entry_points.txt: sections and entries


@case(why="a section is a line that starts with [ and ends with ]; its name is strip('[]')")
def section_names_are_stripped_of_brackets(case):
    site = case.site()
    for number, section in enumerate(
        ["[a]b]", "[[x]]", "[]", "[]]]", "[ spaced ]", "[\ttab\t]", "[a = b]", "[a]=[b]", "[[]", "[x[]y]", "[#]", "[é.ß]"]
    ):
        site.dist(f"section{number}-1.0.dist-info", entry_points=f"{section}\nname{number} = value\n")


@case()
def hash_starts_a_comment_only_at_the_start_of_a_line(case):
    case.site().dist(
        "comments-1.0.dist-info",
        entry_points="# [no]\n[g] \n  # a = b\n\xa0# a = b\nc = d # kept\ne#f = g\n#\nh = #i\n# no equals sign\n",
    )


@case()
def semicolon_is_no_comment(case):
    case.site().dist("semicolon-1.0.dist-info", entry_points="[g]\n; a = b\nc = d ; e\n;=\n")


@case()
def first_equals_sign_splits(case):
    case.site().dist("equals-1.0.dist-info", entry_points="[g]\na = b = c\nd==e\nf=g\n=h\ni=\n=\n= =\n")


@case()
def names_may_have_spaces_colons_and_quotes(case):
    case.site().dist("names-1.0.dist-info", entry_points="[g]\na b  c = d\nE:F = g\n\"q\" = 'v'\nÅ = é:ß\n%(x)s = %d\n")


@case(why="nobody interprets the value before it is loaded")
def object_reference_is_kept_as_written(case):
    case.site().dist(
        "references-1.0.dist-info",
        entry_points=textwrap.dedent("""\
            [g]
            module = m
            dotted = a.b.c:d.e
            extras = a:b [x, y]
            tight = a:b[x]
            spaces = a : b  [ x ]
            colons = a:b:c
            dash = not-a-module:f
            empty_attribute = a:
            only_extras = [x]
            unclosed = a:b [x
            text = some words
            number = 3d:f
            """),
    )


@case()
def duplicate_names_and_groups_are_all_kept(case):
    case.site().dist(
        "duplicates-1.0.dist-info", entry_points="[g]\na = first\na = second\na = first\n[h]\na = h\n[g]\na = third\nb = c\n"
    )


@case(warning=True, why="those with one are left out, alone; the oracle knows the rule")
def control_characters_cost_their_own_entries(case):
    text = "[g\x00\x1b[31m]\na = b\n[g]\nkept = kept:main\na\x00b = cd\nvalue = c\x80d\n\x1b]0;x\x07 = y\n[h]\nkept = ü:main\n"
    case.site().dist("control-1.0.dist-info", entry_points=text)


@case()
def many_groups_and_many_entries(case):
    site = case.site()
    site.dist("groups-1.0.dist-info", entry_points="".join(f"[group{n}]\nname = m{n}\n" for n in range(3000)))
    site.dist("entries-1.0.dist-info", entry_points="[g]\n" + "".join(f"n{n} = m{n}\n" for n in range(3000)))


@case(why="what comes astral or combining is not normalized")
def characters_are_kept_as_they_are(case):
    case.site().dist("text-1.0.dist-info", entry_points="[\U0001f40d]\ne\u0301 = \u00e9\n\ufb01 = \U00010400\n")


# ---- entry_points.txt: files that cost only their own entries


def bad_file(name, text, cpython="raises", why=""):
    """A case with an entry_points.txt that contributes nothing, and costs nobody else anything."""

    def fill(case):
        site = case.site()
        expected = site.neighbour()
        site.dist("bad-1.0.dist-info", entry_points=text)
        case.expect(site, expected)

    add(name, fill, cpython, warning=True, why=why)


bad_file("line_without_equals_sign_costs_its_own_file", "[g]\na = b\nno equals sign\nc = d\n")
bad_file("section_line_with_a_comment_is_a_line_without_equals_sign", "[g]\na = b\n[h] # comment\n")
bad_file("lone_bracket_is_a_line_without_equals_sign", "[g]\n[\n")
bad_file("bytes_that_are_not_utf8_cost_their_own_file", b"[g]\na = caf\xe9\nb = c\n")
bad_file("bytes_that_are_not_utf8_cost_the_file_in_a_comment_too", b"[g]\na = b\n# caf\xe9\n")
bad_file("encoded_surrogate_is_not_utf8", b"[g]\na = \xed\xa0\x80\n")
bad_file("overlong_nul_is_not_utf8", b"[g]\na = \xc0\x80\n")
bad_file("utf16_is_not_utf8", "[g]\na = b\n".encode("utf-16"))
bad_file("cut_off_utf8_is_not_utf8", b"[g]\na = b\xe2\x82")
bad_file("oversized_file_costs_its_own_entries", ("[g]\na = b\n#" + "x" * MEBIBYTE)[: MEBIBYTE + 1], "differs")
bad_file("line_of_ten_megabytes_is_oversized", "[g]\na = b\nc = " + "x" * 10_000_000, "differs")


@case()
def file_of_one_mebibyte_is_not_oversized(case):
    site = case.site()
    site.neighbour()
    site.dist("full-1.0.dist-info", entry_points=("[g]\na = b\n#" + "x" * MEBIBYTE)[:MEBIBYTE])


def odd_file(name, make, cpython, warning=True, why=""):
    """A case in which entry_points.txt is no regular file; `make(path)` makes it."""

    def fill(case):
        site = case.site()
        expected = site.neighbour()
        make(os.path.join(site.dist("odd-1.0.dist-info"), "entry_points.txt"))
        if cpython != "same":
            case.expect(site, expected)

    add(name, fill, cpython, warning=warning, why=why)


def bind(path):
    here = os.getcwd()
    os.chdir(os.path.dirname(path))  # a socket's address is short
    try:
        socket.socket(socket.AF_UNIX).bind(os.path.basename(path))
    finally:
        os.chdir(here)


odd_file("entry_points_txt_may_be_a_directory", os.mkdir, "same", warning=False)
odd_file("entry_points_txt_may_be_a_dangling_link", lambda p: os.symlink("nowhere", p), "same", warning=False)
odd_file("entry_points_txt_below_a_file_is_absent", lambda p: os.symlink("METADATA/x", p), "same", warning=False)
odd_file("entry_points_txt_that_is_a_looping_link_costs_its_own_entries", lambda p: os.symlink("entry_points.txt", p), "raises")
odd_file("entry_points_txt_that_is_a_socket_costs_its_own_entries", bind, "raises")
odd_file("entry_points_txt_that_is_a_fifo_does_not_hang", os.mkfifo, "hangs")
odd_file("entry_points_txt_that_is_an_endless_device_does_not_hang", lambda p: os.symlink("/dev/zero", p), "hangs")


@case()
def entry_points_txt_may_be_a_link_to_a_file(case):
    site = case.site()
    write(os.path.join(case.directory, "elsewhere.txt"), plain("linked"))
    os.symlink("../../elsewhere.txt", os.path.join(site.dist("linked-1.0.dist-info"), "entry_points.txt"))


# ---- metadata directories: their names


@case(why="lower case, '-' '_' '.' alike, repeats folded, and only the part before the first '-'")
def names_are_normalized_for_shadowing(case):
    first, second = case.site("first"), case.site("second")
    for name in ["Foo.Bar", "a__b..c", "_lead", "UPPER", "x.y_z", "two words", "~oo"]:
        first.dist(f"{name}-1.0.dist-info", name, entry_points=plain(name))
    for name in ["foo_bar", "A.b_C", ".lead", "upper", "x_y.z", "two_words", "foobar", "~OO", "x"]:
        second.dist(f"{name}-2.0.dist-info", name, "2.0", entry_points=plain(name + " (second)"))


@case()
def name_ends_at_the_first_dash(case):
    first, second = case.site("first"), case.site("second")
    first.dist("a-b-1.0.dist-info", "a-b", entry_points=plain("a-b"))
    first.dist("c--d-1.0.dist-info", "c--d", entry_points=plain("c--d"))
    first.dist("e-1.0-py3.11.egg-info", "e", entry_points=plain("e"), file="PKG-INFO")
    second.dist("a-c-1.0.dist-info", "a-c", entry_points=plain("a-c: shadowed by a-b"))
    second.dist("c.egg-info", "c", entry_points=plain("c: shadowed"), file="PKG-INFO")
    second.dist("e.dist-info", "e", entry_points=plain("e: shadowed"))


@case()
def directory_without_a_version_is_one_too(case):
    site = case.site()
    site.dist("foo.dist-info", entry_points=plain("foo"))
    site.dist("bar.egg-info", entry_points=plain("bar"), file="PKG-INFO")
    site.dist("foo.bar.dist-info", "foo.bar", entry_points=plain("foo.bar"))


@case()
def other_names_are_ignored(case):
    site = case.site()
    for name in ["foo-1.0.dist-info.bak", "foo-1.0.dist_info", "dist-info", "egg-info", "EGG-INFO", "foo-1.0.egg", "foo.egg-link", "xdist-info"]:
        site.dist(name, entry_points=plain(name))
    site.neighbour()


@case(why="for endings that are not in lower case, the shadowing key is the header Name")
def odd_case_endings_are_named_by_their_header(case):
    first, second = case.site("first"), case.site("second")
    first.dist("Foo-1.0.DIST-INFO", "Actually.Bar", entry_points=plain("Actually.Bar"))
    first.dist("Baz.EGG-INFO", "Actually_Baz", entry_points=plain("Actually_Baz"), file="PKG-INFO")
    first.dist("Mixed-1.0.Dist-Info", "Mixed", entry_points=plain("Mixed"))
    second.dist("foo-2.0.dist-info", "foo", "2.0", entry_points=plain("foo: not shadowed"))
    second.dist("actually_bar-2.0.dist-info", "actually_bar", "2.0", entry_points=plain("actually_bar: shadowed"))
    second.dist("actually.baz-2.0.dist-info", "actually.baz", "2.0", entry_points=plain("actually.baz: shadowed"))
    second.dist("mixed-2.0.dist-info", "mixed", "2.0", entry_points=plain("mixed: shadowed"))


@case("raises", why="it is then known by its file name")
def odd_case_ending_without_a_header_name_keeps_its_entries(case):
    first, second = case.site("first"), case.site("second")
    expected = first.neighbour()
    first.dist("Foo-1.0.DIST-INFO", metadata="Version: 1.0\n", entry_points=plain("Foo"))
    expected["Foo-1.0.DIST-INFO"] = [entry("g", "e", "Foo", "Foo")]
    second.dist("foo-2.0.dist-info", "foo", "2.0", entry_points=plain("foo: shadowed"))
    second.dist("after-1.0.dist-info", entry_points=plain("after"))
    case.expect(first, expected)
    case.expect(second, {"after-1.0.dist-info": [entry("g", "e", "after", "after")]})


@case(why="'.dist-info' has no ending, as os.path.splitext() sees it, and '-1.0' no name: the header's counts")
def directory_with_an_empty_name_is_named_by_its_header(case):
    first, second = case.site("first"), case.site("second")
    first.dist(".dist-info", "hidden", entry_points=plain("hidden"))
    first.dist("-1.0.dist-info", "nameless", entry_points=plain("nameless"))
    second.dist("hidden-2.0.dist-info", "hidden", "2.0", entry_points=plain("hidden: shadowed"))
    second.dist("nameless-2.0.dist-info", "nameless", "2.0", entry_points=plain("nameless: shadowed"))
    second.dist(".egg-info", "hidden too", entry_points=plain("hidden too"), file="PKG-INFO")


@case()
def unicode_names_are_lowered_as_python_does(case):
    first, second = case.site("first"), case.site("second")
    for name in ["İx", "STRAẞE", "ΑΣ", "ΒΣ.x", "ΓΣ_x", "\u212aelvin", "ＦＵＬＬ", "ǅ", "Éa"]:
        first.dist(f"{name}-1.0.dist-info", name, entry_points=plain(name))
    for name in ["ix", "i\u0307x", "strasse", "straße", "ας", "ασ", "βς_x", "βσ_x", "γς_x", "γσ_x", "kelvin", "ｆｕｌｌ", "ǆ", "e\u0301a", "éa"]:
        second.dist(f"{name}-2.0.dist-info", name, "2.0", entry_points=plain(name + " (second)"))


@case(why="bytes that are not UTF-8 are kept apart, and lowered around")
def file_names_need_not_be_utf8(case):
    first, second = case.site("first"), case.site("second")
    first.dist(b"CAF\xe9-1.0.dist-info", "cafe", entry_points=plain("cafe"))
    first.dist(b"caf\xe8-1.0.dist-info", "cafè", entry_points=plain("cafè"))
    second.dist(b"caf\xe9-2.0.dist-info", "cafe", "2.0", entry_points=plain("cafe: shadowed"))
    second.dist(b"caf\xea-2.0.dist-info", "cafê", "2.0", entry_points=plain("cafê"))


@case(warning=True, why="they are left out; the oracle knows the rule")
def file_names_with_control_characters_cost_their_own_entries(case):
    site = case.site()
    site.dist("\x1b[31mred-1.0.dist-info", "red", entry_points=plain("red"))
    site.dist("new\nline-1.0.dist-info", "newline", entry_points=plain("newline"))
    site.dist("next\x85-1.0.dist-info", "next", entry_points=plain("next"))
    site.neighbour()


@case()
def file_names_may_have_quotes_and_backslashes_and_be_long(case):
    site = case.site()
    site.dist("space quote\"back\\slash-1.0.dist-info", "tab", entry_points=plain("tab"))
    site.dist("x" * 240 + "-1.dist-info", "long", entry_points=plain("long"))


# ---- metadata directories: what they are


@case(why="old distutils wrote a file; it has no entry points but it shadows")
def plain_file_is_a_distribution(case):
    first, second = case.site("first"), case.site("second")
    write(os.path.join(first.path, "filed-1.0.egg-info"), header("filed"))
    write(os.path.join(first.path, "filed_too-1.0.dist-info"), header("filed_too"))
    write(os.path.join(first.path, "empty-1.0.egg-info"), "")
    write(os.path.join(first.path, ".egg-info"), header("hidden"))
    for name in ["filed", "filed_too", "empty", "hidden", "other"]:
        second.dist(f"{name}-2.0.dist-info", name, "2.0", entry_points=plain(name))


@case()
def metadata_directory_may_be_a_link(case):
    site = case.site()
    store = Site(os.path.join(case.directory, "store"))
    os.mkdir(store.path)
    os.symlink(store.dist("stowed-1.0.dist-info", entry_points=plain("stowed")), os.path.join(site.path, "stowed-1.0.dist-info"))
    os.symlink("../store/stowed-1.0.dist-info", os.path.join(site.path, "renamed-1.0.dist-info"))
    os.symlink("nowhere", os.path.join(site.path, "dangling-1.0.dist-info"))
    os.symlink("/dev/null", os.path.join(site.path, "device-1.0.dist-info"))
    site.neighbour()


@case("raises", warning=True)
def metadata_directory_that_is_a_looping_link_costs_its_own_entries(case):
    site = case.site()
    expected = site.neighbour()
    os.symlink("loop-1.0.dist-info", os.path.join(site.path, "loop-1.0.dist-info"))
    case.expect(site, expected)


@case()
def metadata_directory_may_be_empty(case):
    site = case.site()
    site.dist("empty-1.0.dist-info", None)
    site.neighbour()


@case()
def special_files_are_distributions_without_anything(case):
    site = case.site()
    os.mkfifo(os.path.join(site.path, "fifo-1.0.dist-info"))
    bind(os.path.join(site.path, "socket-1.0.egg-info"))
    site.neighbour()


@case(why="a path entry NAME.egg holds its metadata in EGG-INFO, known by its header")
def egg_directory_is_a_search_directory(case):
    egg = case.site("Some_Thing-1.0-py3.11.egg")
    egg.dist("EGG-INFO", "Some.Thing", entry_points=plain("Some.Thing"), file="PKG-INFO")
    egg.dist("inside-1.0.dist-info", entry_points=plain("inside"))
    upper = case.site("OTHER.EGG")
    upper.dist("egg-info", "Other", entry_points=plain("Other"), file="PKG-INFO")
    later = case.site("later")
    later.dist("some_thing-2.0.dist-info", "some_thing", "2.0", entry_points=plain("some_thing: shadowed"))
    later.dist("other-2.0.dist-info", "other", "2.0", entry_points=plain("other: shadowed"))


@case("raises", why="it is then known by the name of the egg")
def egg_directory_without_a_header_name_keeps_its_entries(case):
    egg = case.site("thing-1.0.egg")
    egg.dist("EGG-INFO", metadata="Version: 1.0\n", entry_points=plain("thing"), file="PKG-INFO")
    later = case.site("later")
    expected = later.neighbour()
    later.dist("thing-2.0.dist-info", "thing", "2.0", entry_points=plain("thing: shadowed"))
    case.expected = [entry("g", "e", "thing", "thing")]
    case.expect(later, expected)


# ---- core metadata


@case(why="entry_points() goes through the distributions that have metadata first")
def distributions_without_metadata_come_last(case):
    first, second = case.site("first"), case.site("second")
    for number in range(4):
        first.dist(f"bare{number}-1.0.dist-info", None, entry_points=plain(f"bare{number}"))
        first.dist(f"full{number}-1.0.dist-info", entry_points=plain(f"full{number}"))
    second.dist("last-1.0.dist-info", entry_points=plain("last"))


@case(why="they exist, so they count as metadata, and the next file is read")
def empty_metadata_file_falls_through(case):
    site = case.site()
    os.mkdir(os.path.join(site.dist("directory-1.0.dist-info", metadata=header("directory"), file="PKG-INFO", entry_points=plain("directory")), "METADATA"))
    os.mkdir(os.path.join(site.dist("directory_alone-1.0.dist-info", None, entry_points=plain("directory_alone")), "METADATA"))
    write(os.path.join(site.dist("empty-1.0.dist-info", metadata=header("empty"), file="PKG-INFO", entry_points=plain("empty")), "METADATA"), "")
    site.dist("empty_alone-1.0.dist-info", metadata="", entry_points=plain("empty_alone"))
    site.dist("empty_info-1.0.egg-info", metadata="", file="PKG-INFO", entry_points=plain("empty_info"))
    os.symlink("nowhere", os.path.join(site.dist("dangling-1.0.dist-info", metadata=header("dangling"), file="PKG-INFO", entry_points=plain("dangling")), "METADATA"))
    write(os.path.join(site.dist("both-1.0.dist-info", metadata=header("from METADATA", "1"), entry_points=plain("both")), "PKG-INFO"), header("from PKG-INFO", "2"))
    site.dist("bare-1.0.dist-info", None, entry_points=plain("bare"))
    os.symlink("METADATA", os.path.join(site.dist("loop-1.0.dist-info", None, entry_points=plain("loop")), "METADATA"))
    site.neighbour()


@case(why="the email parser of the standard library reads them")
def headers_are_read_as_python_reads_them(case):
    site = case.site()
    for number, text in enumerate(
        [
            "nAmE: odd case\nVERSION: 1\n",
            "Name:tight\nVersion:1\n",
            "Name:   leading and trailing  \t\nVersion: \t1 \n",
            "Name: continued\n here\nVersion: 1\n\t.2\n",
            "Name: continued\n        eight spaces\nVersion: 1\n        .2\n",
            "Name:\n only in the second line\nVersion: 1\n",
            " Name: indented\nName: second\nVersion: 1\n",
            "From somebody\nName: after From\nVersion: 1\n",
            ">From somebody\nName: after >From\nVersion: 1\n",
            "Name: From in the middle\nFrom somebody\nVersion: 1\n",
            "no header\nName: after text\nVersion: 1\n",
            "Name: before text\nno header\nVersion: after text\n",
            "Name : space before the colon\nVersion: 1\n",
            "Näme: x\nName: not ascii before\nVersion: 1\n",
            ": no name\nName: after an empty one\nVersion: 1\n",
            "Name: crlf\r\nVersion: 1\r\n\r\nName: body\r\n",
            "Name: cr\rVersion: 1\r",
            "Name: first\nName: second\nVersion: 1\nVersion: 2\n",
            "Metadata-Version: 2.1\n\nName: in the body\nVersion: 1\n",
            "\nName: after a blank line\nVersion: 1\n",
            " \nName: after a line of spaces\nVersion: 1\n",
            "Name: blank inside\n \nVersion: 1\n",
            "Version: 1\n",
            "Name: no version\n",
            "Name:\nVersion:\n",
            "Name:  \nVersion: 1\n",
            "Name: unended",
            "Name: vertical\vtab\fand \x1c\x85\u2028inside\nVersion: 1\n",
            "Name: nul\x00 and \x1b[31m\nVersion: 1\x00\n",
            "\ufeffName: after a BOM\nVersion: 1\n",
            "Name: ünïcödé \U0001f40d\nVersion: 1\n",
            "Name: =?utf-8?q?encoded?=\nVersion: 1\n",
            "Content-Type: multipart/mixed; boundary=x\nName: multipart\nVersion: 1\n\n--x\nName: part\n\n--x--\n",
            "Content-Transfer-Encoding: base64\nName: base64\nVersion: 1\n\nzzz\n",
            "X: " + "long " * 20000 + "\nName: after a long line\nVersion: 1\n",
            "".join(f"Requires-Dist: dependency{n}\n" for n in range(5000)) + "Name: late\nVersion: 1\n",
            header("long description") + "\n" + "word " * 400_000,
        ]
    ):
        site.dist(f"header{number}-1.0.dist-info", metadata=text, entry_points=f"[g]\nheader{number} = x\n")


@case(fields=["group", "name", "value"], why="CPython has then neither name nor version, for damage anywhere")
def metadata_that_is_not_utf8_costs_no_entries(case):
    site = case.site()
    site.dist("top-1.0.dist-info", metadata=b"Name: caf\xe9\nVersion: 1\n", entry_points=plain("top"))
    site.dist("below-1.0.dist-info", metadata=b"Name: below\nVersion: 1\nAuthor: \xe9\n", entry_points=plain("below"))
    site.dist("far-1.0.dist-info", metadata=b"Name: far\nVersion: 1\n\n" + b"x" * 200_000 + b"\xe9", entry_points=plain("far"))
    site.neighbour()


@case("hangs")
def metadata_that_is_a_fifo_does_not_hang(case):
    site = case.site()
    expected = site.neighbour()
    os.mkfifo(os.path.join(site.dist("fifo-1.0.dist-info", None, entry_points=plain("fifo")), "METADATA"))
    expected["fifo-1.0.dist-info"] = [entry("g", "e", "fifo", "fifo")]
    case.expect(site, expected)


# ---- several metadata directories of one distribution


def twins(name, loser, winner, why=""):
    """A case with two metadata directories of one distribution, each a dict of arguments for `Site.dist` in which
    {} stands for the distribution's name. Twice, made in either order, so that a wrong choice shows however the
    directory lists."""

    def make(site, key, twin):
        """Makes one twin. Returns what it contributes when it is the chosen one."""
        twin = {k: v.format(key) if isinstance(v, str) else v for k, v in twin.items()}
        twin.setdefault("name", key)
        directory = twin["directory"]
        if twin.get("file") == "plain":
            write(os.path.join(site.path, directory), header(twin["name"], twin["version"]))
            return []
        site.dist(entry_points=plain(directory), **twin)
        if twin["name"] is None:
            return [entry("g", "e", reference(directory), key, directory.split("-")[1].rpartition(".")[0])]
        return [entry("g", "e", reference(directory), twin["name"], twin.get("version", "1.0"))]

    def fill(case):
        site = case.site()
        expected = site.neighbour()
        make(site, "p", loser)
        expected["p"] = make(site, "p", winner)
        expected["q"] = make(site, "q", winner)
        make(site, "q", loser)
        # The chosen one takes the place of the first listed; after all others, if it has no
        # metadata.
        places = dict.fromkeys(name if name in expected else name[0] for name in os.listdir(site.path))
        bare = winner.get("name", "") is None
        places = sorted(places, key=lambda place: bare and place in "pq")
        case.expected = [contributed for place in places for contributed in expected[place]]

    add(f"of_twins_{name}", fill, "listing", why)


def d(version, ending="dist-info", **more):
    """A twin that is a `.dist-info`."""
    return dict(directory="{}-" + version.replace("-", "_") + "." + ending, version=version, **more)


def e(version, **more):
    """A twin that is an `.egg-info`."""
    return d(version, "egg-info", file="PKG-INFO", **more)


twins("dist_info_comes_before_egg_info", e("1.0"), d("1.0"))
twins("the_higher_version_comes_before_dist_info", d("1.0"), e("1.1"))
twins("versions_are_no_decimal_fractions", d("1.9"), d("1.10"))
twins("a_release_candidate_is_lower", d("2.0rc1"), d("2.0"))
twins("a_development_release_is_lower", d("2.0.dev1"), d("2.0a1"))
twins("a_post_release_is_higher", d("2.0"), d("2.0.post1"))
twins("an_epoch_is_higher", d("2025.1"), d("1!1.0"))
twins("a_local_version_is_higher", d("1.0"), d("1.0+local"))
twins("an_odd_spelling_is_still_pep_440", d("1.0-alpha.1"), d("V1.0"))
twins("an_unparsable_version_is_lowest", d("zzz"), d("0.1"))
twins("of_two_unparsable_versions_the_bytewise_greater_counts", d("1.0-ubuntu-b1"), d("1.0-ubuntu-b2"))
twins("of_equal_versions_the_bytewise_smallest_name_counts", dict(directory="{}-1.0.dist-info", version="1.0"), dict(directory="{}-1.0.0.dist-info", version="1.0.0"))
twins("equal_versions_spelled_differently_are_equal", dict(directory="{}-1.0_b.dist-info", version="1.0"), dict(directory="{}-1.0_a.dist-info", version="1.0.0"))
twins("the_version_is_the_headers_not_the_file_names", dict(directory="{}-9.dist-info", version="1.0"), dict(directory="{}-1.dist-info", version="9"))
twins("metadata_comes_before_none", d("2.0", name=None), e("1.0"), why="an empty leftover of another version")
twins("a_missing_version_is_the_file_names", d("0.1"), dict(directory="{}-9.dist-info", version="9", metadata="Name: {}\n"))
twins("without_metadata_dist_info_comes_before_egg_info", dict(directory="{}-1.0.egg-info", name=None), dict(directory="{}-1.0.dist-info", name=None))
twins("a_plain_file_has_metadata", d("2.0", name=None), dict(directory="{}-1.0.egg-info", name="{}", version="1.0", file="plain"))
twins("the_header_names_one_with_an_odd_ending", dict(directory="{}-1.0.dist-info", version="1.0"), dict(directory="{}_other-2.0.DIST-INFO", name="{}", version="2.0"))


@case("listing", warning=True, why="the choice does not depend on entry_points.txt")
def the_chosen_twin_keeps_its_place_with_a_bad_file(case):
    site = case.site()
    expected = site.neighbour()
    site.dist("twin-1.0.dist-info", entry_points=plain("old"))
    site.dist("twin-2.0.dist-info", version="2.0", entry_points="[g]\nno equals sign\n")
    case.expect(site, expected)


@case(why="five twins, with and without metadata, take one place")
def leftovers_of_old_versions_shadow_nothing(case):
    earlier, site = case.site("earlier"), case.site("site")
    earlier.dist("gone-0.1.dist-info", None)
    earlier.dist("gone_with_entries-0.1.dist-info", None, entry_points=plain("gone_with_entries: leftover"))
    site.dist("gone-1.0.dist-info", entry_points=plain("gone"))
    site.dist("gone_with_entries-1.0.dist-info", entry_points=plain("gone_with_entries"))
    for number in range(5):
        site.dist(f"many-{number}.dist-info", None if number % 2 else "many", str(number), entry_points=plain(f"many {number}"))
        site.dist(f"between{number}-1.0.dist-info", entry_points=plain(f"between{number}"))
        site.dist(f"bare{number}-1.0.dist-info", None, entry_points=plain(f"bare{number}"))
        site.dist(f"bare{number}-0.9.dist-info", None)


@case(why="however much higher its version")
def later_path_entry_is_shadowed(case):
    first, second, third = case.site("first"), case.site("second"), case.site("third")
    first.dist("foo-1.0.dist-info", entry_points=plain("foo 1"))
    second.dist("foo-2.0.dist-info", version="2.0", entry_points=plain("foo 2"))
    second.dist("bar-1.0.dist-info", None, entry_points=plain("bar, bare"))
    third.dist("bar-2.0.egg-info", version="2.0", entry_points=plain("bar"), file="PKG-INFO")
    third.dist("baz-1.0.dist-info", entry_points=plain("baz"))


@case(why="a distribution without entry points shadows too")
def shadowing_needs_no_entry_points(case):
    first, second = case.site("first"), case.site("second")
    first.dist("foo-1.0.dist-info")
    second.dist("foo-2.0.dist-info", version="2.0", entry_points=plain("foo: shadowed"))
    second.neighbour()


# ---- search directories


@case()
def directory_twice_on_the_path_counts_once(case):
    site = case.site()
    site.neighbour()
    os.symlink("site", os.path.join(case.directory, "alias"))
    case.sites += [site.path, os.path.join(case.directory, "alias"), site.path + "/"]


@case()
def search_directory_may_be_missing_or_empty(case):
    case.sites.append(os.path.join(case.directory, "missing"))
    case.site("empty")
    write(os.path.join(case.directory, "file"), "no directory")
    case.sites.append(os.path.join(case.directory, "file"))
    case.sites.append(os.path.join(case.directory, "file", "below"))
    os.symlink("nowhere", os.path.join(case.directory, "dangling"))
    os.symlink("loop", os.path.join(case.directory, "loop"))
    case.sites += [os.path.join(case.directory, "dangling"), os.path.join(case.directory, "loop")]
    case.site().neighbour()


@case()
def search_directory_may_have_any_name(case):
    for name in [" spaces ", "new\nline", "\x1b[31m", "ünï", "co,mma:colon", "x" * 200, "%s{}*?["]:
        site = case.site(name)
        site.dist(f"in{len(case.sites)}-1.0.dist-info", entry_points=plain(name))


@case()
def search_directory_may_be_spelled_oddly(case):
    case.site().neighbour()
    base = case.sites.pop()
    case.sites = [base + "//", f"{case.directory}/./site", f"{case.directory}/site/../site"]


@case("differs", warning=True, why="CPython reads zip archives and wheels on sys.path; epcache reports them")
def zip_archive_may_be_on_the_path(case):
    import zipfile

    path = os.path.join(case.directory, "zipped-1.0-py3-none-any.whl")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("zipped-1.0.dist-info/METADATA", header("zipped"))
        archive.writestr("zipped-1.0.dist-info/entry_points.txt", plain("zipped"))
    case.sites.append(path)
    site = case.site()
    case.expect(site, site.neighbour())


# ---- what may not be read


@case(unprivileged=True, why="EACCES counts as absent")
def unreadable_files_count_as_absent(case):
    site = case.site()
    os.chmod(os.path.join(site.dist("secret-1.0.dist-info", entry_points=plain("secret")), "entry_points.txt"), 0)
    os.chmod(os.path.join(site.dist("shy-1.0.dist-info", entry_points=plain("shy")), "METADATA"), 0)
    neighbours = site.neighbour()
    case.expect(site, {**neighbours, "shy-1.0.dist-info": [entry("g", "e", "shy", "shy")]})


@case(unprivileged=True)
def unreadable_search_directory_is_as_empty(case):
    secret = case.site("secret")
    secret.neighbour()
    os.chmod(secret.path, 0)
    site = case.site()
    site.dist("open-1.0.dist-info", entry_points=plain("open"))
    case.expect(site, {"open-1.0.dist-info": [entry("g", "e", "open", "open")]})


@case("raises", unprivileged=True, why="pathlib's exists() raises PermissionError up to 3.13")
def unreadable_metadata_directory_costs_its_own_entries(case):
    site = case.site()
    expected = site.neighbour()
    os.chmod(site.dist("secret-1.0.dist-info", entry_points=plain("secret")), 0)
    case.expect(site, expected)


def main(root):
    os.umask(0o022)
    os.mkdir(root)
    root = os.path.abspath(root)
    described = []
    for properties, fill in cases:
        directory = os.path.join(root, properties["name"])
        os.mkdir(directory)  # fails where two cases have one name
        one = Case(directory)
        fill(one)
        properties["path"] = one.sites
        if one.expected is not None:
            properties["expected"] = one.expected
        described.append(properties)
    with open(os.path.join(root, "expected.json"), "w") as file:
        json.dump(described, file, indent=1)
    print(f"{len(described)} cases in {root}")


if __name__ == "__main__":
    main(*sys.argv[1:])
