//! The directories to watch for changes that no package manager tells of.
//!
//! In comes a [`Root`] and what the configuration adds; out comes a short list of site directories, some of them
//! yet to come. Names alone are looked at: whoever asks may be root, at boot. What only the content of a file
//! would tell, such as the directory that a `.pth` line adds, is not on the list.

use std::path::{Path, PathBuf};

use crate::rooted::Root;

use super::interpreter::{SYSTEM_PREFIXES, version_directories};
use super::pathname::joined;
use super::prefix::Abi;
use super::system::absolute;

/// Each watch takes an inotify instance of process 1, which has 128 for everything.
const LIMIT: usize = 48;
/// Where people install by hand, of which nobody tells anybody.
const LOCAL: &str = "/usr/local";
/// How many versions of Python after the newest one are expected before anybody asks again.
const VERSIONS_TO_COME: u8 = 2;

/// The site directories that exist; those in /usr/local that an installation by hand would make, also for
/// the next versions of Python; and `extra` ones from the configuration.
#[must_use]
pub fn to_watch(root: &Root, extra: &[PathBuf]) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut add = |path: PathBuf| {
        if !found.contains(&path) && found.len() < LIMIT {
            found.push(path);
        }
    };
    extra.iter().for_each(|path| add(absolute(root, path)));
    let mut known: Vec<Abi> = Vec::new();
    for prefix in SYSTEM_PREFIXES.map(Path::new) {
        known.extend(version_directories(root, prefix));
    }
    known.sort_unstable();
    known.dedup();
    let newest = known.iter().map(|abi| abi.version).max();
    let to_come = newest.into_iter().flat_map(|(major, minor)| {
        (1..=VERSIONS_TO_COME).map(move |further| Abi {
            version: (major, minor.saturating_add(further)),
            free_threaded: false,
        })
    });
    known.extend(to_come);
    let is_debian = root.is_dir(Path::new("/usr/lib/python3/dist-packages"));
    // Newest first: where there are too many, those of old versions are the ones to go without.
    for libdir in ["lib", "lib64"] {
        for prefix in SYSTEM_PREFIXES.map(Path::new) {
            let lib = joined(prefix, libdir);
            if root.read_link(&lib).is_ok() {
                continue; // lib64 -> lib: the same directories
            }
            let shared = joined(&lib, "python3/dist-packages");
            if root.is_dir(&shared) {
                add(shared);
            }
            for abi in known.iter().rev() {
                let python = joined(&lib, abi.directory());
                for (name, is_expected) in [("dist-packages", is_debian), ("site-packages", true)] {
                    let path = joined(&python, name);
                    let may_come = is_expected
                        && prefix == Path::new(LOCAL)
                        && (libdir == "lib" || root.is_dir(&lib));
                    if may_come || root.is_dir(&path) {
                        add(path);
                    }
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn watched(directories: &[&str], extra: &[&str]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        for directory in directories {
            fs::create_dir_all(dir.path().join(directory)).unwrap();
        }
        let extra: Vec<PathBuf> = extra.iter().map(PathBuf::from).collect();
        let found = to_watch(&Root::at(dir.path()).unwrap(), &extra);
        found
            .iter()
            .map(|path| path.display().to_string())
            .collect()
    }

    #[test]
    fn debian_has_two_names_below_usr_local_and_one_in_usr() {
        let found = watched(
            &["usr/lib/python3/dist-packages", "usr/lib/python3.11"],
            &["/opt/tool/lib"],
        );
        let expected = [
            "/opt/tool/lib",
            "/usr/lib/python3/dist-packages",
            "/usr/local/lib/python3.13/dist-packages",
            "/usr/local/lib/python3.13/site-packages",
            "/usr/local/lib/python3.12/dist-packages",
            "/usr/local/lib/python3.12/site-packages",
            "/usr/local/lib/python3.11/dist-packages",
            "/usr/local/lib/python3.11/site-packages",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn fedora_has_lib_and_lib64() {
        let found = watched(
            &[
                "usr/lib/python3.13/site-packages",
                "usr/lib64/python3.13t/site-packages",
                "usr/lib64/python3.13/site-packages",
                "usr/local/lib64",
            ],
            &[],
        );
        for path in [
            "/usr/lib/python3.13/site-packages",
            "/usr/lib64/python3.13/site-packages",
            "/usr/lib64/python3.13t/site-packages",
            "/usr/local/lib/python3.13/site-packages",
            "/usr/local/lib64/python3.13/site-packages",
            "/usr/local/lib64/python3.14/site-packages",
            "/usr/local/lib/python3.15/site-packages",
        ] {
            assert!(found.iter().any(|found| found == path), "{path}: {found:?}");
        }
        assert!(!found.iter().any(|path| path.contains("dist-packages")));
    }

    #[test]
    fn the_list_is_short_whatever_lies_there() {
        let names: Vec<String> = (0..100)
            .map(|minor| format!("usr/lib/python3.{minor}/site-packages"))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(watched(&names, &[]).len(), LIMIT);
        assert!(watched(&[], &[]).is_empty());
    }
}
