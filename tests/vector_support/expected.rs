//! What readers have to find in a vector: told from the plain values that it was made of, without a
//! reader.
//!
//! Strings are as [`text`] writes them. A time is a decimal number in quotes, since it may have
//! more digits than a number of JSON keeps, or null where it is unknown.

use std::collections::BTreeMap;

use epcache::index::Stamp;
use epcache::index::format::{distribution_flag as flag, file_kind, record_flag};
use epcache::metadata::directory_name::{egg_base, recognise};
use serde_json::{Value, json};

use super::cases::Case;
use super::index_support::{Directory, Dist};

/// Bytes as text: those that are no printable ASCII, and `%`, as `%XX`.
pub fn text(bytes: &[u8]) -> String {
    let spelled = bytes.iter().map(|&byte| match byte {
        b'%' | ..b' ' | 0x7f.. => format!("%{byte:02X}"),
        _ => char::from(byte).to_string(),
    });
    spelled.collect()
}

/// The kinds of metadata directories, by their numbers.
pub(super) const KINDS: [&str; 3] = ["dist-info", "egg-info", "EGG-INFO"];

pub fn expected(case: &Case) -> Value {
    let paths: Vec<&[u8]> = case.directories.iter().map(|it| &it.path[..]).collect();
    json!({
        "about": case.about,
        "quick reader": if case.quick { "answers" } else { "may ask the library" },
        "index": index(case),
        "sys.path": paths.iter().map(|path| text(path)).collect::<Vec<_>>(),
        "answers": answers(&case.directories),
    })
}

fn time(stamp: Stamp) -> Value {
    if stamp == Stamp::UNKNOWN {
        Value::Null
    } else {
        json!(stamp.raw().to_string())
    }
}

fn words(flags: u32, words: &[(u32, &str)]) -> Vec<String> {
    let set = words.iter().filter(|(bit, _)| flags & bit != 0);
    set.map(|(_, word)| (*word).to_owned()).collect()
}

fn index(case: &Case) -> Value {
    let mut directories = Vec::new();
    for (number, directory) in case.directories.iter().enumerate() {
        directories.push((&directory.path, false, number));
        directories.extend(directory.aliases.iter().map(|alias| (alias, true, number)));
    }
    directories.sort();
    let directories = directories
        .iter()
        .map(|(path, alias, record)| json!({"path": text(path), "record": record, "alias": alias}));
    json!({
        "suspect": case.suspect,
        "directories": directories.collect::<Vec<_>>(),
        "records": case.directories.iter().map(record).collect::<Vec<_>>(),
    })
}

fn record(directory: &Directory) -> Value {
    let flags = [
        (record_flag::MISSING, "missing"),
        (record_flag::SILENT, "silent"),
        (record_flag::SORTED, "sorted"),
        (record_flag::UNREAD, "unread"),
        (record_flag::ODD, "odd"),
    ];
    let groups: BTreeMap<String, Vec<Value>> = groups(directory)
        .into_iter()
        .map(|(group, entries)| {
            let rows = entries.iter().map(|(number, entry)| {
                json!([
                    text(entry.name.as_bytes()),
                    text(entry.value.as_bytes()),
                    number
                ])
            });
            (text(group.as_bytes()), rows.collect())
        })
        .collect();
    json!({
        "flags": words(directory.flags, &flags),
        "mtime": time(directory.stamps.0),
        "ctime": time(directory.stamps.1),
        "distributions": directory.distributions.iter().map(distribution).collect::<Vec<_>>(),
        "groups": groups,
    })
}

type Entries<'d> = Vec<(usize, &'d super::index_support::EntryPoint)>;

/// The entry points of each group, with the numbers of their distributions: those of distributions
/// with core metadata first, and then by place.
fn groups(directory: &Directory) -> BTreeMap<&str, Entries<'_>> {
    let mut groups: BTreeMap<&str, Entries<'_>> = BTreeMap::new();
    for (number, dist) in directory.distributions.iter().enumerate() {
        for entry in &dist.entries {
            groups
                .entry(&entry.group)
                .or_default()
                .push((number, entry));
        }
    }
    for entries in groups.values_mut() {
        // The sort is stable: those of one distribution stay in the order of its file.
        entries.sort_by_key(|(number, _)| {
            let dist = &directory.distributions[*number];
            (!has(dist, flag::HAS_METADATA), dist.place)
        });
    }
    groups
}

fn has(dist: &Dist, flags: u32) -> bool {
    dist.flags & flags != 0
}

