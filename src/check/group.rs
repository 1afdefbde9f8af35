//! Group names that differ slightly from a well-known one.
//!
//! The input is the groups of one `sys.path`. The output is findings.

use std::collections::{BTreeMap, BTreeSet};

use super::catalogue;
use super::finding::Findings;
use super::site::Installed;

/// Groups that programs are known to use.
const WELL_KNOWN: &[&str] = &[
    "babel.checkers",
    "babel.extractors",
    "celery.commands",
    "console_scripts",
    "distutils.commands",
    "distutils.setup_keywords",
    "docutils.readers",
    "egg_info.writers",
    "flake8.extension",
    "flake8.report",
    "fsspec.specs",
    "gui_scripts",
    "hatch",
    "hypothesis",
    "ipython.extensions",
    "jsonschema.validators",
    "jupyter_client.kernel_provisioners",
    "keyring.backends",
    "markdown.extensions",
    "matplotlib.backend",
    "mkdocs.plugins",
    "mkdocs.themes",
    "molecule.driver",
    "mypy.plugins",
    "nbconvert.exporters",
    "numba_extensions",
    "opentelemetry_distro",
    "opentelemetry_instrumentor",
    "opentelemetry_logs_exporter",
    "opentelemetry_metrics_exporter",
    "opentelemetry_propagator",
    "opentelemetry_traces_exporter",
    "openstack.cli.base",
    "openstack.cli.extension",
    "paste.app_factory",
    "paste.app_install",
    "paste.composite_factory",
    "paste.filter_app_factory",
    "paste.filter_factory",
    "paste.server_factory",
    "poetry.application.plugin",
    "poetry.plugin",
    "pygments.filters",
    "pygments.formatters",
    "pygments.lexers",
    "pygments.styles",
    "pytest11",
    "setuptools.file_finders",
    "setuptools.finalize_distribution_options",
    "setuptools_scm.parse_scm",
    "setuptools_scm.local_scheme",
    "setuptools_scm.version_scheme",
    "sphinx.builders",
    "sphinx.html_themes",
    "sqlalchemy.dialects",
    "sqlalchemy.plugins",
    "stevedore.example.formatter",
    "tox",
    "trac.plugins",
    "twine.registered_commands",
    "twisted.plugins",
    "validate_pyproject.tool_schema",
    "virtualenv.activate",
    "virtualenv.create",
    "virtualenv.discovery",
    "virtualenv.seed",
    "xarray.backends",
    "xarray.chunkmanagers",
    "zest.releaser.prereleaser.middle",
];

/// For these no other spelling is suggested.
const SURE: &[&str] = &["console_scripts", "gui_scripts", "pytest11"];

/// A group of at least this many distributions counts as well-known.
const MUCH_USED: usize = 3;
/// Shorter names are similar to too many others.
const SHORTEST: usize = 6;

/// Looks at the groups of all distributions of one `sys.path`.
pub(super) fn check(installed: &[&Installed], findings: &mut Findings) {
    let mut users: BTreeMap<&str, BTreeSet<&[u8]>> = BTreeMap::new();
    for one in installed {
        for line in &one.lines {
            users.entry(&line.group).or_default().insert(&one.row.key);
        }
    }
    let known = WELL_KNOWN.iter().map(|it| Name::of(it));
    let known: Vec<_> = known.collect();
    let much_used = users.iter().filter(|(_, own)| own.len() >= MUCH_USED);
    let much_used: Vec<_> = much_used.map(|(group, _)| Name::of(group)).collect();
    let near: BTreeMap<&str, &str> = users
        .iter()
        .filter_map(|(group, own)| Some((*group, usual(group, own.len(), &known, &much_used)?)))
        .collect();
    for one in installed {
        let mut said = BTreeSet::new();
        for line in &one.lines {
            let Some(usual) = near.get(&*line.group) else {
                continue;
            };
            if said.insert(&*line.group) {
                let text = format!("[{}]: the usual group is [{usual}]", line.group);
                let path = one.entry_points_path();
                let line = Some(line.line);
                findings.add(catalogue::NEAR_GROUP, path, line, one.name(), text);
            }
        }
    }
}

