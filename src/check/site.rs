//! Reads one search directory: its distributions as the index would record them, and the entry
//! points of each with their lines.
//!
//! The scan reads the directory within the scan's budget. What the scan leaves unread is not read
//! here either.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::FileStat;

use super::catalogue::{self, Kind};
use super::entry_file::{self, Line};
use super::finding::Findings;
use crate::freshness::Level;
use crate::index::format::distribution_flag as flag;
use crate::index::{Damage, Distribution, Requirements};
use crate::lookup::Answers;
use crate::metadata::entry_points::SIZE_LIMIT;
use crate::rooted::{DanglingLink, Directory, Root, read_bounded};
use crate::scan::Extent;

const ENTRY_POINTS: &str = "entry_points.txt";

/// A distribution.
#[derive(Debug)]
pub(super) struct Installed {
    /// The metadata directory.
    pub(super) path: PathBuf,
    /// Its row in the record.
    pub(super) row: Distribution,
    /// Its entry points in the order of the file.
    pub(super) lines: Vec<Line>,
    /// Its requirements.
    pub(super) requirements: Requirements,
}

impl Installed {
    pub(super) fn name(&self) -> &[u8] {
        &self.row.name
    }

    /// Name and version, for messages.
    pub(super) fn shown(&self) -> String {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        format!("{} {}", text(&self.row.name), text(&self.row.version))
    }

    pub(super) fn entry_points_path(&self) -> PathBuf {
        self.path.join(ENTRY_POINTS)
    }
}

/// A search directory.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) path: PathBuf,
    /// In the order of the library.
    pub(super) distributions: Vec<Installed>,
}

impl Site {
    /// A search directory that could not be read.
    pub(super) fn empty(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            distributions: Vec::new(),
        }
    }

    /// Reads a search directory, and reports mistakes in its files. A missing one is empty.
    pub(super) fn read(root: &Root, path: &Path, findings: &mut Findings) -> Self {
        let mut site = Self::empty(path);
        let paths = [path.to_owned()];
        let answers = Answers::find_with(root, &paths, &[], &|_| Level::Auto, Extent::Everything);
        let read = distributions(&answers, path);
        let Ok(directory) = root.open_dir(path) else {
            for warning in &answers.warnings {
                let at = &warning.path;
                findings.add(catalogue::UNCHECKED, at, None, b"", &warning.text);
            }
            return site;
        };
        match read {
            Ok(read) => site.distributions = read,
            Err(damage) => {
                let text = damage.to_string();
                findings.add(catalogue::UNCHECKED, path, None, b"", text);
            }
        }
        let is_open = directory.stat().is_ok_and(|stat| is_for_all(&stat, 0o005));
        for installed in &mut site.distributions {
            let reading = Reading {
                directory: &directory,
                is_open,
                installed,
            };
            reading.read(findings);
        }
        site
    }
}

fn distributions(answers: &Answers<'_>, path: &Path) -> Result<Vec<Installed>, Damage> {
    let (_, record) = answers.record(0)?;
    let all = record.distributions().map(|row| {
        let row = row?;
        let requirements = record.requirements(&row)?;
        Ok(Installed {
            path: path.join(OsStr::from_bytes(&row.file_name)),
            row,
            lines: Vec::new(),
            requirements,
        })
    });
    all.collect()
}

/// Whether all users have these rights, by the bits of others.
pub(super) fn is_for_all(stat: &FileStat, others: u32) -> bool {
    let bits = others | others << 3;
    stat.st_mode & bits == bits
}

struct Reading<'r> {
    directory: &'r Directory<'r>,
    /// Whether all users can list the search directory.
    is_open: bool,
    installed: &'r mut Installed,
}

impl Reading<'_> {
    fn read(self, findings: &mut Findings) {
        let entry = self.installed.row.file_name.clone();
        if self.installed.row.has(flag::FILE) {
            return;
        }
        let mode = self.directory.stat_entry(&entry).ok();
        let is_closed = mode.is_some_and(|stat| !is_for_all(&stat, 0o005));
        if self.is_open && is_closed {
            let text = "the metadata directory is closed to other users";
            let path = &self.installed.path;
            let name = self.installed.name();
            return findings.add(catalogue::UNREADABLE, path, None, name, text);
        }
        if self.installed.row.has(flag::UNREAD) && !self.is_forbidden() {
            let text = "left unread: the directory has more content or entry points than are read";
            let path = &self.installed.path;
            return findings.add(
                catalogue::OVER_LIMIT,
                path,
                None,
                self.installed.name(),
                text,
            );
        }
        for file in [ENTRY_POINTS, "METADATA", "PKG-INFO"] {
            match self.directory.open_file(&entry, file) {
                Ok((_, stat)) if self.is_open && !is_for_all(&stat, 0o004) => {
                    let text = "not readable for other users";
                    self.add(findings, catalogue::UNREADABLE, file, text);
                }
                Ok(_) => {}
                Err(error) => self.failed(findings, file, &error),
            }
        }
        let mut buffer = Vec::new();
        let opened = self.directory.open_file(&entry, ENTRY_POINTS);
        let content = opened.map(|(file, stat)| {
            let content = read_bounded(&file, &stat, SIZE_LIMIT, &mut buffer)?;
            Ok::<_, io::Error>(entry_file::read(content))
        });
        match content {
            Ok(Ok((lines, remarks))) => {
                let path = self.installed.entry_points_path();
                for (kind, line, text) in remarks {
                    findings.add(kind, &path, line, self.installed.name(), text);
                }
                self.installed.lines = lines;
            }
            Ok(Err(error)) => self.failed(findings, ENTRY_POINTS, &error),
            Err(_) => {}
        }
    }

    /// Whether the reason is missing rights.
    fn is_forbidden(&self) -> bool {
        let denied = |file| {
            let opened = self
                .directory
                .open_file(&self.installed.row.file_name, file);
            opened.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
        };
        [ENTRY_POINTS, "METADATA", "PKG-INFO"]
            .into_iter()
            .any(denied)
    }

    fn failed(&self, findings: &mut Findings, file: &str, error: &io::Error) {
        let is_dangling = error.get_ref().is_some_and(|it| it.is::<DanglingLink>());
        let (kind, text) = match error.kind() {
            _ if is_dangling => (catalogue::NOT_A_FILE, "a symbolic link that leads nowhere"),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => return,
            io::ErrorKind::IsADirectory => (catalogue::NOT_A_FILE, "a directory"),
            io::ErrorKind::InvalidInput => (catalogue::NOT_A_FILE, "not a regular file"),
            io::ErrorKind::PermissionDenied => {
                (catalogue::UNREADABLE, "not readable for other users")
            }
            io::ErrorKind::FileTooLarge => (catalogue::OVER_LIMIT, "larger than 1 MiB"),
            _ => {
                let text = format!("cannot be read: {error}");
                return self.add(findings, catalogue::UNCHECKED, file, text);
            }
        };
        self.add(findings, kind, file, text);
    }

    fn add(&self, findings: &mut Findings, kind: &'static Kind, file: &str, text: impl AsRef<str>) {
        let path = self.installed.path.join(file);
        findings.add(kind, path, None, self.installed.name(), text);
    }
}
