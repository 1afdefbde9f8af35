//! Makes one distribution from one metadata directory: its entry points, name and version.
//! `details` adds requirements and import names.
//!
//! The input is a directory, a sighting in it and the budget. The output is a draft, and a report
//! of what is unusable. If CPython treats a file as missing, so does this. If CPython would raise
//! or hang, only that part of the distribution is lost, and it is reported (decision 2). A file
//! that not every user may read is *unread* (decision 3): other readers may read it.

use std::io;

use super::budget::Spent;
use super::content::{
    ENTRY_POINTS, Extent, Head, Unusable, facts, plain_entries, read_headers, size_of,
};
use super::details;
use crate::freshness::Sighting;
use crate::index::format::{STRING_LIMIT, distribution_flag, file_kind};
use crate::index::{DistributionDraft, EntryDraft};
use crate::metadata::core_metadata::Headers;
use crate::metadata::directory_name::{Kind, recognise};
use crate::metadata::entry_points::{EntryPoint, SIZE_LIMIT};
use crate::metadata::text::has_control;
use crate::rooted::{Directory, FileType, read_bounded};

/// An unusable part: the file in the metadata directory, and the reason.
#[derive(Default)]
pub(super) struct Report {
    pub(super) problems: Vec<(&'static str, String)>,
}

impl Report {
    fn add(&mut self, file: &'static str, text: impl Into<String>) {
        self.problems.push((file, text.into()));
    }
}

fn begun(sighting: &Sighting) -> DistributionDraft {
    DistributionDraft {
        file_name: sighting.file_name.clone(),
        mtime: sighting.stamps.0,
        ctime: sighting.stamps.1,
        flags: distribution_flag::REQUIREMENTS_UNKNOWN | distribution_flag::IMPORTS_UNKNOWN,
        ..DistributionDraft::default()
    }
}

/// A metadata directory that is left unread: only its name is used.
pub(super) fn unread(
    directory: &Directory<'_>,
    sighting: &Sighting,
    egg_base: Option<&[u8]>,
) -> DistributionDraft {
    let mut draft = begun(sighting);
    let exists = |file| directory.stat_file(&draft.file_name, file).is_ok();
    draft.flags |= distribution_flag::UNREAD
        | match sighting.found {
            Ok(FileType::Regular) => distribution_flag::FILE | distribution_flag::HAS_METADATA,
            Ok(FileType::Directory) if exists("METADATA") || exists("PKG-INFO") => {
                distribution_flag::HAS_METADATA
            }
            _ => 0,
        };
    let nothing = &mut Report::default();
    name(&mut draft, Headers::default(), egg_base, nothing);
    draft
}

/// What reading one metadata directory after the other has in common.
pub(super) struct Reading<'r> {
    pub(super) directory: &'r Directory<'r>,
    pub(super) egg_base: Option<&'r [u8]>,
    pub(super) spent: &'r Spent,
    /// Room to read into, kept from one to the next.
    pub(super) buffer: &'r mut Vec<u8>,
}

