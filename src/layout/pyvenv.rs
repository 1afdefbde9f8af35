//! `pyvenv.cfg`, the file that makes a directory a virtual environment.
//!
//! The input is the file's content. The output is its values. CPython reads the file twice, by
//! different grammars: getpath reads `home`, and the `site` module reads
//! `include-system-site-packages`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::pathname::{file_lines, stripped};

/// In bytes. A larger `pyvenv.cfg` is not read.
pub(super) const LARGEST: usize = 1 << 16;

/// The first `home` value, as getpath of this version reads it.
pub(super) fn home(content: &[u8], version: (u8, u8)) -> Option<PathBuf> {
    let value = if version >= (3, 11) {
        home_by_partition(content)
    } else {
        home_by_tokens(content)
    }?;
    Some(PathBuf::from(OsStr::from_bytes(&value)))
}

/// As getpath.py from 3.11 on: any case, any spaces.
fn home_by_partition(content: &[u8]) -> Option<Vec<u8>> {
    for line in content.split(|&byte| byte == b'\n') {
        let Some(equals) = line.iter().position(|&byte| byte == b'=') else {
            continue;
        };
        let (key, value) = line.split_at(equals);
        if key.trim_ascii().eq_ignore_ascii_case(b"home") {
            let value = value.get(1..).unwrap_or_default();
            return Some(value.trim_ascii().to_vec());
        }
    }
    None
}

/// As getpath.c up to 3.10: `home`, then a separate `=`, then the value. A last line without a line
/// end is lost.
fn home_by_tokens(content: &[u8]) -> Option<Vec<u8>> {
    let is_blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    for line in content.split_inclusive(|&byte| byte == b'\n') {
        let Some(line) = line.strip_suffix(b"\n") else {
            break;
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b"#") {
            continue;
        }
        let mut words = line.trim_ascii_start().splitn(2, is_blank);
        if words.next() != Some(b"home".as_slice()) {
            continue;
        }
        let rest = words.next().unwrap_or_default().trim_ascii_start();
        let mut words = rest.splitn(2, is_blank);
        if words.next() == Some(b"=".as_slice()) {
            if let Some(value) = words.next().filter(|value| !value.is_empty()) {
                return Some(value.to_vec());
            }
        }
    }
    None
}

/// What `site.venv()` reads: whether the system's packages are visible. `None` if the file is not
/// UTF-8, in which case the interpreter does not start.
pub(super) fn includes_system_site(content: &[u8]) -> Option<bool> {
    let text = std::str::from_utf8(content).ok()?;
    let mut included = true;
    for line in file_lines(text) {
        if let Some((key, value)) = line.split_once('=') {
            if stripped(key).to_lowercase() == "include-system-site-packages" {
                included = stripped(value).to_lowercase() == "true";
            }
        }
    }
    Some(included)
}

/// The version that the creator of the environment has written: `version` (venv) or `version_info`
/// (virtualenv).
pub(super) fn version(content: &[u8]) -> Option<(u8, u8)> {
    let text = String::from_utf8_lossy(content);
    text.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        if !matches!(key.trim(), "version" | "version_info") {
            return None;
        }
        let mut numbers = value.trim().split('.');
        let major = numbers.next()?.parse().ok()?;
        let minor = numbers.next()?.parse().ok()?;
        Some((major, minor))
    })
}

/// The places of the file for an executable: beside it, and one directory up.
pub(super) fn places(executable_dir: &Path) -> [PathBuf; 2] {
    let up = super::pathname::directory_of(executable_dir);
    [executable_dir.to_owned(), up]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_is_read_by_two_grammars() {
        let exact = b"home = /usr/bin\nversion = 3.9.2\n";
        assert_eq!(home(exact, (3, 9)).unwrap(), Path::new("/usr/bin"));
        assert_eq!(home(exact, (3, 12)).unwrap(), Path::new("/usr/bin"));
        let tight = b"HOME=/usr/bin";
        assert_eq!(home(tight, (3, 10)), None);
        assert_eq!(home(tight, (3, 11)).unwrap(), Path::new("/usr/bin"));
        assert_eq!(home(b"home = /usr/bin", (3, 10)), None);
    }

    #[test]
    fn a_missing_key_includes_the_system() {
        assert_eq!(includes_system_site(b"home = /usr/bin\n"), Some(true));
        let key = b"Include-System-Site-Packages = FALSE\n";
        assert_eq!(includes_system_site(key), Some(false));
        let other = b"include-system-site-packages = yes\n";
        assert_eq!(includes_system_site(other), Some(false));
        assert_eq!(includes_system_site(b"a = \xff\n"), None);
    }

    #[test]
    fn the_version_is_read_as_venv_and_virtualenv_write_it() {
        assert_eq!(version(b"version = 3.12.1\n"), Some((3, 12)));
        assert_eq!(version(b"version_info = 3.9.2.final.0\n"), Some((3, 9)));
        assert_eq!(version(b"home = /\n"), None);
    }
}
