//! Checks whether files are where programs look for them, and whether the names of metadata
//! directories agree with the metadata.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::str::FromStr;

use pep440_rs::Version;

use super::catalogue::{self, Level};
use super::entry_file;
use super::finding::Findings;
use super::listings::Listings;
use super::site::{Installed, Site};
use crate::index::format::distribution_flag as flag;
use crate::metadata::directory_name::{egg_base, recognise};
use crate::metadata::entry_points::SIZE_LIMIT;
use crate::metadata::normalize::normalize_bytes;
use crate::metadata::text::has_control;

const ENTRY_POINTS: &str = "entry_points.txt";

/// Checks a search directory and its metadata directories.
pub(super) fn check(site: &Site, listings: &mut Listings<'_>, findings: &mut Findings) {
    let names = listings.names(&site.path);
    let mut names: Vec<Vec<u8>> = names.iter().cloned().collect();
    names.sort_unstable();
    let egg = egg_base(site.path.as_os_str().as_bytes());
    for name in &names {
        let path = site.path.join(OsStr::from_bytes(name));
        let is_metadata = recognise(name, egg).is_some();
        if is_metadata && has_control(name) {
            let text = "a control character in the name of a metadata directory";
            findings.add(catalogue::CONTROL_CHARACTER, &path, None, b"", text);
        } else if name.starts_with(b"~") {
            let text = "what pip left of something it removed";
            findings.add(catalogue::PIP_LEFTOVER, &path, None, b"", text);
        } else if name == ENTRY_POINTS.as_bytes() {
            beside(listings, &path, || b"", findings);
        } else if !is_metadata && !name.contains(&b'.') {
            let owner = || {
                let key = normalize_bytes(name);
                let owner = site.distributions.iter().find(|it| it.row.key == key);
                owner.map_or(&b""[..], Installed::name)
            };
            beside(listings, &path.join(ENTRY_POINTS), owner, findings);
        }
    }
    for installed in &site.distributions {
        if !installed.row.file_name.starts_with(b"~") {
            metadata(installed, listings, findings);
            names_agree(installed, findings);
        }
    }
    twins(site, findings);
}

/// A file of that name that nobody reads, if it has entry points. `path` is that of the file, in a
/// search directory or one level below.
fn beside<'o>(
    listings: &Listings<'_>,
    path: &Path,
    owner: impl FnOnce() -> &'o [u8],
    findings: &mut Findings,
) {
    let package = path.parent().unwrap_or(path);
    let entry = package.file_name().unwrap_or_default();
    let held = package.parent().and_then(|site| listings.held(site));
    // There is nearly always none, which shows without a walk along the whole path.
    let is_there = held.is_none_or(|site| site.open_file(entry.as_bytes(), ENTRY_POINTS).is_ok());
    if !is_there {
        return;
    }
    let Ok(content) = listings.root().read(path, SIZE_LIMIT) else {
        return;
    };
    if !entry_file::read(&content).0.is_empty() {
        let text = "entry points outside of a metadata directory";
        findings.add(catalogue::BESIDE_PACKAGE, path, None, owner(), text);
    }
}

