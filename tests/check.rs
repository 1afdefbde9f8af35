//! `epcache check`: a table of odd packages and what is said of them, each beside the ordinary case
//! of which nothing
//! may be said.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;

use std::collections::BTreeSet;

use cli::{Ran, Tree, root_for, run, set_mode, tool_for};

const SITE: &str = "usr/lib/python3.11/site-packages";

/// The lines with findings, without the site directory.
fn findings(ran: &Ran) -> Vec<String> {
    let lines = ran.stdout.lines().take_while(|line| !line.is_empty());
    let lines = lines.map(|line| line.replace(&format!("/{SITE}/"), ""));
    lines.collect()
}

/// A whole system with these files in its site directory.
fn tree_of(files: &[(&str, &str)]) -> Tree {
    let tree = Tree::new();
    tree.system("r");
    for (path, content) in files {
        tree.file(&format!("r/{SITE}/{path}"), content);
    }
    tree
}

fn check(tree: &Tree, arguments: &[&str]) -> Ran {
    let mut command = tree.epcache(&["check", "--root", "r"]);
    run(command.args(arguments))
}

/// Asserts the findings for files in a site directory, including notes.
#[track_caller]
fn says(files: &[(&str, &str)], expected: &[&str]) {
    let tree = tree_of(files);
    let ran = check(&tree, &["-v"]);
    assert_eq!(findings(&ran), expected, "{ran:?}");
    let is_problem = |line: &&&str| !line.contains(": note: ");
    let code = i32::from(expected.iter().any(|line| is_problem(&line)));
    assert_eq!(ran.code, code, "{ran:?}");
}

/// The entry_points.txt of a distribution `a`, whose module `a` exists.
#[track_caller]
fn file_says(content: &str, expected: &[&str]) {
    let files = [
        ("a.py", ""),
        ("a-1.dist-info/METADATA", "Name: a\nVersion: 1\n"),
        ("a-1.dist-info/entry_points.txt", content),
    ];
    let prefix = |line: &&str| format!("a-1.dist-info/entry_points.txt{line}");
    let expected: Vec<_> = expected.iter().map(prefix).collect();
    says(
        &files,
        &expected.iter().map(String::as_str).collect::<Vec<_>>(),
    );
}

// ---- the file

#[test]
fn an_ordinary_file_is_in_order() {
    file_says(
        "# a comment\n\n[g]\nx = a:main\n  y=a\n[h]\nx = a:b.c [ ]\n",
        &[],
    );
    file_says("", &[]);
    file_says("[g.é]\nä ö = a:ü\n", &[]);
}

#[test]
fn lines_that_are_not_understood() {
    file_says(
        "[g]\nx = a\nalone\nname: a:main\nurl:x\n    more\n",
        &[
            ":3: 'alone' has no '=' [line-without-equals]",
            ":4: 'name: a:main' has no '=' [colon-for-equals]",
            ":5: 'url:x' has no '=' [line-without-equals]",
            ":6: 'more' has no '=' [line-without-equals]",
        ],
    );
    file_says(
        "x = a\n# y\n[g]\nz = a\n",
        &[":1: 'x = a' stands before the first group [line-before-group]"],
    );
    file_says(
        "[g]\n; x = a\n;y\nz;1 = a\n",
        &[
            ":2: '; x' is an entry point's name [semicolon-comment]",
            ":3: ';y' is no comment [semicolon-comment]",
        ],
    );
}

#[test]
fn text_that_is_not_plain_utf_8() {
    file_says(
        "\u{feff}[g]\nx = a\n",
        &[":1: the file starts with a byte order mark [byte-order-mark]"],
    );
    let tree = tree_of(&[
        ("a.py", ""),
        ("a-1.dist-info/METADATA", "Name: a\nVersion: 1\n"),
    ]);
    let file = format!("r/{SITE}/a-1.dist-info/entry_points.txt");
    tree.file(&file, b"[g]\nx = a\ny\xe9 = a\n");
    let ran = check(&tree, &[]);
    let expected = "a-1.dist-info/entry_points.txt:3: byte 11 is not UTF-8 [not-utf-8]";
    assert_eq!(findings(&ran), [expected]);
    file_says(
        "[g]\nx\u{1b} = a\n",
        &[":2: the entry point 'x\\x1b' [control-character]"],
    );
}

#[test]
fn names_and_groups_that_cannot_be_looked_up() {
    file_says(
        "[ g ]\nx = a\n[]\ny = a\n[h]\n= a\n",
        &[
            ":1: the group is named ' g ', with the spaces [spaces-in-brackets]",
            ":3: a group without a name [empty-name]",
            ":6: the value 'a' has no name [empty-name]",
        ],
    );
    file_says(
        "[g]\nx = a:b\n[h]\nx = a\n[g]\nx = a:c\n",
        &[":6: 'x' in [g] stands in line 2 too [duplicate-name]"],
    );
}

#[test]
fn files_over_a_limit() {
    let many = format!("[g]\n{}", "x\n".repeat(0))
        + &(0..65_537).map(|n| format!("{n}=a\n")).collect::<String>();
    file_says(
        &many,
        &[":65538: more than 65536 entry points [over-limit]"],
    );
    let large = format!("#{}\n[g]\nx = a\n", "x".repeat(1 << 20));
    file_says(&large, &[": larger than 1 MiB [over-limit]"]);
    let just = format!("#{}\n[g]\nx = a\n", "x".repeat((1 << 20) - 13));
    file_says(&just, &[]);
}