impl Reading<'_> {
    /// Reads a metadata directory. None where that would spend too much.
    pub(super) fn read(
        &mut self,
        sighting: &Sighting,
        extent: Extent,
        report: &mut Report,
    ) -> Option<DistributionDraft> {
        let mut draft = begun(sighting);
        let mut headers = Headers::default();
        match &sighting.found {
            Ok(FileType::Directory) if !self.directory.may_read_entry(&draft.file_name) => {
                draft.flags |= distribution_flag::UNREAD;
            }
            Ok(FileType::Directory) => {
                self.read_entry_points(&mut draft, report)?;
                headers = self.read_core_metadata(extent, &mut draft, report)?;
            }
            Ok(FileType::Regular) => {
                draft.flags |= distribution_flag::FILE | distribution_flag::HAS_METADATA;
                let found = self.read_headers(file_kind::ITSELF, extent, &mut draft, report)?;
                headers = found.unwrap_or_default();
            }
            Ok(FileType::Link | FileType::Other) => {
                draft.flags |= distribution_flag::PROBLEM;
                report.add("", "neither a directory nor a file, ignored");
            }
            Err(error) => match error.kind() {
                io::ErrorKind::PermissionDenied => draft.flags |= distribution_flag::UNREAD,
                io::ErrorKind::NotFound => {
                    draft.flags |= distribution_flag::PROBLEM;
                    let text = "a dangling symbolic link, or gone during the scan, ignored";
                    report.add("", text);
                }
                _ => {
                    draft.flags |= distribution_flag::PROBLEM;
                    report.add("", format!("{error}, ignored"));
                }
            },
        }
        if draft.flags & distribution_flag::UNREAD != 0 {
            let text = "may not be read by everybody, left to readers that may";
            report.add("", text);
        } else if extent == Extent::Everything && sighting.found.is_ok() {
            let requirements = headers.requirements.take();
            let requirements = requirements.as_deref();
            let mut failure = None;
            details::read(
                self.directory,
                &mut draft,
                requirements,
                self.spent,
                self.buffer,
                &mut failure,
            )?;
            if let Some(why) = failure {
                let text = format!("requirements or import names are unknown: {why}");
                report.add("", text);
            }
        }
        name(&mut draft, headers, self.egg_base, report);
        if !report.problems.is_empty() {
            draft.flags |= distribution_flag::WARNED;
        }
        Some(draft)
    }

    /// None where that would spend too much.
    fn read_entry_points(
        &mut self,
        draft: &mut DistributionDraft,
        report: &mut Report,
    ) -> Option<()> {
        let opened = self.directory.open_file(&draft.file_name, ENTRY_POINTS);
        if let Ok((_, stat)) = &opened {
            self.spent.content(size_of(stat))?;
        }
        let content = opened
            .and_then(|(file, stat)| {
                Ok((read_bounded(&file, &stat, SIZE_LIMIT, self.buffer)?, stat))
            })
            .map_err(Unusable::from);
        match content {
            Ok((content, stat)) => {
                draft.files.push(facts(file_kind::ENTRY_POINTS, &stat));
                match plain_entries(content) {
                    Ok((entries, left_out)) => {
                        self.spent.entries(entries.len() as u64)?;
                        if left_out > 0 {
                            draft.flags |= distribution_flag::PROBLEM;
                            let text = "entry points with control characters left out";
                            report.add(ENTRY_POINTS, format!("{text}: {left_out}"));
                        }
                        draft.entries = entries.iter().map(entry_draft).collect();
                    }
                    Err(error) => {
                        draft.flags |= distribution_flag::PROBLEM;
                        report.add(ENTRY_POINTS, format!("{error}, entry points ignored"));
                    }
                }
            }
            Err(Unusable::Absent) => {}
            Err(Unusable::Dangling) => {
                report.add(ENTRY_POINTS, "a dangling symbolic link, ignored");
            }
            Err(Unusable::Forbidden) => draft.flags |= distribution_flag::UNREAD,
            Err(Unusable::Directory) => {
                draft.flags |= distribution_flag::PROBLEM;
                report.add(ENTRY_POINTS, "a directory, ignored");
            }
            Err(Unusable::Broken(text)) => {
                draft.flags |= distribution_flag::PROBLEM;
                report.add(ENTRY_POINTS, format!("{text}, entry points ignored"));
            }
        }
        Some(())
    }

    /// Reads METADATA, or PKG-INFO if METADATA is missing or empty (`Distribution._metadata_text`).
    /// If one of them exists, even empty, the distribution has metadata (`_has_metadata`). `None`
    /// if reading would spend too much.
    fn read_core_metadata(
        &mut self,
        extent: Extent,
        draft: &mut DistributionDraft,
        report: &mut Report,
    ) -> Option<Headers> {
        let mut found = self.read_headers(file_kind::METADATA, extent, draft, report)?;
        if found.is_none() {
            found = self.read_headers(file_kind::PKG_INFO, extent, draft, report)?;
        }
        let explained = distribution_flag::UNREAD | distribution_flag::PROBLEM;
        if found.is_none() && draft.flags & explained == 0 {
            let text = "neither METADATA nor PKG-INFO has any content, the distribution is what the \
                        directory's name says";
            report.add("", text);
        }
        Some(found.unwrap_or_default())
    }

    /// The headers of a file, if it has any content; None where reading them would spend too much.
    fn read_headers(
        &mut self,
        kind: u16,
        extent: Extent,
        draft: &mut DistributionDraft,
        report: &mut Report,
    ) -> Option<Option<Headers>> {
        let file = file_kind::name(kind);
        let opened = self.directory.open_file(&draft.file_name, file);
        let exists = match &opened {
            Ok(_) => true,
            Err(error) => match error.kind() {
                io::ErrorKind::IsADirectory | io::ErrorKind::InvalidInput => true,
                io::ErrorKind::PermissionDenied => {
                    self.directory.stat_file(&draft.file_name, file).is_ok()
                }
                _ => false,
            },
        };
        if exists {
            draft.flags |= distribution_flag::HAS_METADATA;
        }
        if let Ok((_, stat)) = &opened {
            draft.files.push(facts(kind, stat));
        }
        let spend = |bytes| self.spent.content(bytes);
        let head = opened
            .and_then(|(open, stat)| read_headers(&open, &stat, extent, spend, self.buffer))
            .map_err(Unusable::from);
        match head {
            Ok(Head::TooMuch(_)) => return None,
            Ok(Head::Empty) | Err(Unusable::Absent) => {}
            Ok(Head::Known(headers, is_costly)) => {
                if is_costly {
                    // Read again at each refresh, to count the cost, because the index does not
                    // contain it.
                    let text = "no Name and Version of at most 512 bytes in its first 4 KiB: costly to read";
                    report.add(file, text);
                }
                return Some(Some(headers));
            }
            Err(Unusable::Dangling) => report.add(file, "a dangling symbolic link, ignored"),
            Err(Unusable::Directory) => {
                draft.flags |= distribution_flag::PROBLEM;
                report.add(file, "a directory, ignored");
            }
            Err(Unusable::Forbidden) => draft.flags |= distribution_flag::UNREAD,
            Err(Unusable::Broken(text)) => {
                draft.flags |= distribution_flag::PROBLEM;
                report.add(file, format!("{text}, ignored"));
            }
        }
        Some(None)
    }
}

