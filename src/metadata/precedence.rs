//! Which of several metadata directories of one distribution counts.
//!
//! The input is what is known of two directories with one shadow key in one search directory. The
//! output is which one is preferred. CPython's only rule is the listing order, which a file system
//! may choose freely. The order here depends only on the directories, so the answer does too.
//! (Current importlib_metadata also puts a directory without metadata last: `_prefer_valid`.)

use std::cmp::Ordering;
use std::str::FromStr;

use pep440_rs::Version;

use super::directory_name::Kind;
use super::text;

/// The properties that decide between metadata directories.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Whether core metadata exists: METADATA, PKG-INFO, or a regular file `.egg-info`.
    pub has_metadata: bool,
    /// The header `Version`, or the version in the file name if that is missing.
    pub version: &'a [u8],
    /// Its kind.
    pub kind: Kind,
    /// The name in the listing.
    pub file_name: &'a [u8],
}

/// Compares two candidates. [`Ordering::Greater`] means that `a` is preferred.
///
/// One with metadata is preferred, then the higher version, then `.dist-info` to `.egg-info`, then
/// the name that is smaller by bytes. Versions compare as in [PEP 440]. A version that is invalid,
/// or has a number beyond 64 bits, is lower than all others, and two such compare by bytes. This is
/// a total order: two candidates are equal only if their names are.
///
/// [PEP 440]: https://packaging.python.org/en/latest/specifications/version-specifiers/
pub fn compare(a: &Candidate<'_>, b: &Candidate<'_>) -> Ordering {
    a.has_metadata
        .cmp(&b.has_metadata)
        .then_with(|| compare_versions(a.version, b.version))
        // The earlier kind and the smaller name are preferred.
        .then_with(|| b.kind.cmp(&a.kind))
        .then_with(|| b.file_name.cmp(a.file_name))
}

fn compare_versions(a: &[u8], b: &[u8]) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    match (parse_version(a), parse_version(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (None, None) => a.cmp(b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

fn parse_version(version: &[u8]) -> Option<Version> {
    // Python's pattern for versions allows spaces around them, and more kinds of space than Rust
    // does.
    Version::from_str(text::strip(std::str::from_utf8(version).ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidate<'a>(has_metadata: bool, version: &'a str, file_name: &'a str) -> Candidate<'a> {
        let kind = if file_name.ends_with(".dist-info") {
            Kind::DistInfo
        } else {
            Kind::EggInfo
        };
        let (version, file_name) = (version.as_bytes(), file_name.as_bytes());
        Candidate {
            has_metadata,
            version,
            kind,
            file_name,
        }
    }

    /// Asserts that each candidate is preferred to all after it.
    fn assert_descending(candidates: &[Candidate<'_>]) {
        for (index, better) in candidates.iter().enumerate() {
            assert_eq!(compare(better, better), Ordering::Equal);
            for worse in &candidates[index + 1..] {
                assert_eq!(
                    compare(better, worse),
                    Ordering::Greater,
                    "{better:?} {worse:?}"
                );
                assert_eq!(
                    compare(worse, better),
                    Ordering::Less,
                    "{better:?} {worse:?}"
                );
            }
        }
    }

    #[test]
    fn metadata_then_version_then_kind_then_name_decide() {
        assert_descending(&[
            candidate(true, "2.0", "z.egg-info"),
            candidate(true, "1.0", "b.dist-info"),
            candidate(true, "1.0", "c.dist-info"),
            candidate(true, "1.0", "a.egg-info"),
            candidate(false, "9", "a.dist-info"),
        ]);
    }

    #[test]
    fn versions_compare_as_pep_440_says() {
        let name = "a.dist-info";
        assert_descending(&[
            candidate(true, "1!0.1", name),
            candidate(true, "10.0.post1", name),
            candidate(true, "10.0+local.2", name),
            candidate(true, "10.0", name),
            candidate(true, "10.0rc1", name),
            candidate(true, "10.0.dev1", name),
            candidate(true, "9.0", name),
        ]);
    }

    #[test]
    fn a_version_that_does_not_parse_is_lower_than_all_that_do() {
        let name = "a.dist-info";
        assert_descending(&[
            candidate(true, "0.dev0", name),
            candidate(true, "zzz", name),
            candidate(true, "10-unknown-x", name),
            candidate(true, "", name),
        ]);
    }

    #[test]
    fn equal_versions_in_different_spelling_leave_it_to_kind_and_name() {
        assert_descending(&[
            candidate(true, "\x1cv1.0.0\n", "a.dist-info"),
            candidate(true, "1", "b.dist-info"),
            candidate(true, "1.0", "a.egg-info"),
        ]);
    }

    fn any_candidate() -> impl Strategy<Value = (bool, Vec<u8>, Kind, Vec<u8>)> {
        let version = prop_oneof![
            prop::sample::select(vec![
                "1",
                "1.0",
                "1.0.0",
                "1.0a1",
                "1.0.dev0",
                "1.0+x",
                "1.0+1",
                "2",
                "1!0",
                "x",
                "",
                "1.x",
                "\u{661}",
                "99999999999999999999",
                " 1 ",
                "1.0.post0",
                "1.0-0",
            ])
            .prop_map(|version| version.as_bytes().to_vec()),
            prop::collection::vec(
                prop::sample::select(b"01.+!-adevrcpost_ \xff".to_vec()),
                0..8
            ),
        ];
        let kind = prop::sample::select(vec![Kind::DistInfo, Kind::EggInfo, Kind::EggInfoInEgg]);
        let file_name = prop::collection::vec(prop::sample::select(b"ab\xff".to_vec()), 0..3);
        (any::<bool>(), version, kind, file_name)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn the_order_is_total(
            all in prop::array::uniform3(any_candidate()),
        ) {
            let [a, b, c] = all.each_ref().map(|(has_metadata, version, kind, file_name)| {
                Candidate { has_metadata: *has_metadata, version, kind: *kind, file_name }
            });
            prop_assert_eq!(compare(&a, &a), Ordering::Equal);
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            for (x, y, z) in [(a, b, c), (b, c, a), (c, a, b), (c, b, a), (b, a, c), (a, c, b)] {
                if compare(&x, &y).is_ge() && compare(&y, &z).is_ge() {
                    prop_assert!(compare(&x, &z).is_ge());
                }
                if compare(&x, &y).is_eq() {
                    prop_assert_eq!(compare(&x, &z), compare(&y, &z));
                }
            }
        }
    }
}