#[test]
fn files_that_only_their_owner_can_read() {
    let tree = tree_of(&[
        ("a.py", ""),
        ("a-1.dist-info/METADATA", "Name: a\nVersion: 1\n"),
        ("a-1.dist-info/entry_points.txt", "[g]\nx = a\n"),
        ("b-1.dist-info/METADATA", "Name: b\nVersion: 1\n"),
    ]);
    assert_eq!(check(&tree, &[]).code, 0);
    set_mode(
        tree.path(&format!("r/{SITE}/a-1.dist-info/entry_points.txt")),
        0o600,
    );
    set_mode(tree.path(&format!("r/{SITE}/b-1.dist-info")), 0o700);
    let expected = [
        "a-1.dist-info/entry_points.txt: not readable for other users [unreadable]",
        "b-1.dist-info: the metadata directory is closed to other users [unreadable]",
    ];
    let ran = check(&tree, &[]);
    assert_eq!(
        (ran.code, findings(&ran)),
        (1, expected.map(str::to_owned).to_vec())
    );
}

#[test]
fn in_a_closed_directory_files_may_be_closed() {
    let tree = Tree::new();
    tree.file("site/a.py", "");
    tree.dist("site", "a", "[g]\nx = a\n");
    for name in [
        "site/a-1.dist-info/entry_points.txt",
        "site/a-1.dist-info/METADATA",
    ] {
        set_mode(tree.path(name), 0o600);
    }
    set_mode(tree.path("site/a-1.dist-info"), 0o700);
    set_mode(tree.path("site"), 0o700);
    for name in [
        "site/a-1.dist-info",
        "site/a-1.dist-info/METADATA",
        "site/a.py",
        "site",
    ] {
        tree.give(name);
    }
    tree.give("site/a-1.dist-info/entry_points.txt");
    let ran = run(&mut tree.as_user(&["check", "--path", "site"]));
    assert_eq!(
        (ran.code, findings(&ran).as_slice()),
        (0, &[][..]),
        "{ran:?}"
    );
}

#[test]
fn paths_that_are_not_regular_files() {
    let tree = tree_of(&[
        ("a-1.dist-info/METADATA", "Name: a\nVersion: 1\n"),
        ("a-1.dist-info/entry_points.txt/x", ""),
        ("b-1.dist-info/METADATA", "Name: b\nVersion: 1\n"),
        ("c-1.dist-info/METADATA", "Name: c\nVersion: 1\n"),
        ("c-1.dist-info/real.txt", "[g]\nx = sys\n"),
    ]);
    tree.link(
        "/nowhere",
        &format!("r/{SITE}/b-1.dist-info/entry_points.txt"),
    );
    tree.link(
        "real.txt",
        &format!("r/{SITE}/c-1.dist-info/entry_points.txt"),
    );
    let expected = [
        "a-1.dist-info/entry_points.txt: a directory [not-a-file]",
        "b-1.dist-info/entry_points.txt: a symbolic link that leads nowhere [not-a-file]",
    ];
    assert_eq!(findings(&check(&tree, &[])), expected);
}

// ---- the place

#[test]
fn entry_points_that_no_program_reads() {
    let declared = "[g]\nx = a\n";
    says(
        &[
            ("a-1.dist-info/METADATA", "Name: a\nVersion: 1\n"),
            ("a-1.dist-info/licenses/LICENSE", ""),
            ("a-1.dist-info/licenses/entry_points.txt", declared),
            ("a-1.dist-info/entry-points.txt", declared),
            ("a-1.dist-info/Entrypoints.cfg", declared),
            ("a-1.dist-info/entry_points_notes.txt", declared),
            ("a/entry_points.txt", declared),
            ("b/entry_points.txt", "no groups in here\n"),
            ("c/data/entry_points.txt", declared),
            ("entry_points.txt", declared),
        ],
        &[
            "a/entry_points.txt: entry points outside of a metadata directory [beside-package]",
            "a-1.dist-info/Entrypoints.cfg: not the name that is looked for, entry_points.txt [misnamed-file]",
            "a-1.dist-info/entry-points.txt: not the name that is looked for, entry_points.txt [misnamed-file]",
            "a-1.dist-info/licenses/entry_points.txt: entry points among the licences [in-licenses]",
            "entry_points.txt: entry points outside of a metadata directory [beside-package]",
        ],
    );
}

#[test]
fn metadata_that_is_missing_or_says_too_little() {
    says(
        &[
            ("a-1.dist-info/RECORD", ""),
            ("b-1.dist-info/METADATA", ""),
            ("c-1.dist-info/METADATA", "Name: c\n"),
            ("d-1.egg-info/PKG-INFO", "Name: d\nVersion: 1\n"),
            ("e-1.egg-info", "Name: e\nVersion: 1\n"),
        ],
        &[
            "a-1.dist-info: neither METADATA nor PKG-INFO [no-metadata]",
            "b-1.dist-info: METADATA or PKG-INFO has neither a Name nor a Version [no-metadata]",
            "c-1.dist-info: no usable Version [no-name-or-version]",
        ],
    );
}

