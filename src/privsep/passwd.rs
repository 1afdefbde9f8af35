//! Finds a user by name in the files of system users.
//!
//! The input is a root and a name or number. The output is the user's numbers. It does not use
//! `getpwnam(3)`, which opens sockets and loads plugins, as root.

use std::path::Path;

use crate::rooted::Root;

/// Image-based systems keep the users that /usr needs in the second file.
pub(super) const FILES: [&str; 2] = ["/etc/passwd", "/usr/lib/passwd"];
/// In bytes. A larger file is not read.
const SIZE_LIMIT: usize = 16 << 20;

/// The numbers of a user in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    /// The user's number.
    pub uid: u32,
    /// The number of the user's primary group.
    pub gid: u32,
}

/// The numbers of the user with this name. The first matching line counts.
pub(super) fn find(root: &Root, name: &str) -> Option<Ids> {
    search(root, |user, ids| (user == name).then_some(ids))
}

/// The primary group of the user with this number.
pub(super) fn group_of(root: &Root, uid: u32) -> Option<u32> {
    search(root, |_, ids| (ids.uid == uid).then_some(ids.gid))
}

fn search<T>(root: &Root, wanted: impl Fn(&str, Ids) -> Option<T>) -> Option<T> {
    FILES.iter().find_map(|file| {
        let content = root.read(Path::new(file), SIZE_LIMIT).ok()?;
        let mut lines = content.split(|&byte| byte == b'\n');
        lines.find_map(|line| {
            let (name, ids) = entry(std::str::from_utf8(line).ok()?)?;
            wanted(name, ids)
        })
    })
}

/// The first, third and fourth field of passwd(5).
fn entry(line: &str) -> Option<(&str, Ids)> {
    let mut fields = line.split(':');
    let name = fields.next()?;
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    Some((name, Ids { uid, gid }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name_in_both_files() {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in [
            (
                "etc/passwd",
                "root:x:0:0:root:/root:/bin/sh\nepcache:x:7:8\n+::::::\n\u{fffd}\n",
            ),
            (
                "usr/lib/passwd",
                "_epcache:x:998:997::/:/usr/sbin/nologin\nroot:x:5:5\n",
            ),
        ] {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let root = Root::at(dir.path()).unwrap();
        assert_eq!(find(&root, "_epcache"), Some(Ids { uid: 998, gid: 997 }));
        assert_eq!(find(&root, "epcache"), Some(Ids { uid: 7, gid: 8 }));
        assert_eq!(find(&root, "root"), Some(Ids { uid: 0, gid: 0 }));
        assert_eq!(find(&root, "cache"), None);
        assert_eq!(group_of(&root, 998), Some(997));
        assert_eq!(group_of(&root, 999), None);
    }

    #[test]
    fn an_incomplete_line_is_not_a_user() {
        assert_eq!(entry("a:x:1"), None);
        assert_eq!(entry("a:x:-1:1:"), None);
        assert_eq!(entry("a:x:4294967296:1:"), None);
        assert_eq!(entry("a:x:1:2"), Some(("a", Ids { uid: 1, gid: 2 })));
    }
}
