//! Tells from the files on `sys.path` whether a module can be imported, without importing it.
//!
//! The rules are those of `importlib.machinery.PathFinder` and `FileFinder`. In each directory a
//! package comes first, then a module with one of the interpreter's suffixes, then a portion of a
//! namespace package. A package that changes its own `__path__` can have its modules anywhere. Its
//! text shows that, and the module is then looked for in every directory. A module that only
//! running code could find is *unclear*.

use std::collections::{HashMap, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::listings::Listings;
use crate::rooted::{FileType, Root};

/// In bytes. This much of a package's own text is read.
const TEXT_LIMIT: usize = 256 << 10;

/// Modules that are part of the interpreter itself, of any version.
const BUILTIN: &[&str] = &[
    "__main__",
    "_abc",
    "_ast",
    "_codecs",
    "_collections",
    "_functools",
    "_imp",
    "_io",
    "_locale",
    "_operator",
    "_signal",
    "_sre",
    "_stat",
    "_string",
    "_symtable",
    "_thread",
    "_tracemalloc",
    "_typing",
    "_warnings",
    "_weakref",
    "array",
    "atexit",
    "builtins",
    "cmath",
    "errno",
    "faulthandler",
    "fcntl",
    "gc",
    "grp",
    "itertools",
    "marshal",
    "math",
    "posix",
    "pwd",
    "pyexpat",
    "select",
    "spwd",
    "sys",
    "syslog",
    "time",
    "unicodedata",
    "zlib",
];

/// Where a module was found, or why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Module {
    /// It exists.
    Found,
    /// It does not exist, for the reason in the text.
    Missing(String),
    /// Not even its first part is on `sys.path`.
    Elsewhere(String),
    /// Only running code could tell, for the reason in the text.
    Unclear(String),
}

/// The tag in the file names of an interpreter's extension modules.
#[derive(Debug, Clone)]
pub(super) enum Tag {
    /// This one, such as `cpython-311-x86_64-linux-gnu`.
    Exactly(String),
    /// Any that starts with this.
    Begins(String),
}

/// The meaning of the first parts of a name.
#[derive(Debug, Clone)]
enum Step {
    /// A package, or portions of a namespace package: where its modules are, and its own module.
    Package {
        directories: Vec<PathBuf>,
        init: Option<PathBuf>,
    },
    /// A file.
    Leaf(PathBuf),
    Nothing,
}

/// The modules of one interpreter.
pub(super) struct Modules<'r> {
    root: &'r Root,
    /// `sys.path`.
    paths: Vec<PathBuf>,
    /// The tags of the interpreter's extension modules.
    tag: Tag,
    known: HashMap<String, Module>,
    /// What packages are, by their dotted names.
    packages: HashMap<String, Step>,
    /// Whether `sys.path` has an archive.
    has_archive: bool,
}

impl<'r> Modules<'r> {
    pub(super) fn new(root: &'r Root, paths: Vec<PathBuf>, tag: Tag) -> Self {
        let has_archive = paths.iter().any(|path| root.is_file(path));
        Self {
            root,
            paths,
            tag,
            known: HashMap::new(),
            packages: HashMap::new(),
            has_archive,
        }
    }

    /// Looks for a module by its dotted name.
    pub(super) fn find(&mut self, listings: &mut Listings<'_>, module: &str) -> Module {
        if let Some(known) = self.known.get(module) {
            return known.clone();
        }
        let found = self.look(listings, module);
        self.known.insert(module.to_owned(), found.clone());
        found
    }

    fn look(&mut self, listings: &mut Listings<'_>, module: &str) -> Module {
        let mut directories = self.paths.clone();
        let mut package: Option<PathBuf> = None;
        let mut before = String::new();
        let parts: Vec<&str> = module.split('.').collect();
        for (number, part) in parts.iter().enumerate() {
            let name = module_name(&before, part);
            let step = match self.packages.get(&name) {
                Some(known) => known.clone(),
                None => {
                    let mut step = self.step(listings, &directories, part);
                    if matches!(step, Step::Nothing) && self.is_open(package.as_deref()) {
                        step = self.step_elsewhere(listings, &before, part);
                    }
                    if let Step::Package { .. } = step {
                        self.packages.insert(name.clone(), step.clone());
                    }
                    step
                }
            };
            let is_last = number + 1 == parts.len();
            match step {
                Step::Package {
                    directories: next,
                    init,
                } => (directories, package) = (next, init),
                Step::Leaf(_) if is_last => return Module::Found,
                Step::Leaf(file) if self.says(&file, &["sys.modules", "__path__"]) => {
                    let text = format!("{} makes its own modules", file.display());
                    return Module::Unclear(text);
                }
                Step::Leaf(file) => {
                    return Module::Missing(format!("{} is no package", file.display()));
                }
                Step::Nothing if listings.is_full() => {
                    return Module::Unclear("there are too many files to look at".to_owned());
                }
                Step::Nothing if directories.iter().any(|it| listings.is_closed(it)) => {
                    let text = format!("'{part}' may be in a directory that cannot be listed");
                    return Module::Unclear(text);
                }
                Step::Nothing => {
                    let is_open = self.is_open(package.as_deref());
                    return self.nothing(number, part, &directories, is_open);
                }
            }
            before = name;
        }
        Module::Found
    }

