//! Configuration files: INI, read with the usual rules of the places below `/usr/lib` and `/etc`.
//!
//! In comes a root, out go the settings and remarks on what was not understood. `epcache.conf` in
//! /etc comes after the one in /usr/lib and overrides single settings; then follow the files
//! `*.conf` of `epcache/conf.d` and `epcache.conf.d`, all in the order of their names, where a file
//! in /etc masks the one of the same name in /usr/lib (an empty one, or a link to /dev/null, is a
//! way to say nothing). No mistake in a file is fatal.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use ini::{Ini, ParseOption};

use crate::freshness::Level;
use crate::privsep::Policy;
use crate::rooted::Root;

/// A configuration file that is larger is not one, in bytes.
const SIZE_LIMIT: usize = 64 << 10;
/// All files together have no more, in bytes: what is read is kept in memory, by root.
pub(crate) const TOTAL_LIMIT: usize = 1 << 20;
/// More mistakes are not named: whoever makes an image may make as many as they like.
pub(crate) const MOST_REMARKS: usize = 100;
/// More drop-ins are not read.
pub(crate) const MOST_DROP_INS: usize = 1000;

const FILES: [&str; 2] = ["/usr/lib/epcache/epcache.conf", "/etc/epcache.conf"];
const DROP_INS: [&str; 2] = ["/usr/lib/epcache/conf.d", "/etc/epcache.conf.d"];

/// The section that settings stand in; those in front of any section count as well.
const SECTION: &str = "epcache";

/// The settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `directories`: more search directories for the system index, joined by colons. The key may
    /// be repeated; an empty value forgets those before.
    pub directories: Vec<PathBuf>,
    /// `auto-update`: whether the package manager's triggers refresh the system index.
    pub auto_update: bool,
    /// `index-path`: indexes beside the directories that they are of, joined by colons, such as those of
    /// software trees that many machines share. The key may be repeated; an empty value forgets those before.
    pub indexes: Vec<PathBuf>,
    /// `freshness`: how hard lookups look for changes where one of these indexes answers.
    pub freshness: Level,
    /// `user`, `privilege-drop`, `require-sandbox`: how packages are read.
    pub policy: Policy,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            directories: Vec::new(),
            auto_update: true,
            indexes: Vec::new(),
            freshness: Level::Auto,
            policy: Policy::default(),
        }
    }
}

/// A switch as people write it: yes, true, on, 1; no, false, off, 0; in any case.
#[must_use]
pub fn switch(text: &str) -> Option<bool> {
    let is = |word: &&str| text.trim().eq_ignore_ascii_case(word);
    if ["yes", "true", "on", "1"].iter().any(is) {
        Some(true)
    } else {
        ["no", "false", "off", "0"].iter().any(is).then_some(false)
    }
}

/// Something in a configuration file that was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The file.
    pub path: PathBuf,
    /// Its line, from 1.
    pub line: Option<usize>,
    /// What is wrong, and what follows.
    pub text: String,
}

impl std::fmt::Display for Remark {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(formatter, ":{line}")?;
        }
        write!(formatter, ": {}", self.text)
    }
}

/// Reads all configuration files below a root.
#[must_use]
pub fn read(root: &Root) -> (Config, Vec<Remark>) {
    let (mut config, mut remarks) = (Config::default(), Vec::new());
    let mut left = TOTAL_LIMIT;
    for path in files(root) {
        match content(root, &path, &mut left) {
            Ok(Some(_)) if remarks.len() >= MOST_REMARKS => break,
            Ok(Some(text)) => config.apply(&path, &text, &mut remarks),
            Ok(None) => {}
            Err(error) => remarks.push(Remark {
                path,
                line: None,
                text: format!("cannot be read, ignored: {error}"),
            }),
        }
    }
    remarks.truncate(MOST_REMARKS);
    (config, remarks)
}

/// The files to read, in their order.
fn files(root: &Root) -> Vec<PathBuf> {
    FILES
        .iter()
        .map(PathBuf::from)
        .chain(drop_ins(root, DROP_INS).into_values())
        .collect()
}

/// The files `*.conf` in these directories, by their names: one in a later directory masks those before it.
/// There are no more of them than anybody needs.
pub(crate) fn drop_ins<const N: usize>(
    root: &Root,
    directories: [&str; N],
) -> BTreeMap<OsString, PathBuf> {
    let mut files = BTreeMap::new();
    for directory in directories.map(Path::new) {
        for name in root.list(directory).unwrap_or_default() {
            let path = directory.join(&name);
            if path
                .extension()
                .is_some_and(|extension| extension == "conf")
                && (files.len() < MOST_DROP_INS || files.contains_key(&name))
            {
                files.insert(name, path);
            }
        }
    }
    files
}

