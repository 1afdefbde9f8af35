//! Checks whether the values of entry points refer to modules and extras that exist.

use std::collections::HashSet;

use super::catalogue;
use super::entry_file::{Line, quoted};
use super::finding::Findings;
use super::listings::Listings;
use super::modules::{Module, Modules};
use super::site::Installed;
use crate::index::format::distribution_flag as flag;
use crate::metadata::normalize::normalize;
use crate::metadata::object_reference::{self, ObjectReference};
use crate::rooted::Root;

/// In bytes. A longer METADATA is not read further for extras.
const METADATA_LIMIT: usize = 4 << 20;

/// Looks at every entry point of a distribution. `is_whole` says that what is not there is missing,
/// and not just part of another package.
pub(super) fn check(
    root: &Root,
    installed: &Installed,
    modules: &mut Modules<'_>,
    listings: &mut Listings<'_>,
    is_whole: bool,
    findings: &mut Findings,
) {
    let path = installed.entry_points_path();
    let mut extras = None;
    for line in &installed.lines {
        let mut add = |kind, text: String| {
            findings.add(kind, &path, Some(line.line), installed.name(), text);
        };
        let Some(reference) = object_reference::parse(&line.value) else {
            let text = format!(
                "the value of {} is {}",
                quoted(&line.name),
                quoted(&line.value)
            );
            add(catalogue::NOT_A_REFERENCE, text);
            continue;
        };
        if !is_name(reference.module) || reference.attr.is_some_and(|it| !is_name(it)) {
            let text = format!("{} is no dotted name", quoted(&line.value));
            add(catalogue::NOT_A_REFERENCE, text);
            continue;
        }
        if let Some((kind, text)) = module(
            line, &reference, installed, modules, listings, is_whole, root,
        ) {
            add(kind, text);
        }
        for extra in names_of_extras(&reference) {
            let known = extras.get_or_insert_with(|| extras_of(root, installed));
            if known
                .as_ref()
                .is_some_and(|it| !it.contains(&normalize(extra)))
            {
                let text = format!(
                    "{} does not declare the extra {}",
                    installed.shown(),
                    quoted(extra)
                );
                add(catalogue::NO_EXTRA, text);
            }
        }
    }
}

fn module(
    line: &Line,
    reference: &ObjectReference<'_>,
    installed: &Installed,
    modules: &mut Modules<'_>,
    listings: &mut Listings<'_>,
    is_whole: bool,
    root: &Root,
) -> Option<(&'static catalogue::Kind, String)> {
    let said = |why: &str| format!("{} in [{}]: {why}", quoted(&line.name), line.group);
    let (is_elsewhere, why) = match modules.find(listings, reference.module) {
        Module::Found => return None,
        Module::Unclear(why) => return Some((catalogue::MODULE_UNCLEAR, said(&why))),
        Module::Missing(why) => (false, why),
        Module::Elsewhere(why) => (true, why),
    };
    if is_editable(root, installed) {
        let text = said(&format!("{why}, but the installation is editable"));
        return Some((catalogue::MODULE_UNCLEAR, text));
    }
    Some(match is_elsewhere && !is_whole {
        true => (catalogue::MODULE_ELSEWHERE, said(&why)),
        false => (catalogue::NO_MODULE, said(&why)),
    })
}

/// Whether each part of a dotted name is an identifier.
fn is_name(dotted: &str) -> bool {
    let is_start = |c: char| c == '_' || c.is_alphabetic();
    dotted.split('.').all(|part| part.starts_with(is_start))
}

/// Whether the distribution's modules are found by code that pip or a build tool has installed.
fn is_editable(root: &Root, installed: &Installed) -> bool {
    const LIMIT: usize = 64 << 10;
    let origin = root.read(&installed.path.join("direct_url.json"), LIMIT);
    let origin = origin.ok().and_then(|it| serde_json::from_slice(&it).ok());
    let origin: serde_json::Value = origin.unwrap_or_default();
    let is_editable = origin.pointer("/dir_info/editable");
    is_editable == Some(&serde_json::Value::Bool(true))
}

fn names_of_extras<'a>(reference: &ObjectReference<'a>) -> impl Iterator<Item = &'a str> + use<'a> {
    let inner = reference.extras.unwrap_or_default();
    let inner = inner.trim_matches(|c: char| c == '[' || c == ']' || c.is_whitespace());
    inner.split(',').map(str::trim).filter(|it| !it.is_empty())
}

/// The extras of a distribution, normalized. `None` if they are not known.
fn extras_of(root: &Root, installed: &Installed) -> Option<HashSet<String>> {
    let mut found = HashSet::new();
    let file = match installed.row.has(flag::FILE) {
        true => None,
        false => ["METADATA", "PKG-INFO"].into_iter().find_map(|file| {
            let content = root.read(&installed.path.join(file), METADATA_LIMIT).ok();
            content.filter(|it| !it.is_empty())
        }),
    };
    let content = String::from_utf8_lossy(&file?).into_owned();
    for line in content.lines().take_while(|line| !line.is_empty()) {
        if let Some((field, value)) = line.split_once(':') {
            if field.eq_ignore_ascii_case("provides-extra") {
                found.insert(normalize(value.trim()));
            }
        }
    }
    let sections = root.read(&installed.path.join("requires.txt"), METADATA_LIMIT);
    let sections = sections.unwrap_or_default();
    for line in String::from_utf8_lossy(&sections).lines() {
        let section = line
            .trim()
            .strip_prefix('[')
            .and_then(|it| it.strip_suffix(']'));
        if let Some(section) = section {
            let extra = section.split_once(':').map_or(section, |(extra, _)| extra);
            found.insert(normalize(extra));
        }
    }
    Some(found)
}
