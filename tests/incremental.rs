//! A refresh that starts from the old index returns, byte for byte, the same index as one that
//! reads everything, after any changes. If nothing has changed, nothing is written.
//!
//! The exceptions, which no time and no name shows, are tested here too.
//!
//! The table names what such a refresh must not reuse, and the test that fails without the check
//! (`history` is `any_history_ends_in_the_index_that_reading_everything_gives`):
//!
//! | not reused | test |
//! |---|---|
//! | what was unread, a problem or warned about | `unusable_distributions_are_read…`, `permissions_that_were_granted…`, `history` |
//! | what has other times, or none | `a_distribution_whose_recorded_times_tell_nothing…`, `history` |
//! | what has times that may repeat | `a_distribution_whose_recorded_times_tell_nothing…` |
//! | what rpm's list names, by any name of its directory | `only_the_distributions_named_in_a_list…`, `a_directory_by_another_name…` |
//! | anything unseen, if the list leads to an unknown place | `with_a_list_that_leads_to_an_unknown_place…` |
//! | a link unseen | `the_target_of_a_link_is_looked_at…` |
//! | the order, if the directory lists in another one | `history` |
//! | the order and the choice among twins | `history` |
//! | a record whose times tell nothing, or with other flags | `a_record_whose_times_tell_nothing…` |
//! | a damaged index, of other rules, of an image | `an_index_that_is_damaged_or_foreign…`, `an_index_made_to_mislead…` |
//! | an index that is suspect, or has another mode or owner | `a_suspect_index_is_not_reused`, `an_index_that_others_may_write…` |
//! | any index, for an image | `the_summary_says…` |
//! | names listed before a change, or of another directory | `freshness::names` |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;
#[path = "incremental/history.rs"]
mod history;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use cli::{Ran, Tree, run, tool_for};
use epcache::index::format::{
    BLOCK, DIRECTORY_ROW, HEADER, HEADER_CHECKED_FROM, RULES, SUSPECT_AT, checksum, record_flag,
};
use epcache::index::{Index, Stamp, verify};
use epcache::rooted::Root;
use epcache::scan::Purpose;
use epcache::worker::{self, Named, Product, Request, Scope};
use history::{History, Random};

fn full(paths: &[PathBuf]) -> Product {
    let request = Request::full(Scope::Paths(paths.to_vec()), Purpose::Running);
    worker::run(&Root::system(), &request, &mut |_| ()).unwrap()
}

/// The result of starting from these bytes.
fn incremental(paths: &[PathBuf], old: &[u8], named: Option<Named>) -> Product {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(old).unwrap();
    file.rewind().unwrap();
    let mut request = Request::full(Scope::Paths(paths.to_vec()), Purpose::Running);
    request.old = Some(file);
    request.named = named;
    let mut product = worker::run(&Root::system(), &request, &mut |_| ()).unwrap();
    if product.unchanged {
        assert!(product.index.is_empty());
        product.index = old.to_vec();
        product.index[usize::try_from(SUSPECT_AT).unwrap()] = 0;
    }
    product
}

#[track_caller]
fn assert_same(incremental: &Product, full: &Product, what: &str) {
    assert!(
        incremental.index == full.index,
        "{what}: {} reused, {} read: {}",
        incremental.reused,
        incremental.scanned,
        first_difference(&incremental.index, &full.index)
    );
    let said = |product: &Product| product.warnings.clone();
    assert_eq!(said(incremental), said(full), "{what}");
    assert_eq!(incremental.distributions, full.distributions);
    assert_eq!(incremental.entry_points, full.entry_points);
    assert_eq!(
        incremental.reused + incremental.scanned,
        full.scanned,
        "{what}"
    );
    verify(&Index::open(incremental.index.clone()).unwrap()).unwrap();
}

fn first_difference(a: &[u8], b: &[u8]) -> String {
    let at = a.iter().zip(b).position(|(a, b)| a != b);
    format!("{} and {} bytes, apart from {at:?} on", a.len(), b.len())
}

