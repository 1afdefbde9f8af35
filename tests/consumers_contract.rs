//! What consumers can rely on in their views and stamps, with any packages and any place of the
//! index.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use cli::{Tree, root_for, run};
use epcache::consumers;
use epcache::index::Index;
use epcache::rooted::Root;
use serde_json::Value;

const SITE: &str = "root/usr/lib/python3/dist-packages";
const CONSUMERS: &str = "root/usr/lib/epcache/consumers.d";

fn system() -> Tree {
    let tree = Tree::new();
    tree.system("root");
    tree.dist(SITE, "one", "[app.plugins]\na = one:a\n");
    tree.file(
        &format!("{CONSUMERS}/app.conf"),
        "[consumer]\ngroups = app.*\nview = json tsv\nstamp = yes\n",
    );
    tree
}

fn refresh(tree: &Tree) {
    let root = tree.text("root");
    let ran = run(&mut tree.epcache(&["refresh", "--quiet", "--system", "--root", &root]));
    assert_eq!(ran.code, 0, "{ran:?}");
}

fn beside(tree: &Tree, name: &str) -> Vec<u8> {
    fs::read(tree.path(&format!("root/usr/lib/epcache/{name}"))).unwrap()
}

/// A reader of lines finds no false entry point, whatever characters it takes for line ends.
#[test]
fn odd_names_stay_on_their_line_and_are_utf_8() {
    let tree = system();
    for bad in [
        &b"bad\n[app.evil]\nx = evil\n-1.dist-info"[..],
        b"bad\xe2\x80\xa8[app.evil]\xe2\x80\xa8x = evil-1.dist-info",
        b"bad\xe9\xc2\x85[app.evil]\r-1.dist-info",
    ] {
        let metadata = tree.path(SITE).join(OsStr::from_bytes(bad));
        fs::create_dir(&metadata).unwrap();
        fs::write(
            metadata.join("entry_points.txt"),
            "[app.plugins]\nbad = b\n",
        )
        .unwrap();
    }
    let odd = b"odd\xe9[app.evil] x = evil z\\-1.dist-info";
    let metadata = tree.path(SITE).join(OsStr::from_bytes(odd));
    fs::create_dir(&metadata).unwrap();
    fs::write(
        metadata.join("entry_points.txt"),
        "[app.plugins]\nodd = odd:main\nbad = b\u{9b}[app.evil]\u{9b}v = evil\n",
    )
    .unwrap();
    let headers =
        "Metadata-Version: 2.1\nName: odd\nVersion: 1\u{2028}[app.evil]\u{2028}v = evil\n";
    fs::write(metadata.join("METADATA"), headers).unwrap();
    refresh(&tree);

    let rows: Value = serde_json::from_str(
        &String::from_utf8(beside(&tree, "views/app.json"))
            .unwrap()
            .replace("\\udce9", "?"),
    )
    .unwrap();
    let mut names: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["a", "odd"]);

    let is_line_end = |c: char| {
        matches!(
            c,
            '\n' | '\r' | '\x0b'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    let lines = |name: &str| -> Vec<String> {
        let text = String::from_utf8(beside(&tree, name)).unwrap();
        text.split(is_line_end).map(str::to_owned).collect()
    };
    let tsv = lines("views/app.tsv");
    assert_eq!(tsv.len(), 3, "{tsv:?}");
    assert!(
        tsv.iter().take(2).all(|line| line.split('\t').count() == 6),
        "{tsv:?}"
    );
    let path = r"odd\xe9[app.evil] x = evil z\\-1.dist-info";
    assert!(tsv.iter().any(|line| line.ends_with(path)), "{tsv:?}");
}

/// Of two views, the one in /var/cache is the right one: it exists only while /usr is read-only.
#[test]
fn views_are_in_var_only_while_usr_is_read_only() {
    let test = "views_are_in_var_only_while_usr_is_read_only";
    if !root_for(test) {
        return;
    }
    let tree = system();
    refresh(&tree);
    let built = beside(&tree, "changed/app");
    tree.dist(
        "root/usr/local/lib/python3.11/dist-packages",
        "local",
        "[app.plugins]\nl = local:l\n",
    );
    let read_only = "mount --bind root/usr root/usr; mount -o remount,bind,ro root/usr; \
         \"$EPCACHE\" refresh --quiet --system --root \"$PWD/root\"";
    let ran = run(&mut tree.with_mounts(read_only));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let var = |name: &str| tree.path(&format!("root/var/cache/epcache/{name}"));
    assert_eq!(beside(&tree, "changed/app"), built);
    let told = fs::read(var("changed/app")).unwrap();
    assert_ne!(told, built);
    assert!(
        fs::read_to_string(var("views/app.tsv"))
            .unwrap()
            .contains("local:l")
    );
    refresh(&tree);
    assert_eq!(beside(&tree, "changed/app"), told);
    assert!(!var("changed").exists() && !var("views").exists());
    assert!(var("index").exists());
}

/// A consumer that wants all of a large system in every form does not keep other consumers from
/// their files.
#[test]
fn files_that_are_too_large_affect_only_their_consumer() {
    let tree = system();
    tree.file(
        &format!("{CONSUMERS}/all.conf"),
        "groups = *\nview = json tsv\nstamp = yes\n",
    );
    refresh(&tree);
    let bytes = beside(&tree, "index");
    let index = Index::open(bytes.as_slice()).unwrap();
    let (registered, _) = consumers::read(&Root::at(&tree.path("root")).unwrap());
    let size = |limit| {
        let made = consumers::files(&index, &registered, limit).unwrap();
        let size: usize = made.files.iter().map(|(_, _, content)| content.len()).sum();
        (size, made.left_out)
    };
    let (all, left_out) = size(1 << 20);
    assert_eq!(left_out, [0; 0]);
    // "all" comes first, and takes more than half.
    let (smaller, left_out) = size(all / 2);
    assert_eq!(left_out, [0]);
    assert!(0 < smaller && smaller <= all / 2);
    assert_eq!(size(0), (0, vec![0, 1]));
}
