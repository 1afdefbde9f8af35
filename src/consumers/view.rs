//! The files for consumers, made from an index.
//!
//! They say what each search directory of the index has, in its order, without what is shadowed within one and the
//! same directory. Whoever has several of the directories on `sys.path` sees from the paths which is which.

use std::io::Write;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Consumer, Form};
use crate::index::{Damage, Index, Source};
use crate::json::JsonText;

/// An entry point that somebody has asked for.
struct Wanted {
    group: String,
    name: String,
    value: String,
    distribution: Vec<u8>,
    version: Vec<u8>,
    /// The metadata directory.
    path: Vec<u8>,
}

/// The files that each of these consumers wants: its number in the list, their form, and their content.
///
/// # Errors
/// [`Damage`] of the index.
pub fn files<S: Source>(
    index: &Index<S>,
    consumers: &[Consumer],
) -> Result<Vec<(usize, Form, Vec<u8>)>, Damage> {
    let mut files = Vec::new();
    for (number, consumer) in consumers.iter().enumerate() {
        let wanted = wanted(index, consumer)?;
        for &form in &consumer.forms {
            files.push((number, form, content(form, &wanted)));
        }
    }
    Ok(files)
}

fn wanted<S: Source>(index: &Index<S>, consumer: &Consumer) -> Result<Vec<Wanted>, Damage> {
    let mut wanted = Vec::new();
    for number in 0..index.record_count() {
        let record = index.record(number)?;
        for group in record.groups() {
            let group = group?;
            if !consumer
                .groups
                .iter()
                .any(|pattern| pattern.matches(&group.name))
            {
                continue;
            }
            for entry in record.entries(&group) {
                let entry = entry?;
                let distribution = record.distribution(entry.distribution)?;
                let path = [record.path(), b"/", distribution.file_name.as_slice()].concat();
                wanted.push(Wanted {
                    group: group.name.clone(),
                    name: entry.name,
                    value: entry.value,
                    distribution: distribution.name,
                    version: distribution.version,
                    path,
                });
            }
        }
    }
    Ok(wanted)
}

fn content(form: Form, wanted: &[Wanted]) -> Vec<u8> {
    match form {
        Form::Json => json(wanted),
        Form::Ini => ini(wanted),
        Form::Tsv => tsv(wanted),
        Form::Stamp => {
            let digest = Sha256::digest(tsv(wanted));
            let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("sha256:{digits}\n").into_bytes()
        }
    }
}

#[derive(Serialize)]
struct Row<'w> {
    group: &'w str,
    name: &'w str,
    value: &'w str,
    distribution: JsonText<&'w [u8]>,
    version: JsonText<&'w [u8]>,
    path: JsonText<&'w [u8]>,
}

fn json(wanted: &[Wanted]) -> Vec<u8> {
    let rows: Vec<_> = wanted
        .iter()
        .map(|entry| Row {
            group: &entry.group,
            name: &entry.name,
            value: &entry.value,
            distribution: JsonText(&entry.distribution),
            version: JsonText(&entry.version),
            path: JsonText(&entry.path),
        })
        .collect();
    // Strings alone, into memory: there is nothing that could fail.
    let mut content = serde_json::to_vec_pretty(&rows).unwrap_or_default();
    content.push(b'\n');
    content
}

/// As one entry_points.txt: a group begins anew wherever the distribution changes.
fn ini(wanted: &[Wanted]) -> Vec<u8> {
    let mut content = Vec::new();
    let mut before: Option<&Wanted> = None;
    for entry in wanted {
        if before.is_none_or(|before| before.path != entry.path || before.group != entry.group) {
            content.extend(b"\n# ");
            content.extend(single_line(&entry.distribution));
            content.push(b' ');
            content.extend(single_line(&entry.version));
            content.extend(b", ");
            content.extend(single_line(&entry.path));
            let _ = writeln!(content, "\n[{}]", entry.group);
        }
        let _ = writeln!(content, "{} = {}", entry.name, entry.value);
        before = Some(entry);
    }
    content
}

fn tsv(wanted: &[Wanted]) -> Vec<u8> {
    let mut content = Vec::new();
    for entry in wanted {
        let fields = [
            entry.group.as_bytes(),
            entry.name.as_bytes(),
            entry.value.as_bytes(),
            &entry.distribution,
            &entry.version,
            &entry.path,
        ];
        for (number, field) in fields.into_iter().enumerate() {
            if number > 0 {
                content.push(b'\t');
            }
            content.extend(single_line(field));
        }
        content.push(b'\n');
    }
    content
}

/// Tabs, ends of lines and backslashes with a backslash, as `\t`, `\n`, `\r` and `\\`.
fn single_line(bytes: &[u8]) -> impl Iterator<Item = u8> + '_ {
    bytes.iter().flat_map(|&byte| {
        let (first, second) = match byte {
            b'\t' => (b'\\', Some(b't')),
            b'\n' => (b'\\', Some(b'n')),
            b'\r' => (b'\\', Some(b'r')),
            b'\\' => (b'\\', Some(b'\\')),
            byte => (byte, None),
        };
        std::iter::once(first).chain(second)
    })
}
