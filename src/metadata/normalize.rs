//! Normalizes distribution names for comparison, in two ways.
//!
//! The input is a name as it is written. The output is its key in `importlib.metadata`. Every name
//! has a key, also one that no specification allows.
//!
//! [`normalize`] is the [name normalization] of packaging.python.org with `_` in place of `-`, as
//! in `importlib.metadata` (`Prepared.normalize`).
//!
//! [name normalization]: https://packaging.python.org/en/latest/specifications/name-normalization/

/// `re.sub(r"[-_.]+", "-", name).lower().replace('-', '_')`, the key of `*.dist-info` and
/// `*.egg-info` (`Prepared.normalize`).
pub fn normalize(name: &str) -> String {
    let mut folded = String::with_capacity(name.len());
    let mut in_run = false;
    for c in name.chars() {
        let separator = matches!(c, '-' | '_' | '.');
        if !separator {
            folded.push(c.to_ascii_lowercase());
        } else if !in_run {
            folded.push('_');
        }
        in_run = separator;
    }
    if folded.is_ascii() {
        folded
    } else {
        folded.to_lowercase()
    }
}

/// `name.lower().replace('-', '_')`, the key of `EGG-INFO` in a `*.egg` directory
/// (`Prepared.legacy_normalize`).
pub fn legacy_normalize(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

/// [`normalize`] over a file name, which need not be UTF-8.
///
/// `os.listdir` turns each undecodable byte into a lone surrogate. No rule changes those, so here
/// the bytes are kept.
pub fn normalize_bytes(name: &[u8]) -> Vec<u8> {
    let mut folded = Vec::with_capacity(name.len());
    let mut in_run = false;
    for &byte in name {
        let separator = matches!(byte, b'-' | b'_' | b'.');
        if !separator {
            folded.push(byte.to_ascii_lowercase());
        } else if !in_run {
            folded.push(b'_');
        }
        in_run = separator;
    }
    if folded.is_ascii() {
        folded
    } else {
        lower_bytes(&folded)
    }
}

/// [`legacy_normalize`] over a file name, which need not be UTF-8.
pub fn legacy_normalize_bytes(name: &[u8]) -> Vec<u8> {
    let mut lower = lower_bytes(name);
    for byte in &mut lower {
        if *byte == b'-' {
            *byte = b'_';
        }
    }
    lower
}

/// `str.lower()` over a file name, which need not be UTF-8.
///
/// Undecodable bytes are kept. They are neither letters nor ignorable, so a sigma before one is a
/// final sigma, as before the surrogate in Python.
pub(super) fn lower_bytes(name: &[u8]) -> Vec<u8> {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    let mut lower = Vec::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        lower.extend_from_slice(chunk.valid().to_lowercase().as_bytes());
        lower.extend_from_slice(chunk.invalid());
    }
    lower
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_of_importlib_metadata_normalizes_as_documented_there() {
        assert_eq!(normalize("Sample__Pkg-name.foo"), "sample_pkg_name_foo");
        assert_eq!(
            legacy_normalize("Sample__Pkg-name.foo"),
            "sample__pkg_name.foo"
        );
    }

    #[test]
    fn runs_of_separators_fold_to_one_underscore_also_at_the_ends() {
        assert_eq!(normalize("-._.a-_.b.-"), "_a_b_");
        assert_eq!(normalize(""), "");
        assert_eq!(normalize("..."), "_");
    }

    #[test]
    fn lower_case_is_that_of_unicode() {
        assert_eq!(normalize("ΑΣ"), "ας");
        assert_eq!(normalize("ΑΣ.Α"), "ας_α");
        assert_eq!(legacy_normalize("ΑΣ.Α"), "ασ.α");
        assert_eq!(normalize("İ"), "i\u{307}");
    }

    #[test]
    fn undecodable_bytes_pass_through() {
        assert_eq!(normalize_bytes(b"A\xff-_B\xe2\x80C"), b"a\xff_b\xe2\x80c");
        assert_eq!(legacy_normalize_bytes(b"A\xff-_B"), b"a\xff__b");
        assert_eq!(
            normalize_bytes(b"\xce\x91\xce\xa3\xff"),
            b"\xce\xb1\xcf\x82\xff"
        );
    }

    #[test]
    fn text_and_bytes_agree() {
        for name in ["", "A-b", "ΑΣ_Σ", "a..b", "É-K\u{212a}", "-"] {
            assert_eq!(normalize(name).as_bytes(), normalize_bytes(name.as_bytes()));
            assert_eq!(
                legacy_normalize(name).as_bytes(),
                legacy_normalize_bytes(name.as_bytes())
            );
        }
    }
}
