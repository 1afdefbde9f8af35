//! Whether a given path can be a search directory.
//!
//! The input is a path. The output is what is wrong with it, and what may have been meant.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::freshness::is_missing;
use crate::metadata::directory_name::{egg_base, recognise};
use crate::rooted::Root;

use super::pathname::joined;

/// What is wrong with the path. `None` if it is a directory with metadata, or an archive, or cannot
/// be listed.
#[must_use]
pub fn doubt(root: &Root, path: &Path) -> Option<String> {
    let bytes = path.as_os_str().as_bytes();
    let is_pattern = bytes.contains(&b'*');
    let mut what = match root.open_dir(path) {
        Err(error) if is_missing(&error) => match root.exists(path) {
            true => return None,
            false if is_pattern => "no such directory: the shell has found nothing for the *",
            false => "no such directory",
        }
        .to_owned(),
        Err(_) => return None,
        Ok(directory) => {
            let mut holds_metadata = false;
            let egg_base = egg_base(bytes);
            let visit = |name: &[u8], _| holds_metadata |= recognise(name, egg_base).is_some();
            directory.for_each_name(visit).ok()?;
            if holds_metadata {
                return None;
            }
            "no distribution has its metadata there".to_owned()
        }
    };
    if let Some(meant) = meant(root, path) {
        what = format!("{what}; did you mean {}?", meant.display());
    }
    Some(what)
}

/// A site directory below the path, which may be that of an environment, or one level above.
fn meant(root: &Root, path: &Path) -> Option<PathBuf> {
    const NAMES: [&str; 2] = ["site-packages", "dist-packages"];
    let mut above = vec![path.to_owned()];
    for lib in ["lib", ".venv/lib", "venv/lib"].map(|lib| joined(path, lib)) {
        let mut versions = root.list(&lib).unwrap_or_default();
        versions.retain(|name| name.as_bytes().starts_with(b"python3"));
        versions.sort();
        above.extend(versions.into_iter().map(|name| joined(&lib, name)));
    }
    let of = |above: PathBuf| NAMES.map(|name| joined(&above, name));
    above
        .into_iter()
        .flat_map(of)
        .find(|path| root.is_dir(path))
}
