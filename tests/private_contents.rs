//! Nothing private becomes public: if other users can read an index, they could read everything in
//! it before. The index of a closed tree is complete, and only its owner may read it. A package
//! that is less open than its search directory is left to readers who may read it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;

use std::fs;
use std::path::Path;
use std::process::Command;

use cli::{Ran, Tree, mode, root_for, run, set_mode};
use rustix::fs::{XattrFlags, setxattr};

const SITE: &str = "home/venv/lib/python3.11/site-packages";
const INDEX: &str = "home/venv/.epcache/index";
const ENTRY: &str = "home/venv/lib/python3.11/site-packages/env-1.dist-info";
const SECRET: &str = "HUSHHUSH";

/// A virtual environment in a home, with a package `env`, another one, and a secret file beside it.
fn home() -> Tree {
    let tree = Tree::new();
    tree.venv("home/venv");
    tree.dist(SITE, "other", "[g]\nother = other:main\n");
    let secret = format!("[g]\nkey = {SECRET}\n");
    tree.file("home/.secret/entry_points.txt", &secret);
    tree.file(
        "home/.secret/METADATA",
        format!("Name: {SECRET}\nVersion: 1\n"),
    );
    tree.file("home/.secret/file", &secret);
    set_mode(tree.path("home/.secret"), 0o700);
    tree
}

/// The same, but the secret is in the package itself.
fn secretive() -> Tree {
    let tree = home();
    tree.file(
        &format!("{ENTRY}/entry_points.txt"),
        format!("[g]\nkey = {SECRET}\n"),
    );
    tree
}

/// Gives the whole home to another user.
fn give(tree: &Tree) {
    let ran = run(Command::new("chown")
        .args(["-hR", "65534:65534"])
        .arg(tree.path("home")));
    assert_eq!(ran.code, 0, "{ran:?}");
}

