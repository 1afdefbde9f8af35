//! Names of metadata directories: `*.dist-info`, `*.egg-info`, and `EGG-INFO` in a `*.egg`.
//!
//! The input is the name of an entry of a search directory, as bytes. The output is whether this is
//! the name of a metadata directory, its keys in `importlib.metadata`, and the name and version
//! that it contains. The caller finds out whether the entry is a directory, a regular file (an old
//! `.egg-info` may be one), or missing.
//!
//! There are two keys, and they can differ. `Lookup` finds a distribution for `distribution(name)`
//! by [`MetadataName::lookup_key`]. `entry_points()` uses [`MetadataName::shadow_key`]
//! (`PathDistribution._normalized_name`) to decide that an earlier distribution hides a later one.
//!
//! File names are decoded as UTF-8 where possible, as `os.listdir` does with
//! `sys.getfilesystemencoding()`. Other bytes are kept.
//!
//! Difference from CPython: if neither the file name nor the headers give a shadow key,
//! `entry_points()` raises there. Here the lookup key is used.

use super::normalize::{legacy_normalize_bytes, lower_bytes, normalize, normalize_bytes};

const DIST_INFO: &[u8] = b".dist-info";
const EGG_INFO: &[u8] = b".egg-info";

/// The kind of a metadata directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `*.dist-info`, in any case.
    DistInfo,
    /// `*.egg-info`, in any case; a directory or, from distutils, a plain file.
    EggInfo,
    /// `EGG-INFO`, in any case, in a search directory `*.egg`.
    EggInfoInEgg,
}

/// The name of a metadata directory, as [`recognise`] has found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetadataName<'a> {
    /// The name in the listing.
    pub file_name: &'a [u8],
    /// Its kind.
    pub kind: Kind,
    /// The text with name and version: `file_name` without its ending, or the name of the `*.egg`
    /// directory without its ending.
    stem: &'a [u8],
    /// `file_name`, or the name of the `*.egg` directory.
    named_by: &'a [u8],
}

/// The last component of the search directory `path`, if that is an egg: it ends in `.egg` in any
/// case, as in `os.path.basename(path).lower().endswith('.egg')`.
///
/// A trailing slash makes the last component empty, as in Python.
pub fn egg_base(path: &[u8]) -> Option<&[u8]> {
    let base = path.rsplit(|&byte| byte == b'/').next()?;
    strip_ending(base, b".egg").map(|_| base)
}

/// `file_name` as the name of a metadata directory, or [`None`] if it is not one.
///
/// `egg_base` is the result of [`egg_base`] for the search directory. This is called for every
/// entry of every search directory. Its last byte nearly always shows that it is not one.
pub fn recognise<'a>(file_name: &'a [u8], egg_base: Option<&'a [u8]>) -> Option<MetadataName<'a>> {
    if !matches!(file_name.last(), Some(b'o' | b'O')) {
        return None;
    }
    // Python lowers the whole name first. Only the ASCII capitals have one of the letters of these
    // endings as their lower case, so it is enough to compare bytes.
    let (kind, stem) = if let Some(stem) = strip_ending(file_name, DIST_INFO) {
        (Kind::DistInfo, stem)
    } else if let Some(stem) = strip_ending(file_name, EGG_INFO) {
        (Kind::EggInfo, stem)
    } else {
        let base = egg_base.filter(|_| file_name.eq_ignore_ascii_case(b"egg-info"))?;
        let stem = strip_ending(base, b".egg").unwrap_or(base);
        return Some(MetadataName {
            file_name,
            kind: Kind::EggInfoInEgg,
            stem,
            named_by: base,
        });
    };
    Some(MetadataName {
        file_name,
        kind,
        stem,
        named_by: file_name,
    })
}

impl<'a> MetadataName<'a> {
    /// The key of the directory in `Lookup`.
    pub fn lookup_key(&self) -> Vec<u8> {
        // Lower all of it first: the lower case of a capital sigma depends on its neighbours.
        let lower;
        let stem = if self.named_by.is_ascii() {
            self.stem
        } else {
            lower = lower_bytes(self.named_by);
            before_last_dot(&lower)
        };
        match self.kind {
            Kind::DistInfo | Kind::EggInfo => normalize_bytes(before_dash(stem)),
            Kind::EggInfoInEgg => legacy_normalize_bytes(before_dash(stem)),
        }
    }

    /// The key by which `entry_points()` decides that one distribution shadows another.
    ///
    /// It comes from the file name if that ends in `.dist-info` or `.egg-info` in lower case, and
    /// has any text before the ending and before its first `-`. Otherwise it comes from the header
    /// `Name`, which is `header_name`. An empty header gives an empty key.
    pub fn shadow_key(&self, header_name: Option<&str>) -> Vec<u8> {
        // os.path.splitext does not see an extension after nothing but dots.
        let extension_counts = self.stem.iter().any(|&byte| byte != b'.');
        let exact = self.file_name.ends_with(DIST_INFO) || self.file_name.ends_with(EGG_INFO);
        if exact && extension_counts {
            let name = before_dash(self.stem);
            if !name.is_empty() {
                return normalize_bytes(name);
            }
        }
        header_name.map_or_else(|| self.lookup_key(), |name| normalize(name).into_bytes())
    }

    /// The name in the file name (or, in an egg, in the name of the egg) as it is written. It is
    /// used if the headers are missing. May be empty.
    pub fn stem_name(&self) -> &'a [u8] {
        before_dash(self.stem)
    }

    /// The version in the file name (or, in an egg, in the name of the egg): the text between its
    /// first and second `-`, as in `name-version-py3.11-platform`.
    pub fn stem_version(&self) -> Option<&'a [u8]> {
        self.stem
            .split(|&byte| byte == b'-')
            .nth(1)
            .filter(|version| !version.is_empty())
    }
}