/// How many histories there are. EPCACHE_TEST_HISTORIES can change it.
fn histories() -> u64 {
    let wanted = std::env::var("EPCACHE_TEST_HISTORIES").ok();
    wanted.and_then(|wanted| wanted.parse().ok()).unwrap_or(40)
}

#[test]
fn any_history_ends_in_the_index_that_reading_everything_gives() {
    let (mut reused, mut read, mut unchanged) = (0, 0, 0);
    for seed in 0..histories() {
        let mut random = Random::new(seed);
        let mut history = History::new(&mut random);
        let mut old = full(&history.paths()).index;
        let mut named = Named::new();
        for step in 0..25 {
            for _ in 0..random.below(4) {
                history.step(&mut random, &mut named);
            }
            if random.below(5) == 0 {
                continue; // a refresh that never came
            }
            let what = format!("seed {seed}, step {step}, {}", history.last());
            let told = (random.below(2) == 0).then(|| named.clone());
            let hinted = told.is_some();
            let now = incremental(&history.paths(), &old, told);
            let wanted = full(&history.paths());
            assert_same(&now, &wanted, &format!("{what}, hinted: {hinted}"));
            (reused, read) = (reused + now.reused, read + now.scanned);
            unchanged += usize::from(now.unchanged);
            old = now.index;
            named.clear();
        }
    }
    println!("{reused} reused, {read} read, {unchanged} unchanged");
    assert!(reused > read, "that is not starting from the old index");
    assert!(unchanged > 0);
}

/// A site of three distributions, and its index.
fn three() -> (Tree, Vec<PathBuf>, Vec<u8>) {
    let tree = Tree::new();
    for name in ["a", "b", "c"] {
        tree.dist("site", name, &format!("[g]\n{name} = {name}:main\n"));
    }
    let paths = vec![tree.path("site")];
    let old = full(&paths).index;
    (tree, paths, old)
}

#[test]
fn an_index_that_is_damaged_or_foreign_is_not_reused() {
    let (_tree, paths, good) = three();
    let wanted = full(&paths);
    let read_all = |old: &[u8], what: &str| {
        let now = incremental(&paths, old, Some(Named::new()));
        assert_eq!(now.reused, 0, "{what}");
        assert_same(&now, &wanted, what);
    };
    for length in (0..good.len()).step_by(37) {
        read_all(&good[..length], "cut off");
    }
    for at in (0..good.len()).filter(|&at| !(10..16).contains(&at)) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        read_all(&bad, &format!("a byte at {at} flipped"));
    }
    read_all(&[good.clone(), vec![0]].concat(), "a byte too many");
    let with_number = |at: usize, number: u32| {
        let mut other = good.clone();
        other[at..at + 4].copy_from_slice(&number.to_le_bytes());
        let sum = checksum(&other[HEADER_CHECKED_FROM..64]);
        other[16..20].copy_from_slice(&sum.to_le_bytes());
        other
    };
    read_all(&with_number(8, 2), "another version of the format");
    read_all(&with_number(36, RULES + 1), "packages read by other rules");
    read_all(&with_number(36, RULES | 1 << 31), "of an image");
    let (_other, other_paths, other) = three();
    assert_ne!(paths, other_paths);
    read_all(&other, "of another directory");
    assert_eq!(incremental(&paths, &good, None).reused, 3, "as it is");
}

/// An index whose body was changed, with checksums to match.
fn altered(index: &[u8], alter: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let blocks = u32::from_le_bytes(index[24..28].try_into().unwrap());
    let body = HEADER + 4 * usize::try_from(blocks).unwrap();
    let mut index = index.to_vec();
    alter(&mut index[body..]);
    let sums: Vec<u8> = index[body..]
        .chunks(BLOCK)
        .flat_map(|block| checksum(block).to_le_bytes())
        .collect();
    index[HEADER..body].copy_from_slice(&sums);
    index
}

