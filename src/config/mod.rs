//! Configuration files: INI, with the usual rules for files below `/usr/lib` and `/etc`.
//!
//! The input is a root. The output is the settings, and remarks about lines that were not
//! understood. `epcache.conf` in /etc is read after the one in /usr/lib and overrides single
//! settings. Then the files `*.conf` of `epcache/conf.d` and `epcache.conf.d` follow in the order
//! of their names. A file in /etc replaces the one of the same name in /usr/lib; an empty file, or
//! a link to /dev/null, disables it. No mistake in a file is fatal: a line that is not understood
//! loses only itself.

mod lines;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::freshness::Level;
use crate::privsep::Policy;
use crate::rooted::{Root, is_missing};

pub(crate) use lines::{Line, lines, shown};

/// In bytes. A larger file is not a configuration file.
const SIZE_LIMIT: usize = 64 << 10;
/// In bytes. The sum of all files: root keeps what is read in memory.
pub(crate) const TOTAL_LIMIT: usize = 1 << 20;
/// The maximum number of mistakes to report: the maker of an image may make any number.
pub(crate) const MOST_REMARKS: usize = 100;
/// The maximum number of drop-ins that are read.
pub(crate) const MOST_DROP_INS: usize = 1000;

const FILES: [&str; 2] = ["/usr/lib/epcache/epcache.conf", "/etc/epcache.conf"];
const DROP_INS: [&str; 2] = ["/usr/lib/epcache/conf.d", "/etc/epcache.conf.d"];

/// The section with the settings. Settings before any section count too.
const SECTION: &str = "epcache";

/// The keys with their defaults.
const KEYS: [(&str, &str); 7] = [
    ("directories", ""),
    ("index-path", ""),
    ("freshness", "auto"),
    ("auto-update", "yes"),
    ("user", ""),
    ("privilege-drop", "yes"),
    ("require-sandbox", "no"),
];

/// A line that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its value, without ignored parts.
    pub value: String,
    /// The file.
    pub file: Arc<Path>,
    /// The line, counted from 1.
    pub line: usize,
}

/// The settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `directories`: more search directories for the system index, joined by colons. The key may
    /// be repeated. An empty value removes the previous ones.
    pub directories: Vec<PathBuf>,
    /// `auto-update`: whether the package manager's triggers refresh the system index.
    pub auto_update: bool,
    /// `index-path`: indexes beside the directories that they describe, joined by colons, such as
    /// those of software trees that many machines share. The key may be repeated. An empty value
    /// removes the previous ones.
    pub indexes: Vec<PathBuf>,
    /// `freshness`: how closely lookups look for changes if one of these indexes answers.
    pub freshness: Level,
    /// `user`, `privilege-drop`, `require-sandbox`: how packages are read.
    pub policy: Policy,
    /// The lines that these values come from, by their keys.
    settings: BTreeMap<&'static str, Vec<Setting>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            directories: Vec::new(),
            auto_update: true,
            indexes: Vec::new(),
            freshness: Level::Auto,
            policy: Policy::default(),
            settings: BTreeMap::new(),
        }
    }
}

/// A switch: yes, true, on, 1; no, false, off, 0; in any case.
#[must_use]
pub fn switch(text: &str) -> Option<bool> {
    let is = |word: &&str| text.trim().eq_ignore_ascii_case(word);
    if ["yes", "true", "on", "1"].iter().any(is) {
        Some(true)
    } else {
        ["no", "false", "off", "0"].iter().any(is).then_some(false)
    }
}

/// A part of a configuration file that was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The file.
    pub path: PathBuf,
    /// Its line, counted from 1.
    pub line: Option<usize>,
    /// What is wrong, and the consequence.
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
            Ok(Some(content)) => config.apply(&path, &content, &mut remarks),
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

/// The paths in lines of `directories`, and what to say of each one that does not exist. It stays in
/// force, because a path may come later.
#[must_use]
pub fn if_missing(config: &Config) -> Vec<(PathBuf, Remark)> {
    let settings = config.settings.get("directories").into_iter().flatten();
    let paths = settings.flat_map(|setting| {
        setting.value.split(':').map(|path| {
            let remark = Remark {
                path: setting.file.to_path_buf(),
                line: Some(setting.line),
                text: format!("directories: {path} does not exist"),
            };
            (PathBuf::from(path), remark)
        })
    });
    paths.take(MOST_REMARKS).collect()
}

/// What there is to say of configured search directories that do not exist.
#[must_use]
pub fn missing(root: &Root, config: &Config) -> Vec<Remark> {
    let mut named = if_missing(config);
    named.retain(|(path, _)| root.stat(path).is_err_and(|error| is_missing(&error)));
    named.into_iter().map(|(_, remark)| remark).collect()
}

/// The files to read, in order.
fn files(root: &Root) -> Vec<PathBuf> {
    FILES
        .iter()
        .map(PathBuf::from)
        .chain(drop_ins(root, DROP_INS).into_values())
        .collect()
}

/// The files `*.conf` in these directories, by their names. One in a later directory replaces those
/// of the same name before. The number is limited.
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

