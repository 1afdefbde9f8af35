//! The content of the files for consumers.
//!
//! The input is an index, the consumers and a size limit. The output is the files with the entry
//! points of each search directory of the index, in its order, without those that are shadowed
//! within the same directory. A program with several of the directories on `sys.path` can tell them
//! apart by the paths.

use std::io::Write;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Consumer, Form};
use crate::index::format::distribution_flag::SHADOWED;
use crate::index::{Damage, Index, Source};
use crate::json::JsonText;
use crate::metadata::text::is_control;

/// An entry point that a consumer wants.
struct Wanted {
    group: String,
    name: String,
    value: String,
    distribution: Vec<u8>,
    version: Vec<u8>,
    /// The metadata directory.
    path: Vec<u8>,
}

/// The files for consumers.
#[derive(Debug, Default)]
pub struct Files {
    /// The consumer's number in the list, the form, and the content.
    pub files: Vec<(usize, Form, Vec<u8>)>,
    /// The numbers of the consumers whose files would be too large.
    pub left_out: Vec<usize>,
}

/// The files that these consumers want, of at most `limit` bytes in total. A consumer whose files
/// do not fit gets none. The other consumers are not affected.
///
/// # Errors
/// [`Damage`] of the index.
pub fn files<S: Source>(
    index: &Index<S>,
    consumers: &[Consumer],
    limit: usize,
) -> Result<Files, Damage> {
    let mut made = Files::default();
    let mut left = limit;
    for (number, consumer) in consumers.iter().enumerate() {
        let Some(theirs) = files_of(index, consumer, left)? else {
            made.left_out.push(number);
            continue;
        };
        for (form, content) in theirs {
            left = left.saturating_sub(content.len());
            made.files.push((number, form, content));
        }
    }
    Ok(made)
}

type Content = (Form, Vec<u8>);

/// `None` if they have more than `limit` bytes.
fn files_of<S: Source>(
    index: &Index<S>,
    consumer: &Consumer,
    limit: usize,
) -> Result<Option<Vec<Content>>, Damage> {
    let Some(wanted) = wanted(index, consumer, limit)? else {
        return Ok(None);
    };
    let made = |&form| (form, content(form, &wanted));
    let theirs: Vec<_> = consumer.forms.iter().map(made).collect();
    let size: usize = theirs.iter().map(|(_, content)| content.len()).sum();
    Ok((size <= limit).then_some(theirs))
}

/// `None` if they have more than `limit` bytes.
fn wanted<S: Source>(
    index: &Index<S>,
    consumer: &Consumer,
    limit: usize,
) -> Result<Option<Vec<Wanted>>, Damage> {
    let mut wanted = Vec::new();
    let mut size = 0usize;
    for (number, directory) in (0..).zip(index.paths()?) {
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
                if distribution.has(SHADOWED) {
                    continue;
                }
                let path = [&*directory, b"/", distribution.file_name.as_slice()].concat();
                size += group.name.len() + entry.name.len() + entry.value.len() + path.len();
                if size > limit {
                    return Ok(None);
                }
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
    Ok(Some(wanted))
}

fn content(form: Form, wanted: &[Wanted]) -> Vec<u8> {
    match form {
        Form::Json => json(wanted),
        Form::Tsv => tsv(wanted),
        Form::Stamp => {
            let digest = Sha256::digest(tsv(wanted));
            let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("sha256:{digits}\n").into_bytes()
        }
    }
}

#[derive(Serialize)]
struct JsonEntry<'w> {
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
        .map(|entry| JsonEntry {
            group: &entry.group,
            name: &entry.name,
            value: &entry.value,
            distribution: JsonText(&entry.distribution),
            version: JsonText(&entry.version),
            path: JsonText(&entry.path),
        })
        .collect();
    // Writing strings to memory cannot fail.
    let mut content = serde_json::to_vec_pretty(&rows).unwrap_or_default();
    content.push(b'\n');
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

/// Writes a field on one line of UTF-8, for every reader. A backslash becomes `\\`. Each byte that
/// is not UTF-8, or belongs to a control character, becomes `\x` and two digits. So no file name
/// can make a view unreadable, or look like an entry point.
fn single_line(bytes: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => line.extend(br"\\"),
                c => {
                    let mut buffer = [0; 4];
                    let encoded = c.encode_utf8(&mut buffer).as_bytes();
                    // An index contains none. This keeps a line one line in any case.
                    if is_control(c) {
                        extend_as_digits(&mut line, encoded);
                    } else {
                        line.extend(encoded);
                    }
                }
            }
        }
        extend_as_digits(&mut line, chunk.invalid());
    }
    line
}

fn extend_as_digits(line: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(line, r"\x{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_one_line_of_utf_8_for_every_reader() {
        for (field, line) in [
            (&b"/usr/lib/x-1.dist-info"[..], "/usr/lib/x-1.dist-info"),
            (b"a\tb\nc\rd\\e", r"a\x09b\x0ac\x0dd\\e"),
            (
                "\u{e9} \u{2028}[x]\u{85}y".as_bytes(),
                "\u{e9} \\xe2\\x80\\xa8[x]\\xc2\\x85y",
            ),
            (b"\0\x0b\x0c\x1c\x7f", r"\x00\x0b\x0c\x1c\x7f"),
            (b"caf\xe9-1.dist-info", r"caf\xe9-1.dist-info"),
            (b"", ""),
        ] {
            assert_eq!(String::from_utf8(single_line(field)).unwrap(), line);
        }
    }
}
