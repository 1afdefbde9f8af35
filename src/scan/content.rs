//! Reading the files of a metadata directory no further than it takes, and what that costs.

use std::fs::File;
use std::io;

use nix::sys::stat::FileStat;

use crate::freshness::Sighting;
use crate::metadata::core_metadata::{self, Headers, Parsed};
use crate::metadata::entry_points::{self, EntryPoint, EntryPointsError, SIZE_LIMIT};
use crate::metadata::text::has_control;
use crate::rooted::{Directory, FileType, read_bounded, read_part};

pub(super) const ENTRY_POINTS: &str = "entry_points.txt";

/// How much of METADATA is read at first: the headers that count are nearly always in it.
const HEAD: usize = 4096;
/// A Name and a Version of more bytes together are paid for, since they are kept.
const LONG: usize = 512;
/// Headers that do not end before this many bytes are taken as they are.
const HEADERS_LIMIT: usize = 1 << 20;

/// How many bytes of content reading a metadata directory takes.
pub(super) fn content_size(
    directory: &Directory<'_>,
    sighting: &Sighting,
    buffer: &mut Vec<u8>,
) -> u64 {
    let open = |file| directory.open_file(&sighting.file_name, file).ok();
    let mut beyond_head = |file| {
        let (file, stat) = open(file)?;
        match read_headers(&file, &stat, |_| None, buffer).ok()? {
            Head::TooMuch(rest) => Some(rest),
            Head::Empty => None,
            Head::Known(..) => Some(0),
        }
    };
    match sighting.found {
        Ok(FileType::Directory) if directory.may_read_entry(&sighting.file_name) => {
            let headers = beyond_head("METADATA").or_else(|| beyond_head("PKG-INFO"));
            let entry_points = open(ENTRY_POINTS).map_or(0, |(_, stat)| size_of(&stat));
            entry_points + headers.unwrap_or_default()
        }
        Ok(FileType::Regular) => beyond_head("").unwrap_or_default(),
        _ => 0,
    }
}

/// How many entry points a metadata directory has.
pub(super) fn entry_count(
    directory: &Directory<'_>,
    sighting: &Sighting,
    buffer: &mut Vec<u8>,
) -> u64 {
    let is_directory = matches!(sighting.found, Ok(FileType::Directory));
    if !is_directory || !directory.may_read_entry(&sighting.file_name) {
        return 0;
    }
    let opened = directory.open_file(&sighting.file_name, ENTRY_POINTS);
    let content = opened.and_then(|(file, stat)| read_bounded(&file, &stat, SIZE_LIMIT, buffer));
    let entries = content.map(|content| plain_entries(content).map_or(0, |it| it.0.len()));
    entries.unwrap_or_default() as u64
}

/// The bytes of an entry_points.txt that would be read.
pub(super) fn size_of(stat: &FileStat) -> u64 {
    let size = u64::try_from(stat.st_size).unwrap_or_default();
    if size <= SIZE_LIMIT as u64 { size } else { 0 }
}

/// The entry points without control characters, and how many others there are.
pub(super) fn plain_entries(
    content: &[u8],
) -> Result<(Vec<EntryPoint<'_>>, usize), EntryPointsError> {
    let mut entries = entry_points::parse(content)?;
    let all = entries.len();
    entries.retain(|it| {
        ![it.group, it.name, it.value]
            .iter()
            .any(|text| has_control(text.as_bytes()))
    });
    let left_out = all - entries.len();
    Ok((entries, left_out))
}

/// What is known of the headers of a file.
pub(super) enum Head {
    Empty,
    /// The headers, and whether they were paid for.
    Known(Headers, bool),
    /// It would cost so many bytes to know them.
    TooMuch(u64),
}

/// Reads as much of a file as it takes to know both headers: its first [`HEAD`] bytes, and more if `spend`
/// allows it.
pub(super) fn read_headers(
    file: &File,
    stat: &FileStat,
    spend: impl Fn(u64) -> Option<()>,
    buffer: &mut Vec<u8>,
) -> io::Result<Head> {
    let (mut filled, mut wanted) = (0, HEAD);
    loop {
        if buffer.len() < wanted {
            buffer.resize(wanted, 0);
        }
        let rest = buffer.get_mut(filled..wanted).unwrap_or_default();
        filled += read_part(file, rest, filled as u64)?;
        let end = filled < wanted || wanted == HEADERS_LIMIT;
        let content = buffer.get(..filled).unwrap_or_default();
        match core_metadata::parse(content, end) {
            Parsed::Complete(_) if content.is_empty() => return Ok(Head::Empty),
            Parsed::Complete(headers) => {
                let kept =
                    [&headers.name, &headers.version].map(|it| it.as_ref().map_or(0, String::len));
                let is_long = kept.iter().sum::<usize>() > LONG;
                if wanted == HEAD && is_long && spend(filled as u64).is_none() {
                    return Ok(Head::TooMuch(filled as u64));
                }
                return Ok(Head::Known(headers, is_long || wanted > HEAD));
            }
            Parsed::NeedMore => {}
        }
        if wanted == HEAD {
            let size = usize::try_from(stat.st_size).unwrap_or(HEADERS_LIMIT);
            let rest = size.min(HEADERS_LIMIT).saturating_sub(HEAD) as u64;
            if spend(rest).is_none() {
                return Ok(Head::TooMuch(rest));
            }
        }
        wanted = (wanted * 4).min(HEADERS_LIMIT);
    }
}
