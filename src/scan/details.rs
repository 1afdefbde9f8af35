//! The requirements and import names of a distribution.
//!
//! The input is a metadata directory, and the requirements in its headers. The output is both in
//! the form of the index, or that they are unknown: then a reader has to ask the library. No mistake
//! here affects the rest of the distribution. Only failures of the file system are reported, so
//! that the next refresh reads them again.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;

use nix::sys::stat::FileStat;

use super::budget::Spent;
use super::content::{Unusable, facts};
use crate::freshness::Sighting;
use crate::index::format::{distribution_flag, file_kind};
use crate::index::{DistributionDraft, FileFacts};
use crate::metadata::imports::{self, Candidates, FileList, Files, LINE_LIMIT};
use crate::metadata::{requirements, text};
use crate::rooted::{Directory, FileType, read_bounded, read_part};

/// In bytes. A larger requires.txt is not read.
const REQUIRES_LIMIT: usize = 128 << 10;
/// In bytes. A larger top_level.txt is not read.
const TOP_LEVEL_LIMIT: usize = 16 << 10;
/// In bytes. A larger list of files is not read.
pub(super) const LIST_LIMIT: u64 = 16 << 20;
/// In bytes. This much of a list of files is in memory.
const PIECE: usize = 2 * LINE_LIMIT;
/// How many files of an installed-files.txt are looked for.
const LOCATED_LIMIT: u32 = 2000;

/// The lists of files, in the order in which they are tried.
const LISTS: [(u16, FileList); 3] = [
    (file_kind::RECORD, FileList::Record),
    (file_kind::INSTALLED_FILES, FileList::InstalledFiles),
    (file_kind::SOURCES, FileList::Sources),
];

/// Fills in what is unknown so far. `headers` are the requirements in the headers, if they are
/// known. `failure` becomes what the file system has refused. `None` if that would spend too much.
pub(super) fn read(
    directory: &Directory<'_>,
    draft: &mut DistributionDraft,
    headers: Option<&[String]>,
    spent: &Spent,
    buffer: &mut Vec<u8>,
    failure: &mut Failure,
) -> Option<()> {
    let name = draft.file_name.clone();
    let found = headers.and_then(|it| read_requirements(directory, draft, it, buffer, failure));
    if let Some(found) = found {
        draft.flags &= !distribution_flag::REQUIREMENTS_UNKNOWN;
        if let Some(text) = found {
            draft.flags |= distribution_flag::HAS_REQUIREMENTS;
            draft.requirements = text.into_bytes();
        }
    }
    let source = import_source(directory, &name, &mut draft.files, buffer, failure);
    let found = match source {
        Source::Unknown => None,
        Source::Nothing => Some((String::new(), 0)),
        Source::Declared(names) => Some((names, 1)),
        Source::List(number, file, stat) => {
            if bytes_of_list(&stat) > 0 {
                spent.listed(bytes_of_list(&stat))?;
            }
            let kind = LISTS.get(number).map(|(_, list)| *list);
            let mut around = FilesAround {
                directory,
                name: &name,
                located: 0,
                failure,
            };
            let text = kind.and_then(|list| read_list(&mut around, list, (&file, &stat), buffer));
            text.map(|text| (text, number + 2))
        }
    };
    if let Some((text, source)) = found {
        draft.flags &= !distribution_flag::IMPORTS_UNKNOWN;
        let source = u32::try_from(source).unwrap_or_default();
        draft.flags |= source << distribution_flag::IMPORT_SOURCE_SHIFT;
        draft.imports = text.into_bytes();
    }
    spent.text((draft.requirements.len() + draft.imports.len()) as u64)
}

/// The number of bytes of the list of files that would be read.
pub(super) fn listed_size(
    directory: &Directory<'_>,
    sighting: &Sighting,
    buffer: &mut Vec<u8>,
) -> u64 {
    let name = &sighting.file_name;
    match sighting.found {
        Ok(FileType::Directory) if directory.may_read_entry(name) => {
            match import_source(directory, name, &mut Vec::new(), buffer, &mut None) {
                Source::List(_, _, stat) => bytes_of_list(&stat),
                _ => 0,
            }
        }
        _ => 0,
    }
}

fn bytes_of_list(stat: &FileStat) -> u64 {
    list_cost(u64::try_from(stat.st_size).unwrap_or_default())
}

/// The cost of a list of files of this size.
pub(super) fn list_cost(size: u64) -> u64 {
    if size <= LIST_LIMIT { size } else { 0 }
}

/// The first failure that was not about the distribution, but about the file system.
pub(super) type Failure = Option<String>;

/// A file that may be missing for CPython: `Path.read_text` finds no file, or a directory. The
/// error is any other failure.
fn optional<T>(opened: io::Result<T>, failure: &mut Failure) -> Result<Option<T>, ()> {
    match opened.map_err(Unusable::from) {
        Ok(opened) => Ok(Some(opened)),
        Err(Unusable::Absent | Unusable::Dangling | Unusable::Directory) => Ok(None),
        Err(Unusable::Forbidden) => Err(()),
        Err(Unusable::Broken(why)) => {
            failure.get_or_insert(why);
            Err(())
        }
    }
}