#[test]
fn leftovers_of_pip() {
    says(
        &[
            ("~ip-1.dist-info/METADATA", "Name: pip\nVersion: 1\n"),
            ("~ip/x.py", ""),
            ("pip-2.dist-info/METADATA", "Name: pip\nVersion: 2\n"),
            ("a~b.py", ""),
        ],
        &[
            "~ip: what pip left of something it removed [pip-leftover]",
            "~ip-1.dist-info: what pip left of something it removed [pip-leftover]",
        ],
    );
}

#[test]
fn two_versions_and_which_one_counts() {
    says(
        &[
            ("a-1.dist-info/METADATA", "Name: a\nVersion: 1\n"),
            ("a-10.dist-info/METADATA", "Name: a\nVersion: 10\n"),
            ("b-1.0.dist-info/METADATA", "Name: b\nVersion: 1.0\n"),
            ("b.egg-info/PKG-INFO", "Name: b\nVersion: 1\n"),
            ("a_c-1.dist-info/METADATA", "Name: a.c\nVersion: 1\n"),
        ],
        &[
            "a-1.dist-info: hidden by a-10.dist-info (a 10) [several-versions]",
            "b.egg-info: note: hidden by b-1.0.dist-info (b 1.0) [several-versions]",
        ],
    );
    let tree = Tree::new();
    tree.dist("one", "a", "");
    tree.dist("two", "a", "");
    tree.dist("two", "b", "");
    let ran = run(&mut tree.epcache(&["check", "-v", "--path", "one", "two"]));
    let hidden = tree.text("two/a-1.dist-info");
    let by = tree.text("one/a-1.dist-info");
    let expected = format!("{hidden}: note: hidden by a 1 in {by} [shadowed]");
    assert_eq!((ran.code, findings(&ran)), (0, vec![expected]));
}

#[test]
fn names_that_disagree() {
    says(
        &[
            ("a-1.dist-info/METADATA", "Name: b\nVersion: 1\n"),
            ("c-1.dist-info/METADATA", "Name: c\nVersion: 2\n"),
            (
                "zope.d_e-1.0.dist-info/METADATA",
                "Name: Zope_D-E\nVersion: 1\n",
            ),
            ("f-1.0_1.dist-info/METADATA", "Name: f\nVersion: 1.0-1\n"),
            ("g-1-py3.11.egg-info/PKG-INFO", "Name: g\nVersion: 1\n"),
            ("h.egg-info/PKG-INFO", "Name: h\nVersion: 7\n"),
        ],
        &[
            "a-1.dist-info: the name is b in the metadata, and a in the directory's name [name-disagrees]",
            "c-1.dist-info: the version is 2 in the metadata, and 1 in the directory's name [name-disagrees]",
        ],
    );
}

// ---- the reference

#[test]
fn values_that_are_not_object_references() {
    file_says(
        "[g]\na = a:main # run\nb = 'a'\nc = a:main()\nd =\ne = a.:x\nf = a:1\ng = a : b\n",
        &[
            ":2: the value of 'a' is 'a:main # run' [not-an-object-reference]",
            ":3: the value of 'b' is ''a'' [not-an-object-reference]",
            ":4: the value of 'c' is 'a:main()' [not-an-object-reference]",
            ":5: the value of 'd' is '' [not-an-object-reference]",
            ":6: 'a.:x' is no dotted name [not-an-object-reference]",
            ":7: 'a:1' is no dotted name [not-an-object-reference]",
        ],
    );
}

/// Distribution `m` with one entry point for each of these modules.
#[track_caller]
fn modules_say(files: &[(&str, &str)], modules: &[&str], expected: &[&str]) {
    let lines = modules
        .iter()
        .map(|module| format!("{module} = {module}\n"));
    let content = format!("[g]\n{}", lines.collect::<String>());
    let mut files = files.to_vec();
    files.push(("m-1.dist-info/METADATA", "Name: m\nVersion: 1\n"));
    files.push(("m-1.dist-info/entry_points.txt", &content));
    let prefix = |line: &&str| format!("m-1.dist-info/entry_points.txt:{line}");
    let expected: Vec<_> = expected.iter().map(prefix).collect();
    says(
        &files,
        &expected.iter().map(String::as_str).collect::<Vec<_>>(),
    );
}

#[test]
fn modules_are_found_as_the_import_system_finds_them() {
    modules_say(
        &[
            ("single.py", ""),
            ("compiled.pyc", ""),
            ("package/__init__.py", ""),
            ("package/module.py", ""),
            ("package/inner/__init__.py", ""),
            ("namespace/portion/module.py", ""),
            ("stable.abi3.so", ""),
            ("plain.so", ""),
            ("fast.cpython-311-x86_64-linux-gnu.so", ""),
            (
                "package/native/__init__.cpython-311-x86_64-linux-gnu.so",
                "",
            ),
            ("more.pth", "/opt/extra\n"),
            ("../../../../opt/extra/added.py", ""),
            ("../../../../opt/extra/namespace/other.py", ""),
            ("../os.py", ""),
        ],
        &[
            "single",
            "compiled",
            "package",
            "package.module",
            "package.inner",
            "namespace",
            "namespace.portion.module",
            "namespace.other",
            "stable",
            "plain",
            "fast",
            "package.native",
            "added",
            "os",
            "builtins",
            "itertools",
        ],
        &[],
    );
}

