//! With `SOURCE_DATE_EPOCH` set, every writer of the system index writes an image's index: two
//! builds of one system have the same index, state, views and stamps. Other writers ignore the
//! variable, because shells export it.

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
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use cli::{Tree, names, run, set_mode};
use epcache::index::Index;

const EPOCH: &str = "1700000000";
const SITE: &str = "root/usr/lib/python3.11/site-packages";
const FOLDER: &str = "root/usr/lib/epcache";
const INDEX: &str = "root/usr/lib/epcache/index";

/// Each way to write the system index.
const WRITERS: [&[&str]; 5] = [
    &["trigger", "dpkg", "--root", "root"],
    &["trigger", "rpm", "--root", "root"],
    &["refresh", "-q", "--system", "--root", "root"],
    &["refresh", "-q", "--root", "root"],
    &["refresh", "-q", "--root", "root", "--full"],
];

/// The same packages each time, installed in this order.
fn built<'n>(order: impl Iterator<Item = &'n usize>) -> Tree {
    let tree = Tree::new();
    tree.system("root");
    for number in order {
        let name = format!("package{number}");
        let entries = format!("[g]\n{name} = {name}:main\n[h]\nx = {name}:x\n");
        let metadata = tree.dist(SITE, &name, &entries);
        // Half of them have their packages' times, the others those of the build.
        if number % 2 == 0 {
            let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
            for path in [metadata.join("entry_points.txt"), metadata] {
                fs::File::open(path).unwrap().set_modified(then).unwrap();
            }
        }
    }
    // A twin, and an unusable one.
    tree.dist(SITE, "Package1", "[g]\ntwin = twin:main\n");
    tree.dist(SITE, "broken", "no section, no equals sign\n[g]\nbad\n");
    let registration = "[consumer]\ngroups = *\nview = json tsv\nstamp = yes\n";
    tree.file("root/etc/epcache/consumers.d/x.conf", registration);
    tree
}

/// A refresh or a trigger with the variable set.
fn write(tree: &Tree, writer: &[&str], umask: &str) {
    let mut command = tree.program(Path::new("sh"));
    command.args(["-c", "umask $0; echo | \"$@\"", umask]);
    command.arg(env!("CARGO_BIN_EXE_epcache")).args(writer);
    let ran = run(command.env("SOURCE_DATE_EPOCH", EPOCH));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{writer:?}");
}

/// The index and all files beside it: name, mode, content.
fn published(tree: &Tree) -> Vec<(String, u32, Vec<u8>)> {
    let mut found = Vec::new();
    for folder in ["", "/views", "/changed"] {
        let folder = tree.path(&format!("{FOLDER}{folder}"));
        for name in names(&folder) {
            let path = folder.join(&name);
            let content = fs::read(&path).unwrap_or_default();
            found.push((path.display().to_string(), cli::mode(&path), content));
        }
    }
    let prefix = tree.text(FOLDER);
    for (name, ..) in &mut found {
        *name = name.replace(&prefix, "");
    }
    found
}

fn is_image(path: &Path) -> bool {
    Index::open(fs::read(path).unwrap()).unwrap().is_image()
}

#[test]
fn two_builds_of_one_system_have_the_same_index_state_views_and_stamps() {
    let order: Vec<usize> = (0..40).collect();
    for writer in WRITERS {
        let one = built(order.iter());
        write(&one, writer, "022");
        sleep(Duration::from_millis(1100));
        let two = built(order.iter().rev());
        write(&two, writer, "077");
        let (one, two) = (published(&one), published(&two));
        let names: Vec<_> = one.iter().map(|(name, ..)| name.as_str()).collect();
        let expected = [
            "/changed",
            "/index",
            "/index.lock",
            "/state",
            "/views",
            "/views/x.json",
            "/views/x.tsv",
            "/changed/x",
        ];
        assert_eq!(names, expected, "{writer:?}");
        assert_eq!(one, two, "{writer:?}");
    }
}

#[test]
fn each_writer_of_the_system_index_writes_what_an_image_gets() {
    let tree = built([1, 0, 2].iter());
    write(
        &tree,
        &["refresh", "-q", "--root", "root", "--image"],
        "022",
    );
    let image = fs::read(tree.path(INDEX)).unwrap();
    assert!(is_image(&tree.path(INDEX)));
    for writer in WRITERS {
        fs::remove_file(tree.path(INDEX)).unwrap();
        write(&tree, writer, "022");
        assert!(fs::read(tree.path(INDEX)).unwrap() == image, "{writer:?}");
    }
}

#[test]
fn an_images_index_is_written_again_only_if_it_is_wrong() {
    let tree = built([1, 0, 2].iter());
    write(&tree, WRITERS[0], "022");
    let facts = || {
        let stat = fs::metadata(tree.path(INDEX)).unwrap();
        let bytes = fs::read(tree.path(INDEX)).unwrap();
        (stat.ino(), bytes)
    };
    let first = facts();
    for writer in WRITERS {
        write(&tree, writer, "022");
        assert!(facts() == first, "{writer:?}");
    }
    tree.dist(SITE, "new", "[g]\nnew = new:main\n");
    write(&tree, WRITERS[0], "022");
    assert!(facts() != first);
}

#[test]
fn the_next_refresh_without_the_variable_replaces_it() {
    for writer in WRITERS {
        let tree = built([1, 0, 2].iter());
        write(&tree, WRITERS[0], "022");
        assert!(is_image(&tree.path(INDEX)));
        let mut command = tree.program(Path::new("sh"));
        command.args([
            "-c",
            "echo /usr/lib/python3.11/site-packages | \"$@\"",
            "sh",
        ]);
        command.arg(env!("CARGO_BIN_EXE_epcache")).args(writer);
        let ran = run(&mut command);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(!is_image(&tree.path(INDEX)), "{writer:?}");
    }
}

#[test]
fn a_variable_that_is_not_a_number_of_seconds_is_ignored() {
    for value in ["", "today", "-1", "1e9", "99999999999999999999"] {
        let tree = built([0].iter());
        let ran = run(tree
            .epcache(&["refresh", "-q", "--root", "root"])
            .env("SOURCE_DATE_EPOCH", value));
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(!is_image(&tree.path(INDEX)), "{value}");
    }
}

#[test]
fn a_users_own_indexes_are_those_of_an_image_only_on_request() {
    let tree = Tree::new();
    tree.venv("venv");
    tree.dist(&Tree::user_site("home"), "mine", "[g]\nmine = mine:main\n");
    tree.file("home/.local/bin/python3.11", "");
    for name in ["venv", "home"] {
        set_mode(tree.path(name), 0o755);
    }
    let home = tree.path("home");
    let scopes = [
        (vec!["--venv", "venv"], "venv/.epcache/index"),
        (vec!["--user"], "home/.cache/epcache/index"),
        (
            vec![
                "--path",
                "venv/lib/python3.11/site-packages",
                "--output",
                "out/index",
            ],
            "out/index",
        ),
    ];
    for (scope, index) in scopes {
        for (image, options) in [(false, &[][..]), (true, &["--image"])] {
            let mut command: Command = tree.epcache(&["refresh", "-q"]);
            command.args(&scope).args(options).env("HOME", &home);
            let ran = run(command.env("SOURCE_DATE_EPOCH", EPOCH));
            assert_eq!(ran.code, 0, "{ran:?}");
            assert_eq!(is_image(&tree.path(index)), image, "{scope:?} {options:?}");
        }
    }
}
