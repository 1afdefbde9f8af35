//! Trees that an attacker has made, or changes meanwhile, and that root refreshes: nothing outside
//! of them gets into an index, and each refresh ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/bad_trees.rs"]
mod bad_trees;
#[path = "support/cli.rs"]
mod cli;
#[path = "support/separation.rs"]
mod separation;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bad_trees::{CASES, ODD, tree_with};
use cli::{Ran, Tree, root_for, run, set_mode};
use epcache::index::format::SUSPECT_AT;
use epcache::index::{self, Index};
use epcache::privsep::{self, Bounds, Job, Policy, Terms, Trouble};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use separation::{StuckMount, calls, can_trace, contains, traced};

const SITE: &str = "root/usr/lib/python3.11/site-packages";
const THEIRS: &str = "theirs/python3.11/site-packages";
const INDEX: &str = "root/usr/lib/epcache/index";

/// A user who is neither root nor nobody.
const STRANGER: u32 = 1234;

/// Reads an index, which must be valid.
fn sound(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    let index = Index::open(bytes.clone()).unwrap();
    index::verify(&index).unwrap();
    bytes
}

#[test]
fn root_treats_bad_metadata_as_other_users_do() {
    if !root_for("bad metadata, by root") {
        return;
    }
    let expected = CASES
        .iter()
        .map(|&(name, make, path, why)| (name, make, Some((path, why))));
    for (name, make, culprit) in expected.chain(ODD.iter().map(|&(name, make)| (name, make, None)))
    {
        let tree = tree_with(make);
        tree.dir("to");
        let ran = run(&mut tree.epcache(&[
            "refresh", "--path", "site", "--output", "to/index", "--json",
        ]));
        assert_eq!(ran.code, 0, "{name}: {ran:?}");
        assert_eq!(ran.json()["sandbox"]["privileges"], "dropped");
        match culprit {
            None => assert_eq!(ran.stderr, "", "{name}"),
            Some((path, why)) => {
                let is_it = |line: &&str| line.contains(&format!("{path}: ")) && line.contains(why);
                assert!(
                    ran.warnings().iter().any(is_it),
                    "{name}: {:.2000}",
                    ran.stderr
                );
            }
        }
        let bytes = sound(&tree.path("to/index"));
        assert!(
            contains(&bytes, "aaa:main") && contains(&bytes, "zzz:main"),
            "{name}"
        );
    }
}

// ---- trees that only root may enter

#[test]
fn a_tree_below_a_directory_that_only_root_may_enter_is_refreshed() {
    if !root_for("directories that only root may enter") {
        return;
    }
    let tree = Tree::new();
    tree.system("closed/root");
    tree.dist("closed/site", "a", "[g]\na = a:main\n");
    tree.dir("closed/out");
    tree.dist("closed/lib", "b", "");
    set_mode(tree.path("closed"), 0o700);
    for (arguments, index) in [
        (
            &["refresh", "--json", "--root", "closed/root"][..],
            "closed/root/usr/lib/epcache/index",
        ),
        (
            &[
                "refresh",
                "--json",
                "--path",
                "closed/site",
                "closed/lib",
                "--output",
                "closed/out/index",
            ],
            "closed/out/index",
        ),
    ] {
        let ran = run(&mut tree.epcache(arguments));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
        assert_eq!(ran.json()["entry_points"], 1);
        assert_eq!(ran.json()["sandbox"]["privileges"], "dropped");
        assert!(contains(&sound(&tree.path(index)), ":main"));
    }
}