#[test]
fn modules_that_nothing_provides() {
    modules_say(
        &[
            ("package/__init__.py", ""),
            ("single.py", ""),
            ("shadow.py", ""),
            ("shadow/part.py", ""),
            ("other.cpython-310-x86_64-linux-gnu.so", ""),
            ("directory.py/x", ""),
            ("Case.py", ""),
        ],
        &[
            "gone",
            "package.gone",
            "single.part",
            "shadow.part",
            "other",
            "directory",
            "case",
        ],
        &[
            "2: 'gone' in [g]: no 'gone' on sys.path [module-missing]",
            "3: 'package.gone' in [g]: no 'gone' in package [module-missing]",
            "4: 'single.part' in [g]: single.py is no package [module-missing]",
            "5: 'shadow.part' in [g]: shadow.py is no package [module-missing]",
            "6: 'other' in [g]: no 'other' on sys.path [module-missing]",
            "7: 'directory' in [g]: no 'directory' on sys.path [module-missing]",
            "8: 'case' in [g]: no 'case' on sys.path [module-missing]",
        ],
    );
}

#[test]
fn modules_of_which_only_running_code_could_tell() {
    modules_say(
        &[
            (
                "lazy/__init__.py",
                "__path__ = extend_path(__path__, __name__)\n",
            ),
            ("six.py", "sys.modules[__name__ + '.moves'] = moves\n"),
            ("more.pth", "/opt/extra\n"),
            ("../../../../opt/extra/lazy/part.py", ""),
            ("../../../../opt/extra/lazy/__init__.py", ""),
        ],
        &["lazy.part", "lazy.gone", "six.moves"],
        &[
            "3: note: 'lazy.gone' in [g]: no 'gone' in lazy, which changes its \
             path [module-unclear]",
            "4: note: 'six.moves' in [g]: six.py makes its own modules \
             [module-unclear]",
        ],
    );
    modules_say(
        &[(
            "m-1.dist-info/direct_url.json",
            "{\"url\": \"file:///x\", \"dir_info\": {\"editable\": true}}",
        )],
        &["gone"],
        &[
            "2: note: 'gone' in [g]: no 'gone' on sys.path, but the installation is editable [module-unclear]",
        ],
    );
    modules_say(
        &[(
            "m-1.dist-info/direct_url.json",
            "{\"url\": \"file:///x\", \"dir_info\": {}}",
        )],
        &["gone"],
        &["2: 'gone' in [g]: no 'gone' on sys.path [module-missing]"],
    );
}

#[test]
fn extras_that_are_not_declared() {
    says(
        &[
            ("a.py", ""),
            (
                "a-1.dist-info/METADATA",
                "Name: a\nVersion: 1\nProvides-Extra: Fast-IO\n\nProvides-Extra: no\n",
            ),
            (
                "a-1.dist-info/entry_points.txt",
                "[g]\nx = a [fast_io]\ny = a [no, fast-io]\n",
            ),
            ("b.egg-info/PKG-INFO", "Name: b\nVersion: 1\n"),
            (
                "b.egg-info/requires.txt",
                "sys\n\n[old:os_name == 'nt']\ny\n",
            ),
            (
                "b.egg-info/entry_points.txt",
                "[g]\nold = a [old]\nnew = a [new]\n",
            ),
        ],
        &[
            "a-1.dist-info/entry_points.txt:3: a 1 does not declare the extra 'no' [extra-undeclared]",
            "b.egg-info/entry_points.txt:3: b 1 does not declare the extra 'new' [extra-undeclared]",
        ],
    );
}

// ---- the group

#[test]
fn groups_that_are_nearly_others() {
    file_says(
        "[pytest-11]\nx = a\ny = a\n[Console_Scripts]\nz = a\n[flake8.extensions]\nx = a\n[mine]\nx = a\n",
        &[
            ":2: [pytest-11]: the usual group is [pytest11] [group-misspelt]",
            ":5: [Console_Scripts]: the usual group is [console_scripts] [group-misspelt]",
            ":7: [flake8.extensions]: the usual group is [flake8.extension] [group-misspelt]",
        ],
    );
    file_says(
        "[pytest11]\nx = a\n[flake8.extension]\nx = a\n[pytest12]\nx = a\n",
        &[],
    );
}