/// A refresh of the environment, by its owner or by root, with a umask.
fn refresh(tree: &Tree, by_root: bool, umask: &str, options: &[&str]) -> Ran {
    let mut command = tree.program(Path::new("setpriv"));
    if !by_root {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    command.args(["sh", "-c", "umask $0; exec \"$@\"", umask]);
    command
        .arg(tree.public_program())
        .args(["refresh", "--json"]);
    let options = if options.is_empty() {
        &["--venv", "home/venv"]
    } else {
        options
    };
    let ran = run(command.args(options).env("HOME", tree.path("home")));
    assert!(ran.code <= 1, "{ran:?}");
    ran
}

fn holds_secret(tree: &Tree, index: &str) -> bool {
    let bytes = fs::read(tree.path(index)).unwrap();
    bytes
        .windows(SECRET.len())
        .any(|it| it == SECRET.as_bytes())
}

/// What the owner finds, who may read everything.
fn found_by_owner(tree: &Tree) -> Vec<String> {
    let arguments = ["query", "g", "--venv", "home/venv", "--json"];
    let ran = run(tree.as_user(&arguments).env("HOME", tree.path("home")));
    let json = ran.json();
    let entries = json.as_array().unwrap().iter();
    let mut names: Vec<_> = entries
        .map(|it| it["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert_eq!(ran.stderr, "");
    names
}

/// A way to hide the contents of the package `env`: a name, and what is done to the tree.
type Hide = (&'static str, fn(&Tree));

fn replace_by_link(tree: &Tree, target: &str, name: &str) {
    let path = tree.path(name);
    if path.is_dir() {
        fs::remove_dir_all(&path).unwrap();
    } else {
        fs::remove_file(&path).unwrap();
    }
    tree.link(target, name);
}

const LINKS: [Hide; 6] = [
    ("a relative link", |tree| {
        let target = "../../../../../.secret/file";
        replace_by_link(tree, target, &format!("{ENTRY}/entry_points.txt"));
    }),
    ("an absolute link", |tree| {
        let target = tree.text("home/.secret/file");
        replace_by_link(tree, &target, &format!("{ENTRY}/entry_points.txt"));
    }),
    ("a link of METADATA", |tree| {
        let target = tree.text("home/.secret/METADATA");
        replace_by_link(tree, &target, &format!("{ENTRY}/METADATA"));
    }),
    ("a link of the metadata directory", |tree| {
        replace_by_link(tree, "../../../../.secret", ENTRY);
    }),
    ("links over links", |tree| {
        tree.link(tree.path("home/.secret"), "home/two");
        tree.link("../two", "home/venv/one");
        replace_by_link(tree, "../../../one", ENTRY);
    }),
    ("a link to what is open in what is not", |tree| {
        tree.file(
            "home/.secret/open/entry_points.txt",
            format!("[g]\nkey = {SECRET}\n"),
        );
        replace_by_link(tree, "../../../../.secret/open", ENTRY);
    }),
];

fn with_mode(tree: &Tree, name: &str, mode: u32) {
    tree.file(
        &format!("{ENTRY}/entry_points.txt"),
        format!("[g]\nkey = {SECRET}\n"),
    );
    set_mode(tree.path(&format!("{ENTRY}{name}")), mode);
}

const MODES: [Hide; 6] = [
    ("0600", |tree| with_mode(tree, "/entry_points.txt", 0o600)),
    ("0640", |tree| with_mode(tree, "/entry_points.txt", 0o640)),
    ("0604", |tree| with_mode(tree, "/entry_points.txt", 0o604)),
    ("a directory 0700", |tree| with_mode(tree, "", 0o700)),
    ("a directory 0750", |tree| with_mode(tree, "", 0o750)),
    ("a directory 0705", |tree| with_mode(tree, "", 0o705)),
];

const ACCESS: &str = "system.posix_acl_access";

/// Sets an access control list: the rights of user 23456, and those of all others.
fn set_list(path: &Path, user: u16, others: u16) {
    let entries = [
        (1u16, 7, u32::MAX),
        (2, user, 23456),
        (4, others, u32::MAX),
        (16, 7, u32::MAX),
        (32, others, u32::MAX),
    ];
    let bytes = entries.iter().flat_map(|(tag, rights, id)| {
        [
            &tag.to_le_bytes()[..],
            &rights.to_le_bytes(),
            &id.to_le_bytes(),
        ]
        .concat()
    });
    let list: Vec<u8> = [2, 0, 0, 0].into_iter().chain(bytes).collect();
    setxattr(path, ACCESS, &list, XattrFlags::empty())
        .expect("a file system with access control lists");
}

const LISTS: [Hide; 2] = [
    ("a user who may not read the file", |tree| {
        with_mode(tree, "/entry_points.txt", 0o644);
        set_list(&tree.path(&format!("{ENTRY}/entry_points.txt")), 0, 4);
    }),
    ("a user who may not enter the directory", |tree| {
        with_mode(tree, "", 0o755);
        set_list(&tree.path(ENTRY), 4, 5);
    }),
];

#[test]
fn a_package_that_is_less_open_than_its_directory_is_left_to_readers_that_may_read_it() {
    if !root_for("private packages") {
        return;
    }
    for (name, hide) in LINKS.into_iter().chain(MODES).chain(LISTS) {
        for (by_root, umask) in [(false, "077"), (true, "027"), (false, "022")] {
            let tree = home();
            hide(&tree);
            give(&tree);
            let ran = refresh(&tree, by_root, umask, &[]);
            assert_eq!(mode(tree.path(INDEX)), 0o644, "{name}");
            assert!(!holds_secret(&tree, INDEX), "{name}: {ran:?}");
            let warnings = ran.warnings();
            assert!(
                warnings
                    .iter()
                    .any(|it| it.contains("env-1.dist-info: may not be read")),
                "{name}: {ran:?}"
            );
            if !name.contains("METADATA") {
                assert!(found_by_owner(&tree).contains(&"key".to_owned()), "{name}");
            }
            // Once from the older index, and once without it.
            for options in [
                &["--venv", "home/venv"][..],
                &["--venv", "home/venv", "--full"],
            ] {
                refresh(&tree, by_root, umask, options);
                assert!(!holds_secret(&tree, INDEX), "{name} {options:?}");
                assert_eq!(mode(tree.path(INDEX)), 0o644, "{name}");
            }
        }
    }
}

#[test]
fn a_package_that_is_as_open_as_its_directory_is_indexed() {
    if !root_for("open packages") {
        return;
    }
    let open: [Hide; 5] = [
        ("nothing hidden", |_| ()),
        ("a home that is closed", |tree| {
            set_mode(tree.path("home"), 0o700)
        }),
        ("a list that gives", |tree| {
            set_list(&tree.path(&format!("{ENTRY}/entry_points.txt")), 7, 4);
            set_list(&tree.path(ENTRY), 7, 5);
        }),
        ("links in the open", |tree| {
            fs::create_dir(tree.path("home/store")).unwrap();
            fs::rename(tree.path(ENTRY), tree.path("home/store/env")).unwrap();
            tree.link("../../../../store/env", ENTRY);
            fs::rename(
                tree.path("home/store/env/entry_points.txt"),
                tree.path("home/file"),
            )
            .unwrap();
            tree.link("../../file", "home/store/env/entry_points.txt");
        }),
        ("a directory that may be passed", |tree| {
            set_mode(tree.path(ENTRY), 0o711)
        }),
    ];
    for (name, change) in open {
        for by_root in [false, true] {
            let tree = secretive();
            change(&tree);
            give(&tree);
            let ran = refresh(&tree, by_root, "077", &[]);
            assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{name}");
            assert_eq!(
                (mode(tree.path(INDEX)), holds_secret(&tree, INDEX)),
                (0o644, true),
                "{name}"
            );
            assert_eq!(found_by_owner(&tree), ["key", "other"], "{name}");
        }
    }
}

const CLOSED: [Hide; 5] = [
    ("the search directory", |tree| {
        set_mode(tree.path(SITE), 0o700)
    }),
    ("one that is not listed", |tree| {
        set_mode(tree.path(SITE), 0o711)
    }),
    ("a group's", |tree| {
        set_mode(tree.path("home/venv/lib"), 0o750)
    }),
    ("the index's folder", |tree| {
        tree.dir("home/venv/.epcache");
        set_mode(tree.path("home/venv/.epcache"), 0o700);
    }),
    ("a list", |tree| {
        set_list(&tree.path("home/venv/lib/python3.11"), 0, 5)
    }),
];

#[test]
fn the_index_of_a_closed_tree_is_complete_and_only_its_owner_may_read_it() {
    if !root_for("closed trees") {
        return;
    }
    for (name, close) in CLOSED {
        for (by_root, umask) in [(false, "022"), (true, "077")] {
            let tree = secretive();
            set_mode(tree.path(&format!("{ENTRY}/entry_points.txt")), 0o600);
            close(&tree);
            give(&tree);
            let ran = refresh(&tree, by_root, umask, &[]);
            assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{name}");
            assert_eq!(
                (mode(tree.path(INDEX)), holds_secret(&tree, INDEX)),
                (0o600, true),
                "{name}"
            );
            assert_eq!(found_by_owner(&tree), ["key", "other"], "{name}");
            // For other users it is as if it did not exist.
            let mut query = tree.program(Path::new("setpriv"));
            query.args(["--reuid=23456", "--regid=23456", "--clear-groups"]);
            query
                .arg(tree.public_program())
                .args(["query", "g", "--path"]);
            let site = tree.path("python/usr/lib/python3.11/site-packages");
            let ran = run(query.arg(site).env("EPCACHE_INDEX", tree.path(INDEX)));
            assert_eq!(ran.stderr, "", "{name}");
            // The next refresh starts from it.
            let new = tree.dist(SITE, "new", "[g]\nnew = new:main\n");
            run(Command::new("chown").args(["-R", "65534:65534"]).arg(new));
            let summary = refresh(&tree, by_root, umask, &[]).json();
            assert_eq!(
                (&summary["reused"], &summary["scanned"]),
                (&2.into(), &1.into()),
                "{name}"
            );
            assert_eq!(mode(tree.path(INDEX)), 0o600, "{name}");
            let summary = refresh(&tree, by_root, umask, &[]).json();
            assert_eq!(summary["written"], false, "{name}");
        }
    }
}

#[test]
fn opening_or_closing_a_tree_changes_the_mode_and_content_of_its_index() {
    if !root_for("a tree that is opened") {
        return;
    }
    let tree = secretive();
    set_mode(tree.path(&format!("{ENTRY}/entry_points.txt")), 0o600);
    give(&tree);
    for (site, expected) in [
        (0o700, (0o600, true)),
        (0o755, (0o644, false)),
        (0o700, (0o600, true)),
        (0o755, (0o644, false)),
    ] {
        set_mode(tree.path(SITE), site);
        refresh(&tree, false, "022", &[]);
        assert_eq!(
            (mode(tree.path(INDEX)), holds_secret(&tree, INDEX)),
            expected,
            "{site:o}"
        );
    }
    // If only the mode differs.
    let tree = home();
    give(&tree);
    let lib = tree.path("home/venv/lib");
    for (lib_mode, expected) in [(0o755, 0o644), (0o700, 0o600), (0o755, 0o644)] {
        set_mode(&lib, lib_mode);
        refresh(&tree, false, "022", &[]);
        assert_eq!(mode(tree.path(INDEX)), expected, "{lib_mode:o}");
    }
}

#[test]
fn the_index_of_a_user_is_as_open_as_the_cache_folder() {
    if !root_for("a user's own index") {
        return;
    }
    for (cache, expected) in [(0o700, 0o600), (0o755, 0o644)] {
        let tree = Tree::new();
        tree.dist(&Tree::user_site("home"), "mine", "[g]\nmine = mine:main\n");
        tree.dir("home/.cache");
        set_mode(tree.path("home/.cache"), cache);
        set_mode(tree.path("home"), 0o700);
        give(&tree);
        for by_root in [false, true] {
            let ran = refresh(&tree, by_root, "022", &["--user"]);
            assert_eq!(ran.code, 0, "{ran:?}");
            assert_eq!(mode(tree.path("home/.cache/epcache/index")), expected);
        }
    }
}

#[test]
fn only_root_may_read_its_index_of_a_closed_folder() {
    if !root_for("root's index of a closed folder") {
        return;
    }
    let tree = Tree::new();
    tree.dist("closed/site", "mine", &format!("[g]\nkey = {SECRET}\n"));
    set_mode(tree.path("closed"), 0o700);
    for options in [&[][..], &["--full"]] {
        let site = tree.text("closed/site");
        let mut command =
            tree.epcache(&["refresh", "-q", "--path", &site, "--output", "out/index"]);
        let ran = run(command.args(options));
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(mode(tree.path("out/index")), 0o600);
    }
}

#[test]
fn all_users_may_read_the_system_index_which_has_no_closed_files() {
    if !root_for("a closed directory of the system's") {
        return;
    }
    let tree = Tree::new();
    tree.system("root");
    tree.dist(
        "root/opt/closed/site",
        "hidden",
        &format!("[g]\nkey = {SECRET}\n"),
    );
    tree.dist("root/opt/open/site", "shown", "[g]\nshown = shown:main\n");
    tree.file(
        "root/etc/epcache.conf",
        "directories = /opt/closed/site:/opt/open/site\n",
    );
    let site = "root/usr/lib/python3.11/site-packages";
    tree.file(
        "root/srv/private/entry_points.txt",
        format!("[g]\nlinked = {SECRET}\n"),
    );
    tree.link("/srv/private", &format!("{site}/linked-1.dist-info"));
    for folder in ["root/srv/private", "root/opt/closed"] {
        set_mode(tree.path(folder), 0o701);
    }
    let index = "root/usr/lib/epcache/index";
    for arguments in [
        &["refresh", "--root", "root"][..],
        &["refresh", "--root", "root"],
        &["refresh", "--root", "root", "--full"],
        &["refresh", "--root", "root", "--image"],
        &["trigger", "dpkg", "--root", "root"],
    ] {
        let ran = run(&mut tree.epcache(arguments));
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(
            (mode(tree.path(index)), holds_secret(&tree, index)),
            (0o644, false)
        );
        if arguments[0] == "refresh" {
            for name in ["hidden", "linked"] {
                let about = format!("{name}-1.dist-info: may not be read by everybody");
                assert!(ran.stderr.contains(&about), "{arguments:?}: {ran:?}");
            }
        }
        let ran = run(tree
            .epcache(&["query", "g", "--root", "root", "--json"])
            .args(["--freshness", "trust"]));
        assert!(ran.stdout.contains("sys:main"), "{ran:?}");
    }
    // A directory above the root also keeps readers of the index out.
    tree.dir("outer");
    fs::rename(tree.path("root"), tree.path("outer/root")).unwrap();
    set_mode(tree.path("outer"), 0o700);
    let index = "outer/root/usr/lib/epcache/index";
    fs::remove_file(tree.path(index)).unwrap();
    let ran = run(&mut tree.epcache(&["refresh", "-q", "--root", "outer/root"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let arguments = ["query", "g", "--root", "outer/root", "--freshness", "trust"];
    let ran = run(&mut tree.epcache(&arguments));
    assert!(ran.stdout.contains("sys:main"), "{ran:?}");
    assert!(!holds_secret(&tree, index));
    // But not those who read it at another path.
    let ran = run(&mut tree.epcache(&[
        "refresh",
        "-q",
        "--root",
        "outer/root",
        "--output",
        "out/index",
    ]));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(mode(tree.path("out/index")), 0o600);
}

#[test]
fn a_system_directory_that_is_closed_later_leaves_the_index() {
    if !root_for("a directory that is closed later") {
        return;
    }
    let tree = Tree::new();
    tree.system("root");
    tree.dist("root/opt/x/site", "x", &format!("[g]\nkey = {SECRET}\n"));
    tree.file("root/etc/epcache.conf", "directories = /opt/x/site\n");
    for (opt, expected) in [(0o755, true), (0o701, false), (0o755, true)] {
        set_mode(tree.path("root/opt/x"), opt);
        let ran = run(&mut tree.epcache(&["refresh", "-q", "--root", "root"]));
        assert_eq!(ran.code, 0, "{ran:?}");
        let found = holds_secret(&tree, "root/usr/lib/epcache/index");
        assert_eq!(found, expected, "{opt:o}");
    }
}
