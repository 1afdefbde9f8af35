//! Rooms only call rooms below them: the list in the documentation of `src/lib.rs` is the order.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The rooms with their positions in the list. Those in one item are in order too.
fn places() -> BTreeMap<String, usize> {
    let library = fs::read_to_string(source().join("lib.rs")).unwrap();
    let list = library.lines().filter(|line| line.starts_with("//! - "));
    let names = list.flat_map(|line| line.split('`').skip(1).step_by(2));
    names
        .enumerate()
        .map(|(place, name)| (name.to_owned(), place))
        .collect()
}

/// The rooms that a text calls by `crate::`, without comments and the tests at the end of a file.
fn called(text: &str) -> Vec<&str> {
    let text = text.split("#[cfg(test)]\nmod").next().unwrap_or_default();
    let code = text.lines().filter(|line| !line.trim().starts_with("//"));
    let calls = code.flat_map(|line| line.split("crate::").skip(1));
    calls
        .map(|call| {
            let end = call.find(|c: char| !c.is_alphanumeric() && c != '_');
            &call[..end.unwrap_or(call.len())]
        })
        .collect()
}

/// The rooms in this text that `room` must not call.
fn upward<'t>(places: &BTreeMap<String, usize>, room: &str, text: &'t str) -> Vec<&'t str> {
    let own = places[room];
    let is_above = |name: &&str| *name != room && places.get(*name).is_none_or(|it| *it < own);
    called(text).into_iter().filter(is_above).collect()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn every_room_is_in_the_list_and_calls_only_rooms_below() {
    let places = places();
    let mut all = Vec::new();
    files(&source(), &mut all);
    let mut rooms = 0;
    for path in &all {
        let inside = path.strip_prefix(source()).unwrap();
        let first = inside.iter().next().unwrap().to_str().unwrap();
        let room = first.trim_end_matches(".rs");
        let is_test = path.file_name().is_some_and(|name| name == "tests.rs");
        if matches!(room, "main" | "lib") || is_test {
            continue;
        }
        assert!(places.contains_key(room), "{room} is not in the list");
        let text = fs::read_to_string(path).unwrap();
        let upward = upward(&places, room, &text);
        assert!(upward.is_empty(), "{} calls {upward:?}", inside.display());
        rooms += 1;
    }
    assert!(rooms > 50, "{rooms} files");
}

#[test]
fn a_call_upwards_is_found_at_any_place() {
    let places = places();
    let text = "use crate::rooted::Root;\nfn f() { crate::commands::x(); }\n// crate::cli\n\
                #[cfg(test)]\nmod tests { use crate::worker; }";
    assert_eq!(upward(&places, "scan", text), ["commands"]);
    assert_eq!(
        upward(&places, "scan", "use crate::unheard_of;"),
        ["unheard_of"]
    );
    assert_eq!(upward(&places, "commands", text), [""; 0]);
}