/// What was read, if it was. A file over its limit is no failure of the file system.
fn usable<T>(read: io::Result<T>, failure: &mut Failure) -> Option<T> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => None,
        read => optional(read, failure).ok().flatten(),
    }
}

/// `None` if they are unknown, or if `Distribution.requires` is `None`.
fn read_requirements(
    directory: &Directory<'_>,
    draft: &mut DistributionDraft,
    headers: &[String],
    buffer: &mut Vec<u8>,
    failure: &mut Failure,
) -> Option<Option<String>> {
    if !headers.is_empty() {
        return requirements::joined(headers).map(Some);
    }
    let kind = file_kind::REQUIRES;
    let opened = directory.open_file(&draft.file_name, file_kind::name(kind));
    let Some((file, stat)) = optional(opened, failure).ok()? else {
        return Some(None);
    };
    draft.files.push(facts(kind, &stat));
    let content = usable(read_bounded(&file, &stat, REQUIRES_LIMIT, buffer), failure)?;
    let content = std::str::from_utf8(content).ok()?;
    requirements::of_requires_txt(content).map(Some)
}

/// The source of import names.
enum Source {
    Unknown,
    Nothing,
    /// The names of top_level.txt.
    Declared(String),
    /// One of [`LISTS`].
    List(usize, File, FileStat),
}

fn import_source(
    directory: &Directory<'_>,
    name: &[u8],
    files: &mut Vec<FileFacts>,
    buffer: &mut Vec<u8>,
    failure: &mut Failure,
) -> Source {
    let mut open = |kind, failure: &mut Failure| {
        let opened = optional(directory.open_file(name, file_kind::name(kind)), failure)?;
        if let Some((_, stat)) = &opened {
            files.push(facts(kind, stat));
        }
        Ok::<_, ()>(opened)
    };
    match open(file_kind::TOP_LEVEL, failure) {
        Err(()) => return Source::Unknown,
        Ok(None) => {}
        Ok(Some((file, stat))) => {
            let content = usable(read_bounded(&file, &stat, TOP_LEVEL_LIMIT, buffer), failure);
            let content = content.and_then(|it| std::str::from_utf8(it).ok());
            match content.and_then(imports::declared) {
                None => return Source::Unknown,
                Some(names) if !names.is_empty() => return Source::Declared(names),
                Some(_) => {}
            }
        }
    }
    for (number, (kind, _)) in LISTS.into_iter().enumerate() {
        match open(kind, failure) {
            Err(()) => return Source::Unknown,
            Ok(Some((file, stat))) if stat.st_size > 0 => return Source::List(number, file, stat),
            Ok(_) => {}
        }
    }
    Source::Nothing
}

/// Reads a list of files, piece by piece.
fn read_list(
    files: &mut FilesAround<'_>,
    list: FileList,
    (file, stat): (&File, &FileStat),
    buffer: &mut Vec<u8>,
) -> Option<String> {
    if bytes_of_list(stat) == 0 {
        return None;
    }
    let mut candidates = Candidates::of(list);
    let size = usize::try_from(stat.st_size).unwrap_or(PIECE);
    let room = PIECE.min(size + 1);
    if buffer.len() < room {
        buffer.resize(room, 0);
    }
    let piece = buffer.get_mut(..room)?;
    let (mut filled, mut offset) = (0, 0);
    loop {
        let read = read_part(file, piece.get_mut(filled..)?, offset);
        let read = usable(read, files.failure)?;
        offset += read as u64;
        if offset > LIST_LIMIT {
            return None;
        }
        filled += read;
        let content = piece.get(..filled)?;
        let is_end = filled < room;
        let whole = match content.iter().rposition(|&byte| byte == b'\n') {
            _ if is_end => filled,
            Some(last) => last + 1,
            // A line longer than any that is read.
            None => return None,
        };
        let lines = std::str::from_utf8(content.get(..whole)?).ok()?;
        for line in text::lines(lines) {
            candidates.add(line, files)?;
        }
        if is_end {
            return Some(candidates.text());
        }
        piece.copy_within(whole..filled, 0);
        filled -= whole;
    }
}

/// The files around a metadata directory.
struct FilesAround<'f> {
    directory: &'f Directory<'f>,
    name: &'f [u8],
    located: u32,
    failure: &'f mut Failure,
}

impl Files for FilesAround<'_> {
    fn exists(&mut self, path: &str) -> Option<bool> {
        usable(self.directory.has(path), self.failure)
    }

    fn located(&mut self, path: &str) -> Option<Option<String>> {
        self.located += 1;
        if self.located > LOCATED_LIMIT {
            return None;
        }
        let entry = self.directory.path().join(OsStr::from_bytes(self.name));
        let root = self.directory.root();
        let real = match root.real_path(&entry.join(path)) {
            Ok(real) => real,
            Err(error) => return optional::<()>(Err(error), self.failure).ok().map(|_| None),
        };
        let base = usable(root.real_path(self.directory.path()), self.failure)?;
        match real.strip_prefix(base) {
            Ok(below) => below.to_str().map(|path| Some(path.to_owned())),
            // It leads out of the search directory, and gives no name.
            Err(_) => Some(None),
        }
    }
}