/// The index with another mtime or ctime of its first distribution.
fn with_stamp(index: &[u8], at: usize, stamp: Stamp) -> Vec<u8> {
    altered(index, |body| {
        let segment = &body[DIRECTORY_ROW..DIRECTORY_ROW + 4];
        let row = usize::try_from(u32::from_le_bytes(segment.try_into().unwrap())).unwrap();
        body[row + at..row + at + 8].copy_from_slice(&stamp.raw().to_le_bytes());
    })
}

const MTIME: usize = 16;
const CTIME: usize = 24;

#[test]
fn a_distribution_whose_recorded_times_tell_nothing_is_read_with_any_list() {
    let (tree, paths, good) = three();
    let wanted = full(&paths);
    let now = fs::metadata(tree.path("site")).unwrap().ctime();
    let (missing, future) = (Stamp::UNKNOWN, Stamp::new(now + 3600, 5));
    let past = Stamp::new(now - 3600, 5);
    for (at, stamp, told) in [
        (CTIME, missing, true),
        (MTIME, missing, true),
        (CTIME, future, true),
        (MTIME, past, false),
        (CTIME, past, false),
    ] {
        let old = with_stamp(&good, at, stamp);
        let now = incremental(&paths, &old, told.then(Named::new));
        assert_eq!((now.reused, now.scanned), (2, 1), "{stamp:?} at {at}");
        assert_same(&now, &wanted, &format!("{stamp:?} at {at}"));
    }
}

#[test]
fn a_record_whose_times_tell_nothing_is_not_reused() {
    let (_tree, paths, good) = three();
    let wanted = full(&paths);
    let with_flags = |flags: u32| {
        altered(&good, |body| {
            let at = DIRECTORY_ROW + 12;
            assert_eq!(body[at..at + 4], [0; 4], "the flags of the only record");
            body[at..at + 4].copy_from_slice(&flags.to_le_bytes());
        })
    };
    for flags in [record_flag::SILENT, record_flag::SORTED] {
        let now = incremental(&paths, &with_flags(flags), Some(Named::new()));
        assert_eq!(now.reused, 0, "{flags}");
        assert_same(&now, &wanted, &format!("flags {flags}"));
    }
    let now = incremental(&paths, &with_flags(1 << 20), Some(Named::new()));
    assert_same(&now, &wanted, "a flag that nobody knows of");
}

#[test]
fn the_target_of_a_link_is_looked_at_with_any_list() {
    let tree = Tree::new();
    tree.dist("site", "a", "[g]\na = a:main\n");
    let inside = tree.dist("elsewhere", "b", "[g]\nb = b:main\n");
    tree.link(inside.to_str().unwrap(), "site/b-1.dist-info");
    let paths = vec![tree.path("site")];
    let old = full(&paths).index;
    fs::write(inside.join("new"), "[g]\nnew = new:main\n").unwrap();
    fs::rename(inside.join("new"), inside.join("entry_points.txt")).unwrap();
    let now = incremental(&paths, &old, Some(Named::new()));
    assert_eq!((now.reused, now.scanned), (1, 1));
    assert_same(&now, &full(&paths), "behind a link");
}

#[test]
fn with_a_list_that_leads_to_an_unknown_place_everything_is_looked_at() {
    let (tree, paths, old) = three();
    let inside = tree.path("site/a-1.dist-info");
    fs::write(inside.join("new"), "[g]\nnew = new:main\n").unwrap();
    fs::rename(inside.join("new"), inside.join("entry_points.txt")).unwrap();
    tree.link("loop", "loop");
    let named = Named::from([(tree.path("loop"), BTreeSet::new())]);
    let now = incremental(&paths, &old, Some(named));
    assert_eq!((now.reused, now.scanned), (2, 1));
    assert_same(&now, &full(&paths), "a directory that cannot be told");
}

#[test]
fn warnings_are_repeated_if_no_time_has_changed() {
    let tree = Tree::new();
    tree.dist("site", "a", "[g]\na = a:main\n");
    let bare = tree.dir("site/bare-1.dist-info").join("entry_points.txt");
    fs::write(&bare, "[g]\nb = b:main\n").unwrap();
    let paths = vec![tree.path("site")];
    for content in ["[g]\n# b\nb = b:main\n", "[g]\nb = b:other\n"] {
        let old = full(&paths).index;
        fs::write(&bare, content).unwrap();
        let now = incremental(&paths, &old, None);
        assert_eq!((now.reused, now.scanned), (1, 1));
        assert!(!now.unchanged, "{content}");
        assert_same(&now, &full(&paths), content);
    }
}

