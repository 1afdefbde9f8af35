//! What systemd starts at boot, and at each `systemctl daemon-reload`: the list of directories that
//! `epcache.path` watches, as a drop-in for it.
//!
//! In comes the directory that systemd wants generated units in (see systemd.generator(7)), out goes one small
//! file. It is quick, reads names and the configuration and no more, and never fails: without the file,
//! less is watched.

use std::fmt::Write;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::config;
use crate::layout::to_watch;
use crate::rooted::Root;

/// The drop-in, below the directory that systemd names.
const DROP_IN: &str = "epcache.path.d/50-directories.conf";

/// Writes the drop-in.
pub fn run(directory: &Path) {
    let root = Root::system();
    let (config, _) = config::read(&root);
    let text = drop_in(&to_watch(&root, &config.directories));
    let path = directory.join(DROP_IN);
    if let Err(error) = write(&path, &text) {
        // There may be nobody to hear it, so early.
        log::debug!("{}: {error}", path.display());
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}

/// Paths as unit files have them; one that they cannot have is left out.
fn drop_in(paths: &[PathBuf]) -> String {
    let mut text = String::from("# Made by epcache-generator.\n[Path]\n");
    for path in paths {
        let plain = path.as_os_str().as_bytes().iter().all(|byte| *byte >= b' ');
        if let (true, Some(path)) = (plain && path.is_absolute(), path.to_str()) {
            let _ = writeln!(text, "PathChanged={}", path.replace('%', "%%"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_one_path_and_no_setting() {
        let paths = ["/a b/100%n", "relative", "/a\nPathChanged=/etc", "/c"].map(PathBuf::from);
        let expected = "PathChanged=/a b/100%%n\nPathChanged=/c\n";
        assert!(drop_in(&paths).ends_with(&format!("[Path]\n{expected}")));
    }

    #[test]
    fn a_place_that_cannot_be_written_is_no_failure() {
        run(Path::new("/proc/nowhere"));
    }
}
