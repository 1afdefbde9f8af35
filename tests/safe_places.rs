//! Where an index is written: only to the named place, through no link that users other than the
//! writer could have made. And which indexes readers trust.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;
#[path = "safe_places/namespaces.rs"]
mod namespaces;
#[path = "safe_places/root.rs"]
mod root;

use std::fs;
use std::os::unix::fs::{chown, lchown, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use cli::{NOBODY, Ran, Tree, left_out, names, root_for, run, set_mode, tool_for};

/// A user who is neither root nor [`NOBODY`].
const STRANGER: u32 = 1;

/// A place for an index at `way/folder`. All users may read its parents.
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

/// Puts a link in place of `way/folder`, and its target in `elsewhere`.
fn link_to_elsewhere(tree: &Tree, owner: u32) {
    fs::remove_dir(tree.path("way/folder")).unwrap();
    tree.dir("elsewhere");
    tree.link(tree.path("elsewhere"), "way/folder");
    own(tree, "way/folder", owner);
}

/// Checks that nothing was written, for this reason. `what` is the path in the message.
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

/// What is done to a [`tree`], and the reason why nothing is written then. `None` if it is written.
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
fn other_users_follow_links_as_the_kernel_does() {
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
        // These users have chosen to share with a group, or to write to /tmp.
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

    // The home or the cache is a link. Both belong to the user.
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
fn the_owner_of_an_environment_cannot_lead_root_elsewhere() {
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
                // Meanwhile it may have been created again.
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
fn a_lock_file_of_another_user_is_refused() {
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
fn below_a_given_root_the_rule_starts_at_that_root() {
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

    // A trigger of that system gets the same answer.
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
fn files_written_without_a_lock_follow_the_same_rule() {
    if !root_for("somebody else's folder") {
        return;
    }
    // If switched off, a trigger still writes its state. If busy, it marks the old index.
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