fn metadata(installed: &Installed, listings: &Listings<'_>, findings: &mut Findings) {
    let row = &installed.row;
    let (path, name) = (&installed.path, installed.name());
    if row.has(flag::FILE) || row.has(flag::UNREAD) {
        return;
    }
    let names = listings.names_once(path);
    let mut near: Vec<_> = names.iter().filter(|it| is_nearly(it)).cloned().collect();
    near.sort_unstable();
    let has_licenses = names.contains(&b"licenses"[..]);
    for file in near {
        let path = path.join(OsStr::from_bytes(&file));
        let text = "not the name that is looked for, entry_points.txt";
        findings.add(catalogue::MISNAMED, path, None, name, text);
    }
    let licence = path.join("licenses").join(ENTRY_POINTS);
    if has_licenses && listings.root().is_file(&licence) {
        let text = "entry points among the licences";
        findings.add(catalogue::IN_LICENSES, licence, None, name, text);
    }
    let is_empty = row.has(flag::NAME_FROM_FILE | flag::VERSION_FROM_FILE);
    if !row.has(flag::HAS_METADATA) {
        let text = "neither METADATA nor PKG-INFO";
        findings.add(catalogue::NO_METADATA, path, None, name, text);
    } else if is_empty {
        let text = "METADATA or PKG-INFO has neither a Name nor a Version";
        findings.add(catalogue::NO_METADATA, path, None, name, text);
    } else if row.has(flag::NAME_FROM_FILE) || row.has(flag::VERSION_FROM_FILE) {
        let which = match row.has(flag::NAME_FROM_FILE) {
            true => "Name",
            false => "Version",
        };
        let text = format!("no usable {which}");
        findings.add(catalogue::NO_NAME, path, None, name, text);
    }
}

/// Whether a name in a metadata directory is a misspelled entry_points.txt.
fn is_nearly(name: &[u8]) -> bool {
    if name == ENTRY_POINTS.as_bytes() {
        return false;
    }
    let letters = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
    let letters: Vec<u8> = letters.map(u8::to_ascii_lowercase).collect();
    let stems: [&[u8]; 2] = [b"entrypoints", b"entrypoint"];
    let endings: [&[u8]; 6] = [b"", b"txt", b"txttxt", b"cfg", b"ini", b"toml"];
    let stem = stems.iter().find_map(|stem| letters.strip_prefix(*stem));
    stem.is_some_and(|ending| endings.contains(&ending))
}

fn names_agree(installed: &Installed, findings: &mut Findings) {
    let row = &installed.row;
    let Some(named) = recognise(&row.file_name, None) else {
        return;
    };
    let mut differs = |what: &str, inside: &[u8], outside: &[u8]| {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let text = format!(
            "{what} is {} in the metadata, and {} in the directory's name",
            text(inside),
            text(outside)
        );
        let path = &installed.path;
        findings.add(
            catalogue::NAME_DISAGREES,
            path,
            None,
            installed.name(),
            text,
        );
    };
    let name = named.stem_name();
    if !row.has(flag::NAME_FROM_FILE) && normalize_bytes(name) != normalize_bytes(&row.name) {
        differs("the name", &row.name, name);
    }
    let version = named
        .stem_version()
        .filter(|_| !row.has(flag::VERSION_FROM_FILE));
    if let Some(version) = version.filter(|it| !is_same_version(it, &row.version)) {
        differs("the version", &row.version, version);
    }
}

/// Whether two versions differ only in spelling. In a file name `_` stands for `-`.
fn is_same_version(file: &[u8], header: &[u8]) -> bool {
    let spelled = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('_', "-");
    let (file, header) = (spelled(file), spelled(header));
    match (Version::from_str(&file), Version::from_str(&header)) {
        (Ok(file), Ok(header)) => file == header,
        _ => file.trim() == header.trim(),
    }
}

/// Several metadata directories of one distribution.
fn twins(site: &Site, findings: &mut Findings) {
    for hidden in &site.distributions {
        let is_leftover = hidden.row.file_name.starts_with(b"~");
        if !hidden.row.has(flag::SHADOWED) || is_leftover {
            continue;
        }
        let mut others = site.distributions.iter();
        let chosen = others.find(|it| it.row.key == hidden.row.key && !it.row.has(flag::SHADOWED));
        let Some(chosen) = chosen else { continue };
        let text = format!(
            "hidden by {} ({})",
            String::from_utf8_lossy(&chosen.row.file_name),
            chosen.shown()
        );
        let level = match is_same_version(&chosen.row.version, &hidden.row.version) {
            true => Level::Note,
            false => Level::Problem,
        };
        let kind = catalogue::SEVERAL_VERSIONS;
        findings.add_as(level, kind, &hidden.path, None, hidden.name(), text);
    }
}
