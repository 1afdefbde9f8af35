//! Paths and lines of text as CPython handles them, on strings alone.
//!
//! The input is paths and lines as they are written. The output is paths spelled as by
//! `os.path.join`, `os.path.abspath` and `site.makepath`, because a search directory is known by
//! its exact string. This file does not use the file system.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::rooted::Root;

/// `os.path.normpath` of an absolute path. It drops `.` and empty components, resolves `..` in the
/// text, and keeps exactly two leading slashes, as POSIX requires.
pub(super) fn normalized(path: &Path) -> PathBuf {
    let text = path.as_os_str().as_bytes();
    let slashes = text.iter().take_while(|&&byte| byte == b'/').count();
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in text.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    let mut out: Vec<u8> = if slashes == 2 { b"//" } else { b"/".as_slice() }.to_vec();
    out.extend_from_slice(&parts.join(&b'/'));
    PathBuf::from(OsString::from_vec(out))
}

/// An absolute path as it is written. A relative one is based on the working directory (on `/`
/// below a root of its own), as with `os.path.abspath`.
#[must_use]
pub fn absolute(root: &Root, path: &Path) -> PathBuf {
    if path.is_absolute() {
        return path.to_owned();
    }
    let working = match std::env::current_dir() {
        Ok(working) if root.is_system() => working,
        _ => PathBuf::from("/"),
    };
    normalized(&joined(&working, path))
}

/// `os.path.join(base, more)`: only `more` if it is absolute. In contrast to [`Path::join`] the
/// result is exact to the byte.
pub(super) fn joined(base: &Path, more: impl AsRef<OsStr>) -> PathBuf {
    let more = more.as_ref();
    if more.as_bytes().starts_with(b"/") {
        return PathBuf::from(more);
    }
    let mut text = base.as_os_str().to_owned();
    if !text.is_empty() && !text.as_bytes().ends_with(b"/") {
        text.push("/");
    }
    text.push(more);
    PathBuf::from(text)
}

/// `site.makepath(base, more)`.
pub(super) fn made(base: &Path, more: impl AsRef<OsStr>) -> PathBuf {
    normalized(&joined(base, more))
}

/// `dirname` of getpath: everything before the last slash, so it is empty for `/bin`.
pub(super) fn directory_of(path: &Path) -> PathBuf {
    let text = path.as_os_str().as_bytes();
    let end = text.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    PathBuf::from(OsStr::from_bytes(text.get(..end).unwrap_or_default()))
}

/// `str.isspace` of one character.
fn is_space(character: char) -> bool {
    // Unicode's White_Space, and four separators that Python also counts.
    character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
}

/// `str.rstrip()`.
pub(super) fn right_stripped(text: &str) -> &str {
    text.trim_end_matches(is_space)
}

/// `str.strip()`.
pub(super) fn stripped(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// `str.splitlines()`.
pub(super) fn split_lines(text: &str) -> Vec<&str> {
    split_at(text, |character| {
        matches!(
            character,
            '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    })
}

/// The lines of a text file without their ends, as Python's universal newlines split them.
pub(super) fn file_lines(text: &str) -> Vec<&str> {
    split_at(text, |character| matches!(character, '\n' | '\r'))
}

fn split_at(text: &str, ends_line: impl Fn(char) -> bool + Copy) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (line, after) = rest.find(ends_line).map_or((rest, ""), |at| {
            let (line, end) = rest.split_at(at);
            let after = end
                .strip_prefix("\r\n")
                .unwrap_or_else(|| end.trim_start_matches_once(ends_line));
            (line, after)
        });
        lines.push(line);
        rest = after;
    }
    lines
}

trait TrimOnce {
    fn trim_start_matches_once(&self, matches: impl Fn(char) -> bool) -> &str;
}

impl TrimOnce for str {
    fn trim_start_matches_once(&self, matches: impl Fn(char) -> bool) -> &str {
        let mut characters = self.chars();
        match characters.next() {
            Some(first) if matches(first) => characters.as_str(),
            _ => self,
        }
    }
}

/// The key by which Python's `sorted()` compares file names: code points, where each undecodable
/// byte is a surrogate, as `surrogateescape` makes it.
pub(super) fn sort_key(name: &OsStr) -> Vec<u32> {
    let mut key = Vec::with_capacity(name.len());
    for chunk in name.as_bytes().utf8_chunks() {
        key.extend(chunk.valid().chars().map(u32::from));
        key.extend(chunk.invalid().iter().map(|&byte| 0xdc00 + u32::from(byte)));
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn norm(path: &str) -> String {
        normalized(Path::new(path)).to_str().unwrap().to_owned()
    }

    #[test]
    fn paths_are_normalized_as_by_os_path() {
        assert_eq!(norm("/a/./b//c/../d/"), "/a/b/d");
        assert_eq!(norm("/.."), "/");
        assert_eq!(norm("//a"), "//a");
        assert_eq!(norm("///a"), "/a");
        assert_eq!(norm("/"), "/");
    }

    #[test]
    fn joining_keeps_the_spelling() {
        assert_eq!(joined(Path::new("/a"), "b/").as_os_str(), "/a/b/");
        assert_eq!(joined(Path::new("/a/"), "b").as_os_str(), "/a/b");
        assert_eq!(joined(Path::new("/a"), "/b").as_os_str(), "/b");
    }

    #[test]
    fn the_directory_of_a_top_level_name_is_empty() {
        assert_eq!(directory_of(Path::new("/usr/bin")).as_os_str(), "/usr");
        assert_eq!(directory_of(Path::new("/bin")).as_os_str(), "");
        assert_eq!(directory_of(Path::new("")).as_os_str(), "");
    }

    #[test]
    fn lines_split_as_in_python() {
        assert_eq!(
            split_lines("a\r\nb\x0cc\u{85}d\n\ne"),
            ["a", "b", "c", "d", "", "e"]
        );
        assert_eq!(file_lines("a\r\nb\x0cc\rd\n"), ["a", "b\x0cc", "d"]);
        assert_eq!(split_lines(""), [""; 0]);
    }

    #[test]
    fn undecodable_names_sort_below_the_private_use_area() {
        let bad = sort_key(OsStr::from_bytes(b"\xff.pth"));
        assert!(sort_key(OsStr::new("\u{e000}.pth")) > bad);
        assert!(sort_key(OsStr::new("\u{d000}.pth")) < bad);
    }
}