#[test]
fn a_group_similar_to_a_well_known_one_is_reported_only_if_no_other_distribution_has_it() {
    let names = ["a", "b", "c", "d", "e"];
    let files_of = |groups: [&str; 5]| {
        let mut files = vec![("a.py".to_owned(), String::new())];
        for (name, group) in names.iter().zip(groups) {
            files.push((
                format!("{name}-1.dist-info/METADATA"),
                format!("Name: {name}\nVersion: 1\n"),
            ));
            files.push((
                format!("{name}-1.dist-info/entry_points.txt"),
                format!("[{group}]\n{name} = a\n"),
            ));
        }
        files
    };
    for (groups, expected) in [
        (
            [
                "my.plugins",
                "my.plugins",
                "my.plugins",
                "my.plugin",
                "other",
            ],
            &[
                "d-1.dist-info/entry_points.txt:2: [my.plugin]: the usual group is [my.plugins] [group-misspelt]",
            ][..],
        ),
        (
            [
                "my.plugins",
                "my.plugins",
                "my.plugins",
                "my.plugin",
                "my.plugin",
            ],
            &[],
        ),
        (["my.plugins", "my.plugins", "x", "my.plugin", "y"], &[]),
        (["my.plug1", "my.plug1", "my.plug1", "my.plug2", "x"], &[]),
    ] {
        let files = files_of(groups);
        let files: Vec<_> = files
            .iter()
            .map(|(path, content)| (&**path, &**content))
            .collect();
        says(&files, expected);
    }
}

// ---- the clash

#[test]
fn names_that_two_distributions_have() {
    says(
        &[
            ("a.py", ""),
            ("b.py", ""),
            ("a-1.dist-info/METADATA", "Name: a\nVersion: 1\n"),
            (
                "a-1.dist-info/entry_points.txt",
                "[g]\nx = a\ny = a\n[h]\nz = a\n",
            ),
            ("b.egg-info/PKG-INFO", "Name: b\nVersion: 1\n"),
            ("c.egg-info/PKG-INFO", "Name: c\nVersion: 1\n"),
        ],
        &[],
    );
    let tree = Tree::new();
    tree.file("one/a.py", "");
    tree.dist("one", "a", "[g]\nx = a\ny = a\n[h]\nz = a\n");
    tree.dist("two", "b", "[g]\ny = a:b\nx = a:b\nz = a\n");
    let ran = run(&mut tree.epcache(&["check", "-v", "--path", "one", "two"]));
    let expected = format!(
        "{}:2: note: 'y' in [g] is 'a:b'; a 1, which comes first, has 'a'; 1 more of its names there as well \
         [same-name]",
        tree.text("two/b-1.dist-info/entry_points.txt")
    );
    assert_eq!((ran.code, findings(&ran)), (0, vec![expected]));
}

#[test]
fn scripts_that_clash_or_are_missing() {
    let script = "#!/usr/bin/python3\nimport sys\nfrom b import main\nsys.exit(main())\n";
    let bin = |name: &str| format!("../../../bin/{name}");
    says(
        &[
            ("a.py", ""),
            ("b.py", ""),
            (&bin("tool"), script),
            (&bin("window"), ""),
            ("a-1.dist-info/METADATA", "Name: a\nVersion: 1\n"),
            (
                "a-1.dist-info/entry_points.txt",
                "[console_scripts]\ntool = a:main\ngone = a:main\n",
            ),
            ("b-1.dist-info/METADATA", "Name: b\nVersion: 1\n"),
            (
                "b-1.dist-info/entry_points.txt",
                "[gui_scripts]\nwindow = b:main\n",
            ),
        ],
        &["a-1.dist-info/entry_points.txt:3: 'gone' is not in /usr/bin [script-missing]"],
    );
    let tree = Tree::new();
    tree.file("lib/python3.11/site-packages/a.py", "");
    tree.file("lib/python3.11/site-packages/b.py", "");
    tree.file("bin/tool", script);
    tree.dist(
        "lib/python3.11/site-packages",
        "a",
        "[console_scripts]\ntool = a:main\n",
    );
    tree.dist("two", "b", "[gui_scripts]\ntool = b:main\n");
    let site = tree.text("lib/python3.11/site-packages");
    let ran = run(&mut tree.epcache(&["check", "--path", "two", &site]));
    let expected = format!(
        "{site}/a-1.dist-info/entry_points.txt:2: 'tool' in [console_scripts] is 'a:main'; b 1, which comes \
         first, has 'b:main'; {} runs 'b:main' [same-script]",
        tree.text("bin/tool")
    );
    assert_eq!((ran.code, findings(&ran)), (1, vec![expected]));
}

#[test]
fn on_debian_a_program_may_be_in_another_package() {
    let tree = Tree::new();
    let site = "tree/usr/lib/python3/dist-packages";
    tree.file(&format!("{site}/a.py"), "");
    tree.dist(site, "a", "[console_scripts]\ntool = a:main\n");
    let ran = run(&mut tree.epcache(&["check", "-v", "--root", "tree"]));
    let expected = "/usr/lib/python3/dist-packages/a-1.dist-info/entry_points.txt:2: note: 'tool' is not in \
                    /usr/bin [script-missing]";
    assert_eq!((ran.code, findings(&ran)), (0, vec![expected.to_owned()]));
}