fn distribution(dist: &Dist) -> Value {
    let flags = [
        (flag::FILE, "file"),
        (flag::HAS_METADATA, "has metadata"),
        (flag::SHADOWED, "shadowed"),
        (flag::UNREAD, "unread"),
        (flag::PROBLEM, "problem"),
        (flag::NAME_FROM_FILE, "name from file"),
        (flag::VERSION_FROM_FILE, "version from file"),
    ];
    // An empty text is no line, and two lines may be empty.
    let lines = |bytes: &[u8]| -> Vec<String> {
        if bytes.is_empty() {
            return Vec::new();
        }
        let lines = bytes.split(|&byte| byte == b'\n');
        lines.map(text).collect()
    };
    let requirements = if has(dist, flag::REQUIREMENTS_UNKNOWN) {
        json!("unknown")
    } else if has(dist, flag::HAS_REQUIREMENTS) {
        json!(lines(&dist.requirements))
    } else {
        Value::Null
    };
    let source = (dist.flags & flag::IMPORT_SOURCE) >> flag::IMPORT_SOURCE_SHIFT;
    let source = [None, Some(5), Some(6), Some(7), Some(8)][source as usize];
    let import_names = if has(dist, flag::IMPORTS_UNKNOWN) {
        json!("unknown")
    } else {
        json!({"from": source.map(file_kind::name), "names": lines(&dist.imports)})
    };
    let entries = dist.entries.iter();
    let entries =
        entries.map(|it| [&it.group, &it.name, &it.value].map(|string| text(string.as_bytes())));
    let files = dist.files.iter().map(|file| {
        let (mtime, ctime) = (time(file.stamps.0), time(file.stamps.1));
        json!({"kind": file.kind, "size": file.size, "mtime": mtime, "ctime": ctime})
    });
    json!({
        "file name": text(&dist.file_name),
        "key": text(&dist.key),
        "name": text(&dist.name),
        "version": text(&dist.version),
        "kind": KINDS[(dist.flags & flag::KIND) as usize],
        "flags": words(dist.flags, &flags),
        "mtime": time(dist.stamps.0),
        "ctime": time(dist.stamps.1),
        "requirements": requirements,
        "import names": import_names,
        "entry points": entries.collect::<Vec<_>>(),
        "files": files.collect::<Vec<_>>(),
    })
}

/// What is answered along all search directories, in the words of `importlib.metadata`: all
/// distributions with core metadata, then those without; of one key the first; then the group's
/// entry points.
fn answers(directories: &[Directory]) -> Value {
    let path_of = |directory: &Directory, dist: &Dist| {
        text(&[&directory.path[..], b"/", &dist.file_name].concat())
    };
    let mut first: BTreeMap<&[u8], (usize, usize)> = BTreeMap::new();
    for with_metadata in [true, false] {
        for (number, directory) in directories.iter().enumerate() {
            for (at, dist) in directory.distributions.iter().enumerate() {
                let alike = has(dist, flag::HAS_METADATA) == with_metadata;
                if alike && !has(dist, flag::SHADOWED) {
                    first.entry(&dist.key).or_insert((number, at));
                }
            }
        }
    }
    let mut groups: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    groups.insert("absent".into(), Vec::new());
    for with_metadata in [true, false] {
        for (number, directory) in directories.iter().enumerate() {
            for (group, entries) in self::groups(directory) {
                for (at, entry) in entries {
                    let dist = &directory.distributions[at];
                    let counts = first[&*dist.key] == (number, at);
                    if counts && has(dist, flag::HAS_METADATA) == with_metadata {
                        let strings = [&entry.name, &entry.value].map(|it| text(it.as_bytes()));
                        let row = json!([strings[0], strings[1], path_of(directory, dist)]);
                        groups.entry(text(group.as_bytes())).or_default().push(row);
                    }
                }
            }
        }
    }
    let mut names = BTreeMap::from([("absent".to_owned(), Value::Null)]);
    for directory in directories {
        let egg = egg_base(&directory.path);
        for dist in &directory.distributions {
            let name = recognise(&dist.file_name, egg)
                .expect("a metadata directory")
                .lookup_key();
            let found = names.entry(text(&name)).or_insert(Value::Null);
            if found.is_null() {
                *found = json!(path_of(directory, dist));
            }
        }
    }
    let all = directories.iter().flat_map(|directory| {
        let dists = directory.distributions.iter();
        dists.map(|dist| path_of(directory, dist))
    });
    json!({"groups": groups, "names": names, "distributions": all.collect::<Vec<_>>()})
}
