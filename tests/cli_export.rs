//! `epcache export` gives all of an index to programs that do not read its format. `epcache verify`
//! checks every byte of one.

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

use cli::{Tree, run, set_mode};
use serde_json::json;

fn tree_with_an_index() -> Tree {
    let tree = Tree::new();
    tree.dist(
        "site",
        "b",
        "[console_scripts]\nb = b:main\n[g]\nbad = not a reference\n",
    );
    tree.dist(
        "site",
        "a",
        "[g]\nfirst = a:first\nsecond = a:second [extra]\n",
    );
    tree.dir("site/a-0.5.dist-info");
    // A directory that has gone since keeps its record.
    tree.dist("gone", "c", "");
    tree.refresh(&["site", "gone"], "index");
    std::fs::remove_dir_all(tree.path("gone")).unwrap();
    tree.refresh(&["site", "gone"], "index");
    tree
}

#[test]
fn export_gives_all_of_an_index_as_json() {
    let tree = tree_with_an_index();
    let ran = run(&mut tree.epcache(&["export", "--index", "index"]));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let export = ran.json();
    assert_eq!(export["format"], "epcache-export");
    assert_eq!(export["version"], 1);
    let directories = export["directories"].as_array().unwrap();
    assert_eq!(directories.len(), 2);
    assert_eq!(directories[0]["path"], tree.text("site"));
    assert_eq!(directories[0]["missing"], false);
    assert_eq!(directories[1]["path"], tree.text("gone"));
    assert_eq!(directories[1]["missing"], true);
    let distributions = directories[0]["distributions"].as_array().unwrap();
    assert_eq!(
        distributions.len(),
        3,
        "those without entry points and shadowed ones too"
    );
    let of = |directory: &str| {
        let mut found = distributions
            .iter()
            .filter(|d| d["metadata_directory"] == directory);
        found.next().unwrap()
    };
    assert_eq!(of("a-0.5.dist-info")["shadowed"], true);
    assert_eq!(
        *of("a-1.dist-info"),
        json!({
            "name": "a", "version": "1", "metadata_directory": "a-1.dist-info",
            "shadowed": false, "has_metadata": true, "unread": false, "problem": false,
            "entry_points": [
                {"group": "g", "name": "first", "value": "a:first", "malformed": false},
                {"group": "g", "name": "second", "value": "a:second [extra]", "malformed": false},
            ],
        })
    );
    assert_eq!(of("b-1.dist-info")["entry_points"][1]["malformed"], true);
}

#[test]
fn without_a_name_the_first_index_in_the_usual_places_is_used() {
    let tree = tree_with_an_index();
    for (command, complaint) in [("export", "use --index FILE"), ("verify", "name a FILE")] {
        // (The machine that runs the tests may have a system index.)
        if !fs::exists("/usr/lib/epcache/index").unwrap() {
            let ran = run(&mut tree.epcache(&[command]));
            assert_eq!(ran.code, 2);
            assert!(ran.complaint().contains(complaint), "{ran:?}");
        }
        let ran = run(tree
            .epcache(&[command])
            .env("EPCACHE_INDEX", "nothing:index"));
        assert_eq!(ran.code, 0, "{ran:?}");
    }
}

#[test]
fn without_a_name_no_index_is_exported_that_others_could_have_written() {
    let tree = tree_with_an_index();
    tree.file("writable", "made up");
    set_mode(tree.path("writable"), 0o666);
    let ran = run(tree
        .epcache(&["export"])
        .env("EPCACHE_INDEX", "writable:index"));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.json()["format"], "epcache-export");
    assert_eq!(
        ran.warnings(),
        [
            "writable: index not used: not trusted: others can write ".to_owned()
                + &tree.text("writable")
        ]
    );
}

#[test]
fn verify_reports_a_valid_index_in_one_line() {
    let tree = tree_with_an_index();
    let ran = run(&mut tree.epcache(&["verify", "index"]));
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    assert_eq!(
        ran.complaint(),
        "epcache: index: sound, 2 search directories"
    );
}

#[test]
fn verify_names_an_invalid_index() {
    let tree = tree_with_an_index();
    let sound = fs::read(tree.path("index")).unwrap();
    for at in [0, 9, sound.len() / 2, sound.len() - 1] {
        let mut damaged = sound.clone();
        damaged[at] ^= 0x40;
        tree.file("damaged", &damaged);
        let ran = run(&mut tree.epcache(&["verify", "damaged"]));
        assert_eq!(ran.code, 1, "byte {at}: {ran:?}");
        assert!(
            ran.complaint().starts_with("epcache: error: damaged: "),
            "{ran:?}"
        );
    }
    for (name, content) in [
        ("empty", &[][..]),
        ("short", &sound[..sound.len() - 1]),
        ("no", b"x"),
    ] {
        tree.file(name, content);
        let ran = run(&mut tree.epcache(&["verify", name]));
        assert_eq!(ran.code, 1, "{name}: {ran:?}");
        ran.complaint();
        let ran = run(&mut tree.epcache(&["export", "--index", name]));
        assert_eq!(ran.code, 2, "{name}: {ran:?}");
        ran.complaint();
    }
}

#[test]
fn bytes_that_are_not_utf8_are_exported_and_control_characters_are_not() {
    let tree = Tree::new();
    let name = OsStr::from_bytes(b"na\xefve\xe2\x80\xae-1.dist-info");
    fs::create_dir_all(tree.dir("site").join(name)).unwrap();
    tree.dist("site", "c", "[g]\nxy\u{202e} = a:b\n");
    tree.refresh(&["site"], "index");
    let ran = run(&mut tree.epcache(&["export", "--index", "index"]));
    assert!(
        ran.stdout.contains(r#""na\udcefve\u202e-1.dist-info""#),
        "{ran:?}"
    );
    assert!(ran.stdout.contains(r#""xy\u202e""#), "{ran:?}");
}
