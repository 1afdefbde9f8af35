//! Finds names that two distributions have, and console scripts without a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::catalogue::{self, Level};
use super::entry_file::{Line, quoted};
use super::finding::Findings;
use super::listings::Listings;
use super::site::{Installed, Site};
use crate::rooted::Root;

const SCRIPTS: [&str; 2] = ["console_scripts", "gui_scripts"];

/// Looks for names that several distributions have. They come in the order in which the library
/// finds them.
pub(super) fn same_names(root: &Root, installed: &[(&Site, &Installed)], findings: &mut Findings) {
    let mut first: BTreeMap<(&str, &str), (&Installed, &Line)> = BTreeMap::new();
    for (site, one) in installed {
        // The names shared with each other distribution in each group: the first, and how many
        // more.
        let mut shared: BTreeMap<(&str, &Path), (String, &Installed, usize, usize)> =
            BTreeMap::new();
        for line in &one.lines {
            let is_script = SCRIPTS.contains(&&*line.group);
            // Scripts of both kinds have one file.
            let group = if is_script { "scripts" } else { &line.group };
            let key = (group, &*line.name);
            let Some((other, other_line)) = first.get(&key) else {
                first.insert(key, (one, line));
                continue;
            };
            if other.row.key == one.row.key {
                continue;
            }
            let text = format!(
                "{} in [{}] is {}; {}, which comes first, has {}",
                quoted(&line.name),
                line.group,
                quoted(&line.value),
                other.shown(),
                quoted(&other_line.value)
            );
            let path = one.entry_points_path();
            let pair = [one.name(), other.name()];
            if is_script {
                let runs = runs(
                    root,
                    &site.path,
                    &line.name,
                    [&other_line.value, &line.value],
                );
                let text = text + &runs.unwrap_or_default();
                let (kind, at) = (catalogue::SAME_SCRIPT, Some(line.line));
                findings.add_of_either(kind, &path, at, pair, &text);
                continue;
            }
            let entry = shared.entry((&line.group, &other.path));
            entry.or_insert((text, other, line.line, 0)).3 += 1;
        }
        for (text, other, line, count) in shared.into_values() {
            let more = match count - 1 {
                0 => String::new(),
                more => format!("; {more} more of its names there as well"),
            };
            let path = one.entry_points_path();
            let (kind, pair) = (catalogue::SAME_NAME, [one.name(), other.name()]);
            findings.add_of_either(kind, &path, Some(line), pair, &(text + &more));
        }
    }
}

/// Which of two object references a script runs, if its text tells.
fn runs(root: &Root, site: &Path, name: &str, references: [&str; 2]) -> Option<String> {
    const LIMIT: usize = 64 << 10;
    let file = prefix_of(site)?.join("bin").join(name);
    let text = root.read(&file, LIMIT).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let has = |reference: &&str| {
        let module = reference.split(':').next().unwrap_or_default().trim();
        text.split(|c: char| !(c.is_alphanumeric() || "._".contains(c)))
            .any(|word| word == module)
    };
    let mut found = references.into_iter().filter(has);
    let only = found.next().filter(|_| found.next().is_none())?;
    Some(format!("; {} runs {}", file.display(), quoted(only)))
}

/// Looks for the files of a distribution's scripts.
pub(super) fn scripts(
    site: &Path,
    installed: &Installed,
    listings: &mut Listings<'_>,
    findings: &mut Findings,
) {
    let Some(prefix) = prefix_of(site) else {
        return;
    };
    let is_debian = site.ends_with("dist-packages") && prefix == Path::new("/usr");
    let places = ["bin", "sbin", "games", "libexec"].map(|it| prefix.join(it));
    for line in &installed.lines {
        if !SCRIPTS.contains(&&*line.group) || line.name.contains('/') {
            continue;
        }
        let name = line.name.as_bytes();
        let mut there = places.iter();
        if there.any(|place| listings.names(place).contains(name)) {
            continue;
        }
        let [place, ..] = &places;
        let text = format!("{} is not in {}", quoted(&line.name), place.display());
        // Debian puts programs in other packages, or leaves them out.
        let level = if is_debian {
            Level::Note
        } else {
            Level::Problem
        };
        let path = installed.entry_points_path();
        let (kind, at) = (catalogue::NO_SCRIPT, Some(line.line));
        findings.add_as(level, kind, path, at, installed.name(), text);
    }
}

/// The prefix of a site directory: the path before `lib/python…`.
fn prefix_of(site: &Path) -> Option<PathBuf> {
    let name = site.file_name()?.to_str()?;
    let python = site.parent()?;
    let is_site = matches!(name, "site-packages" | "dist-packages");
    let is_python = python.file_name()?.to_str()?.starts_with("python3");
    let lib = python.parent()?;
    let is_lib = matches!(lib.file_name()?.to_str()?, "lib" | "lib64");
    (is_site && is_python && is_lib).then(|| lib.parent().map(Path::to_owned))?
}
