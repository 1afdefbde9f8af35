//! File systems that store times differently from the machine's own: mounted for one test, and
//! unmounted at its end.
//!
//! The input is a directory to mount on. The output is a [`Mount`], or None with the reason
//! printed, if this machine cannot have it.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machine::{leave_out, needs_root, tool, within};

/// A mounted file system. Dropping it unmounts it.
#[derive(Debug)]
pub(crate) struct Mount {
    at: PathBuf,
}

impl Drop for Mount {
    fn drop(&mut self) {
        let umount = |lazily: &[&str]| {
            let output = within(30, "umount").args(lazily).arg(&self.at).output();
            output.is_ok_and(|output| output.status.success())
        };
        if !umount(&[]) && !umount(&["--lazy"]) {
            eprintln!("{} could not be unmounted", self.at.display());
        }
    }
}

impl Mount {
    fn new(test: &str, at: &Path, arguments: &[&str], source: &Path) -> Option<Self> {
        if !needs_root(test) {
            return None;
        }
        let mut command = within(30, "mount");
        command.args(arguments).arg(source).arg(at);
        let output = command.output();
        if output.as_ref().is_ok_and(|output| output.status.success()) {
            return Some(Self { at: at.to_owned() });
        }
        leave_out(test, &format!("{command:?}: {output:?}"));
        None
    }

    /// Makes it read-only, after all writers have finished. The device stays the same.
    pub(crate) fn read_only(&self) {
        let mut command = within(30, "mount");
        let status = command.args(["-o", "remount,ro"]).arg(&self.at).status();
        assert!(status.is_ok_and(|status| status.success()), "{command:?}");
    }
}

/// A file system that takes times from the kernel's coarse clock, with any kernel.
pub(crate) fn ramfs(test: &str, at: &Path) -> Option<Mount> {
    let mount = Mount::new(test, at, &["-t", "ramfs"], Path::new("ramfs"))?;
    fs::set_permissions(at, Permissions::from_mode(0o755)).unwrap();
    Some(mount)
}

/// A file system that stores whole seconds, because its inodes are too small for more.
pub(crate) fn whole_seconds(test: &str, at: &Path) -> Option<Mount> {
    let image = at.with_extension("ext4");
    File::create(&image).unwrap().set_len(8 << 20).unwrap();
    let mut mkfs = within(60, "mkfs.ext4");
    mkfs.args(["-q", "-F", "-I", "128", "-O", "^has_journal"])
        .arg(&image);
    if !tool(test, &mut mkfs) {
        return None;
    }
    let mount = Mount::new(test, at, &["-o", "loop"], &image)?;
    fs::set_permissions(at, Permissions::from_mode(0o755)).unwrap();
    Some(mount)
}

/// A read-only image of any format.
pub(crate) fn image(test: &str, at: &Path, image: &Path) -> Option<Mount> {
    Mount::new(test, at, &["-o", "loop,ro"], image)
}

/// A writable layer over a directory that is not changed, as containers use it.
pub(crate) fn overlay(test: &str, at: &Path, lower: &Path) -> Option<Mount> {
    let (upper, work) = (at.with_extension("upper"), at.with_extension("work"));
    for path in [&upper, &work] {
        let _ = fs::remove_dir_all(path);
        fs::create_dir(path).unwrap();
    }
    fs::set_permissions(&upper, Permissions::from_mode(0o755)).unwrap();
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.display(),
        upper.display(),
        work.display()
    );
    Mount::new(
        test,
        at,
        &["-t", "overlay", "-o", &options],
        Path::new("overlay"),
    )
}

/// Packs a directory into an image: `-all-time 0` gives all files one time. Without it they keep
/// their own, to the second.
pub(crate) fn squash(test: &str, directory: &Path, image: &Path, options: &[&str]) -> bool {
    let mut command: Command = within(60, "mksquashfs");
    command.arg(directory).arg(image);
    command
        .args(["-quiet", "-no-progress", "-noappend"])
        .args(options);
    tool(test, &mut command)
}
