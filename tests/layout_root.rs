//! `epcache::layout` below a root of its own: layouts of Linux distributions that are not available
//! here. It also tests that nothing outside of the root is looked at.
//!
//! The Fedora and openSUSE trees are mocks: directories and marker files laid out as in those
//! distributions, and a `site.py` with the lines of their patches (Fedora's 00251, openSUSE's
//! python-3.3.0b1-localpath). The expected values come from the text of the patches, not from a
//! real system.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test's helpers are tests too

#[path = "layout_root/distributions.rs"]
mod distributions;
#[path = "layout_root/search.rs"]
mod search;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use epcache::layout::{
    Flavour, Found, Interpreter, LayoutError, Mode, Origin, Reason, SearchDirectory, Wanted,
    find_interpreter, given, interpreters, interpreters_in, sys_path, sys_path_as, system, user,
    venv,
};
use epcache::rooted::Root;

const UPSTREAM: &str = "PREFIXES = [sys.prefix, sys.exec_prefix]\n\"utf-8-sig\"\n\
     if name.endswith(\".pth\") and not name.startswith(\".\")\n";
const FEDORA: &str = "\
PREFIXES = [sys.prefix, sys.exec_prefix]
    '/usr/local' is included in PREFIXES if RPM build is not detected
    if ENABLE_USER_SITE and 'RPM_BUILD_ROOT' not in os.environ:
        PREFIXES.insert(0, \"/usr/local\")
\"utf-8-sig\" and not name.startswith(\".\")
";
const OPENSUSE: &str = "PREFIXES = [sys.prefix, sys.exec_prefix, '/usr/local']\n";
const OPENSUSE_3_14: &str = "PREFIXES = [sys.prefix, sys.exec_prefix, '/usr/local']\n\
     PREFIXES += [sys.base_prefix, sys.base_exec_prefix]\n\"utf-8-sig\"\n";
const DEBIAN: &str = "sitepackages.append(os.path.join(prefix, \"lib\",\n\
     \"python3\",\n\"dist-packages\"))\n";

/// A tree that is being laid out.
struct Tree {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

impl Tree {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("root");
        fs::create_dir(&path).unwrap();
        Self { _dir: dir, path }
    }

    /// With `/usr` merged.
    fn merged() -> Self {
        let tree = Self::new();
        for name in ["bin", "lib", "lib64"] {
            tree.dir(&format!("/usr/{name}"));
            tree.link(&format!("usr/{name}"), &format!("/{name}"));
        }
        tree
    }

    fn outside(&self, path: &str) -> PathBuf {
        self.path.join(path.trim_start_matches('/'))
    }

    fn dir(&self, path: &str) -> &Self {
        fs::create_dir_all(self.outside(path)).unwrap();
        self
    }

    fn file(&self, path: &str, content: &str) -> &Self {
        let path = self.outside(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn link(&self, target: &str, path: &str) -> &Self {
        let path = self.outside(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
        self
    }

    fn program(&self, path: &str) -> &Self {
        self.file(path, "\x7fELF\x02")
    }

    /// A program and its standard library, `name` as in `python3.13t`.
    fn python(&self, prefix: &str, libdir: &str, name: &str, site: &str) -> &Self {
        let stdlib = format!("{prefix}/{libdir}/{name}");
        self.program(&format!("{prefix}/bin/{name}"))
            .file(&format!("{stdlib}/os.py"), "")
            .file(&format!("{stdlib}/site.py"), site)
            .dir(&format!("{stdlib}/lib-dynload"))
    }

    fn root(&self) -> Root {
        Root::at(&self.path).unwrap()
    }

    fn interpreter(&self, path: &str) -> Interpreter {
        Interpreter::of_executable(&self.root(), Path::new(path)).unwrap()
    }

    fn isolated(&self, path: &str) -> Vec<String> {
        let path = sys_path(&self.root(), &self.interpreter(path));
        strings(&path.entries)
    }

    fn ordinary(&self, path: &str, user_base: Option<&str>) -> Vec<String> {
        let mode = Mode::Ordinary(user_base.map(Path::new));
        let path = sys_path_as(&self.root(), &self.interpreter(path), mode);
        strings(&path.entries)
    }
}

fn strings(directories: &[SearchDirectory]) -> Vec<String> {
    let text = |directory: &SearchDirectory| directory.path.to_str().unwrap().to_owned();
    directories.iter().map(text).collect()
}

fn aliases<'f>(found: &'f Found, path: &str) -> Vec<&'f str> {
    let directory = found
        .directories
        .iter()
        .find(|entry| entry.path == Path::new(path));
    let aliases = &directory
        .unwrap_or_else(|| panic!("{path} in {found:#?}"))
        .aliases;
    aliases
        .iter()
        .map(|alias| alias.to_str().unwrap())
        .collect()
}

fn library(prefix: &str, libdir: &str, name: &str) -> Vec<String> {
    let zip = name.replace('.', "");
    vec![
        format!("{prefix}/{libdir}/{zip}.zip"),
        format!("{prefix}/{libdir}/{name}"),
        format!("{prefix}/{libdir}/{name}/lib-dynload"),
    ]
}

fn with(mut list: Vec<String>, more: &[&str]) -> Vec<String> {
    list.extend(more.iter().map(ToString::to_string));
    list
}

/// Fedora 43: Python 3.14 is the main one, 3.13t and 3.9 are beside it, packages in lib and lib64.
fn fedora() -> Tree {
    let tree = Tree::merged();
    for name in ["python3.9", "python3.13t", "python3.14"] {
        tree.python("/usr", "lib64", name, FEDORA);
        for libdir in [
            "/usr/lib64",
            "/usr/lib",
            "/usr/local/lib64",
            "/usr/local/lib",
        ] {
            tree.dir(&format!("{libdir}/{name}/site-packages"));
        }
    }
    tree.link("python3.14", "/usr/bin/python3")
        .link("./python3", "/usr/bin/python");
    tree
}