/// `name` without `ending`, if it has that ending in any case.
fn strip_ending<'a>(name: &'a [u8], ending: &[u8]) -> Option<&'a [u8]> {
    let (stem, end) = name.split_at_checked(name.len().checked_sub(ending.len())?)?;
    end.eq_ignore_ascii_case(ending).then_some(stem)
}

/// `name.partition('-')[0]`
fn before_dash(name: &[u8]) -> &[u8] {
    name.split(|&byte| byte == b'-').next().unwrap_or_default()
}

/// `name.rpartition('.')[0]`
fn before_last_dot(name: &[u8]) -> &[u8] {
    name.iter()
        .rposition(|&byte| byte == b'.')
        .and_then(|dot| name.get(..dot))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(file_name: &str) -> MetadataName<'_> {
        recognise(file_name.as_bytes(), None).unwrap()
    }

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn endings_count_in_any_case() {
        for (file_name, kind) in [
            ("a-1.dist-info", Kind::DistInfo),
            ("A-1.Dist-Info", Kind::DistInfo),
            (".dist-info", Kind::DistInfo),
            ("a.egg-info", Kind::EggInfo),
            ("a.EGG-INFO", Kind::EggInfo),
        ] {
            assert_eq!(named(file_name).kind, kind, "{file_name}");
        }
        for other in [
            "",
            "o",
            "a",
            "dist-info",
            "a-dist-info",
            "a.dist-info~",
            "a.dist_info",
        ] {
            assert_eq!(recognise(other.as_bytes(), None), None, "{other}");
        }
    }

    #[test]
    fn egg_info_counts_in_an_egg_only() {
        let base = egg_base(b"/x/Foo_Bar-1.0-py3.11.EGG");
        assert_eq!(base, Some(&b"Foo_Bar-1.0-py3.11.EGG"[..]));
        assert_eq!(recognise(b"EGG-INFO", None), None);
        let found = recognise(b"EGG-INFO", base).unwrap();
        assert_eq!(found.kind, Kind::EggInfoInEgg);
        assert_eq!(text(&found.lookup_key()), "foo_bar");
        assert_eq!(text(&found.shadow_key(Some("Foo.Bar"))), "foo_bar");
        assert_eq!(text(&found.shadow_key(None)), "foo_bar");
        assert_eq!(text(found.stem_name()), "Foo_Bar");
        assert_eq!(found.stem_version().map(text), Some("1.0"));
        assert_eq!(
            recognise(b"a.egg-info", base).map(|name| name.kind),
            Some(Kind::EggInfo)
        );
    }

    #[test]
    fn a_search_directory_is_an_egg_by_its_last_component() {
        assert_eq!(egg_base(b"a.egg"), Some(&b"a.egg"[..]));
        assert_eq!(egg_base(b"/.egg"), Some(&b".egg"[..]));
        assert_eq!(egg_base(b"/a.egg/"), None);
        assert_eq!(egg_base(b"/a.egg/lib"), None);
        assert_eq!(egg_base(b""), None);
    }

    #[test]
    fn an_egg_keeps_dots_and_runs_in_its_key() {
        let found = recognise(b"egg-info", egg_base(b"A.b__C-1.egg")).unwrap();
        assert_eq!(text(&found.lookup_key()), "a.b__c");
    }

    #[test]
    fn keys_of_the_usual_names_are_the_normalized_names() {
        for (file_name, key) in [
            ("Foo.Bar-1.0.dist-info", "foo_bar"),
            ("foo__bar-1.0-py3.11.egg-info", "foo_bar"),
            ("face.egg-info", "face"),
        ] {
            assert_eq!(text(&named(file_name).lookup_key()), key);
            assert_eq!(text(&named(file_name).shadow_key(Some("other"))), key);
        }
    }

    #[test]
    fn capitals_in_the_ending_leave_the_shadow_key_to_the_header() {
        let found = named("foo-1.0.DIST-INFO");
        assert_eq!(text(&found.lookup_key()), "foo");
        assert_eq!(text(&found.shadow_key(Some("Some-Thing"))), "some_thing");
        assert_eq!(text(&found.shadow_key(Some(""))), "");
        assert_eq!(text(&found.shadow_key(None)), "foo");
    }

    #[test]
    fn names_without_a_name_leave_the_shadow_key_to_the_header() {
        for file_name in [".dist-info", "...egg-info", "-1.0.dist-info"] {
            assert_eq!(
                text(&named(file_name).shadow_key(Some("H"))),
                "h",
                "{file_name}"
            );
        }
        assert_eq!(text(&named("...egg-info").shadow_key(None)), "_");
        assert_eq!(text(&named("..a.egg-info").shadow_key(Some("H"))), "_a");
    }

    #[test]
    fn a_sigma_is_final_or_not_by_the_part_that_python_lowers() {
        let found = named("ΑΣ.dist-info");
        assert_eq!(text(&found.lookup_key()), "ασ");
        assert_eq!(text(&found.shadow_key(None)), "ας");
    }

    #[test]
    fn undecodable_bytes_stay_in_the_keys() {
        let found = recognise(b"A\xffB-1.dist-info", None).unwrap();
        assert_eq!(found.lookup_key(), b"a\xffb");
        assert_eq!(found.shadow_key(None), b"a\xffb");
    }

    #[test]
    fn the_version_is_the_second_part() {
        for (file_name, version) in [
            ("a-1.0.dist-info", Some("1.0")),
            ("a-1.0-py3.11-linux.egg-info", Some("1.0")),
            ("a.egg-info", None),
            ("a-.egg-info", None),
        ] {
            assert_eq!(
                named(file_name).stem_version().map(text),
                version,
                "{file_name}"
            );
        }
    }
}