#[test]
fn a_special_file_is_not_reused_as_an_index() {
    let (tree, paths, _) = three();
    for other in [File::open("/dev/zero"), File::open(tree.path("site"))] {
        let mut request = Request::full(Scope::Paths(paths.clone()), Purpose::Running);
        request.old = Some(other.unwrap());
        let product = worker::run(&Root::system(), &request, &mut |_| ()).unwrap();
        assert_eq!(product.scanned, 3);
    }
}

/// The checksums are right, but the content is false. The result must be valid, and must not
/// contain the false content where anything shows that it is false.
#[test]
fn an_index_made_to_mislead_does_no_harm() {
    let (_tree, paths, good) = three();
    let wanted = full(&paths).index;
    let mut random = Random::new(1);
    let mut believed = 0;
    for _ in 0..3000 {
        let lie = altered(&good, |body| {
            for _ in 0..1 + random.below(3) {
                let at = random.below(body.len());
                body[at] = body[at].wrapping_add(1 + u8::try_from(random.below(255)).unwrap());
            }
        });
        let now = incremental(&paths, &lie, None);
        verify(&Index::open(now.index.clone()).unwrap()).unwrap();
        assert_eq!(now.distributions, 3);
        believed += usize::from(now.index != wanted);
    }
    // Only root writes an index, so its content is trusted as long as the times are the same.
    println!("{believed} of 3000 lies believed");
    assert!(believed < 1500);
}

#[test]
fn a_wrong_list_does_not_hide_added_or_removed_distributions() {
    let (tree, paths, old) = three();
    fs::remove_dir_all(tree.path("site/a-1.dist-info")).unwrap();
    fs::rename(
        tree.path("site/b-1.dist-info"),
        tree.path("site/b-2.dist-info"),
    )
    .unwrap();
    tree.dist("site", "d", "[g]\nd = d:main\n");
    for named in [
        Named::new(),
        Named::from([(
            "/elsewhere".into(),
            BTreeSet::from([b"c-1.dist-info".to_vec()]),
        )]),
    ] {
        assert_same(
            &incremental(&paths, &old, Some(named)),
            &full(&paths),
            "a wrong list",
        );
    }
}

#[test]
fn a_directory_by_another_name_in_the_list_is_the_same_directory() {
    let (tree, paths, old) = three();
    let inside = tree.path("site/a-1.dist-info");
    fs::write(inside.join("new"), "[g]\nnew = new:main\n").unwrap();
    fs::rename(inside.join("new"), inside.join("entry_points.txt")).unwrap();
    tree.link("site", "alias");
    let named = Named::from([(
        tree.path("alias"),
        BTreeSet::from([b"a-1.dist-info".to_vec()]),
    )]);
    let now = incremental(&paths, &old, Some(named));
    assert_eq!((now.reused, now.scanned), (2, 1));
    assert_same(&now, &full(&paths), "an alias");
}

#[test]
fn a_change_that_only_the_list_could_show_is_stale_until_everything_is_looked_at() {
    let (tree, paths, old) = three();
    let inside = tree.path("site/a-1.dist-info");
    fs::write(inside.join("new"), "[g]\nnew = new:main\n").unwrap();
    fs::rename(inside.join("new"), inside.join("entry_points.txt")).unwrap();
    let blind = incremental(&paths, &old, Some(Named::new()));
    assert!(
        blind.unchanged,
        "an in-place upgrade that the list did not name"
    );
    assert_same(&incremental(&paths, &old, None), &full(&paths), "looked at");
}

