//! Where an index is written: only where it was said, through no link that others than the writer could
//! have made. And whose index is believed.

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
use std::os::unix::fs::{chown, lchown, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use cli::{NOBODY, Ran, Tree, left_out, names, root_for, run, set_mode, tool_for};

/// Somebody who is neither root nor [`NOBODY`].
const STRANGER: u32 = 1;

/// A place for an index at `way/folder`, its parents open to all others' reading.
fn tree() -> Tree {
    let tree = Tree::new();
    tree.dist("site", "a", "[g]\na = a:main\n");
    tree.dir("way/folder");
    tree
}

const REFRESH: [&str; 7] = [
    "refresh",
    "-q",
    "--path",
    "site",
    "--output",
    "way/folder/index",
    "--full",
];

fn own(tree: &Tree, name: &str, owner: u32) {
    lchown(tree.path(name), Some(owner), None).unwrap();
}

/// A link in place of `way/folder`, and what it leads to in `elsewhere`.
fn link_to_elsewhere(tree: &Tree, owner: u32) {
    fs::remove_dir(tree.path("way/folder")).unwrap();
    tree.dir("elsewhere");
    tree.link(tree.path("elsewhere"), "way/folder");
    own(tree, "way/folder", owner);
}

/// That nothing was written, for this reason, which names `what` was to be written or opened.
fn refused(tree: &Tree, ran: &Ran, what: &str, reason: &str) {
    assert_eq!(ran.code, 2, "{reason}: {ran:?}");
    let expected = format!("cannot write {what}: ");
    let said = ran.complaint();
    assert!(said.contains(&expected), "{expected}: {ran:?}");
    assert!(said.contains(reason), "{reason}: {ran:?}");
    for made in ["way/folder", "elsewhere"] {
        for made in ["index", "index.lock"].map(|name| tree.path(made).join(name)) {
            assert!(!made.exists(), "{reason}: {}", made.display());
        }
    }
}

fn written(tree: &Tree, ran: &Ran) {
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(names(tree.path("way/folder")), ["index", "index.lock"]);
}

/// What is done to a [`tree`], and why nothing is written then; None where it is.
type Case<'a> = (&'a dyn Fn(&Tree), Option<&'a str>);

fn check(cases: &[Case<'_>], command: impl Fn(&Tree) -> Command, what: impl Fn(&Tree) -> String) {
    for (prepare, reason) in cases {
        let tree = tree();
        prepare(&tree);
        let ran = run(&mut command(&tree));
        match reason {
            None => written(&tree, &ran),
            Some(reason) => refused(&tree, &ran, &what(&tree), reason),
        }
    }
}

#[test]
fn root_writes_only_into_a_folder_that_is_root_s_alone() {
    if !root_for("the folder that root writes to") {
        return;
    }
    let writable =
        Some("users other than root can write to way/folder: run `chmod go-w way/folder`");
    let cases: [Case<'_>; 8] = [
        (
            &|tree| own(tree, "way/folder", NOBODY),
            Some("way/folder belongs to user 65534, not to root"),
        ),
        (&|tree| set_mode(tree.path("way/folder"), 0o775), writable),
        (&|tree| set_mode(tree.path("way/folder"), 0o757), writable),
        (&|tree| set_mode(tree.path("way/folder"), 0o1777), writable),
        // The folder that a link of root's leads to is held against the same rule.
        (
            &|tree| {
                link_to_elsewhere(tree, 0);
                own(tree, "elsewhere", STRANGER);
            },
            Some("way/folder belongs to user 1, not to root"),
        ),
        (&|_| (), None),
        // Directories on the way lead nowhere else, whoever they belong to.
        (&|tree| own(tree, "way", STRANGER), None),
        (&|tree| set_mode(tree.path("way"), 0o777), None),
    ];
    check(
        &cases,
        |tree| tree.epcache(&REFRESH),
        |_| "way/folder/index".into(),
    );
}

#[test]
fn root_follows_a_link_only_if_nobody_else_could_have_made_it() {
    if !root_for("links on the way to where root writes") {
        return;
    }
    let changeable = Some("is a link, and other users can change its directory: give the");
    let above = Some("is a link, and other users can change a directory above it: give the");
    /// The folder with the link in it one directory further down, below `way/top`.
    fn deep(tree: &Tree) {
        link_to_elsewhere(tree, 0);
        tree.dir("top");
        fs::rename(tree.path("way"), tree.path("top/way")).unwrap();
        // Root's as well, and nobody else can change what it says.
        tree.link("top/way", "way");
    }
    let cases: [Case<'_>; 10] = [
        (
            &|tree| link_to_elsewhere(tree, STRANGER),
            Some("is a link, and it belongs to user 1: give the path of the directory"),
        ),
        (
            &|tree| {
                link_to_elsewhere(tree, 0);
                set_mode(tree.path("way"), 0o775);
            },
            changeable,
        ),
        // Others could have made a second name there for one of root's links.
        (
            &|tree| {
                link_to_elsewhere(tree, 0);
                set_mode(tree.path("way"), 0o1777);
            },
            changeable,
        ),
        (
            &|tree| {
                link_to_elsewhere(tree, 0);
                own(tree, "way", STRANGER);
            },
            changeable,
        ),
        (
            &|tree| {
                deep(tree);
                own(tree, "top", STRANGER);
            },
            above,
        ),
        (
            &|tree| {
                deep(tree);
                set_mode(tree.path("top"), 0o775);
            },
            above,
        ),
        // Root's directory stays where it is in a sticky one.
        (
            &|tree| {
                deep(tree);
                set_mode(tree.path("top"), 0o1777);
            },
            None,
        ),
        (&|tree| deep(tree), None),
        (&|tree| link_to_elsewhere(tree, 0), None),
        // Relative, and several.
        (
            &|tree| {
                fs::remove_dir(tree.path("way/folder")).unwrap();
                tree.dir("elsewhere");
                tree.link("../elsewhere", "way/one");
                tree.link("./one", "way/folder");
            },
            None,
        ),
    ];
    let command = |tree: &Tree| tree.epcache(&REFRESH);
    check(&cases, command, |_| "way/folder".into());
}

#[test]
fn a_link_that_leads_nowhere_is_not_what_root_makes_a_folder_for() {
    if !root_for("a link that leads nowhere") {
        return;
    }
    let tree = tree();
    fs::remove_dir(tree.path("way/folder")).unwrap();
    tree.link(tree.path("nowhere"), "way/folder");
    let ran = run(&mut tree.epcache(&REFRESH));
    let reason = format!("{} is a link that leads nowhere", tree.text("way/folder"));
    refused(&tree, &ran, "way/folder", &reason);
    assert!(!tree.path("nowhere").exists());
    // What is missing, and no link's, is made.
    fs::remove_file(tree.path("way/folder")).unwrap();
    written(&tree, &run(&mut tree.epcache(&REFRESH)));
}

#[test]
fn where_root_stands_is_a_folder_that_was_named() {
    if !root_for("the current directory of root") {
        return;
    }
    let tree = tree();
    own(&tree, "way", STRANGER);
    for (output, folder) in [("index", "."), ("folder/../index", "folder/..")] {
        let mut command = tree.epcache(&["refresh", "-q", "--path", "../site", "--output", output]);
        let ran = run(command.current_dir(tree.path("way")));
        assert_eq!(ran.code, 2, "{ran:?}");
        let said = format!("cannot write {output}: {folder} belongs to user 1, not to root");
        assert!(ran.complaint().contains(&said), "{said}: {ran:?}");
    }
    // A folder of root's own within it.
    let refresh = |output| {
        let mut command = tree.epcache(&["refresh", "-q", "--path", "../../site"]);
        command.args(["--output", output]);
        run(command.current_dir(tree.path("way/folder")))
    };
    written(&tree, &refresh("index"));
    let ran = refresh("../index");
    assert!(
        ran.complaint().contains(": .. belongs to user 1"),
        "{ran:?}"
    );
}

#[test]
fn who_is_not_root_goes_where_the_kernel_leads() {
    if !root_for("folders of several users") {
        return;
    }
    let cases: [Case<'_>; 5] = [
        (
            &|tree| {
                own(tree, "way", STRANGER);
                tree.give("way/folder");
            },
            None,
        ),
        // Who shares what is theirs with a group, or writes to /tmp, has chosen so.
        (
            &|tree| {
                tree.give("way");
                tree.give("way/folder");
                set_mode(tree.path("way"), 0o2775);
                set_mode(tree.path("way/folder"), 0o2775);
            },
            None,
        ),
        (&|tree| set_mode(tree.path("way/folder"), 0o1777), None),
        (
            &|tree| {
                link_to_elsewhere(tree, NOBODY);
                tree.give("elsewhere");
            },
            None,
        ),
        (
            &|tree| {
                link_to_elsewhere(tree, STRANGER);
                tree.give("elsewhere");
            },
            None,
        ),
    ];
    check(&cases, |tree| tree.as_user(&REFRESH), |_| String::new());

    // A home that is a link, a cache that is one: both are theirs.
    let tree = Tree::new();
    tree.system("python");
    tree.dist(&Tree::user_site("data/home"), "a", "[g]\na = a:main\n");
    tree.dir("data/cache");
    tree.link("data/home", "home");
    tree.link(tree.path("data/cache"), "data/home/.cache");
    for name in ["data/home", "data/cache"] {
        tree.give(name);
    }
    let ran = run(tree
        .as_user(&["refresh", "-q", "--user"])
        .env("HOME", tree.path("home")));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(
        names(tree.path("data/cache/epcache")),
        ["index", "index.lock"]
    );
}

#[test]
fn an_environment_s_owner_leads_root_nowhere() {
    if !root_for("a swapped folder") {
        return;
    }
    let tree = Tree::new();
    tree.venv("venv");
    tree.dir("venv/.epcache");
    tree.dir("elsewhere");
    tree.link(tree.path("elsewhere"), "venv/link");
    own(&tree, "venv/link", STRANGER);
    let refresh = ["refresh", "-q", "--venv", "venv"];

    let done = AtomicBool::new(false);
    let (mut ended_well, mut ended_badly) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let swap = |from: &str, to: &str| fs::rename(tree.path(from), tree.path(to));
            while !done.load(Ordering::Relaxed) {
                let _ = swap("venv/.epcache", "venv/aside");
                let _ = swap("venv/link", "venv/.epcache");
                std::thread::yield_now();
                let _ = swap("venv/.epcache", "venv/link");
                // In between, it may have been made anew.
                while swap("venv/aside", "venv/.epcache").is_err() {
                    let _ = fs::remove_dir_all(tree.path("venv/.epcache"));
                }
            }
        });
        for turn in 0..10_000 {
            if turn >= 500 && ended_well > 0 && ended_badly > 0 {
                break;
            }
            match run(&mut tree.epcache(&refresh)).code {
                0 => ended_well += 1,
                _ => ended_badly += 1,
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(
        ended_well > 0 && ended_badly > 0,
        "{ended_well} {ended_badly}"
    );
    assert!(names(tree.path("elsewhere")).is_empty());
}

#[test]
fn a_lock_that_somebody_else_may_hold_is_none() {
    if !root_for("somebody else's lock") {
        return;
    }
    let tree = tree();
    tree.file("way/folder/index.lock", "");
    own(&tree, "way/folder/index.lock", STRANGER);
    let ran = run(&mut tree.epcache(&REFRESH));
    assert_eq!(ran.code, 2);
    let expected = "cannot lock way/folder/index.lock: it belongs to user 1, remove it";
    assert!(ran.complaint().ends_with(expected), "{ran:?}");
    assert_eq!(names(tree.path("way/folder")), ["index.lock"]);
}

#[test]
fn for_root_the_rule_begins_at_the_root_that_it_is_given() {
    if !root_for("a root in somebody's home") {
        return;
    }
    let tree = Tree::new();
    tree.system("home/image");
    own(&tree, "home", STRANGER);
    let refresh = ["refresh", "-q", "--root", "home/image"];
    let ran = run(&mut tree.epcache(&refresh));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(tree.path("home/image/usr/lib/epcache/state").is_file());

    // A trigger of that system is told the same.
    for (name, reason) in [
        ("home/image", "home/image belongs to user 1, not to root"),
        ("home/image/usr/lib", "home/image/usr/lib belongs to user 1"),
    ] {
        fs::remove_dir_all(tree.path("home/image/usr/lib/epcache")).unwrap();
        own(&tree, name, STRANGER);
        for command in [
            &refresh[..],
            &["trigger", "--root", "home/image", "--strict", "dpkg"],
        ] {
            let ran = run(&mut tree.epcache(command));
            assert_eq!(ran.code, 2, "{ran:?}");
            assert!(ran.complaint().contains(reason), "{ran:?}");
            assert!(!tree.path("home/image/usr/lib/epcache").exists());
        }
        own(&tree, name, 0);
        assert_eq!(run(&mut tree.epcache(&refresh)).code, 0);
    }
}

#[test]
fn what_is_left_without_a_lock_is_not_left_elsewhere() {
    if !root_for("somebody else's folder") {
        return;
    }
    // Switched off, a trigger leaves its word all the same; busy, it marks the old index.
    let tree = Tree::new();
    tree.system("root");
    tree.file("root/etc/epcache.conf", "[epcache]\nauto-update = no\n");
    tree.dir("root/elsewhere");
    tree.file("root/elsewhere/index", [0; 64]);
    tree.link("/elsewhere", "root/usr/lib/epcache");
    own(&tree, "root/usr/lib/epcache", STRANGER);
    run(&mut tree.epcache(&["trigger", "--root", "root", "dpkg"]));
    fs::remove_file(tree.path("root/etc/epcache.conf")).unwrap();
    run(&mut tree.epcache(&["trigger", "--root", "root", "dpkg"]));
    assert_eq!(names(tree.path("root/elsewhere")), ["index"]);
    assert_eq!(
        fs::read(tree.path("root/elsewhere/index")).unwrap(),
        [0; 64]
    );
}

/// A command as [`NOBODY`] in a user namespace of its own.
fn in_namespace(tree: &Tree, options: &[&str], arguments: &[&str]) -> Command {
    let mut command = tree.program("setpriv".as_ref());
    let user = NOBODY.to_string();
    command.args([
        "--reuid",
        &user,
        "--regid",
        &user,
        "--clear-groups",
        "unshare",
        "--user",
    ]);
    command
        .args(options)
        .arg(tree.public_program())
        .args(arguments);
    command
}

/// Whether user namespaces are to be had. Says so where not.
fn namespaces_for(name: &str) -> bool {
    if !root_for(name) || !tool_for(name, "setpriv") || !tool_for(name, "unshare") {
        return false;
    }
    let there = run(&mut in_namespace(&Tree::new(), &[], &["--version"])).code == 0;
    if !there {
        left_out(name, "user namespaces are not to be had here");
    }
    there
}

#[test]
fn who_has_no_number_in_a_namespace_is_taken_for_root() {
    if !namespaces_for("writing in a user namespace") {
        return;
    }
    let tree = tree();
    tree.give("way/folder");
    let ran = run(&mut in_namespace(&tree, &["--map-root-user"], &REFRESH));
    written(&tree, &ran);
}

#[test]
fn an_index_of_whoever_has_no_number_is_as_absent() {
    if !namespaces_for("reading in a user namespace") {
        return;
    }
    let tree = Tree::new();
    tree.dist("venv/site", "a", "[g]\na = a:main\n");
    tree.refresh(&["venv/site"], "venv/index");
    tree.dist("venv/site", "b", "[g]\nb = b:main\n");
    for owner in [STRANGER, 0] {
        for name in ["venv", "venv/index", "venv/site"] {
            chown(tree.path(name), Some(owner), None).unwrap();
        }
        // Everybody is the same there: the reader, the index's owner, the directory's.
        for options in [&[][..], &["--map-root-user"]] {
            let query = [
                "query",
                "-v",
                "g",
                "--path",
                "venv/site",
                "--freshness",
                "trust",
            ];
            let mut command = in_namespace(&tree, options, &query);
            let ran = run(command.env("EPCACHE_INDEX", "venv/index"));
            assert_eq!(ran.stdout.lines().count(), 2, "read from the disk: {ran:?}");
            assert!(!ran.stderr.contains("venv/index"), "in silence: {ran:?}");
        }
    }
}

#[test]
fn an_index_is_the_one_in_the_folder_that_was_checked() {
    let tree = Tree::new();
    tree.dist("site", "a", "[g]\na = a:main\n");
    tree.refresh(&["site"], "good/index");
    tree.dist("site", "b", "[g]\nb = b:main\n");
    let query = |index: &str| {
        let mut query = vec!["query", "g", "--path", "site", "--freshness", "trust"];
        query.extend(["--index", index]);
        run(&mut tree.epcache(&query)).stdout.lines().count()
    };
    symlink(tree.path("good"), tree.path("link")).unwrap();
    tree.dir("bad");
    set_mode(tree.path("bad"), 0o777);
    tree.link(Path::new("../good/index"), "bad/index");
    fs::hard_link(tree.path("good/index"), tree.path("bad/hard")).unwrap();
    // A link leads to the index, and it is the index's own folder that counts.
    for (index, believed) in [
        ("good/index", true),
        ("link/index", true),
        ("bad/index", true),
        ("bad/hard", false),
    ] {
        assert_eq!(query(index) == 1, believed, "{index}");
    }
    set_mode(tree.path("good"), 0o775);
    assert_eq!(query("bad/index"), 2);
}