    /// Whether a package may have modules elsewhere: it changes its own path.
    fn is_open(&self, init: Option<&Path>) -> bool {
        let marks = [
            "__path__",
            "extend_path",
            "declare_namespace",
            "lazy_loader",
        ];
        init.is_some_and(|init| self.says(init, &marks))
    }

    /// Why a part of a name leads nowhere.
    fn nothing(&self, number: usize, part: &str, within: &[PathBuf], is_open: bool) -> Module {
        if number == 0 && BUILTIN.contains(&part) {
            return Module::Found;
        }
        if number == 0 && self.has_archive {
            let text = format!("'{part}' may be in an archive on sys.path");
            return Module::Unclear(text);
        }
        if number == 0 {
            return Module::Elsewhere(format!("no '{part}' on sys.path"));
        }
        let place = within.first().map(|it| it.display().to_string());
        let place = place.unwrap_or_default();
        match is_open {
            true => Module::Unclear(format!("no '{part}' in {place}, which changes its path")),
            false => Module::Missing(format!("no '{part}' in {place}")),
        }
    }

    /// The part of a package whose path changes, in any directory of `sys.path` that has it.
    fn step_elsewhere(&self, listings: &mut Listings<'_>, package: &str, part: &str) -> Step {
        let below: PathBuf = package.split('.').collect();
        let directories: Vec<_> = self.paths.iter().map(|path| path.join(&below)).collect();
        self.step(listings, &directories, part)
    }

    /// The meaning of a name in these directories.
    fn step(&self, listings: &mut Listings<'_>, directories: &[PathBuf], part: &str) -> Step {
        let mut portions = Vec::new();
        for directory in directories {
            let candidate = directory.join(part);
            if listings.kind(directory, part.as_bytes()) == Some(FileType::Directory) {
                if let Some(init) = self.module_file(listings, &candidate, "__init__") {
                    return Step::Package {
                        init: Some(init),
                        directories: vec![candidate],
                    };
                }
                portions.push(candidate);
            }
            if let Some(file) = self.module_file(listings, directory, part) {
                return Step::Leaf(file);
            }
        }
        match portions.is_empty() {
            true => Step::Nothing,
            false => Step::Package {
                directories: portions,
                init: None,
            },
        }
    }

    /// The file of a module in a directory.
    fn module_file(
        &self,
        listings: &mut Listings<'_>,
        directory: &Path,
        name: &str,
    ) -> Option<PathBuf> {
        // That there is one is all that counts, so the most frequent one is looked for first.
        let mut file = name.to_owned();
        let mut has = |suffix: &str, listings: &mut Listings<'_>| {
            file.truncate(name.len());
            file.push_str(suffix);
            let kind = listings.kind(directory, file.as_bytes());
            (kind == Some(FileType::Regular)).then(|| directory.join(&file))
        };
        for suffix in [".py", ".pyc", ".so", ".abi3.so"] {
            if let Some(found) = has(suffix, listings) {
                return Some(found);
            }
        }
        let suffixes = match &self.tag {
            Tag::Exactly(tag) => vec![format!(".{tag}.so")],
            Tag::Begins(start) => {
                let names = listings.names(directory);
                suffixes_of_any(names, &format!("{name}.{start}"), name.len())
            }
        };
        suffixes.iter().find_map(|suffix| has(suffix, listings))
    }

    /// Whether a Python file contains one of these words.
    fn says(&self, file: &Path, words: &[&str]) -> bool {
        let is_python = file.as_os_str().as_bytes().ends_with(b".py");
        let text = self.root.read(file, TEXT_LIMIT).ok();
        let text = text.map(|it| String::from_utf8_lossy(&it).into_owned());
        is_python && text.is_some_and(|text| words.iter().any(|word| text.contains(word)))
    }
}

/// The suffixes of modules of any interpreter.
fn suffixes_of_any(names: &HashSet<Vec<u8>>, start: &str, length: usize) -> Vec<String> {
    let fits = |it: &&Vec<u8>| it.starts_with(start.as_bytes()) && it.ends_with(b".so");
    let suffix = |it: &Vec<u8>| String::from_utf8(it.get(length..)?.to_vec()).ok();
    names.iter().filter(fits).filter_map(suffix).collect()
}

fn module_name(before: &str, part: &str) -> String {
    match before {
        "" => part.to_owned(),
        _ => format!("{before}.{part}"),
    }
}