#[test]
fn requirements_that_are_not_installed_or_of_another_version() {
    says(
        &[
            (
                "a-1.dist-info/METADATA",
                "Name: a\nVersion: 1\nRequires-Dist: B-b (>=1)\nRequires-Dist: c>=2\nRequires-Dist: gone\n\
                 Requires-Dist: gone2; python_version < '3.8'\nRequires-Dist: gone3; extra == 'x'\n\
                 Requires-Dist: gone4; sys_platform == 'win32'\nRequires-Dist: gone5; python_version >= '3.8'\n\
                 Requires-Dist: d<2; python_full_version < '3.11.4'\nRequires-Dist: d >= x\n",
            ),
            ("b.b-1.5.dist-info/METADATA", "Name: b.b\nVersion: 1.5\n"),
            ("c-1.dist-info/METADATA", "Name: c\nVersion: 1\n"),
            ("d-1.dist-info/METADATA", "Name: d\nVersion: 1\n"),
            ("e.egg-info/PKG-INFO", "Name: e\nVersion: 1\n"),
            (
                "e.egg-info/requires.txt",
                "d\n\n[:python_version >= '3']\nc>1\n\n[x]\ngone\n",
            ),
        ],
        &[
            "a-1.dist-info/METADATA:4: c>=2 is required, 1 is installed [requirement-version]",
            "a-1.dist-info/METADATA:5: gone is not installed [requirement-missing]",
            "a-1.dist-info/METADATA:9: gone5 is not installed [requirement-missing]",
            "a-1.dist-info/METADATA:10: note: whether 'd<2; python_full_version < '3.11.4'' applies cannot be told \
             [requirement-unclear]",
            "a-1.dist-info/METADATA:11: note: 'd >= x' is no requirement [requirement-unclear]",
            "e.egg-info/requires.txt:4: c>1 is required, 1 is installed [requirement-version]",
        ],
    );
}

#[test]
fn in_a_packages_tree_what_it_requires_may_be_elsewhere() {
    let tree = Tree::new();
    let site = "tree/usr/lib/python3.13/site-packages";
    let metadata = "Name: a\nVersion: 1\nRequires-Dist: gone\n";
    tree.file(&format!("{site}/a-1.dist-info/METADATA"), metadata);
    let ran = run(&mut tree.epcache(&["check", "-v", "--root", "tree"]));
    let expected = "/usr/lib/python3.13/site-packages/a-1.dist-info/METADATA:3: note: gone is not installed \
                    [requirement-missing]";
    assert_eq!((ran.code, findings(&ran)), (0, vec![expected.to_owned()]));
}

// ---- scopes, status, output

#[test]
fn a_packages_tree_is_checked_without_what_it_needs() {
    let tree = Tree::new();
    let site = "tree/usr/lib/python3.13/site-packages";
    tree.file(&format!("{site}/a/__init__.py"), "");
    tree.file(
        &format!("{site}/a/fast.cpython-313-x86_64-linux-gnu.so"),
        "",
    );
    tree.dist(
        site,
        "a",
        "[g]\nx = a.fast\ny = elsewhere.module\nz = a.gone\n",
    );
    let site = "/usr/lib/python3.13/site-packages/a-1.dist-info/entry_points.txt";
    let expected = [
        format!("{site}:3: note: 'y' in [g]: no 'elsewhere' on sys.path [module-elsewhere]"),
        format!(
            "{site}:4: 'z' in [g]: no 'gone' in /usr/lib/python3.13/site-packages/a [module-missing]"
        ),
    ];
    for scope in [&[][..], &["--system"], &["--python", "3.13"]] {
        let mut command = tree.epcache(&["check", "-v", "--root", "tree"]);
        let ran = run(command.args(scope));
        assert_eq!(
            (ran.code, findings(&ran)),
            (1, expected.to_vec()),
            "{scope:?}: {ran:?}"
        );
    }
    let ran = run(&mut tree.epcache(&["check", "--root", "tree", "--python", "3.9"]));
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
    tree.dir("empty");
    let ran = run(&mut tree.epcache(&["check", "--root", "empty"]));
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
}

#[test]
fn each_interpreter_has_modules_of_its_own() {
    let tree = Tree::new();
    for version in ["3.11", "3.13"] {
        tree.file(&format!("r/usr/bin/python{version}"), "\x7fELF\x02");
        let debian = "[\"python3\",\n\"dist-packages\"))\n";
        tree.file(&format!("r/usr/lib/python{version}/os.py"), "");
        tree.file(&format!("r/usr/lib/python{version}/site.py"), debian);
    }
    let site = "r/usr/lib/python3/dist-packages";
    tree.file(&format!("{site}/fast.cpython-313-x86_64-linux-gnu.so"), "");
    tree.dist(site, "a", "[g]\nx = fast\ny = gone\n");
    let site = "/usr/lib/python3/dist-packages/a-1.dist-info/entry_points.txt";
    let both = format!("{site}:3: 'y' in [g]: no 'gone' on sys.path [module-missing]");
    let one = format!("{site}:2: 'x' in [g]: no 'fast' on sys.path (Python 3.11) [module-missing]");
    let ran = check(&tree, &["--system"]);
    assert_eq!(
        (ran.code, findings(&ran)),
        (1, vec![one, both.clone()]),
        "{ran:?}"
    );
    let ran = check(&tree, &["--python", "3.13"]);
    assert_eq!((ran.code, findings(&ran)), (1, vec![both]), "{ran:?}");
}