/// Refreshes `site` and `good`. Expects that `site` is named as unreadable and has no record.
fn refused(tree: &Tree, site: &str) {
    tree.dist("good", "good", "[g]\ngood = good:main\n");
    tree.dir("out");
    let arguments = [
        "refresh",
        "--json",
        "--path",
        site,
        "good",
        "--output",
        "out/index",
    ];
    let ran = run(&mut tree.epcache(&arguments));
    assert_eq!(ran.code, 1, "{site}: {ran:?}");
    let said = format!(
        "error: {}: cannot be read, not in the index: Permission denied",
        tree.text(site)
    );
    assert!(ran.complaint().contains(&said), "{ran:?}");
    assert_eq!(ran.json()["entry_points"], 1, "{ran:?}");
    let bytes = sound(&tree.path("out/index"));
    let index = Index::open(bytes.clone()).unwrap();
    assert!(index.find(tree.text(site).as_bytes()).unwrap().is_none());
    assert!(!contains(&bytes, "stolen"));
}

#[test]
fn a_search_directory_that_the_worker_cannot_enter_is_an_error_without_a_record() {
    if !root_for("closed search directories") {
        return;
    }
    for mode in [0o700, 0o711, 0o744, 0o000] {
        let tree = Tree::new();
        tree.dist("site", "a", "[g]\na = stolen:main\n");
        set_mode(tree.path("site"), mode);
        refused(&tree, "site");
    }
    // The same in a system, where no user has named it.
    let tree = Tree::new();
    tree.system("root");
    set_mode(tree.path(SITE), 0o700);
    let ran = run(&mut tree.epcache(&["refresh", "--root", "root", "-q"]));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.complaint()
            .contains("python3.11/site-packages: cannot be read"),
        "{ran:?}"
    );
}

#[test]
fn root_opens_no_directory_on_a_path_that_others_can_change() {
    if !root_for("others on the way") {
        return;
    }
    let tree = Tree::new();
    tree.dist("closed/site", "a", "[g]\na = stolen:main\n");
    set_mode(tree.path("closed"), 0o700);
    // Changes that a user might make to their directory while root looks.
    tree.dir("theirs");
    tree.link(tree.path("closed/site"), "theirs/link");
    tree.link(tree.path("closed"), "theirs/closed");
    for name in ["theirs", "theirs/link", "theirs/closed"] {
        lchown(tree.path(name), Some(STRANGER), None).unwrap();
    }
    refused(&tree, "theirs/link");
    refused(&tree, "theirs/closed/site");
    // A directory of that user is as closed as its mode says, even for root.
    tree.dist("theirs/own/site", "a", "[g]\na = stolen:main\n");
    set_mode(tree.path("theirs/own"), 0o700);
    lchown(tree.path("theirs/own"), Some(STRANGER), None).unwrap();
    refused(&tree, "theirs/own/site");
    // A directory that other users may write to counts as theirs.
    tree.dir("shared");
    tree.link(tree.path("closed/site"), "shared/link");
    set_mode(tree.path("shared"), 0o777);
    refused(&tree, "shared/link");
}

#[test]
fn the_tree_of_another_user_is_refreshed_as_that_user() {
    let test = "somebody else's environment";
    if !can_trace(test) {
        return;
    }
    for (scope, folder) in [
        ("--venv", "venv/.epcache"),
        ("--user", "home/.cache/epcache"),
    ] {
        let tree = Tree::new();
        tree.venv("venv");
        tree.dist(&Tree::user_site("home"), "mine", "[g]\nmine = mine:main\n");
        let own = Command::new("chown")
            .args(["-Rh", &format!("{STRANGER}:{STRANGER}")])
            .args([tree.path("venv"), tree.path("home")])
            .status();
        assert!(own.unwrap().success());
        // Files that the user cannot read are not read, although root asks.
        let secret = tree.file("secret", "[g]\nsecret = stolen:main\n");
        set_mode(&secret, 0o600);
        for site in [
            "venv/lib/python3.11/site-packages",
            &Tree::user_site("home"),
        ] {
            let metadata = tree.dist(site, "leads-out", "");
            fs::remove_file(metadata.join("entry_points.txt")).unwrap();
            symlink(&secret, metadata.join("entry_points.txt")).unwrap();
        }
        // The user may enter directories that only they may enter.
        set_mode(tree.path("home"), 0o700);
        let venv = tree.text("venv");
        let arguments = match scope {
            "--venv" => vec!["refresh", "--json", "--venv", &venv],
            _ => vec!["refresh", "--json", "--user"],
        };
        let mut command = traced(&tree, &["-e", "trace=%process,%file,setresuid"], &arguments);
        let ran = run(command.env("HOME", tree.path("home")));
        let Some(processes) = calls(test, &tree, &ran) else {
            return;
        };
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(ran.json()["sandbox"]["privileges"], "unprivileged");
        assert!(ran.warnings()[0].contains("may not be read"), "{ran:?}");
        for call in processes.iter().flatten().filter(|call| call.user == 0) {
            let makes = [
                "mkdir",
                "mkdirat",
                "rename",
                "renameat",
                "renameat2",
                "unlink",
                "unlinkat",
            ];
            assert!(
                !call.opens_for_writing() && !makes.contains(&&*call.name),
                "{call:?}"
            );
            let site = |path: PathBuf| {
                path.starts_with(tree.path("venv/lib"))
                    || path.starts_with(tree.path("home/.local"))
            };
            assert!(!call.opened().is_some_and(site), "{call:?}");
        }
        for name in ["", "index", "index.lock"] {
            let made = tree.path(folder).join(name).symlink_metadata().unwrap();
            assert_eq!(
                (made.uid(), made.gid()),
                (STRANGER, STRANGER),
                "{scope}: {name}"
            );
        }
        assert!(!contains(
            &sound(&tree.path(folder).join("index")),
            "stolen"
        ));
    }
}