#[test]
fn a_file_rewritten_in_place_is_stale_until_a_full_refresh() {
    let (tree, paths, old) = three();
    fs::write(
        tree.path("site/a-1.dist-info/entry_points.txt"),
        "[g]\nnew = new:main\n",
    )
    .unwrap();
    let stale = incremental(&paths, &old, None);
    assert!(stale.unchanged);
    let tree = &tree;
    let refresh = |arguments: &[&str]| {
        let ran = run(tree.epcache(&REFRESH).args(arguments));
        assert_eq!(ran.code, 0, "{ran:?}");
        let query = [
            "query",
            "g",
            "--path",
            "site",
            "--index",
            "index",
            "--freshness",
            "trust",
        ];
        run(&mut tree.epcache(&query)).stdout
    };
    fs::write(tree.path("index"), &old).unwrap();
    assert!(!refresh(&[]).contains("new:main"));
    let mended = refresh(&["--full"]);
    assert!(mended.contains("g\tnew\tnew:main"), "{mended}");
}

#[test]
fn unusable_distributions_are_read_and_reported_again() {
    let tree = Tree::new();
    tree.dist("site", "good", "[g]\na = a:b\n");
    tree.dist("site", "bad", "[g]\nno equals sign\n");
    tree.dist("site", "link", "[g]\na = a:b\n");
    fs::remove_file(tree.path("site/link-1.dist-info/entry_points.txt")).unwrap();
    tree.link("nowhere", "site/link-1.dist-info/entry_points.txt");
    tree.dir("site/empty-1.dist-info");
    let first = summary(&tree, &[]);
    let second = summary(&tree, &[]);
    assert_eq!(second["warnings"], first["warnings"]);
    assert_eq!(second["warnings"].as_array().unwrap().len(), 3);
    assert_eq!(
        (&second["reused"], &second["scanned"]),
        (&1.into(), &3.into())
    );
    assert_eq!(second["written"], false, "and it is the same again");
}

#[test]
fn permissions_that_were_granted_are_noticed() {
    let name = "permissions that were granted";
    if !cli::root_for(name) {
        return;
    }
    let tree = Tree::new();
    tree.dist("site", "a", "[g]\na = a:b\n");
    let secret = tree
        .dist("site", "secret", "[g]\ns = s:b\n")
        .join("entry_points.txt");
    cli::set_mode(&secret, 0o600);
    tree.dir("out");
    tree.give("out");
    let refresh = || {
        let ran = run(&mut tree.as_user(&[
            "refresh",
            "--path",
            "site",
            "--output",
            "out/index",
            "--json",
        ]));
        ran.json()
    };
    assert_eq!(refresh()["entry_points"], 1);
    cli::set_mode(&secret, 0o644); // moves no time of the directory
    let summary = refresh();
    assert_eq!(summary["entry_points"], 2);
    assert_eq!(
        (&summary["reused"], &summary["scanned"]),
        (&1.into(), &1.into())
    );
}

const REFRESH: [&str; 5] = ["refresh", "--path", "site", "--output", "index"];

fn summary(tree: &Tree, arguments: &[&str]) -> serde_json::Value {
    let ran = run(tree.epcache(&REFRESH).arg("--json").args(arguments));
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.json()
}

#[test]
fn the_summary_says_how_many_were_read_and_how_many_were_not() {
    let (tree, ..) = three();
    let counts = |arguments: &[&str]| {
        let summary = summary(&tree, arguments);
        (
            summary["reused"].as_u64().unwrap(),
            summary["scanned"].as_u64().unwrap(),
            summary["written"] == true,
        )
    };
    assert_eq!(counts(&[]), (0, 3, true));
    assert_eq!(counts(&[]), (3, 0, false));
    assert_eq!(counts(&["--full"]), (0, 3, false));
    tree.dist("site", "d", "[g]\nd = d:main\n");
    assert_eq!(counts(&[]), (3, 1, true));
    fs::remove_dir_all(tree.path("site/a-1.dist-info")).unwrap();
    assert_eq!(counts(&[]), (3, 0, true));
    assert_eq!(counts(&["--image"]), (0, 3, true));
    assert_eq!(counts(&[]), (0, 3, true), "times of images tell nothing");
}