/// Fills in kind, key, name and version: from the headers, otherwise from the file name.
fn name(
    draft: &mut DistributionDraft,
    headers: Headers,
    egg_base: Option<&[u8]>,
    report: &mut Report,
) {
    let file_name = draft.file_name.clone();
    // Only names that are recognised are listed.
    let Some(name) = recognise(&file_name, egg_base) else {
        return;
    };
    draft.flags |= match name.kind {
        Kind::DistInfo => 0,
        Kind::EggInfo => 1,
        Kind::EggInfoInEgg => 2,
    };
    if headers.not_utf8 {
        draft.flags |= distribution_flag::PROBLEM;
        report.add("", "Name or Version is not UTF-8, taken from the file name");
    }
    let mut controls = 0;
    let mut usable = |header: Option<String>| {
        header.filter(|value| {
            // The key is in lower case, which may be longer.
            let fits = value.len().max(value.to_lowercase().len()) <= STRING_LIMIT;
            let plain = !has_control(value.as_bytes());
            if !plain {
                controls = distribution_flag::PROBLEM;
                let text = "a control character in Name or Version, taken from the file name";
                report.add("", text);
            } else if !fits {
                report.add("", "Name or Version too long, taken from the file name");
            }
            fits && plain
        })
    };
    let (header_name, header_version) = (usable(headers.name), usable(headers.version));
    draft.flags |= controls;
    draft.key = name.shadow_key(header_name.as_deref());
    draft.name = header_name.map(String::into_bytes).unwrap_or_else(|| {
        draft.flags |= distribution_flag::NAME_FROM_FILE;
        name.stem_name().to_vec()
    });
    draft.version = header_version.map(String::into_bytes).unwrap_or_else(|| {
        draft.flags |= distribution_flag::VERSION_FROM_FILE;
        name.stem_version().unwrap_or_default().to_vec()
    });
}

fn entry_draft<'a>(entry: &'a EntryPoint<'_>) -> EntryDraft<'a> {
    EntryDraft {
        group: entry.group.as_bytes(),
        name: entry.name.as_bytes(),
        value: entry.value.as_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_whose_key_would_be_too_long_comes_from_the_file_name() {
        // Its lower case is half as long again, and readers refuse an index with such a key.
        let header = "\u{130}".repeat(STRING_LIMIT / 2);
        assert!(header.len() <= STRING_LIMIT && header.to_lowercase().len() > STRING_LIMIT);
        let mut draft = DistributionDraft {
            file_name: b"a-1.DIST-INFO".to_vec(),
            ..DistributionDraft::default()
        };
        let headers = Headers {
            name: Some(header),
            ..Headers::default()
        };
        let mut report = Report::default();
        name(&mut draft, headers, None, &mut report);
        assert_eq!((&*draft.key, &*draft.name), (&b"a"[..], &b"a"[..]));
        assert_eq!(report.problems.len(), 1);
    }
}
