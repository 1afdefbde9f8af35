//! Reads the files of a metadata directory no further than necessary, and counts what that costs.
//!
//! The input is a directory and the name of a metadata directory. The output is its cost, or the
//! headers of a file.

use std::fs::File;
use std::io;

use nix::errno::Errno;
use nix::sys::stat::FileStat;

use crate::freshness::Sighting;
use crate::index::{FileFacts, Stamp};
use crate::metadata::core_metadata::{self, Headers, Parsed};
use crate::metadata::entry_points::{self, EntryPoint, EntryPointsError, SIZE_LIMIT};
use crate::metadata::text::has_control;
use crate::rooted::{DanglingLink, Directory, FileType, read_bounded, read_part};

pub(super) const ENTRY_POINTS: &str = "entry_points.txt";

/// In bytes. The first read of METADATA, which nearly always contains the headers that matter.
const HEAD: usize = 4096;
/// In bytes. A Name and a Version of more than this in total are paid for, because they are kept.
const LONG: usize = 512;
/// In bytes. Headers that do not end before this are used as far as they are read.
const HEADERS_LIMIT: usize = 1 << 20;
/// Headers that do not end before this many bytes do not tell requirements.
const REQUIREMENTS_LIMIT: usize = 128 << 10;

/// How much of a metadata directory is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Name, version and entry points: all that answers about entry points depend on.
    EntryPoints,
    /// Requirements and import names, too.
    Everything,
}

/// How many bytes of content must be read for a metadata directory.
pub(super) fn content_size(
    directory: &Directory<'_>,
    sighting: &Sighting,
    buffer: &mut Vec<u8>,
) -> u64 {
    let open = |file| directory.open_file(&sighting.file_name, file).ok();
    let mut beyond_head = |file| {
        let (file, stat) = open(file)?;
        match read_headers(&file, &stat, Extent::EntryPoints, |_| None, buffer).ok()? {
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

/// The number of entry points of a metadata directory.
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

/// The number of bytes of an entry_points.txt that would be read.
pub(super) fn size_of(stat: &FileStat) -> u64 {
    let size = u64::try_from(stat.st_size).unwrap_or_default();
    if size <= SIZE_LIMIT as u64 { size } else { 0 }
}

/// The entry points without control characters, and the number of the others.
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
    /// The headers, and whether Name and Version were paid for.
    Known(Headers, bool),
    /// It would cost so many bytes to know Name and Version.
    TooMuch(u64),
}

/// Reads as much of a file as is needed to know its headers: its first [`HEAD`] bytes, more for
/// Name and Version if `spend` allows it, and more for requirements if all are wanted.
pub(super) fn read_headers(
    file: &File,
    stat: &FileStat,
    extent: Extent,
    spend: impl Fn(u64) -> Option<()>,
    buffer: &mut Vec<u8>,
) -> io::Result<Head> {
    let (mut filled, mut wanted) = (0, HEAD);
    let mut is_paid = false;
    loop {
        if buffer.len() < wanted {
            buffer.resize(wanted, 0);
        }
        let rest = buffer.get_mut(filled..wanted).unwrap_or_default();
        filled += read_part(file, rest, filled as u64)?;
        let end = filled < wanted || wanted == HEADERS_LIMIT;
        let content = buffer.get(..filled).unwrap_or_default();
        let (mut headers, is_all) = match core_metadata::parse(content, end) {
            Parsed::Complete(_) if content.is_empty() => return Ok(Head::Empty),
            Parsed::Complete(headers) => (headers, true),
            Parsed::Named(headers) => (headers, false),
            Parsed::NeedMore => {
                if wanted == HEAD {
                    let size = usize::try_from(stat.st_size).unwrap_or(HEADERS_LIMIT);
                    let rest = size.min(HEADERS_LIMIT).saturating_sub(HEAD) as u64;
                    if spend(rest).is_none() {
                        return Ok(Head::TooMuch(rest));
                    }
                    is_paid = true;
                }
                wanted = (wanted * 4).min(HEADERS_LIMIT);
                continue;
            }
        };
        let kept = [&headers.name, &headers.version].map(|it| it.as_ref().map_or(0, String::len));
        if !is_paid && kept.iter().sum::<usize>() > LONG {
            if spend(filled as u64).is_none() {
                return Ok(Head::TooMuch(filled as u64));
            }
            is_paid = true;
        }
        if is_all || extent == Extent::EntryPoints || filled >= REQUIREMENTS_LIMIT {
            if filled >= REQUIREMENTS_LIMIT {
                headers.requirements = None;
            }
            return Ok(Head::Known(headers, is_paid));
        }
        wanted = (wanted * 4).min(REQUIREMENTS_LIMIT);
    }
}

/// How a file could not be opened or read.
pub(super) enum Unusable {
    Absent,
    Dangling,
    /// It is a directory: no content, but it exists.
    Directory,
    Forbidden,
    Broken(String),
}

impl From<io::Error> for Unusable {
    fn from(error: io::Error) -> Self {
        if error
            .get_ref()
            .is_some_and(|error| error.is::<DanglingLink>())
        {
            return Self::Dangling;
        }
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::Absent,
            io::ErrorKind::IsADirectory => Self::Directory,
            io::ErrorKind::PermissionDenied => Self::Forbidden,
            io::ErrorKind::InvalidInput => Self::Broken("not a regular file".into()),
            io::ErrorKind::FileTooLarge => {
                Self::Broken(format!("larger than {} KiB", SIZE_LIMIT >> 10))
            }
            _ if error.raw_os_error() == Some(Errno::ELOOP as i32) => {
                Self::Broken("too many levels of symbolic links".into())
            }
            _ => Self::Broken(format!("cannot be read: {error}")),
        }
    }
}

/// A file that was read, for the record.
pub(super) fn facts(kind: u16, stat: &FileStat) -> FileFacts {
    FileFacts {
        kind,
        size: u32::try_from(stat.st_size).unwrap_or(u32::MAX),
        stamps: (Stamp::modified(stat), Stamp::changed(stat)),
    }
}
