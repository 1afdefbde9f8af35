//! Whatever a metadata directory contains, `epcache refresh` finishes, keeps everybody else's entries, and names the
//! culprit; and `epcache query`, which reads live, likewise.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use cli::{Ran, Tree, is_root, run, set_mode};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::mkfifo;

/// The metadata directory of the bad one, ready but for what makes it bad.
const BAD: &str = "bad-1.dist-info";

/// What makes it bad, and what is said about it: the end of the culprit's path, and why.
type Case = (&'static str, Make, &'static str, &'static str);

/// Makes a good metadata directory a bad one.
type Make = fn(&Path);

fn remake(bad: &Path, file: &str, content: impl AsRef<[u8]>) {
    fs::write(bad.join(file), content).unwrap();
}

fn without(bad: &Path, file: &str) -> std::path::PathBuf {
    fs::remove_file(bad.join(file)).unwrap();
    bad.join(file)
}

fn make_fifo(path: &Path) {
    mkfifo(path, Mode::S_IRWXU).unwrap();
    set_mode(path, 0o644);
}

const CASES: &[Case] = &[
    (
        "no metadata",
        |bad| drop(without(bad, "METADATA")),
        BAD,
        "neither METADATA nor PKG-INFO",
    ),
    (
        "empty metadata",
        |bad| remake(bad, "METADATA", ""),
        BAD,
        "neither METADATA nor PKG-INFO",
    ),
    (
        "an empty directory",
        |bad| {
            fs::remove_dir_all(bad).unwrap();
            fs::create_dir(bad).unwrap();
        },
        BAD,
        "neither METADATA nor PKG-INFO",
    ),
    (
        "a FIFO for entry points",
        |bad| make_fifo(&without(bad, "entry_points.txt")),
        "bad-1.dist-info/entry_points.txt",
        "not a regular file",
    ),
    (
        "a FIFO for metadata",
        |bad| make_fifo(&without(bad, "METADATA")),
        "bad-1.dist-info/METADATA",
        "not a regular file",
    ),
    (
        "a FIFO for the directory",
        |bad| {
            fs::remove_dir_all(bad).unwrap();
            make_fifo(bad);
        },
        BAD,
        "neither a directory nor a file",
    ),
    (
        "a socket",
        |bad| drop(UnixListener::bind(without(bad, "entry_points.txt")).unwrap()),
        "bad-1.dist-info/entry_points.txt",
        "ignored",
    ),
    (
        "directories for files",
        |bad| {
            fs::create_dir(without(bad, "entry_points.txt")).unwrap();
            fs::create_dir(without(bad, "METADATA")).unwrap();
        },
        "bad-1.dist-info/METADATA",
        "a directory, ignored",
    ),
    (
        "a dangling link for entry points",
        |bad| symlink("/no/such/file", without(bad, "entry_points.txt")).unwrap(),
        "bad-1.dist-info/entry_points.txt",
        "a dangling symbolic link",
    ),
    (
        "a dangling link for the directory",
        |bad| {
            fs::remove_dir_all(bad).unwrap();
            symlink("/no/such/directory", bad).unwrap();
        },
        BAD,
        "a dangling symbolic link",
    ),
    (
        "a looping link for entry points",
        |bad| symlink("entry_points.txt", without(bad, "entry_points.txt")).unwrap(),
        "bad-1.dist-info/entry_points.txt",
        "too many levels of symbolic links",
    ),
    (
        "a looping link for metadata",
        |bad| symlink("METADATA", without(bad, "METADATA")).unwrap(),
        "bad-1.dist-info/METADATA",
        "too many levels of symbolic links",
    ),
    (
        "a looping link for the directory",
        |bad| {
            fs::remove_dir_all(bad).unwrap();
            symlink(BAD, bad).unwrap();
        },
        BAD,
        "oo many levels of symbolic links",
    ),
    (
        "an unreadable file",
        |bad| set_mode(bad.join("entry_points.txt"), 0),
        BAD,
        "may not be read",
    ),
    (
        "unreadable metadata",
        |bad| set_mode(bad.join("METADATA"), 0),
        BAD,
        "may not be read",
    ),
    (
        "an unreadable directory",
        |bad| set_mode(bad, 0),
        BAD,
        "may not be read",
    ),
    (
        "entry points that are not UTF-8",
        |bad| remake(bad, "entry_points.txt", b"[g]\nb\xe4d = x:y\n"),
        "bad-1.dist-info/entry_points.txt",
        "UTF-8",
    ),
    (
        "headers that are not UTF-8",
        |bad| remake(bad, "METADATA", b"Name: b\xe4d\nVersion: 1\n"),
        BAD,
        "Name or Version is not UTF-8",
    ),
    (
        "a line without an equals sign",
        |bad| remake(bad, "entry_points.txt", "[g]\nfine = x:y\nnot fine\n"),
        "bad-1.dist-info/entry_points.txt",
        "entry points ignored",
    ),
    (
        "nothing but NULs",
        |bad| {
            remake(
                bad,
                "entry_points.txt",
                [b"[g]\n".as_slice(), &[0; 5000]].concat(),
            )
        },
        "bad-1.dist-info/entry_points.txt",
        "entry points ignored",
    ),
    (
        "more than 1 MiB",
        |bad| {
            remake(
                bad,
                "entry_points.txt",
                format!("[g]\nx = x:y\n#{}\n", "x".repeat(1 << 20)),
            )
        },
        "bad-1.dist-info/entry_points.txt",
        "larger than 1024 KiB",
    ),
    (
        "a line of 10 MB",
        |bad| {
            remake(
                bad,
                "entry_points.txt",
                format!("[g]\nx = {}\n", "x".repeat(10_000_000)),
            )
        },
        "bad-1.dist-info/entry_points.txt",
        "larger than 1024 KiB",
    ),
    (
        "a million entries",
        |bad| {
            let lines = (0..1_000_000).map(|n| format!("name{n} = module:attr\n"));
            remake(
                bad,
                "entry_points.txt",
                format!("[g]\n{}", lines.collect::<String>()),
            );
        },
        "bad-1.dist-info/entry_points.txt",
        "larger than 1024 KiB",
    ),
    (
        "as many entries as fit into the size",
        |bad| {
            remake(
                bad,
                "entry_points.txt",
                format!("[g]\n{}", "a=\n".repeat(300_000)),
            )
        },
        "bad-1.dist-info/entry_points.txt",
        "more than 65536 entry points",
    ),
    (
        "more than all memory, in a sparse file",
        |bad| {
            let file = fs::File::options()
                .write(true)
                .open(bad.join("entry_points.txt"));
            file.unwrap().set_len(1 << 40).unwrap();
        },
        "bad-1.dist-info/entry_points.txt",
        "larger than 1024 KiB",
    ),
    (
        "a device",
        |bad| {
            // A terminal nobody has; opening /dev/zero would never end.
            let zero = makedev(1, 5);
            let path = without(bad, "entry_points.txt");
            if is_root()
                && mknod(&path, SFlag::S_IFCHR, Mode::S_IRUSR | Mode::S_IROTH, zero).is_ok()
            {
                set_mode(&path, 0o644);
            } else {
                symlink("/dev/zero", path).unwrap();
            }
        },
        "bad-1.dist-info/entry_points.txt",
        "not a regular file",
    ),
    (
        "endless metadata",
        |bad| symlink("/dev/zero", without(bad, "METADATA")).unwrap(),
        "bad-1.dist-info/METADATA",
        "not a regular file",
    ),
];

/// Bad input that is no reason for a complaint: what CPython makes of it is what there is.
const ODD: &[(&str, Make)] = &[
    ("no entry points", |bad| {
        drop(without(bad, "entry_points.txt"))
    }),
    ("an empty file", |bad| remake(bad, "entry_points.txt", "")),
    ("lines before any section", |bad| {
        remake(bad, "entry_points.txt", "what = ever\n")
    }),
    ("NULs in values", |bad| {
        remake(bad, "entry_points.txt", "[h]\na\0b = c\0d:e\n")
    }),
    ("a malformed object reference", |bad| {
        remake(bad, "entry_points.txt", "[h]\na = b c d\n")
    }),
    ("unclosed sections", |bad| {
        remake(bad, "entry_points.txt", "[h\n[[\n# c\n]\n")
    }),
    ("nothing but newlines", |bad| {
        remake(bad, "entry_points.txt", "\n".repeat(1 << 20))
    }),
    ("as many entries as may be", |bad| {
        let lines: String = (0..65_536).map(|n| format!("name{n} = m:f\n")).collect();
        remake(bad, "entry_points.txt", format!("[h]\n{lines}"));
    }),
    ("headers without an end", |bad| {
        remake(
            bad,
            "METADATA",
            format!("Name: bad\nVersion: 1\nX: {}", "x".repeat(10_000_000)),
        );
    }),
    ("a name as long as a file's may be", |bad| {
        let long = bad.with_file_name(format!("{}-1.dist-info", "n".repeat(240)));
        fs::rename(bad, long).unwrap();
    }),
    ("a name that is not UTF-8", |bad| {
        let name = OsStr::from_bytes(b"b\xff\xfed-1.dist-info");
        fs::rename(bad, bad.with_file_name(name)).unwrap();
    }),
    ("a file for the directory", |bad| {
        fs::remove_dir_all(bad).unwrap();
        fs::write(bad, "Name: bad\nVersion: 1\n").unwrap();
    }),
    ("names that only look like metadata", |bad| {
        for name in [
            ".dist-info",
            "-.dist-info",
            "-1.egg-info",
            "x.dist-info",
            ".egg-info",
        ] {
            let path = bad.with_file_name(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join("METADATA"), "Name: x\nVersion: 1\n").unwrap();
        }
    }),
];

/// A search directory with neighbours on both sides of the bad one.
fn tree_with(make: Make) -> Tree {
    let tree = Tree::new();
    tree.dist("site", "aaa", "[g]\naaa = aaa:main\n");
    let bad = tree.dist("site", "bad", "[g]\nbad = bad:main\n");
    tree.dist("site", "zzz", "[g]\nzzz = zzz:main\n");
    make(&bad);
    tree.dir("out");
    tree.give("out");
    tree
}

/// As somebody who may not read everything: root may.
fn refresh(tree: &Tree) -> Ran {
    run(&mut tree.as_user(&[
        "refresh",
        "--path",
        "site",
        "--output",
        "out/index",
        "--json",
    ]))
}

fn both_neighbours(ran: &Ran) -> bool {
    ["aaa", "zzz"]
        .iter()
        .all(|name| ran.stdout.contains(&format!("g\t{name}\t{name}:main\n")))
}

/// What is wrong with how epcache took it.
fn verdict(tree: &Tree, culprit: Option<(&str, &str)>) -> Option<String> {
    let complains = |ran: &Ran| match culprit {
        None => ran.stderr.is_empty(),
        Some((path, why)) => {
            let path = format!("{path}: ");
            ran.warnings()
                .iter()
                .any(|w| w.contains(&path) && w.contains(why))
        }
    };
    let refreshed = refresh(tree);
    if refreshed.code != 0 || !complains(&refreshed) {
        return Some(format!("refresh: {refreshed:?}"));
    }
    let query = ["query", "g", "--path", "site"];
    let indexed = run(tree.as_user(&query).args(["--index", "out/index"]));
    if indexed.code != 0 || !both_neighbours(&indexed) || indexed.stderr.contains("differ") {
        return Some(format!("from the index: {indexed:?}"));
    }
    let live = run(&mut tree.as_user(&query));
    if live.code != 0 || live.stdout != indexed.stdout {
        return Some(format!("live: {live:?}, but indexed: {indexed:?}"));
    }
    let verified = run(&mut tree.as_user(&["verify", "out/index"]));
    (verified.code != 0).then(|| format!("verify: {verified:?}"))
}

fn shortened(text: String) -> String {
    text.chars().take(1500).collect()
}

#[test]
fn bad_metadata_is_named_and_costs_nobody_else() {
    let mut failures = vec![];
    for &(name, make, path, why) in CASES {
        let tree = tree_with(make);
        failures
            .extend(verdict(&tree, Some((path, why))).map(|v| shortened(format!("{name}: {v}"))));
        let _ = fs::set_permissions(
            tree.path("site").join(BAD),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        );
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn odd_metadata_is_no_reason_to_complain() {
    let mut failures = vec![];
    for &(name, make) in ODD {
        let tree = tree_with(make);
        failures.extend(verdict(&tree, None).map(|v| shortened(format!("{name}: {v}"))));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn a_search_directory_that_cannot_be_read_costs_itself_alone() {
    let tree = Tree::new();
    tree.dist("good", "good", "[g]\ngood = good:main\n");
    tree.dist("closed", "closed", "[g]\nclosed = closed:main\n");
    tree.link("loop", "loop");
    tree.dir("out");
    tree.give("out");
    set_mode(tree.path("closed"), 0);
    let sites = ["closed", "loop", "gone", "good"];
    let mut command = tree.as_user(&["refresh", "--json", "--output", "out/index", "--path"]);
    let ran = run(command.args(sites));
    set_mode(tree.path("closed"), 0o755);
    assert_eq!(ran.code, 1, "incomplete, and published: {ran:?}");
    assert_eq!(ran.json()["entry_points"], 1);
    for site in ["closed", "loop"] {
        assert!(
            ran.stderr
                .contains(&format!("error: {}: cannot be read", tree.text(site))),
            "{ran:?}"
        );
    }
    let query = [
        "query",
        "g",
        "--path",
        "good",
        "--index",
        "out/index",
        "--freshness",
        "trust",
    ];
    assert_eq!(
        run(&mut tree.epcache(&query)).stdout,
        "g\tgood\tgood:main\n"
    );
}

#[test]
fn paths_that_come_and_go_during_the_scan_disturb_nobody() {
    let tree = tree_with(|_| ());
    let done = AtomicBool::new(false);
    let site = tree.path("site");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0;
            while !done.load(Ordering::Relaxed) {
                round += 1;
                for number in 0..20 {
                    let name = site.join(format!("come{number}-{round}.dist-info"));
                    let _ = fs::create_dir(&name);
                    let _ = fs::write(name.join("METADATA"), "Name: come\nVersion: 1\n");
                    let _ = fs::write(name.join("entry_points.txt"), "[g]\ncome = come:go\n");
                }
                for number in 0..20 {
                    let name = site.join(format!("come{number}-{round}.dist-info"));
                    let _ = fs::remove_file(name.join("METADATA"));
                    let _ = fs::rename(&name, site.join("gone"));
                    let _ = fs::remove_dir_all(site.join("gone"));
                }
            }
        });
        let mut failure = None;
        for _ in 0..25 {
            let refreshed = refresh(&tree);
            let verified = run(&mut tree.as_user(&["verify", "out/index"]));
            let query = ["query", "g", "--path", "site", "--index", "out/index"];
            let answer = run(&mut tree.as_user(&query));
            if refreshed.code != 0 || verified.code != 0 || !both_neighbours(&answer) {
                failure = Some(format!("{refreshed:?}\n{verified:?}\n{answer:?}"));
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
        assert!(failure.is_none(), "{}", failure.unwrap_or_default());
    });
}

#[test]
fn entry_points_that_share_a_distribution_share_its_name_in_memory() {
    let tree = Tree::new();
    let long = "n".repeat(4000);
    tree.file(
        "site/bad-1.dist-info/METADATA",
        format!("Name: {long}\nVersion: {long}\n"),
    );
    let many = 5000;
    let entry_points = format!("[g]\n{}", "=\n".repeat(many));
    tree.file("site/bad-1.dist-info/entry_points.txt", entry_points);
    tree.refresh(&["site"], "index");
    // As JSON, 60 MB.
    for (arguments, lines) in [("g", many), ("g --json", 8 * many + 2), ("", 1)] {
        let query = format!("$EPCACHE query {arguments} --path site --index index | wc -l");
        let limited = format!("ulimit -v 50000; {query}");
        let mut command = tree.program("sh".as_ref());
        let ran = run(command
            .args(["-euc", &limited])
            .env("EPCACHE", env!("CARGO_BIN_EXE_epcache")));
        let said = (ran.stdout.trim(), ran.stderr.as_str());
        assert_eq!(said, (&*lines.to_string(), ""), "{arguments}");
    }
}