// ---- trees that change meanwhile

/// A system in which an attacker may replace one distribution by anything. An index must not
/// contain `outsider`, which every user could read, or `secretive`, which only root could.
fn contested() -> Tree {
    let tree = Tree::new();
    tree.system("root");
    tree.dist(SITE, "aaa", "[g]\naaa = aaa:main\n");
    tree.dist(SITE, "zzz", "[g]\nzzz = zzz:main\n");
    // Another one, in directories of an attacker.
    tree.dist(THEIRS, "aaa", "[g]\naaa = aaa:main\n");
    tree.dist(THEIRS, "zzz", "[g]\nzzz = zzz:main\n");
    for directory in tree.path(THEIRS).ancestors().take(3) {
        lchown(directory, Some(STRANGER), None).unwrap();
    }
    for (place, says) in [("outside", "outsider"), ("secret", "secretive")] {
        let text = format!("[g]\nx = {says}:main\n");
        tree.dist(place, "x", &text);
        tree.dist(&format!("{place}/python3.11/site-packages"), says, &text);
        tree.file(&format!("{place}/file"), &text);
    }
    set_mode(tree.path("secret/file"), 0o600);
    set_mode(tree.path("secret"), 0o700);
    tree
}

/// Puts something in place of the distribution: one of several kinds, by number.
fn put(tree: &Tree, at: &Path, number: usize) {
    let entry_points = at.join("entry_points.txt");
    let directory = || {
        let _ = fs::create_dir(at);
        let _ = fs::write(at.join("METADATA"), "Name: x\nVersion: 1\n");
    };
    match number % 16 {
        0 => drop(symlink(tree.path("outside/x-1.dist-info"), at)),
        1 => drop(symlink(tree.path("secret/x-1.dist-info"), at)),
        2 => drop(symlink("../../../../../outside/x-1.dist-info", at)),
        3 => drop(mkfifo(at, Mode::S_IRWXU | Mode::S_IROTH)),
        4 => drop(fs::write(at, "Name: x\n")),
        5 => drop(symlink(at, at)),
        6 => drop(symlink("/proc/self/root", at)),
        7 => drop(symlink("/dev/zero", at)),
        other => {
            directory();
            match other {
                8 => drop(symlink(tree.path("outside/file"), entry_points)),
                9 => drop(symlink(tree.path("secret/file"), entry_points)),
                10 => drop(fs::hard_link(tree.path("secret/file"), entry_points)),
                11 => drop(mkfifo(&entry_points, Mode::S_IRWXU | Mode::S_IROTH)),
                12 => drop(fs::create_dir(entry_points)),
                13 => drop(symlink("/dev/zero", entry_points)),
                14 => drop(symlink("/proc/self/environ", entry_points)),
                _ => drop(fs::write(entry_points, "[g]\nx = honest:main\n")),
            }
        }
    }
}

