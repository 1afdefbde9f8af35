//! What a `site` module does, found in its source text.
//!
//! The input is the path of a standard library. The output is the facts that matter here. Linux
//! distributions patch `site.py`, and patch releases bring fixes to old versions. So the version
//! alone does not tell how `.pth` files are read or where packages are. The file is only searched
//! for known phrases. If it is missing, the version decides.

use std::path::Path;

use crate::rooted::Root;

use super::pathname::joined;

/// In bytes. No `site.py` is nearly this large (that of 3.15 has 45 kB).
const LARGEST: usize = 1 << 20;

/// Who patched the `site` module of an interpreter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// CPython's own.
    Upstream,
    /// Debian and distributions based on it: `dist-packages`.
    Debian,
    /// Fedora and distributions based on it, and the newest openSUSE: `/usr/local` comes first,
    /// except with `-I` and `-s`.
    Fedora,
    /// openSUSE and others that add `/usr/local` to `site.PREFIXES`: it comes last.
    OpenSuse,
}

/// What one `site` module does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SiteRules {
    /// Who patched it.
    pub flavour: Flavour,
    /// `/usr/local` comes before the other prefixes, unless user sites are off (`-I`, `-s`).
    pub local_first: bool,
    /// `/usr/local` is in `site.PREFIXES`, after the interpreter's own prefixes.
    pub local_last: bool,
    /// `site.PREFIXES` is never reduced to the virtual environment (3.14). Prefixes that were added
    /// to it, as openSUSE does, appear in every environment, before the base's directories.
    pub keeps_prefixes: bool,
    /// `.pth` files are decoded as UTF-8 with an optional BOM, and split by `str.splitlines()`.
    /// Otherwise they are text files in the locale's encoding, split only at line ends.
    pub whole_file: bool,
    /// `.pth` files whose name starts with a dot are ignored.
    pub skip_hidden: bool,
    /// PEP 829 (3.15): lines are stripped on both sides, an error loses only its own line, and
    /// `.start` files replace import lines.
    pub start_files: bool,
    /// A line with a NUL byte ends the file (3.6, 3.7). Otherwise only that line is lost.
    pub nul_ends_file: bool,
}

impl SiteRules {
    /// The rules of the `site.py` in this standard library.
    #[must_use]
    pub fn read(root: &Root, stdlib: &Path, version: (u8, u8)) -> Self {
        match root.read(&joined(stdlib, "site.py"), LARGEST) {
            Ok(text) => Self::of_source(&String::from_utf8_lossy(&text), version),
            Err(_) => Self::of_version(version),
        }
    }

    /// The rules of CPython's last release of this version.
    #[must_use]
    pub fn of_version(version: (u8, u8)) -> Self {
        Self {
            flavour: Flavour::Upstream,
            local_first: false,
            local_last: false,
            keeps_prefixes: version >= (3, 14),
            whole_file: version >= (3, 12),
            skip_hidden: version >= (3, 8),
            start_files: version >= (3, 15),
            nul_ends_file: version < (3, 8),
        }
    }

    fn of_source(text: &str, version: (u8, u8)) -> Self {
        let local_first = text.contains("PREFIXES.insert(0, \"/usr/local\")");
        let local_last = text
            .lines()
            .any(|line| line.starts_with("PREFIXES = [") && line.contains("'/usr/local'"));
        // openSUSE has shipped the first, the second, and both.
        let flavour = match (local_first, local_last) {
            _ if text.contains("\"dist-packages\"") => Flavour::Debian,
            (_, true) => Flavour::OpenSuse,
            (true, false) => Flavour::Fedora,
            (false, false) => Flavour::Upstream,
        };
        Self {
            flavour,
            local_first,
            local_last,
            keeps_prefixes: text.contains("PREFIXES += [sys.base_prefix"),
            whole_file: text.contains("\"utf-8-sig\""),
            skip_hidden: text.contains("not name.startswith(\".\")"),
            start_files: text.contains("PEP 829"),
            ..Self::of_version(version)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flavour(text: &str) -> Flavour {
        SiteRules::of_source(text, (3, 12)).flavour
    }

    #[test]
    fn the_patches_of_distributions_are_recognized() {
        let upstream = "PREFIXES = [sys.prefix, sys.exec_prefix]\n# like /usr/local here\n";
        assert_eq!(flavour(upstream), Flavour::Upstream);
        let local = "PREFIXES = [sys.prefix, sys.exec_prefix, '/usr/local']\n";
        assert_eq!(flavour(local), Flavour::OpenSuse);
        let first = "        PREFIXES.insert(0, \"/usr/local\")\n";
        assert_eq!(flavour(first), Flavour::Fedora);
        let both = SiteRules::of_source(&format!("{local}{first}"), (3, 10));
        assert!(both.local_first && both.local_last);
        assert_eq!(
            flavour("\"python3\",\n\"dist-packages\"))\n"),
            Flavour::Debian
        );
    }

    #[test]
    fn fixes_in_patch_releases_are_seen_in_the_text() {
        let old = SiteRules::of_source("io.TextIOWrapper(io.open_code(fullname))", (3, 12));
        assert!(!old.whole_file && !old.skip_hidden);
        let hidden = "if name.endswith(\".pth\") and not name.startswith(\".\")]";
        assert!(SiteRules::of_source(hidden, (3, 9)).skip_hidden);
    }
}