/// The text of a file; None for what is not there, empty or masked. The kernel's own files look empty: in an
/// image with /proc mounted, a link may lead to one.
///
/// `left` is how much may still be read, in bytes.
pub(crate) fn content(root: &Root, path: &Path, left: &mut usize) -> io::Result<Option<String>> {
    if root.stat(path).is_ok_and(|stat| stat.st_size == 0) {
        return Ok(None);
    }
    match root.read(path, SIZE_LIMIT.min(*left)) {
        Ok(bytes) => {
            *left -= bytes.len();
            String::from_utf8(bytes)
                .map(Some)
                .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"))
        }
        Err(error) => match error.kind() {
            // A link to /dev/null is no regular file, and below a root it may lead nowhere.
            io::ErrorKind::NotFound | io::ErrorKind::InvalidInput => Ok(None),
            _ => Err(error),
        },
    }
}

impl Config {
    fn apply(&mut self, path: &Path, text: &str, remarks: &mut Vec<Remark>) {
        let mut remark = |line, text: String| {
            remarks.push(Remark {
                path: path.to_owned(),
                line,
                text,
            });
        };
        let plain = ParseOption {
            enabled_quote: false,
            enabled_escape: false,
            ..ParseOption::default()
        };
        let ini = match Ini::load_from_str_opt(text, plain) {
            Ok(ini) => ini,
            Err(error) => {
                remark(Some(error.line), format!("{}, file ignored", error.msg));
                return;
            }
        };
        let mut lines = Lines::of(text);
        for (section, properties) in &ini {
            let header = section.and_then(|name| {
                lines.next_that(|line| line.starts_with('[') && line.contains(name))
            });
            if section.is_some_and(|name| name != SECTION) {
                let name = section.unwrap_or_default();
                remark(header, format!("unknown section [{name}], ignored"));
                continue;
            }
            for (key, value) in properties.iter() {
                let line = lines.next_that(|line| {
                    line.split(['=', ':'])
                        .next()
                        .is_some_and(|name| name.trim() == key)
                });
                match key {
                    "directories" => add_paths(&mut self.directories, value),
                    "index-path" => add_paths(&mut self.indexes, value),
                    "freshness" => {
                        self.freshness = Level::of_word(value.trim()).unwrap_or_else(|| {
                            let text = "is none of auto, fast, strict and trust, taken for auto";
                            remark(line, format!("freshness: '{}' {text}", value.trim()));
                            Level::Auto
                        });
                    }
                    "user" => {
                        let user = value.trim();
                        self.policy.user = (!user.is_empty()).then(|| user.to_owned());
                    }
                    "auto-update" | "privilege-drop" | "require-sandbox" => {
                        let on = switch(value).unwrap_or_else(|| {
                            let text = "is neither yes nor no, taken for yes";
                            remark(line, format!("{key}: '{}' {text}", value.trim()));
                            true
                        });
                        match key {
                            "auto-update" => self.auto_update = on,
                            "privilege-drop" => self.policy.drop_privileges = on,
                            _ => self.policy.require_sandbox = on,
                        }
                    }
                    _ => remark(line, format!("unknown key '{key}', ignored")),
                }
            }
        }
    }
}

/// Paths joined by colons, after those of the key's earlier values.
fn add_paths(known: &mut Vec<PathBuf>, value: &str) {
    if value.trim().is_empty() {
        known.clear();
    }
    let paths = value.split(':').map(str::trim);
    known.extend(paths.filter(|path| !path.is_empty()).map(PathBuf::from));
}

/// The lines of a file, gone through once: rust-ini keeps no line numbers, but keeps the order.
struct Lines<'t> {
    rest: std::iter::Zip<std::ops::RangeFrom<usize>, std::str::Lines<'t>>,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        Self {
            rest: (1..).zip(text.lines()),
        }
    }

    /// The number of the next line that fits.
    fn next_that(&mut self, fits: impl Fn(&str) -> bool) -> Option<usize> {
        let mut ahead = self.rest.clone();
        let found = ahead.find(|(_, line)| fits(line.trim()));
        if found.is_some() {
            self.rest = ahead;
        }
        found.map(|(number, _)| number)
    }
}

#[cfg(test)]
mod tests;
