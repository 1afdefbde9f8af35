//! What this library finds in an index, in the words of the vectors.

use std::collections::BTreeMap;

use epcache::index::format::{distribution_flag as flag, file_kind};
use epcache::index::{Damage, Index, Requirements, Source, Stamp};
use serde_json::{Value, json};

use super::expected::{KINDS, text};
use super::index_checks::{Answers, RecordAnswers};

/// Everything that is in it.
pub fn of_rust<S: Source>(index: &Index<S>) -> Result<Value, Damage> {
    let answers = Answers::of(index)?;
    let directories = answers.directories.iter();
    let directories = directories
        .map(|(path, record, alias)| json!({"path": text(path), "record": record, "alias": alias}));
    Ok(json!({
        "suspect": index.is_suspect(),
        "directories": directories.collect::<Vec<_>>(),
        "records": answers.records.iter().map(record).collect::<Vec<_>>(),
    }))
}

fn time(stamp: Stamp) -> Value {
    match stamp {
        Stamp::UNKNOWN => Value::Null,
        stamp => json!(stamp.raw().to_string()),
    }
}

fn record(record: &RecordAnswers) -> Value {
    let words = ["missing", "silent", "sorted", "unread", "odd"];
    let flags = words.iter().zip(record.flags);
    let groups: BTreeMap<String, Vec<Value>> = record
        .groups
        .iter()
        .map(|(group, entries)| {
            let rows = entries.iter().map(|entry| {
                let strings = [&entry.name, &entry.value].map(|it| text(it.as_bytes()));
                json!([strings[0], strings[1], entry.distribution])
            });
            (text(group.name.as_bytes()), rows.collect())
        })
        .collect();
    json!({
        "flags": flags.filter(|(_, set)| *set).map(|(word, _)| word).collect::<Vec<_>>(),
        "mtime": time(record.stamps.0),
        "ctime": time(record.stamps.1),
        "distributions": (0..record.distributions.len()).map(|at| distribution(record, at)).collect::<Vec<_>>(),
        "groups": groups,
    })
}

fn distribution(record: &RecordAnswers, number: usize) -> Value {
    let (dist, entries) = &record.distributions[number];
    let (_, _, files) = &record.outlines[number];
    let texts = &record.texts[number];
    let flags = [
        (flag::FILE, "file"),
        (flag::HAS_METADATA, "has metadata"),
        (flag::SHADOWED, "shadowed"),
        (flag::UNREAD, "unread"),
        (flag::PROBLEM, "problem"),
        (flag::NAME_FROM_FILE, "name from file"),
        (flag::VERSION_FROM_FILE, "version from file"),
    ];
    let flags = flags.iter().filter(|(bit, _)| dist.has(*bit));
    let requirements = match &texts.requirements {
        Requirements::Unknown => json!("unknown"),
        Requirements::None => Value::Null,
        Requirements::These(them) => json!(strings(them.iter())),
    };
    let import_names = match &texts.imports {
        None => json!("unknown"),
        Some(_) => {
            let names = texts.imports();
            let names = names.split('\n').filter(|_| !names.is_empty());
            json!({"from": dist.import_source().map(file_kind::name), "names": strings(names)})
        }
    };
    let entries = entries.iter().map(|(group, entry)| {
        let group = &record.groups[*group as usize].0.name;
        [group, &entry.name, &entry.value].map(|it| text(it.as_bytes()))
    });
    let files = files.iter().map(|file| {
        let (mtime, ctime) = (time(file.stamps.0), time(file.stamps.1));
        json!({"kind": file.kind, "size": file.size, "mtime": mtime, "ctime": ctime})
    });
    json!({
        "file name": text(&dist.file_name),
        "key": text(&dist.key),
        "name": text(&dist.name),
        "version": text(&dist.version),
        "kind": KINDS[(dist.flags & flag::KIND) as usize],
        "flags": flags.map(|(_, word)| word).collect::<Vec<_>>(),
        "mtime": time(dist.mtime),
        "ctime": time(dist.ctime),
        "requirements": requirements,
        "import names": import_names,
        "entry points": entries.collect::<Vec<_>>(),
        "files": files.collect::<Vec<_>>(),
    })
}

fn strings<S: AsRef<str>>(strings: impl Iterator<Item = S>) -> Vec<String> {
    strings.map(|it| text(it.as_ref().as_bytes())).collect()
}