fn remove(at: &Path) {
    if fs::remove_file(at).is_err() {
        let _ = fs::remove_dir_all(at);
    }
}

/// A refresh of that system, or of its search directory by path. Returns its result, and the names
/// that must not be in the index.
fn refresh(tree: &Tree, below_root: bool) -> (Ran, PathBuf, &'static [&'static str]) {
    let arguments: (&[&str], _, &'static [_]) = if below_root {
        // No link leads out of a root.
        (
            &["refresh", "-q", "--root", "root"],
            INDEX,
            &["outsider", "secretive", "SECRET"],
        )
    } else {
        (
            &["refresh", "-q", "--path", THEIRS, "--output", "to/index"],
            "to/index",
            &["secretive", "SECRET"],
        )
    };
    let (arguments, index, forbidden) = arguments;
    let ran = run(tree.epcache(arguments).env("SECRET", "SECRET"));
    (ran, tree.path(index), forbidden)
}

/// What is wrong with the index.
fn verdict(ran: &Ran, index: &Path, forbidden: &[&str]) -> Result<(), String> {
    if ![0, 1].contains(&ran.code) {
        return Err(format!("{ran:?}"));
    }
    let bytes = sound(index);
    match forbidden.iter().find(|text| contains(&bytes, text)) {
        Some(text) => Err(format!("{text} in {}", index.display())),
        None => Ok(()),
    }
}

#[test]
fn a_replaced_distribution_does_not_lead_elsewhere() {
    if !root_for("links out of a tree") {
        return;
    }
    let tree = contested();
    tree.dir("to");
    let places = [SITE, THEIRS].map(|site| tree.path(site).join("x-1.dist-info"));
    for number in 0..16 {
        for at in &places {
            put(&tree, at, number);
        }
        for below_root in [true, false] {
            let (ran, index, forbidden) = refresh(&tree, below_root);
            assert_eq!(ran.code, 0, "{number}: {ran:?}");
            assert_eq!(verdict(&ran, &index, forbidden), Ok(()), "{number}");
            let bytes = fs::read(index).unwrap();
            assert!(
                contains(&bytes, "aaa:main") && contains(&bytes, "zzz:main"),
                "{number}"
            );
        }
        for at in &places {
            remove(at);
        }
    }
}

/// Replaces a search directory, and the directory above it, by links for a moment each.
fn swap_directories(tree: &Tree, site: &Path, done: &AtomicBool) {
    let above = site.parent().unwrap();
    let aside = above.with_file_name("aside");
    let link = above.with_file_name("link");
    for number in 0.. {
        let outside = tree
            .path(["outside", "secret"][number % 2])
            .join("python3.11");
        let (place, target) = match number % 4 {
            0 | 1 => (site, outside.join("site-packages")),
            _ => (above, outside),
        };
        symlink(target, &link).unwrap();
        lchown(&link, Some(STRANGER), None).unwrap();
        fs::rename(place, &aside).unwrap();
        fs::rename(&link, place).unwrap();
        std::thread::sleep(Duration::from_millis(1));
        fs::remove_file(place).unwrap();
        fs::rename(&aside, place).unwrap();
        std::thread::sleep(Duration::from_millis(1));
        if done.load(Ordering::Relaxed) {
            break;
        }
    }
}

