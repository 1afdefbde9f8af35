//! No control character gets into an index, or into any other file that epcache writes. Anything
//! that contains one is left out and named. All other packages are not affected.

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
use std::path::Path;

use cli::{Ran, Tree, run};
use epcache::index::{self, DistributionDraft, EncodedRecord, EntryDraft, Index, Stamp, write};

/// Each of these has a control character: a line end, an escape sequence, a tab, DEL, C1, U+2028.
const BAD: [&[u8]; 7] = [
    b"bad\n[g]\nx = y\n",
    b"bad\x1b[2J",
    b"bad\ty",
    b"bad\x7f",
    b"bad\xc2\x85",
    b"bad\xe2\x80\xa8",
    b"bad\xe9\n",
];

/// None of these has one: spaces, letters of all kinds, right-to-left marks, bytes that are not
/// UTF-8.
const ODD: [&[u8]; 4] = [
    b"odd one",
    "odd\u{e9}\u{a0}\u{1f600}".as_bytes(),
    "odd\u{202e}".as_bytes(),
    b"odd\x85\xe9",
];

const SITE: &str = "root/usr/lib/python3.11/site-packages";

fn metadata(tree: &Tree, site: &str, name: &[u8]) {
    let path = tree
        .path(site)
        .join(OsStr::from_bytes(&[name, b"-1.dist-info"].concat()));
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("METADATA"), "Name: x\nVersion: 1\n").unwrap();
    let text = [b"[g]\n".as_slice(), &name[..3], b" = m:f\n"].concat();
    fs::write(path.join("entry_points.txt"), text).unwrap();
}

fn stdout(tree: &Tree, arguments: &[&str]) -> String {
    let ran = run(&mut tree.epcache(arguments));
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.stdout
}

fn warned(ran: &Ran, text: &str) -> usize {
    let lines = ran.stderr.lines();
    lines.filter(|line| line.contains(text)).count()
}

#[test]
fn directories_with_one_are_left_out_and_named_once_and_the_record_stays_fresh() {
    let tree = Tree::new();
    for name in BAD.iter().chain(&ODD) {
        metadata(&tree, "site", name);
    }
    tree.dist("site", "good", "[g]\ngood = good:main\n");
    std::thread::sleep(std::time::Duration::from_millis(50));
    let refresh = ["refresh", "--path", "site", "--output", "index"];
    let ran = run(&mut tree.epcache(&refresh));
    assert_eq!(ran.code, 0, "{ran:?}");
    let named =
        "site/bad\\x09y-1.dist-info: a control character in its name, left out, as are 6 more";
    assert_eq!(warned(&ran, named), 1, "{ran:?}");
    assert_eq!(warned(&ran, "control character"), 1, "{ran:?}");

    let bytes = fs::read(tree.path("index")).unwrap();
    index::verify(&Index::open(bytes.clone()).unwrap()).unwrap();
    let has = |name: &[u8]| bytes.windows(name.len()).any(|part| part == name);
    for name in BAD {
        assert!(!has(name), "{name:?}");
    }
    for name in ODD {
        assert!(has(name), "{name:?}");
    }
    let live = stdout(&tree, &["query", "--json", "g", "--path", "site"]);
    let query = ["query", "--json", "g", "--path", "site", "--index", "index"];
    assert_eq!(stdout(&tree, &query), live);
    assert!(
        !live.contains("bad") && live.contains("good:main"),
        "{live}"
    );
    assert_eq!(live.matches("\"odd\"").count(), ODD.len(), "{live}");
    let mut status = tree.epcache(&["status"]);
    let ran = run(status.env("EPCACHE_INDEX", "index"));
    assert!(ran.stdout.contains("index): fresh"), "{ran:?}");
    assert!(ran.stdout.contains("fresh      /"), "{ran:?}");

    // Again from the existing index: the same names and no other message.
    let ran = run(&mut tree.epcache(&refresh));
    assert_eq!((ran.code, warned(&ran, named)), (0, 1), "{ran:?}");
    assert_eq!(fs::read(tree.path("index")).unwrap(), bytes);
}

