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
fn root_writes_only_to_a_folder_that_only_root_can_change() {
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
        // The same rule applies to a folder that root's link leads to.
        (
            &|tree| {
                link_to_elsewhere(tree, 0);
                own(tree, "elsewhere", STRANGER);
            },
            Some("way/folder belongs to user 1, not to root"),
        ),
        (&|_| (), None),
        // Directories on the way lead nowhere else, so any user may own them.
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
fn root_follows_a_link_only_if_no_other_user_could_have_made_it() {
    if !root_for("links on the way to where root writes") {
        return;
    }
    let changeable = Some("is a link, and other users can change its directory: give the");
    let above = Some("is a link, and other users can change a directory above it: give the");
    /// The folder with the link in it is one directory further down, below `way/top`.
    fn deep(tree: &Tree) {
        link_to_elsewhere(tree, 0);
        tree.dir("top");
        fs::rename(tree.path("way"), tree.path("top/way")).unwrap();
        // This link is root's too, and no other user can change it.
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
        // Other users could have made a hard link to one of root's links there.
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
        // In a sticky directory, root's directory cannot be moved.
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
fn root_creates_no_folder_behind_a_link_that_leads_nowhere() {
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
    // A missing directory that no link names is created.
    fs::remove_file(tree.path("way/folder")).unwrap();
    written(&tree, &run(&mut tree.epcache(&REFRESH)));
}

#[test]
fn the_current_directory_of_root_counts_as_named() {
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

/// A command as [`NOBODY`] in a new user namespace.
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

/// Whether user namespaces can be created. Prints why not.
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
fn a_user_without_a_number_in_a_namespace_counts_as_root() {
    if !namespaces_for("writing in a user namespace") {
        return;
    }
    let tree = tree();
    tree.give("way/folder");
    let ran = run(&mut in_namespace(&tree, &["--map-root-user"], &REFRESH));
    written(&tree, &ran);
}

#[test]
fn an_index_of_a_user_without_a_number_is_ignored() {
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
        // All users are the same there: the reader, the index's owner, and the directory's owner.
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
fn the_index_is_read_from_the_folder_that_was_checked() {
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
    // A link leads to the index. What counts is the folder of the index itself.
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