#[test]
fn an_environment_is_checked_with_its_own_programs() {
    let tree = Tree::new();
    let venv = tree.venv("env");
    let site = "env/lib/python3.11/site-packages";
    tree.file(&format!("{site}/env.py"), "");
    tree.dist(site, "tool", "[console_scripts]\ntool = env:main\n");
    let missing = format!(
        "{}:2: 'tool' is not in {} [script-missing]",
        tree.text(&format!("{site}/tool-1.dist-info/entry_points.txt")),
        tree.text("env/bin")
    );
    let ran = run(&mut tree.epcache(&["check", "--venv", "env"]));
    assert_eq!(
        (ran.code, findings(&ran)),
        (1, vec![missing.clone()]),
        "{ran:?}"
    );
    let ran = run(tree.epcache(&["check"]).env("VIRTUAL_ENV", &venv));
    assert_eq!((ran.code, findings(&ran)), (1, vec![missing]), "{ran:?}");
    tree.file("env/bin/tool", "");
    let ran = run(&mut tree.epcache(&["check", "--venv", "env"]));
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
}

#[test]
fn distributions_may_be_named_by_any_spelling() {
    let tree = tree_of(&[
        ("a.py", ""),
        (
            "My.Dist-1.dist-info/METADATA",
            "Name: My.Dist\nVersion: 1\n",
        ),
        ("My.Dist-1.dist-info/entry_points.txt", "[g]\nx = gone\n"),
        ("b-1.dist-info/METADATA", "Name: b\nVersion: 1\n"),
        ("b-1.dist-info/entry_points.txt", "[h]\nx = gone\n"),
        ("entry_points.txt", "[g]\nx = a\n"),
    ]);
    for (names, lines, code) in [
        (&["my-dist"][..], &["My.Dist"][..], 1),
        (&["MY_DIST", "b"], &["My.Dist", "b"], 1),
        (&["sys"], &[], 0),
        (&["nothing"], &[], 2),
        (&["b", "nothing"], &[], 2),
    ] {
        let ran = check(&tree, names);
        let found = findings(&ran);
        let found: Vec<_> = found
            .iter()
            .map(|line| line.split("-1.").next().unwrap())
            .collect();
        assert_eq!(
            (ran.code, found.as_slice()),
            (code, lines),
            "{names:?}: {ran:?}"
        );
    }
}

#[test]
fn consequence_and_remedy_are_printed_once_for_each_kind() {
    let tree = tree_of(&[
        ("a-1.dist-info/METADATA", "Name: a\nVersion: 1\n"),
        (
            "a-1.dist-info/entry_points.txt",
            "[g]\nx = gone\ny = gone.too\n",
        ),
    ]);
    let ran = check(&tree, &[]);
    let legend = ran.stdout.split("\n\n").nth(1).unwrap();
    let expected = "module-missing: Loading the entry point raises ModuleNotFoundError.\n    Correct the module's \
                    name, or install the file that is missing.\n";
    assert_eq!(legend, expected);
    assert_eq!(
        ran.complaint(),
        "epcache: 2 distributions checked: 2 problems"
    );
    let ran = check(&tree, &["-q"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""));
}

#[test]
fn json_has_these_keys() {
    let tree = tree_of(&[
        ("a-1.dist-info/METADATA", "Name: a\nVersion: 1\n"),
        ("a-1.dist-info/entry_points.txt", "[g]\nx = gone\n"),
    ]);
    let ran = check(&tree, &["--json"]);
    let expected = serde_json::json!({
        "findings": [{
            "id": "module-missing",
            "level": "problem",
            "path": format!("/{SITE}/a-1.dist-info/entry_points.txt"),
            "line": 2,
            "distribution": "a",
            "interpreters": ["3.11"],
            "text": "'x' in [g]: no 'gone' on sys.path",
            "follows": "Loading the entry point raises ModuleNotFoundError.",
            "remedy": "Correct the module's name, or install the file that is missing.",
        }],
        "interpreters": ["3.11"],
        "distributions": 2,
        "unsaid": 0,
    });
    assert_eq!((ran.code, ran.json()), (1, expected));
}

#[test]
fn every_kind_is_explained_and_every_identifier_is_one_of_them() {
    let tree = Tree::new();
    let ran = run(&mut tree.epcache(&["check", "--list", "--json"]));
    let all = ran.json();
    let all = all.as_array().unwrap();
    let ids: BTreeSet<_> = all
        .iter()
        .map(|kind| kind["id"].as_str().unwrap())
        .collect();
    assert_eq!((ran.code, ids.len()), (0, all.len()));
    for kind in all {
        for key in ["area", "level", "what", "follows", "remedy"] {
            assert!(
                kind[key].as_str().is_some_and(|text| !text.is_empty()),
                "{kind}"
            );
        }
    }
    let ran = run(&mut tree.epcache(&["check", "--list"]));
    for id in &ids {
        assert!(ran.stdout.contains(&format!("\n{id} (")), "{id}");
    }
    // The identifiers that the tests above expect.
    let source = include_str!("check.rs");
    for id in &ids {
        let tested = source.contains(&format!("[{id}]"));
        assert!(tested || *id == "unchecked", "{id} has no test");
    }
}

#[test]
fn a_missing_path_is_an_error() {
    let tree = Tree::new();
    let ran = run(&mut tree.epcache(&["check", "--path", "gone"]));
    assert_eq!(ran.code, 2);
    assert_eq!(
        ran.complaint(),
        "epcache: error: --path gone: there is no such directory"
    );
}

// ---- the user who reads packages