#[test]
fn changes_meanwhile_neither_stop_a_refresh_nor_lead_it_outside() {
    if !root_for("races") {
        return;
    }
    const ROUNDS: usize = 1000;
    const LONG_ENOUGH: Duration = Duration::from_secs(20);
    let tree = contested();
    tree.dir("to");
    let (done, swaps) = (AtomicBool::new(false), AtomicUsize::new(0));
    let failure = std::thread::scope(|scope| {
        for site in [SITE, THEIRS].map(|site| tree.path(site)) {
            let (tree, done, swaps) = (&tree, &done, &swaps);
            // One thread replaces the distribution and its files. It starts and ends without
            // replacements.
            let at = site.join("x-1.dist-info");
            let mine = tree.dir(&format!("mine-{}", site.components().count()));
            scope.spawn(move || {
                for number in 0.. {
                    let made = mine.join("made");
                    put(tree, &made, number);
                    let _ = fs::rename(&made, &at);
                    std::thread::yield_now();
                    let gone = mine.join("gone");
                    let _ = fs::rename(&at, &gone);
                    remove(&made);
                    remove(&gone);
                    swaps.fetch_add(1, Ordering::Relaxed);
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
            // The other replaces the directories above it by links that lead out.
            scope.spawn(move || swap_directories(tree, &site, done));
        }
        let started = Instant::now();
        let mut failure = None;
        for round in 0..ROUNDS {
            if started.elapsed() > LONG_ENOUGH {
                break;
            }
            let (ran, index, forbidden) = refresh(&tree, round % 4 != 3);
            let wrong = std::panic::catch_unwind(|| verdict(&ran, &index, forbidden));
            if let Err(wrong) = wrong.unwrap_or_else(|_| Err("an index that is not sound".into())) {
                failure = Some(format!("round {round}: {wrong}"));
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
        failure
    });
    assert_eq!(failure, None);
    assert!(
        swaps.load(Ordering::Relaxed) > 16,
        "each kind at least once"
    );
}

// ---- file servers that die

#[test]
fn a_trigger_gives_up_on_a_file_system_that_hangs_and_keeps_the_old_index() {
    let test = "a file system that hangs";
    if !can_trace(test) {
        return;
    }
    let tree = Tree::new();
    tree.system("root");
    let ran = run(&mut tree.epcache(&["refresh", "-q", "--root", "root"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let before = fs::read(tree.path(INDEX)).unwrap();
    tree.dist("server", "stuck", "[g]\nstuck = stuck:main\n");
    let Some(_mount) = StuckMount::new(
        test,
        &tree,
        "server",
        "root/usr/lib/python3.11/lib-dynload",
        "stuck-1.dist-info/METADATA",
    ) else {
        return;
    };
    let ran = run(&mut tree.epcache(&["trigger", "dpkg", "--root", "root"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let said =
        "the process that reads packages sent nothing for 30 s (does a file system hang?): gave up";
    assert!(ran.complaint().contains(said), "{ran:?}");
    let mut after = fs::read(tree.path(INDEX)).unwrap();
    assert_eq!(
        std::mem::replace(&mut after[SUSPECT_AT as usize], 0),
        1,
        "suspect"
    );
    assert!(before == after);
}

#[test]
fn a_worker_that_waits_for_a_dead_file_server_is_left_behind() {
    let test = "a dead file server";
    let tree = Tree::new();
    tree.dist("server", "stuck", "[g]\nstuck = stuck:main\n");
    let Some(mount) = StuckMount::new(test, &tree, "server", "site", "stuck-1.dist-info/METADATA")
    else {
        return;
    };
    let dead = tree.path("site/stuck-1.dist-info/METADATA");
    // In its own thread, which is confined for good.
    let trouble = std::thread::scope(|scope| {
        let body = || {
            let policy = Policy::default();
            let terms = Terms {
                policy: &policy,
                bounds: Bounds {
                    silence: Duration::from_secs(1),
                    time: Duration::from_secs(60),
                    size: 1 << 20,
                },
                kept: &[],
                writable: &[],
            };
            let job = Job {
                enter: Box::new(|| false),
                prepare: Box::new(|| ()),
                work: Box::new(|_| drop(fs::read(&dead))),
            };
            privsep::run(terms, job, &mut |_| Ok(false)).map(drop)
        };
        scope.spawn(body).join().unwrap()
    });
    assert!(matches!(trouble, Err(Trouble::Silent(1))), "{trouble:?}");
    drop(mount);
}
