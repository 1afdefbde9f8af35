//! Metadata directories with bad content of every kind.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::mkfifo;

use super::cli::{Tree, is_root, set_mode};

/// Changes a metadata directory. It is complete before the call.
pub(crate) const BAD: &str = "bad-1.dist-info";

/// The change, and the expected message: the end of the bad file's path, and the reason.
pub(crate) type Case = (&'static str, Make, &'static str, &'static str);

/// Turns a good metadata directory into a bad one.
pub(crate) type Make = fn(&Path);

fn remake(bad: &Path, file: &str, content: impl AsRef<[u8]>) {
    fs::write(bad.join(file), content).unwrap();
}

fn without(bad: &Path, file: &str) -> std::path::PathBuf {
    fs::remove_file(bad.join(file)).unwrap();
    bad.join(file)
}

fn make_fifo(path: &Path) {
    mkfifo(path, Mode::S_IRWXU).unwrap();
    set_mode(path, 0o644);
}

pub(crate) const CASES: &[Case] = &[
    (
        "no metadata",
        |bad| drop(without(bad, "METADATA")),
        BAD,
        "neither METADATA nor PKG-INFO",
    ),
    (
        "empty metadata",
        |bad| remake(bad, "METADATA", ""),
        BAD,
        "neither METADATA nor PKG-INFO",
    ),
    (
        "an empty directory",
        |bad| {
            fs::remove_dir_all(bad).unwrap();
            fs::create_dir(bad).unwrap();
        },
        BAD,
        "neither METADATA nor PKG-INFO",
    ),
    (
        "a FIFO for entry points",
        |bad| make_fifo(&without(bad, "entry_points.txt")),
        "bad-1.dist-info/entry_points.txt",
        "not a regular file",
    ),
    (
        "a FIFO for metadata",
        |bad| make_fifo(&without(bad, "METADATA")),
        "bad-1.dist-info/METADATA",
        "not a regular file",
    ),
    (
        "a FIFO for the directory",
        |bad| {
            fs::remove_dir_all(bad).unwrap();
            make_fifo(bad);
        },
        BAD,
        "neither a directory nor a file",
    ),
    (
        "a socket",
        |bad| drop(UnixListener::bind(without(bad, "entry_points.txt")).unwrap()),
        "bad-1.dist-info/entry_points.txt",
        "ignored",
    ),
    (
        "directories for files",
        |bad| {
            fs::create_dir(without(bad, "entry_points.txt")).unwrap();
            fs::create_dir(without(bad, "METADATA")).unwrap();
        },
        "bad-1.dist-info/METADATA",
        "a directory, ignored",
    ),
    (
        "a dangling link for entry points",
        |bad| symlink("/no/such/file", without(bad, "entry_points.txt")).unwrap(),
        "bad-1.dist-info/entry_points.txt",
        "a dangling symbolic link",
    ),
    (
        "a dangling link for the directory",
        |bad| {
            fs::remove_dir_all(bad).unwrap();
            symlink("/no/such/directory", bad).unwrap();
        },
        BAD,
        "a dangling symbolic link",
    ),
    (
        "a looping link for entry points",
        |bad| symlink("entry_points.txt", without(bad, "entry_points.txt")).unwrap(),
        "bad-1.dist-info/entry_points.txt",
        "too many levels of symbolic links",
    ),
    (
        "a looping link for metadata",
        |bad| symlink("METADATA", without(bad, "METADATA")).unwrap(),
        "bad-1.dist-info/METADATA",
        "too many levels of symbolic links",
    ),
    (
        "a looping link for the directory",
        |bad| {
            fs::remove_dir_all(bad).unwrap();
            symlink(BAD, bad).unwrap();
        },
        BAD,
        "oo many levels of symbolic links",
    ),
    (
        "an unreadable file",
        |bad| set_mode(bad.join("entry_points.txt"), 0),
        BAD,
        "may not be read",
    ),
    (
        "unreadable metadata",
        |bad| set_mode(bad.join("METADATA"), 0),
        BAD,
        "may not be read",
    ),
    (
        "an unreadable directory",
        |bad| set_mode(bad, 0),
        BAD,
        "may not be read",
    ),
    (
        "entry points that are not UTF-8",
        |bad| remake(bad, "entry_points.txt", b"[g]\nb\xe4d = x:y\n"),
        "bad-1.dist-info/entry_points.txt",
        "UTF-8",
    ),
    (
        "headers that are not UTF-8",
        |bad| remake(bad, "METADATA", b"Name: b\xe4d\nVersion: 1\n"),
        BAD,
        "Name or Version is not UTF-8",
    ),
    (
        "a line without an equals sign",
        |bad| remake(bad, "entry_points.txt", "[g]\nfine = x:y\nnot fine\n"),
        "bad-1.dist-info/entry_points.txt",
        "entry points ignored",
    ),
    (
        "nothing but NULs",
        |bad| {
            remake(
                bad,
                "entry_points.txt",
                [b"[g]\n".as_slice(), &[0; 5000]].concat(),
            )
        },
        "bad-1.dist-info/entry_points.txt",
        "entry points ignored",
    ),
    (
        "NULs in values",
        |bad| remake(bad, "entry_points.txt", "[h]\na\0b = c\0d:e\n"),
        "bad-1.dist-info/entry_points.txt",
        "entry points with control characters",
    ),
    (
        "more than 1 MiB",
        |bad| {
            remake(
                bad,
                "entry_points.txt",
                format!("[g]\nx = x:y\n#{}\n", "x".repeat(1 << 20)),
            )
        },
        "bad-1.dist-info/entry_points.txt",
        "larger than 1024 KiB",
    ),
    (
        "a line of 10 MB",
        |bad| {
            remake(
                bad,
                "entry_points.txt",
                format!("[g]\nx = {}\n", "x".repeat(10_000_000)),
            )
        },
        "bad-1.dist-info/entry_points.txt",
        "larger than 1024 KiB",
    ),
    (
        "a million entries",
        |bad| {
            let lines = (0..1_000_000).map(|n| format!("name{n} = module:attr\n"));
            remake(
                bad,
                "entry_points.txt",
                format!("[g]\n{}", lines.collect::<String>()),
            );
        },
        "bad-1.dist-info/entry_points.txt",
        "larger than 1024 KiB",
    ),
    (
        "as many entries as fit into the size",
        |bad| {
            remake(
                bad,
                "entry_points.txt",
                format!("[g]\n{}", "a=\n".repeat(300_000)),
            )
        },
        "bad-1.dist-info/entry_points.txt",
        "more than 65536 entry points",
    ),
    (
        "more than all memory, in a sparse file",
        |bad| {
            let file = fs::File::options()
                .write(true)
                .open(bad.join("entry_points.txt"));
            file.unwrap().set_len(1 << 40).unwrap();
        },
        "bad-1.dist-info/entry_points.txt",
        "larger than 1024 KiB",
    ),
    (
        "a device",
        |bad| {
            // A terminal that does not exist. Opening /dev/zero would never end.
            let zero = makedev(1, 5);
            let path = without(bad, "entry_points.txt");
            if is_root()
                && mknod(&path, SFlag::S_IFCHR, Mode::S_IRUSR | Mode::S_IROTH, zero).is_ok()
            {
                set_mode(&path, 0o644);
            } else {
                symlink("/dev/zero", path).unwrap();
            }
        },
        "bad-1.dist-info/entry_points.txt",
        "not a regular file",
    ),
    (
        "endless metadata",
        |bad| symlink("/dev/zero", without(bad, "METADATA")).unwrap(),
        "bad-1.dist-info/METADATA",
        "not a regular file",
    ),
];

/// Odd input without a complaint: the answer is CPython's.
pub(crate) const ODD: &[(&str, Make)] = &[
    ("no entry points", |bad| {
        drop(without(bad, "entry_points.txt"))
    }),
    ("an empty file", |bad| remake(bad, "entry_points.txt", "")),
    ("lines before any section", |bad| {
        remake(bad, "entry_points.txt", "what = ever\n")
    }),
    ("a malformed object reference", |bad| {
        remake(bad, "entry_points.txt", "[h]\na = b c d\n")
    }),
    ("unclosed sections", |bad| {
        remake(bad, "entry_points.txt", "[h\n[[\n# c\n]\n")
    }),
    ("nothing but newlines", |bad| {
        remake(bad, "entry_points.txt", "\n".repeat(1 << 20))
    }),
    ("as many entries as may be", |bad| {
        let lines: String = (0..65_536).map(|n| format!("name{n} = m:f\n")).collect();
        remake(bad, "entry_points.txt", format!("[h]\n{lines}"));
    }),
    ("headers without an end", |bad| {
        remake(
            bad,
            "METADATA",
            format!("Name: bad\nVersion: 1\nX: {}", "x".repeat(10_000_000)),
        );
    }),
    ("a name as long as a file's may be", |bad| {
        let long = bad.with_file_name(format!("{}-1.dist-info", "n".repeat(240)));
        fs::rename(bad, long).unwrap();
    }),
    ("a name that is not UTF-8", |bad| {
        let name = OsStr::from_bytes(b"b\xff\xfed-1.dist-info");
        fs::rename(bad, bad.with_file_name(name)).unwrap();
    }),
    ("a file for the directory", |bad| {
        fs::remove_dir_all(bad).unwrap();
        fs::write(bad, "Name: bad\nVersion: 1\n").unwrap();
    }),
    ("names that only look like metadata", |bad| {
        for name in [
            ".dist-info",
            "-.dist-info",
            "-1.egg-info",
            "x.dist-info",
            ".egg-info",
        ] {
            let path = bad.with_file_name(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join("METADATA"), "Name: x\nVersion: 1\n").unwrap();
        }
    }),
];

/// A search directory with good distributions on both sides of the bad one.
pub(crate) fn tree_with(make: Make) -> Tree {
    let tree = Tree::new();
    tree.dist("site", "aaa", "[g]\naaa = aaa:main\n");
    let bad = tree.dist("site", "bad", "[g]\nbad = bad:main\n");
    tree.dist("site", "zzz", "[g]\nzzz = zzz:main\n");
    make(&bad);
    tree.dir("out");
    tree.give("out");
    tree
}
