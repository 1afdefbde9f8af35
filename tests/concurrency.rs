//! Many at once: processes that refresh one index, processes that read it, and one that installs
//! and removes distributions all the time. No reader sees an error or a part of a file, each gets
//! its turns, and in the end the index is correct.
//!
//! It takes 60 s if `EPCACHE_TEST_REQUIRE_ALL` is set (as in `tests/run`),
//! `EPCACHE_TEST_CONCURRENCY_SECONDS` seconds if that is set, and 5 s otherwise. It takes longer if
//! one of them has not had enough turns by then. Speed is not tested.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use cli::{Tree, names, run};
use epcache::index::{Index, verify};

const REFRESHERS: usize = 32;
const ASKING: usize = 32;
const READING: usize = 32;
/// The least number of turns for each.
const TURNS: usize = 3;

/// Distributions that stay, that are installed and removed, and how many entry points each has.
const STAYING: usize = 8;
const CHANGING: usize = 4;
const ENTRIES: usize = 20;

const REFRESH: [&str; 6] = ["refresh", "-q", "--path", "site", "--output", "index/index"];

fn seconds() -> Duration {
    let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let given =
        set("EPCACHE_TEST_CONCURRENCY_SECONDS").map(|value| value.parse().expect("seconds"));
    let all = set("EPCACHE_TEST_REQUIRE_ALL").is_some_and(|value| value != "0");
    Duration::from_secs(given.unwrap_or(if all { 60 } else { 5 }))
}

/// Writes a distribution whose entry points contain its version.
fn make(tree: &Tree, folder: &str, name: &str, version: usize) {
    let metadata = format!("{folder}/{name}-{version}.dist-info");
    let headers = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
    tree.file(&format!("{metadata}/METADATA"), headers);
    let entries = (0..ENTRIES).map(|number| format!("{name}.{number} = {name}:v{version}\n"));
    let content = format!("[g]\n{}", entries.collect::<String>());
    tree.file(&format!("{metadata}/entry_points.txt"), content);
}

/// Removes and installs in turn, by renaming, so that each is whole. Returns how often.
fn install(tree: &Tree, until: &AtomicBool) -> usize {
    let mut version = 1;
    while !until.load(Ordering::Relaxed) {
        for number in 0..CHANGING {
            let name = format!("changing{number}");
            let (old, new) = (version, version + 1);
            let place = |folder: &str, version| {
                tree.path(folder)
                    .join(format!("{name}-{version}.dist-info"))
            };
            make(tree, "staging", &name, new);
            fs::rename(place("site", old), place("staging", old)).unwrap();
            fs::rename(place("staging", new), place("site", new)).unwrap();
            fs::remove_dir_all(place("staging", old)).unwrap();
            sleep(Duration::from_millis(20));
        }
        version += 1;
    }
    version
}

/// Checks that these entry points (distribution, version, value) are complete for each
/// distribution, of one version, and that no distribution that stays is missing.
fn check(found: impl Iterator<Item = (String, String, String)>) {
    let mut distributions: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (name, version, value) in found {
        assert_eq!(value, format!("{name}:v{version}"));
        *distributions.entry((name, version)).or_default() += 1;
    }
    for (distribution, count) in &distributions {
        assert_eq!(*count, ENTRIES, "{distribution:?}");
    }
    let of = |kind: &str| {
        let names = distributions.keys().map(|(name, _)| name);
        names
            .filter(|name| name.starts_with(kind))
            .collect::<Vec<_>>()
    };
    assert_eq!(of("staying").len(), STAYING);
    let mut changing = of("changing");
    changing.dedup();
    assert_eq!(
        changing.len(),
        of("changing").len(),
        "two versions: {distributions:?}"
    );
}

