//! FIFOs, devices and sockets in place of files: no command opens any of them.
//!
//! Opening a device can start it (a tape, a watchdog), and opening a FIFO wakes its writer. So each
//! test looks at the system calls, and a writer waits at each FIFO until the end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;
#[path = "support/separation.rs"]
mod separation;

use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use cli::{Ran, Tree, left_out, run, set_mode};
use nix::libc::{O_NONBLOCK, O_PATH};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::mkfifo;
use separation::{calls, can_trace, traced};

const SITE: &str = "root/usr/lib/python3.11/site-packages";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Fifo,
    LinkToFifo,
    Device,
    LinkToDevice,
    Socket,
}

const KINDS: [Kind; 5] = [
    Kind::Fifo,
    Kind::LinkToFifo,
    Kind::Device,
    Kind::LinkToDevice,
    Kind::Socket,
];

/// A special file in place of a regular one.
struct Special {
    /// The path that must not be opened.
    path: PathBuf,
    /// Of a FIFO: a descriptor (O_PATH) for when another file has replaced it, and the waiting
    /// writer.
    writer: Option<(File, JoinHandle<()>)>,
}

impl Special {
    /// `None` if this file system or this user cannot have such a device.
    fn new(kind: Kind, place: &Path) -> Option<Self> {
        let _ = fs::remove_file(place);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        let linked = matches!(kind, Kind::LinkToFifo | Kind::LinkToDevice);
        let path = if linked {
            let target = place.with_file_name("target");
            symlink("target", place).unwrap();
            target
        } else {
            place.to_owned()
        };
        match kind {
            Kind::Fifo | Kind::LinkToFifo => mkfifo(&path, Mode::S_IRWXU).unwrap(),
            Kind::Socket => drop(UnixListener::bind(&path).unwrap()),
            Kind::Device | Kind::LinkToDevice => {
                // /dev/zero: reading it would never end.
                let zero = makedev(1, 5);
                let made = mknod(&path, SFlag::S_IFCHR, Mode::S_IRUSR | Mode::S_IROTH, zero);
                if made.is_err() || File::open(&path).is_err() {
                    left_out(
                        "devices in place of files",
                        "this file system has no devices",
                    );
                    return None;
                }
            }
        }
        set_mode(&path, 0o644);
        let writer = matches!(kind, Kind::Fifo | Kind::LinkToFifo).then(|| {
            let held = File::options().read(true).custom_flags(O_PATH).open(&path);
            let fifo = path.clone();
            let writer = std::thread::spawn(move || drop(File::options().write(true).open(fifo)));
            (held.unwrap(), writer)
        });
        Some(Self { path, writer })
    }

    /// Checks that nothing has opened it, as far as its writer can tell.
    fn check(&self, what: &str) {
        let waits = self.writer.as_ref().is_none_or(|(_, it)| !it.is_finished());
        assert!(waits, "{what}: the FIFO was opened");
    }
}

impl Drop for Special {
    fn drop(&mut self) {
        let Some((held, writer)) = self.writer.take() else {
            return;
        };
        // Keep the FIFO open until the writer has finished: it may not wait yet.
        let reader = File::options()
            .read(true)
            .custom_flags(O_NONBLOCK)
            .open(format!("/proc/self/fd/{}", held.as_raw_fd()));
        let _ = writer.join();
        drop(reader);
    }
}

