//! Other spellings of the path of a search directory.
//!
//! The input is search directories. The output is the same with their aliases: other spellings that
//! occur on a `sys.path`, so that a reader finds the record with any of them. These are the path
//! without links, the one through `lib64 -> lib`, and the one through a merged `/usr` (`/lib ->
//! usr/lib`). A spelling is added only if it leads to the same directory now, and gives it the same
//! meaning.

use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::metadata::directory_name::egg_base;
use crate::rooted::Root;

use super::SearchDirectory;

/// The other spellings of a path, sorted. Empty if the path leads nowhere.
pub(super) fn of(root: &Root, path: &Path) -> Vec<PathBuf> {
    let Ok(real) = root.real_path(path) else {
        return Vec::new();
    };
    let mut candidates = vec![real.clone()];
    for base in [path, &real] {
        candidates.extend(swapped(base, "lib", "lib64"));
        candidates.extend(swapped(base, "lib64", "lib"));
    }
    let merged: Vec<PathBuf> = candidates
        .iter()
        .map(PathBuf::as_path)
        .chain([path])
        .filter_map(|path| {
            let below = path.strip_prefix("/usr").ok()?;
            let top = below.components().next()?.as_os_str().to_str()?;
            matches!(top, "lib" | "lib64").then(|| Path::new("/").join(below))
        })
        .collect();
    candidates.extend(merged);
    // The name of an egg decides what counts as metadata in it, and what its name is. So with
    // another name the same directory has another record.
    let egg = |path: &Path| egg_base(path.as_os_str().as_bytes()).map(<[u8]>::to_vec);
    candidates.retain(|candidate| {
        candidate.as_os_str() != path.as_os_str()
            && egg(candidate) == egg(path)
            && root.real_path(candidate).is_ok_and(|other| other == real)
    });
    candidates.sort_unstable();
    candidates.dedup();
    candidates
}

/// The path with one component replaced, once for each place where it occurs.
fn swapped(path: &Path, from: &str, to: &str) -> Vec<PathBuf> {
    let components: Vec<Component<'_>> = path.components().collect();
    components
        .iter()
        .enumerate()
        .filter(|(_, component)| component.as_os_str() == from)
        .map(|(at, _)| {
            components
                .iter()
                .enumerate()
                .map(|(other, component)| {
                    if other == at {
                        to.as_ref()
                    } else {
                        component.as_os_str()
                    }
                })
                .collect()
        })
        .collect()
}

/// Fills in the aliases, and merges equal directories into the first of them.
pub(super) fn folded(root: &Root, directories: Vec<SearchDirectory>) -> Vec<SearchDirectory> {
    let mut folded: Vec<SearchDirectory> = Vec::new();
    for mut directory in directories {
        directory.aliases = of(root, &directory.path);
        let twin = folded
            .iter_mut()
            .find(|other| other.path == directory.path || other.aliases.contains(&directory.path));
        match twin {
            None => folded.push(directory),
            Some(twin) => {
                twin.origin.admit(directory.origin);
                twin.aliases.extend(directory.aliases);
                twin.aliases.retain(|alias| *alias != twin.path);
                twin.aliases.sort_unstable();
                twin.aliases.dedup();
            }
        }
    }
    folded
}
