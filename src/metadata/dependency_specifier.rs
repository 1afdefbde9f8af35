//! Dependency specifiers: `name[extra]>=1; python_version > "3.8"`.
//!
//! Input: one requirement. Output: its name, its versions and its marker. The grammar is that of
//! the [specification], with the spellings of old tools: versions in parentheses, spaces anywhere.
//!
//! Limits: extras and URLs are ignored, and versions have to be PEP 440.
//!
//! [specification]: https://packaging.python.org/en/latest/specifications/dependency-specifiers/

use std::str::FromStr;

use pep440_rs::{Version, VersionSpecifiers};

use super::marker::{self, Environment};

/// A dependency specifier.
#[derive(Debug, Clone)]
pub struct DependencySpecifier<'a> {
    /// The distribution, as it is written.
    pub name: &'a str,
    /// Its versions.
    versions: VersionSpecifiers,
    marker: Option<&'a str>,
}

impl<'a> DependencySpecifier<'a> {
    /// Parses one. `None` if it is not valid.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let text = text.trim();
        let (name, rest) = split_at(text, text.find(|c| !is_name(c)));
        let is_edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        if !is_edge(name.chars().next()) || !is_edge(name.chars().next_back()) {
            return None;
        }
        let mut rest = rest.trim_start();
        if let Some(inner) = rest.strip_prefix('[') {
            rest = inner.split_once(']')?.1.trim_start();
        }
        let (versions, marker) = match rest.strip_prefix('@') {
            // Text after a URL has a space before it.
            Some(url) => match url.split_once(" ;").or_else(|| url.split_once("\t;")) {
                Some((_, marker)) => ("", Some(marker)),
                None => ("", None),
            },
            None => match rest.split_once(';') {
                Some((versions, marker)) => (versions, Some(marker)),
                None => (rest, None),
            },
        };
        let versions = versions.trim();
        let inner = versions.strip_prefix('(').map(|it| it.strip_suffix(')'));
        let versions = inner.unwrap_or(Some(versions))?;
        Some(Self {
            name,
            versions: VersionSpecifiers::from_str(versions.trim()).ok()?,
            marker: marker.map(str::trim),
        })
    }

    /// Whether it holds in this environment without any extra. `None` if that is not known.
    #[must_use]
    pub fn applies(&self, environment: &Environment) -> Option<bool> {
        self.marker
            .map_or(Some(true), |marker| marker::evaluate(marker, environment))
    }

    /// Whether a version fits. `None` if it is not PEP 440.
    #[must_use]
    pub fn admits(&self, version: &str) -> Option<bool> {
        let version = Version::from_str(version.trim()).ok()?;
        Some(self.versions.contains(&version))
    }

    /// The versions, for messages.
    #[must_use]
    pub fn versions(&self) -> String {
        self.versions.to_string()
    }
}

fn split_at(text: &str, end: Option<usize>) -> (&str, &str) {
    text.split_at_checked(end.unwrap_or(text.len()))
        .unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_taken_apart() {
        for (text, name, versions, marker) in [
            ("a", "a", "", None),
            ("a.b-c_d>=1,<2", "a.b-c_d", ">=1, <2", None),
            ("a (>=1.0)", "a", ">=1.0", None),
            (
                "a[x,y] >= 1 ; os_name=='nt'",
                "a",
                ">=1",
                Some("os_name=='nt'"),
            ),
            ("a[]", "a", "", None),
            ("a==1.*", "a", "==1.*", None),
            ("a@ https://e.org/a;b#c", "a", "", None),
            (
                "a @ https://e.org/a ; extra == 'x'",
                "a",
                "",
                Some("extra == 'x'"),
            ),
            ("a ; extra == 'x'", "a", "", Some("extra == 'x'")),
        ] {
            let found = DependencySpecifier::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(
                (found.name, &*found.versions(), found.marker),
                (name, versions, marker),
                "{text}"
            );
        }
        for bad in [
            "", "-a", "a-", "a[x", "a b", "a >= x", "a (>=1", "a>=", "[x]", "é",
        ] {
            assert!(DependencySpecifier::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn versions_fit_as_in_pep_440() {
        for (text, version, fits) in [
            ("a", "1", Some(true)),
            ("a>=1", "1.0.post1", Some(true)),
            ("a>=1", "2rc1", Some(true)),
            ("a<2", "2rc1", Some(false)),
            ("a==1.*", "1.7", Some(true)),
            ("a~=1.4", "2.0", Some(false)),
            ("a!=1.5", "1.5.0", Some(false)),
            ("a>=1", "unknown", None),
        ] {
            let found = DependencySpecifier::parse(text).unwrap();
            assert_eq!(found.admits(version), fits, "{text}, {version}");
        }
    }
}