/// A program under strace: its calls, one on each line.
fn traced(tree: &Tree, calls: &str, command: &[&str], stdin: Option<&Path>) -> (Ran, Vec<String>) {
    let mut traced = tree.program("strace".as_ref());
    // With the targets of descriptors: the worker's messages go into a pipe.
    traced.args([
        "-f",
        "-qq",
        "-y",
        "-e",
        &format!("trace={calls}"),
        "-o",
        "trace",
    ]);
    traced.arg(env!("CARGO_BIN_EXE_epcache")).args(command);
    if let Some(stdin) = stdin {
        traced.stdin(File::open(stdin).unwrap());
    }
    let ran = run(&mut traced);
    let trace = fs::read_to_string(tree.path("trace")).unwrap();
    (ran, trace.lines().map(str::to_owned).collect())
}

const WRITING: &str = "openat,fsync,fdatasync,rename,renameat,renameat2,pwrite64,write,unlink,link,linkat,mkdir,fchmod,chmod,ftruncate";

#[test]
fn if_nothing_has_changed_nothing_is_written() {
    let name = "where nothing has changed nothing is written";
    if !tool_for(name, "strace") {
        return;
    }
    let (tree, ..) = three();
    assert_eq!(run(&mut tree.epcache(&REFRESH)).code, 0);
    let before = fs::metadata(tree.path("index")).unwrap();
    sleep(Duration::from_millis(20));
    let (ran, calls) = traced(&tree, WRITING, &[&REFRESH[..], &["-q"]].concat(), None);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let writes: Vec<_> = calls
        .iter()
        .filter(|call| {
            !call.contains("openat(") || call.contains("O_CREAT") || call.contains("O_TRUNC")
        })
        .filter(|call| !call.contains(" EEXIST ") && !call.contains("index.lock"))
        .filter(|call| !call.contains("<pipe:") && !call.contains("<socket:"))
        .filter(|call| !call.contains(" --- ") && !call.contains(" +++ "))
        .collect();
    assert_eq!(writes, Vec::<&String>::new());
    let after = fs::metadata(tree.path("index")).unwrap();
    let identity = |file: &fs::Metadata| (file.ino(), file.mtime_nsec(), file.ctime_nsec());
    assert_eq!(identity(&before), identity(&after));
    let of_site = |call: &&String| call.contains("entry_points.txt") || call.contains("METADATA");
    assert_eq!(
        calls.iter().filter(of_site).count(),
        0,
        "nor is anything read"
    );
}