/// A system with a good distribution and one to damage, with each file that epcache reads.
fn system() -> Tree {
    let tree = Tree::new();
    tree.system("root");
    tree.dist(SITE, "bad", "[g]\nbad = bad:main\n");
    tree.file(&format!("{SITE}/more.pth"), "/usr/lib/more\n");
    tree.file("root/etc/epcache.conf", "");
    tree.file("root/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    tree.file("root/etc/epcache/consumers.d/x.conf", "groups = g\n");
    tree
}

/// The calls that opened the file by its own name or by that of the link, except to look at it.
fn opened(tree: &Tree, special: &Special, place: &Path, ran: &Ran, what: &str) -> Vec<String> {
    let processes = calls(what, tree, ran).unwrap_or_default();
    let all = processes.iter().flatten();
    let is_it = |path: &Path| path == place || path == special.path;
    all.filter(|call| call.opened().is_some_and(|path| is_it(&path)))
        .filter(|call| !call.arguments.contains("O_PATH"))
        .map(|call| format!("{}({}) = {}", call.name, call.arguments, call.result))
        .collect()
}

/// Runs epcache with each kind of special file in each of these places.
fn assert_none_is_opened(
    test: &str,
    make: fn() -> Tree,
    places: &[&str],
    arguments: &[&str],
    variable: Option<&str>,
    codes: &[i32],
) {
    if !can_trace(test) {
        return;
    }
    for place in places {
        for kind in KINDS {
            let what = format!("{test}: {kind:?} as {place}");
            let tree = make();
            let at = tree.path(place);
            let Some(special) = Special::new(kind, &at) else {
                continue;
            };
            let mut command = traced(&tree, &[], arguments);
            if let Some(variable) = variable {
                command.env(variable, &at);
            }
            let ran = run(&mut command);
            assert!(codes.contains(&ran.code), "{what}: {ran:?}");
            let opened = opened(&tree, &special, &at, &ran, &what);
            assert_eq!(opened, [""; 0], "{what}");
            special.check(&what);
        }
    }
}

#[test]
fn a_refresh_opens_no_special_file_in_place_of_a_package_file() {
    assert_none_is_opened(
        "package files",
        system,
        &[
            "root/usr/lib/python3.11/site-packages/bad-1.dist-info/entry_points.txt",
            "root/usr/lib/python3.11/site-packages/bad-1.dist-info/METADATA",
            "root/usr/lib/python3.11/site-packages/bad-1.egg-info/PKG-INFO",
            "root/usr/lib/python3.11/site-packages/other-1.egg-info",
            "root/usr/lib/python3.11/site-packages/more.pth",
        ],
        &["refresh", "-q", "--root", "root"],
        None,
        &[0],
    );
}

#[test]
fn a_refresh_opens_no_special_file_in_place_of_a_system_file() {
    assert_none_is_opened(
        "system files",
        system,
        &[
            "root/usr/bin/python3.11",
            "root/usr/lib/python3.11/site.py",
            "root/usr/pyvenv.cfg",
            "root/etc/epcache.conf",
            "root/etc/passwd",
            "root/etc/epcache/consumers.d/x.conf",
            "root/usr/lib/epcache/index",
            "root/usr/lib/epcache/index.lock",
            "root/usr/lib/epcache/state",
        ],
        &["refresh", "-q", "--root", "root"],
        None,
        // Without an interpreter or a lock there is nothing to publish.
        &[0, 1, 2],
    );
}

#[test]
fn a_live_query_opens_no_special_file_in_place_of_a_package_file() {
    assert_none_is_opened(
        "package files, read live",
        system,
        &[
            "root/usr/lib/python3.11/site-packages/bad-1.dist-info/entry_points.txt",
            "root/usr/lib/python3.11/site-packages/bad-1.dist-info/METADATA",
            "root/usr/lib/python3.11/site-packages/bad-1.egg-info/PKG-INFO",
            "root/usr/lib/python3.11/site-packages/other-1.egg-info",
        ],
        &["query", "g", "--path", SITE],
        None,
        &[0],
    );
}

#[test]
fn a_query_opens_no_special_file_in_place_of_an_index() {
    let make = || {
        let tree = system();
        tree.dir("to");
        tree
    };
    let by_path = ["query", "g", "--path", SITE, "--index", "to/index"];
    assert_none_is_opened("--index", make, &["to/index"], &by_path, None, &[0]);
    let live = ["query", "g", "--path", SITE];
    let variable = Some("EPCACHE_INDEX");
    assert_none_is_opened("EPCACHE_INDEX", make, &["to/index"], &live, variable, &[0]);
    let verify = ["verify", "to/index"];
    assert_none_is_opened("verify", make, &["to/index"], &verify, None, &[1, 2]);
    let export = ["export", "--index", "to/index"];
    assert_none_is_opened("export", make, &["to/index"], &export, None, &[1, 2]);
}

#[test]
fn a_query_of_an_environment_opens_no_special_file_in_it() {
    let make = || {
        let tree = Tree::new();
        tree.venv("env");
        tree
    };
    assert_none_is_opened(
        "an environment",
        make,
        &["env/pyvenv.cfg", "env/bin/python3.11", "env/bin/python"],
        &["query", "g", "--venv", "env"],
        None,
        &[0, 1, 2],
    );
}

#[test]
fn regular_files_behind_links_are_read() {
    for arguments in [
        &["query", "g", "--path", SITE][..],
        &["query", "g", "--root", "root"],
    ] {
        let tree = system();
        let metadata = format!("{SITE}/bad-1.dist-info");
        let store = "root/usr/lib/store";
        fs::create_dir_all(tree.path(store)).unwrap();
        for file in ["entry_points.txt", "METADATA"] {
            let inside = tree.path(&format!("{metadata}/{file}"));
            fs::rename(&inside, tree.path(&format!("{store}/{file}"))).unwrap();
            symlink(format!("../../../store/{file}"), &inside).unwrap();
        }
        // A metadata directory that is itself a link, as with stow and Nix.
        let other = tree.dist("root/usr/lib/store", "other", "[g]\nother = other:main\n");
        assert!(other.is_dir());
        symlink(
            "../../store/other-1.dist-info",
            tree.path(&format!("{SITE}/other-1.dist-info")),
        )
        .unwrap();
        let ran = run(&mut tree.epcache(arguments));
        assert_eq!(ran.code, 0, "{ran:?}");
        for value in ["bad:main", "other:main", "sys:main"] {
            assert!(ran.stdout.contains(value), "{ran:?}");
        }
    }
}