/// The content of a file. `None` if it is missing, empty or disabled. The kernel's own files look
/// empty: in an image with /proc mounted, a link may lead to one.
///
/// `left` is the number of bytes that may still be read.
pub(crate) fn content(root: &Root, path: &Path, left: &mut usize) -> io::Result<Option<Vec<u8>>> {
    if root.stat(path).is_ok_and(|stat| stat.st_size == 0) {
        return Ok(None);
    }
    match root.read(path, SIZE_LIMIT.min(*left)) {
        Ok(bytes) => {
            *left -= bytes.len();
            Ok(Some(bytes))
        }
        Err(error) => match error.kind() {
            // A link to /dev/null is not a regular file. Below a root it may lead nowhere.
            io::ErrorKind::NotFound | io::ErrorKind::InvalidInput => Ok(None),
            _ => Err(error),
        },
    }
}

impl Config {
    fn apply(&mut self, path: &Path, content: &[u8], remarks: &mut Vec<Remark>) {
        let file: Arc<Path> = path.into();
        let mut is_ours = true;
        for (line, said) in lines(content) {
            let mut remark = |text: String| {
                if remarks.len() < MOST_REMARKS {
                    remarks.push(Remark {
                        path: path.to_owned(),
                        line: Some(line),
                        text,
                    });
                }
            };
            match said {
                Line::Mistake(text) => remark(text),
                Line::Section(name) => {
                    is_ours = name == SECTION;
                    if !is_ours {
                        let name = shown(&name);
                        remark(format!(
                            "unknown section [{name}], its settings are ignored"
                        ));
                    }
                }
                Line::Setting(..) if !is_ours => {}
                Line::Setting(key, value) => match KEYS.iter().find(|(known, _)| *known == key) {
                    None => {
                        remark(format!("unknown key '{}', line ignored", shown(&key)));
                    }
                    Some((key, _)) => match self.set(key, &value, &mut remark) {
                        Err(why) => {
                            remark(format!("{key}: '{}' {why}", shown(&value)));
                        }
                        Ok(Some(value)) => {
                            let file = Arc::clone(&file);
                            let setting = Setting { value, file, line };
                            self.settings.entry(key).or_default().push(setting);
                        }
                        Ok(None) => {}
                    },
                },
            }
        }
    }

    /// Applies a setting. Returns the part of its value that counts.
    fn set(
        &mut self,
        key: &'static str,
        value: &str,
        remark: &mut impl FnMut(String),
    ) -> Result<Option<String>, &'static str> {
        let is_list = matches!(key, "directories" | "index-path");
        let is_safe = matches!(key, "privilege-drop" | "require-sandbox");
        let flag = match switch(value) {
            Some(on) => Ok(on),
            None if is_safe => {
                let value = shown(value);
                remark(format!(
                    "{key}: '{value}' is neither yes nor no, taken for yes"
                ));
                Ok(true)
            }
            None => Err("is neither yes nor no, line ignored"),
        };
        match key {
            "freshness" => {
                let level = Level::of_word(&value.to_ascii_lowercase());
                self.freshness = level.ok_or("is not auto, fast, strict or trust, line ignored")?;
            }
            "auto-update" => self.auto_update = flag?,
            "privilege-drop" => self.policy.drop_privileges = flag?,
            "require-sandbox" => self.policy.require_sandbox = flag?,
            "user" => self.policy.user = (!value.is_empty()).then(|| value.to_owned()),
            _ => {}
        }
        if !is_list || value.is_empty() {
            self.settings.remove(key);
        }
        if !is_list {
            return Ok(Some(value.to_owned()));
        }
        let known = match key {
            "directories" => &mut self.directories,
            _ => &mut self.indexes,
        };
        if value.is_empty() {
            known.clear();
        }
        let before = known.len();
        for path in value.split(':').map(str::trim).filter(|it| !it.is_empty()) {
            if !path.starts_with('/') {
                let why = what_is_missing(path);
                remark(format!("{key}: '{}' {why}, ignored", shown(path)));
                continue;
            }
            if path.contains(",/") || path.contains(", /") {
                let text = "is one path, with a comma; paths are joined by colons";
                remark(format!("{key}: '{}' {text}", shown(path)));
            }
            known.push(PathBuf::from(path));
        }
        let added = known.get(before..).unwrap_or_default();
        let words: Vec<_> = added.iter().map(|path| path.to_string_lossy()).collect();
        Ok(Some(words.join(":")).filter(|value| !value.is_empty()))
    }

    /// Each key with its default and, if there are any, the lines that are in force instead.
    pub fn in_force(&self) -> impl Iterator<Item = (&'static str, &'static str, &[Setting])> {
        let lines = |key| self.settings.get(key).map_or(&[][..], Vec::as_slice);
        KEYS.into_iter()
            .map(move |(key, default)| (key, default, lines(key)))
    }
}

/// Why a path in a list is ignored.
fn what_is_missing(path: &str) -> &'static str {
    match path.starts_with('~') {
        true => "is not the path of a home directory here: write that out",
        false => "is not an absolute path",
    }
}

#[cfg(test)]
mod tests;
