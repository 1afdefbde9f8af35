//! What a version's `site` module does, found in its source text.
//!
//! Distributions patch `site.py`, and fixes reach old versions in their patch releases, so the
//! version number alone does not say how `.pth` files are read or where packages lie. In comes the
//! path of a standard library; out come the few facts that matter. The file is searched for
//! well-known phrases, never interpreted; where there is none, the version decides.

use std::path::Path;

use crate::rooted::Root;

use super::pathname::joined;

/// No `site.py` is near this size (that of 3.15 has 45 kB).
const LARGEST: usize = 1 << 20;

/// Who patched this interpreter's `site`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// As CPython's own.
    Upstream,
    /// Debian and its descendants: `dist-packages`.
    Debian,
    /// Fedora and its descendants: `/usr/local` comes first, except under `-I` and `-s`.
    Fedora,
    /// openSUSE, and others who add `/usr/local` to `site.PREFIXES`: it comes last.
    OpenSuse,
}

/// What one `site` module does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SiteRules {
    /// Whose directories it knows.
    pub flavour: Flavour,
    /// `.pth` files are decoded as UTF-8 with an optional BOM and split by `str.splitlines()`;
    /// otherwise read as text files, in the locale's encoding, line ends alone separating lines.
    pub whole_file: bool,
    /// `.pth` files whose name starts with a dot are passed over.
    pub skip_hidden: bool,
    /// PEP 829 (3.15): lines are stripped on both sides, an error costs its own line only, and
    /// `.start` files replace import lines.
    pub start_files: bool,
}

impl SiteRules {
    /// The rules of the `site.py` in the given standard library.
    #[must_use]
    pub fn read(root: &Root, stdlib: &Path, version: (u8, u8)) -> Self {
        match root.read(&joined(stdlib, "site.py"), LARGEST) {
            Ok(text) => Self::of_source(&String::from_utf8_lossy(&text)),
            Err(_) => Self::of_version(version),
        }
    }

    /// The rules of CPython's own last release of a version.
    #[must_use]
    pub fn of_version(version: (u8, u8)) -> Self {
        Self {
            flavour: Flavour::Upstream,
            whole_file: version >= (3, 12),
            skip_hidden: version >= (3, 8),
            start_files: version >= (3, 15),
        }
    }

    fn of_source(text: &str) -> Self {
        let adds_local = || {
            text.lines()
                .any(|line| line.starts_with("PREFIXES = [") && line.contains("/usr/local"))
        };
        let flavour = if text.contains("\"dist-packages\"") {
            Flavour::Debian
        } else if text.contains("RPM_BUILD_ROOT") {
            Flavour::Fedora
        } else if adds_local() {
            Flavour::OpenSuse
        } else {
            Flavour::Upstream
        };
        Self {
            flavour,
            whole_file: text.contains("\"utf-8-sig\""),
            skip_hidden: text.contains("not name.startswith(\".\")"),
            start_files: text.contains("PEP 829"),
        }
    }
}
