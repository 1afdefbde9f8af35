//! Checks whether what a distribution requires is installed, as `pip check` does.
//!
//! Requirements of extras are not checked. Neither is a marker that depends on the patch release,
//! nor a version that is not PEP 440.

use std::collections::HashMap;
use std::path::PathBuf;

use super::catalogue::{self, Kind, Level};
use super::entry_file::quoted;
use super::finding::Findings;
use super::site::Installed;
use crate::index::Requirements;
use crate::index::format::distribution_flag as flag;
use crate::metadata::dependency_specifier::DependencySpecifier;
use crate::metadata::marker::Environment;
use crate::metadata::normalize::normalize;
use crate::rooted::Root;

/// In bytes. A larger file is not searched for the line of a requirement.
const FILE_LIMIT: usize = 1 << 20;

/// The distributions to compare requirements with.
pub(super) struct Requiring<'a> {
    pub(super) root: &'a Root,
    /// The installed ones by normalized name.
    pub(super) by_name: HashMap<String, &'a Installed>,
    pub(super) environment: Environment,
    /// Whether these are all. Otherwise a missing one is only a note.
    pub(super) is_whole: bool,
}

impl Requiring<'_> {
    /// Checks the requirements of a distribution.
    pub(super) fn check(&self, installed: &Installed, findings: &mut Findings) {
        let requirements = match &installed.requirements {
            Requirements::None => return,
            Requirements::These(requirements) => requirements,
            // A distribution that is unread or has no metadata is another finding.
            Requirements::Unknown if installed.row.has(flag::VERSION_FROM_FILE) => return,
            Requirements::Unknown => {
                let (kind, path) = (catalogue::BAD_REQUIREMENT, &installed.path);
                let text = "the requirements cannot be told";
                return findings.add(kind, path, None, installed.name(), text);
            }
        };
        for requirement in requirements {
            if let Some((kind, level, text)) = self.judge(requirement) {
                let (path, line) = place(self.root, installed, requirement);
                findings.add_as(level, kind, path, line, installed.name(), text);
            }
        }
    }

    /// What is wrong with a requirement.
    fn judge(&self, text: &str) -> Option<(&'static Kind, Level, String)> {
        let unclear = |text| Some((catalogue::BAD_REQUIREMENT, Level::Note, text));
        let Some(requirement) = DependencySpecifier::parse(text) else {
            return unclear(format!("{} is no requirement", quoted(text)));
        };
        match requirement.applies(&self.environment) {
            Some(true) => {}
            Some(false) => return None,
            None => return unclear(format!("whether {} applies cannot be told", quoted(text))),
        }
        let name = requirement.name;
        let Some(found) = self.by_name.get(&normalize(name)) else {
            let level = if self.is_whole {
                Level::Problem
            } else {
                Level::Note
            };
            return Some((
                catalogue::NOT_INSTALLED,
                level,
                format!("{name} is not installed"),
            ));
        };
        let version = String::from_utf8_lossy(&found.row.version);
        match requirement.admits(&version) {
            Some(true) => None,
            Some(false) => {
                let versions = requirement.versions();
                let text = format!("{name}{versions} is required, {version} is installed");
                Some((catalogue::OTHER_VERSION, Level::Problem, text))
            }
            None => unclear(format!(
                "{name} is installed as {version}, which is no version"
            )),
        }
    }
}

/// The file and the line of a requirement, or the metadata directory if it is not found.
fn place(root: &Root, installed: &Installed, requirement: &str) -> (PathBuf, Option<usize>) {
    // In requires.txt, markers are at the head of a section.
    let bare = requirement.split(';').next().unwrap_or_default().trim();
    let is_header = |line: &str| {
        let value = line
            .split_once(':')
            .filter(|(field, _)| field.eq_ignore_ascii_case("requires-dist"));
        value.is_some_and(|(_, value)| value.trim() == requirement.trim())
    };
    let is_line = |line: &str| line.trim() == bare;
    for file in ["METADATA", "PKG-INFO", "requires.txt"] {
        let path = installed.path.join(file);
        let content = root.read(&path, FILE_LIMIT).unwrap_or_default();
        let content = String::from_utf8_lossy(&content);
        let number = match file {
            "requires.txt" => content.lines().position(is_line),
            _ => content.lines().position(is_header),
        };
        if let Some(number) = number {
            return (path, Some(number + 1));
        }
    }
    (installed.path.clone(), None)
}