#[test]
fn root_reads_packages_only_as_a_user_without_special_rights() {
    if !root_for("check as root") {
        return;
    }
    let tree = tree_of(&[
        ("a-1.dist-info/METADATA", "Name: a\nVersion: 1\n"),
        ("a-1.dist-info/entry_points.txt", "[g]\nsecret\n"),
    ]);
    let file = tree.path(&format!("r/{SITE}/a-1.dist-info/entry_points.txt"));
    let open = ["a-1.dist-info/entry_points.txt:2: 'secret' has no '=' [line-without-equals]"];
    assert_eq!(findings(&check(&tree, &[])), open);
    set_mode(file, 0o600);
    let closed = ["a-1.dist-info/entry_points.txt: not readable for other users [unreadable]"];
    assert_eq!(findings(&check(&tree, &[])), closed);
}

#[test]
fn an_environment_of_an_interpreter_that_only_root_can_reach_is_checked_whole() {
    if !root_for("an interpreter that only root can reach") {
        return;
    }
    let tree = Tree::new();
    tree.venv("env");
    let site = "env/lib/python3.11/site-packages";
    tree.file(&format!("{site}/env.py"), "");
    tree.file("python/usr/lib/python3.11/json.py", "");
    tree.dist(site, "a", "[g]\nx = gone\ny = json\n");
    set_mode(tree.path("python"), 0o700);
    let ran = run(&mut tree.epcache(&["check", "-v", "--venv", "env"]));
    let expected = format!(
        "{}:2: 'x' in [g]: no 'gone' on sys.path [module-missing]",
        tree.text(&format!("{site}/a-1.dist-info/entry_points.txt"))
    );
    assert_eq!((ran.code, findings(&ran)), (1, vec![expected]), "{ran:?}");
}

#[test]
fn under_fakeroot_a_build_can_check_its_own_tree() {
    if !tool_for("check under fakeroot", "fakeroot") {
        return;
    }
    let tree = tree_of(&[
        ("a-1.dist-info/METADATA", "Name: a\nVersion: 1\n"),
        ("a-1.dist-info/entry_points.txt", "[g]\nalone\n"),
    ]);
    let mut command = tree.program("fakeroot".as_ref());
    command.arg(env!("CARGO_BIN_EXE_epcache"));
    let ran = run(command.args(["check", "--root", "r"]));
    let expected = ["a-1.dist-info/entry_points.txt:2: 'alone' has no '=' [line-without-equals]"];
    assert_eq!(
        (ran.code, findings(&ran)),
        (1, expected.map(str::to_owned).to_vec()),
        "{ran:?}"
    );
}

#[test]
fn a_package_with_many_mistakes_leaves_room_for_those_of_others() {
    let many = format!("[g]\n{}", "alone\n".repeat(60));
    let tree = tree_of(&[
        ("a-1.dist-info/METADATA", "Name: a\nVersion: 1\n"),
        ("a-1.dist-info/entry_points.txt", &many),
        ("b-1.dist-info/METADATA", "Name: b\nVersion: 1\n"),
        ("b-1.dist-info/entry_points.txt", "[g]\nalone\n"),
    ]);
    let ran = check(&tree, &[]);
    let found = findings(&ran);
    assert_eq!(found.len(), 51, "{ran:?}");
    assert!(found[50].starts_with("b-1.dist-info"), "{ran:?}");
    assert!(
        ran.complaint()
            .ends_with("51 problems; 10 more are not shown"),
        "{ran:?}"
    );
}

#[test]
fn a_package_beyond_the_budget_affects_only_itself() {
    let tree = tree_of(&[
        ("a-1.dist-info/METADATA", "Name: a\nVersion: 1\n"),
        ("a-1.dist-info/entry_points.txt", "[g]\nalone\n"),
    ]);
    let large = format!("[g]\n{}", "# comment\n".repeat(100_000));
    for number in 0..26 {
        tree.dist(&format!("r/{SITE}"), &format!("large{number}"), &large);
    }
    let ran = check(&tree, &[]);
    let found = findings(&ran);
    let alone = "a-1.dist-info/entry_points.txt:2: 'alone' has no '=' [line-without-equals]";
    assert_eq!(found.first().map(String::as_str), Some(alone), "{ran:?}");
    let is_unread = |line: &String| line.starts_with("large") && line.ends_with("[over-limit]");
    assert!(
        found[1..].iter().all(is_unread) && found.len() == 2,
        "{ran:?}"
    );
}

#[test]
fn where_there_are_no_packages_a_script_does_not_succeed() {
    let tree = Tree::new();
    tree.file(
        "project/lib/python3.11/site-packages/a-1.dist-info/METADATA",
        "Name: a\nVersion: 1\n",
    );
    tree.system("r");
    std::fs::remove_dir_all(tree.path(&format!("r/{SITE}/sys-1.dist-info"))).unwrap();
    for arguments in [["--path", "project"], ["--root", "r"]] {
        let ran = run(tree.epcache(&["check"]).args(arguments));
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
    }
    let ran = run(&mut tree.epcache(&["check", "--path", "project"]));
    assert!(
        ran.complaint()
            .contains("project/lib/python3.11/site-packages"),
        "{ran:?}"
    );
}