/// Asks the program.
fn ask(tree: &Tree, turn: usize) {
    let freshness = ["auto", "trust", "strict", "fast"][turn % 4];
    let mut command = tree.epcache(&[
        "query",
        "--json",
        "--path",
        "site",
        "--index",
        "index/index",
    ]);
    let ran = run(command.args(["--freshness", freshness, "g"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        !ran.stderr.contains("error") && !ran.stderr.contains("not used"),
        "{ran:?}"
    );
    let found = ran.json();
    let text =
        |entry: &serde_json::Value, field: &str| entry[field].as_str().expect("text").to_owned();
    check(found.as_array().expect("a list").iter().map(|entry| {
        let [name, version, value] =
            ["distribution", "version", "value"].map(|field| text(entry, field));
        (name, version, value)
    }));
}

/// Reads every byte of the index itself.
fn read(tree: &Tree) {
    let index = Index::open(File::open(tree.path("index/index")).unwrap()).unwrap();
    verify(&index).unwrap();
    let path = tree.text("site");
    let record = index
        .find(path.as_bytes())
        .unwrap()
        .expect("the search directory");
    let group = record.group("g").unwrap().expect("the group");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let found = record.entries(&group).map(|entry| {
        let entry = entry.unwrap();
        let distribution = record.distribution(entry.distribution).unwrap();
        (
            text(&distribution.name),
            text(&distribution.version),
            entry.value.clone(),
        )
    });
    check(found);
}

/// Takes turns until told to stop, at least so many, then one more.
fn take_turns(until: &AtomicBool, turns: &AtomicUsize, mut turn: impl FnMut(usize)) {
    let mut taken = 0;
    while taken < TURNS || !until.load(Ordering::Relaxed) {
        turn(taken);
        taken += 1;
        turns.fetch_add(1, Ordering::Relaxed);
    }
    turn(taken);
}

#[test]
fn readers_writers_and_installers_do_not_disturb_each_other() {
    let tree = Tree::new();
    for (kind, count) in [("staying", STAYING), ("changing", CHANGING)] {
        (0..count).for_each(|number| make(&tree, "site", &format!("{kind}{number}"), 1));
    }
    tree.dir("index");
    tree.dir("fresh");
    tree.refresh(&["site"], "index/index");
    let (over, written, read_out) = (
        AtomicBool::new(false),
        AtomicBool::new(false),
        AtomicBool::new(false),
    );
    let [refreshed, asked, looked, installed] = [const { AtomicUsize::new(0) }; 4];
    thread::scope(|scope| {
        let began = Instant::now();
        let installing =
            scope.spawn(|| installed.fetch_add(install(&tree, &over), Ordering::Relaxed));
        let refreshing = [(); REFRESHERS].map(|()| {
            scope.spawn(|| {
                take_turns(&written, &refreshed, |_| {
                    let ran = run(&mut tree.epcache(&REFRESH));
                    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
                });
            })
        });
        for number in 0..ASKING {
            let (tree, read_out, asked) = (&tree, &read_out, &asked);
            scope.spawn(move || take_turns(read_out, asked, |turn| ask(tree, number + turn)));
        }
        for _ in 0..READING {
            scope.spawn(|| {
                take_turns(&read_out, &looked, |_| {
                    read(&tree);
                    // Without this they would have the processors to themselves.
                    sleep(Duration::from_millis(20));
                });
            });
        }
        let stop = |flag: &AtomicBool| flag.store(true, Ordering::Relaxed);
        // A failed thread ends it for all.
        while began.elapsed() < seconds() && !refreshing.iter().any(|thread| thread.is_finished()) {
            sleep(Duration::from_millis(20));
        }
        stop(&over);
        installing.join().expect("whoever installs");
        // From here on nothing changes, and each refresher has one more turn.
        stop(&written);
        let done = refreshing.map(thread::ScopedJoinHandle::join);
        stop(&read_out);
        done.into_iter()
            .for_each(|result| result.expect("a refresher"));
    });
    let _ = writeln!(
        std::io::stderr(),
        "concurrency: {installed:?} times installed, {refreshed:?} refreshes, {asked:?} queries, {looked:?} readings"
    );
    let fresh = [
        "refresh",
        "-q",
        "--full",
        "--path",
        "site",
        "--output",
        "fresh/index",
    ];
    assert_eq!(run(&mut tree.epcache(&fresh)).code, 0);
    let [index, fresh] =
        ["index/index", "fresh/index"].map(|name| fs::read(tree.path(name)).unwrap());
    assert!(index == fresh, "the last index is not what is there");
    assert_eq!(names(tree.path("index")), ["index", "index.lock"]);
}