/// A system with three distributions, and its index.
fn system() -> (Tree, String) {
    let tree = Tree::new();
    tree.system("root");
    let site = "root/usr/lib/python3.11/site-packages".to_owned();
    for name in ["a", "b"] {
        tree.dist(&site, name, &format!("[g]\n{name} = {name}:main\n"));
    }
    let ran = run(&mut tree.epcache(&["refresh", "--root", "root"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    (tree, site)
}

const INDEX: &str = "root/usr/lib/epcache/index";
const RPM: [&str; 5] = ["trigger", "rpm", "--root", "root", "--strict"];

fn suspect(tree: &Tree) -> u8 {
    fs::read(tree.path(INDEX)).unwrap()[usize::try_from(SUSPECT_AT).unwrap()]
}

#[test]
fn a_trigger_that_changes_nothing_only_resets_the_suspect_byte() {
    let name = "a trigger that changes nothing";
    if !tool_for(name, "strace") {
        return;
    }
    let (tree, _) = system();
    let inode = || fs::metadata(tree.path(INDEX)).unwrap().ino();
    let before = (fs::read(tree.path(INDEX)).unwrap(), inode());
    let list = tree.file("list", "/usr/lib/python3.11/site-packages/a-1.dist-info\n");
    let (ran, calls) = traced(&tree, WRITING, &RPM, Some(&list));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!((fs::read(tree.path(INDEX)).unwrap(), inode()), before);
    assert!(
        !calls.iter().any(|call| call.contains("sync(")),
        "{calls:?}"
    );
    let bytes = calls.iter().filter(|call| call.contains("pwrite64("));
    let bytes: Vec<_> = bytes
        .map(|call| call.contains(", \"\\1\", 1, 12)"))
        .collect();
    assert_eq!(bytes, [true, false], "suspected, and no more: {calls:?}");
}

#[test]
fn only_the_distributions_named_in_a_list_are_visited() {
    let name = "from a list only what it names is visited";
    if !tool_for(name, "strace") {
        return;
    }
    let (tree, site) = system();
    let inside = tree.path(&format!("{site}/a-1.dist-info"));
    fs::write(inside.join("new"), "[g]\nnew = new:main\n").unwrap();
    fs::rename(inside.join("new"), inside.join("entry_points.txt")).unwrap();
    let list = tree.file(
        "list",
        "/usr/lib/python3.11/site-packages/a-1.dist-info/entry_points.txt\n",
    );
    let (ran, calls) = traced(&tree, "%file", &RPM, Some(&list));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let visits = |what: &str| calls.iter().filter(|call| call.contains(what)).count();
    assert!(visits("a-1.dist-info") > 0);
    assert_eq!(visits("b-1.dist-info"), 0, "{calls:?}");
    assert_eq!(suspect(&tree), 0);
    let incremental = fs::read(tree.path(INDEX)).unwrap();
    let ran = run(&mut tree.epcache(&["refresh", "--root", "root", "--full", "--json"]));
    assert_eq!(ran.json()["written"], false, "{ran:?}");
    assert_eq!(incremental, fs::read(tree.path(INDEX)).unwrap());
}

#[test]
fn a_directory_that_does_not_change_is_listed_once() {
    let name = "a directory that holds still is listed once";
    if !tool_for(name, "strace") {
        return;
    }
    let (tree, site) = system();
    sleep(Duration::from_millis(30));
    let list = tree.file("list", "/usr/lib/python3.11/site-packages/a-1.dist-info\n");
    for command in [&["refresh", "--root", "root", "-q", "--full"][..], &RPM] {
        let (ran, calls) = traced(&tree, "openat", command, Some(&list));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        let listing = format!("{site}>, \".\", ");
        let listings: Vec<_> = calls.iter().filter(|it| it.contains(&listing)).collect();
        assert_eq!(listings.len(), 1, "{command:?}: {listings:?}");
    }
}

#[test]
fn a_suspect_index_is_not_reused() {
    let (tree, site) = system();
    // No time shows it: only a full refresh can repair it.
    let file = tree.path(&format!("{site}/a-1.dist-info/entry_points.txt"));
    fs::write(file, "[g]\nnew = new:main\n").unwrap();
    let mut index = fs::read(tree.path(INDEX)).unwrap();
    index[usize::try_from(SUSPECT_AT).unwrap()] = 1;
    for command in [&["refresh", "--root", "root", "-q"][..], &RPM] {
        fs::write(tree.path(INDEX), &index).unwrap();
        let list = tree.file("list", "/usr/lib/python3.11/site-packages/b-1.dist-info\n");
        let mut program = tree.epcache(command);
        let ran = run(program.stdin(File::open(list).unwrap()));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        let exported = run(&mut tree.epcache(&["export", "--index", INDEX])).stdout;
        assert!(exported.contains("new:main"), "{command:?}: {exported}");
        assert_eq!(suspect(&tree), 0);
    }
}

#[test]
fn an_index_that_others_may_write_is_not_reused() {
    let (tree, ..) = three();
    assert_eq!(summary(&tree, &[])["scanned"], 3);
    cli::set_mode(tree.path("index"), 0o666);
    assert_eq!(summary(&tree, &[])["scanned"], 3);
    assert_eq!(cli::mode(tree.path("index")), 0o644);
    assert_eq!(summary(&tree, &[])["scanned"], 0);
    cli::set_mode(tree.path("index"), 0o600);
    assert_eq!(summary(&tree, &[])["written"], true, "readable again");
    assert_eq!(cli::mode(tree.path("index")), 0o644);
}