/// The well-known group whose name is similar.
fn usual<'g>(
    group: &str,
    count: usize,
    known: &[Name<'g>],
    much_used: &[Name<'g>],
) -> Option<&'g str> {
    // Spaces at its ends are another finding.
    if WELL_KNOWN.contains(&group) || group.trim() != group {
        return None;
    }
    let own = Name::of(group);
    let is_sure = |it: &&Name<'_>| SURE.contains(&it.text);
    let sure = known.iter().filter(is_sure).find(|it| is_near(&own, it));
    if sure.is_some() || count > 1 {
        return sure.map(|it| it.text);
    }
    let others = known
        .iter()
        .chain(much_used.iter().filter(|it| it.text != group));
    let mut others = others.filter(|it| is_near(&own, it));
    others.next().map(|it| it.text)
}

/// A name, and what is left of it without separators, in lower case.
struct Name<'g> {
    text: &'g str,
    squeezed: Vec<char>,
}

impl<'g> Name<'g> {
    fn of(text: &'g str) -> Self {
        let squeezed = squeezed(text);
        Self { text, squeezed }
    }
}

/// Whether two names differ only in case and separators, or in one letter.
fn is_near(one: &Name<'_>, other: &Name<'_>) -> bool {
    let (one, other) = (&one.squeezed, &other.squeezed);
    if one.len().abs_diff(other.len()) > 1 {
        return false;
    }
    let is_long = one.len().min(other.len()) >= SHORTEST;
    one == other || (is_long && differ_by_one(one, other))
}

/// Without separators, in lower case.
fn squeezed(name: &str) -> Vec<char> {
    let is_separator = |c: &char| matches!(c, '-' | '_' | '.' | ' ');
    let letters = name.chars().filter(|c| !is_separator(c));
    letters.flat_map(char::to_lowercase).collect()
}

/// Whether one letter was added, removed, replaced, or swapped with the next one. Digits do not
/// count, because names often end in one.
fn differ_by_one(one: &[char], other: &[char]) -> bool {
    let same = |pair: &(&char, &char)| pair.0 == pair.1;
    let start = one.iter().zip(other).take_while(same).count();
    let rest = |name: &[char]| name.get(start..).unwrap_or_default().to_vec();
    let (one, other) = (rest(one), rest(other));
    let end = |pair: (&[char], usize)| pair.0.get(pair.1..).unwrap_or_default().to_vec();
    let first = |name: &[char]| name.first().copied();
    let differing: Vec<char> = [first(&one), first(&other)].into_iter().flatten().collect();
    if differing.iter().all(char::is_ascii_digit) {
        return false;
    }
    let swapped = match (one.as_slice(), other.as_slice()) {
        ([a, b, ..], [c, d, ..]) => a == d && b == c && end((&one, 2)) == end((&other, 2)),
        _ => false,
    };
    swapped
        || end((&one, 1)) == other
        || one == end((&other, 1))
        || end((&one, 1)) == end((&other, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_near_that_differ_in_case_separators_or_one_letter() {
        for (one, other) in [
            ("pytest-11", "pytest11"),
            ("Console.Scripts", "console_scripts"),
            ("console_script", "console_scripts"),
            ("consoel_scripts", "console_scripts"),
            ("console_scrips", "console_scripts"),
            ("flake8_extension", "flake8.extension"),
        ] {
            assert!(is_near(&Name::of(one), &Name::of(other)), "{one}");
            assert!(is_near(&Name::of(other), &Name::of(one)), "{one}");
        }
        for (one, other) in [
            ("pytest10", "pytest11"),
            ("pytest1", "pytest11"),
            ("nose.plugins.0.10", "nose.plugins.0.11"),
            ("tax", "tox"),
            ("gui_scripts", "console_scripts"),
            ("pygments.filters", "pygments.lexers"),
            ("consle_script", "console_scripts"),
        ] {
            assert!(!is_near(&Name::of(one), &Name::of(other)), "{one}");
            assert!(!is_near(&Name::of(other), &Name::of(one)), "{one}");
        }
    }
}