#[test]
fn only_the_name_version_or_entry_point_with_one_is_lost() {
    let tree = Tree::new();
    tree.dist(
        "site",
        "some",
        "[bad\x1b]\na = a:a\n[g]\nb\tb = b:b\nc = c\u{80}c\nd d = d:\u{e9}\n",
    );
    let headers = "Name: some\x07thing\nVersion: 7\u{2028}8\n";
    tree.file("site/some-1.dist-info/METADATA", headers);
    // The value goes on in the next line.
    let headers = "Name: other\n  one\nVersion: 2\n";
    tree.file("site/other-1.dist-info/METADATA", headers);
    let ran = run(&mut tree.epcache(&["refresh", "--path", "site", "--output", "index"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let text = "entry_points.txt: entry points with control characters left out: 3";
    assert_eq!(warned(&ran, text), 1, "{ran:?}");
    let text = "a control character in Name or Version, taken from the file name";
    assert_eq!(warned(&ran, text), 3, "{ran:?}");
    for query in [
        &["query", "*", "--json", "--path", "site"][..],
        &["query", "*", "--json", "--path", "site", "--index", "index"],
    ] {
        let ran = run(&mut tree.epcache(query));
        let found = ran.json();
        let found = found.as_array().unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0]["name"], "d d");
        assert_eq!(found[0]["value"], "d:\u{e9}");
        assert_eq!(found[0]["distribution"], "some");
        assert_eq!(found[0]["version"], "1");
    }
    let export = stdout(&tree, &["export", "--index", "index"]);
    assert!(!export.contains("bad"), "{export}");
    assert!(export.contains("\"version\": \"2\""), "{export}");
}

#[test]
fn only_a_search_directory_with_one_has_no_record() {
    let tree = Tree::new();
    tree.dist("site", "good", "[g]\ngood = good:main\n");
    tree.dist("si\nte", "bad", "[g]\nbad = bad:main\n");
    let paths = ["refresh", "--path", "site", "si\nte", "--output", "index"];
    let ran = run(&mut tree.epcache(&paths));
    assert_eq!(ran.code, 1, "{ran:?}");
    let text = "si\\x0ate: a control character in its path, not in the index";
    assert_eq!(warned(&ran, text), 1, "{ran:?}");
    let export = stdout(&tree, &["export", "--index", "index"]);
    assert!(
        export.contains("good:main") && !export.contains("bad:main"),
        "{export}"
    );
    // Readers read it live.
    let query = ["query", "g", "--path", "si\nte", "--index", "index"];
    assert!(stdout(&tree, &query).contains("bad:main"));

    // It has a record by another name without one. The name with one does not become an alias.
    std::os::unix::fs::symlink("si\nte", tree.path("link")).unwrap();
    let ran = run(&mut tree.epcache(&["refresh", "--path", "link", "--output", "index"]));
    assert_eq!((ran.code, warned(&ran, text)), (1, 1), "{ran:?}");
    let export = stdout(&tree, &["export", "--index", "index"]);
    assert!(
        export.contains("bad:main") && !export.contains("si\\n"),
        "{export}"
    );
}

#[test]
fn no_file_beside_the_index_has_one() {
    let tree = Tree::new();
    tree.system("root");
    for name in BAD.iter().chain(&ODD) {
        metadata(&tree, SITE, name);
    }
    tree.dist(SITE, "some", "[g]\na = a\u{9b}b\n[g\x1b[2J]\nb = b\n");
    tree.file(
        &format!("{SITE}/some-1.dist-info/METADATA"),
        "Name: a\x07\nVersion: 1\x1c\n",
    );
    tree.file(&format!("{SITE}/some.pth"), "/usr/lib/mo\x1b[2Jre\n");
    tree.dir("root/usr/lib/mo\x1b[2Jre");
    tree.file(
        "root/etc/epcache/consumers.d/x.conf",
        "groups = *\nview = json tsv\nstamp = yes\n",
    );
    let ran = run(&mut tree.epcache(&["trigger", "dpkg", "--root", "root", "triggered", "/usr"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let mut files = 0;
    let mut ahead = vec![tree.path("root/usr/lib/epcache")];
    while let Some(path) = ahead.pop() {
        if path.is_dir() {
            ahead.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            continue;
        }
        files += 1;
        let content = fs::read(&path).unwrap();
        if path.ends_with("index") {
            assert!(!content.windows(3).any(|part| part == b"bad"));
            continue;
        }
        let name = path.file_name().unwrap();
        assert!(!epcache::metadata::text::has_control(name.as_bytes()));
        let tsv = path.extension() == Some("tsv".as_ref());
        for line in content.split(|&byte| byte == b'\n') {
            let line: Vec<u8> = line
                .iter()
                .copied()
                .filter(|&it| !(tsv && it == b'\t'))
                .collect();
            assert!(
                !epcache::metadata::text::has_control(&line),
                "{}",
                path.display()
            );
            assert!(!line.starts_with(b"x = y"), "{}", path.display());
        }
    }
    // The index, its lock, the state, two views, a stamp.
    assert_eq!(files, 6);
}

#[test]
fn an_index_with_one_at_any_place_is_refused() {
    let made = |bad: usize, text: &[u8]| {
        let mut strings: [&[u8]; 7] = [b"a-1.dist-info", b"a", b"a", b"1", b"g", b"n", b"/site"];
        let with = match bad {
            0 => [text, b"-1.dist-info"].concat(),
            6 => [b"/", text].concat(),
            _ => text.to_vec(),
        };
        if let Some(slot) = strings.get_mut(bad) {
            *slot = &with;
        }
        let value = if bad == 7 { text } else { b"v" };
        let entry = EntryDraft {
            group: strings[4],
            name: strings[5],
            value,
        };
        let draft = DistributionDraft {
            file_name: strings[0].to_vec(),
            key: strings[1].to_vec(),
            name: strings[2].to_vec(),
            version: strings[3].to_vec(),
            entries: std::iter::once(entry).collect(),
            ..DistributionDraft::default()
        };
        let stamps = (Stamp::UNKNOWN, Stamp::UNKNOWN);
        let path = Path::new(OsStr::from_bytes(strings[6]));
        let record = EncodedRecord::new(path, 0, stamps, &[draft]);
        write::index(&[record], false).unwrap()
    };
    for place in 0..8 {
        for bad in BAD {
            // Groups and entry points are UTF-8.
            if matches!(place, 4 | 5 | 7) && std::str::from_utf8(bad).is_err() {
                continue;
            }
            let bytes = made(place, bad);
            let damage = index::verify(&Index::open(bytes).unwrap()).unwrap_err();
            assert_eq!(
                damage.to_string(),
                "malformed: a control character",
                "{place}: {bad:?}"
            );
        }
        let bytes = made(place, "odd\u{e9}\u{a0} \u{202e}".as_bytes());
        index::verify(&Index::open(bytes).unwrap()).unwrap();
    }
}
