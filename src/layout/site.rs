//! The part of the `site` module: the site directories below a list of prefixes.
//!
//! The input is prefixes and the rules of one interpreter's `site`. The output is the paths that
//! its `getsitepackages()` returns, whether they exist or not. This file does not use the file
//! system.

use std::path::{Path, PathBuf};

use super::Interpreter;
use super::pathname::joined;
use super::rules::Flavour;

/// `site.getsitepackages(prefixes)`.
pub(super) fn site_packages(
    interpreter: &Interpreter,
    prefixes: &[PathBuf],
    in_venv: bool,
) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let mut seen: Vec<&Path> = Vec::new();
    for prefix in prefixes {
        if prefix.as_os_str().is_empty() || seen.contains(&prefix.as_path()) {
            continue;
        }
        seen.push(prefix);
        paths.extend(
            below_prefix(interpreter, in_venv)
                .into_iter()
                .map(|relative| joined(prefix, relative)),
        );
    }
    paths
}

fn below_prefix(interpreter: &Interpreter, in_venv: bool) -> Vec<String> {
    let python = interpreter.abi().directory();
    let libdirs: &[&str] = match interpreter.platlibdir {
        "lib" => &["lib"],
        _ => &[interpreter.platlibdir, "lib"],
    };
    let in_libdirs = |leaf: &str| -> Vec<String> {
        libdirs
            .iter()
            .map(|libdir| format!("{libdir}/{python}/{leaf}"))
            .collect()
    };
    if interpreter.flavour != Flavour::Debian {
        return in_libdirs("site-packages");
    }
    // Debian's own paths do not contain the `t` of free-threaded builds.
    let (major, minor) = interpreter.version;
    let mut paths = Vec::new();
    if in_venv {
        paths.push(format!("lib/python{major}.{minor}/site-packages"));
    }
    paths.push(format!("local/lib/python{major}.{minor}/dist-packages"));
    paths.push("lib/python3/dist-packages".to_owned());
    paths.extend(in_libdirs("dist-packages"));
    paths
}

/// `~/.local/lib/python3.X/site-packages`: always `lib`, also on Fedora.
pub(super) fn user_site(user_base: &Path, directory: &str) -> PathBuf {
    joined(user_base, format!("lib/{directory}/site-packages"))
}
