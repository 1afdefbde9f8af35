//! The interpreters on disk, each with everything that determines its `sys.path`.
//!
//! The input is an executable, or only the root. The output is [`Interpreter`] values. An
//! interpreter counts if its standard library exists. No interpreter is ever run.

use std::path::{Path, PathBuf};

use crate::rooted::Root;

use super::pathname::{directory_of, joined, normalized};
use super::prefix::{self, Abi, Prefixes};
use super::rules::{Flavour, SiteRules};
use super::{LayoutError, pyvenv};

/// The prefixes below which a system has interpreters.
pub(super) const SYSTEM_PREFIXES: [&str; 2] = ["/usr", "/usr/local"];

/// A CPython 3 on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// Major and minor version.
    pub version: (u8, u8),
    /// `"t"` for a free-threaded build, otherwise empty.
    pub abi_suffix: &'static str,
    /// The program. `None` if only a standard library was found.
    pub executable: Option<PathBuf>,
    /// `sys.base_prefix`.
    pub prefix: PathBuf,
    /// `sys.base_exec_prefix`.
    pub exec_prefix: PathBuf,
    /// `sys.platlibdir`: `lib` or `lib64`.
    pub platlibdir: &'static str,
    /// Who patched its `site` module.
    pub flavour: Flavour,
    /// What that module does.
    pub rules: SiteRules,
    /// The virtual environment that the executable belongs to.
    pub venv: Option<Venv>,
}

/// A virtual environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Venv {
    /// `sys.prefix`.
    pub prefix: PathBuf,
    /// Whether the site directories of its base are on `sys.path` too.
    pub system_site: bool,
}

impl Interpreter {
    /// The interpreter that this executable would be if it were started by this path.
    ///
    /// # Errors
    /// If the executable cannot be read or is not an interpreter, or its version or standard
    /// library cannot be found.
    pub fn of_executable(root: &Root, executable: &Path) -> Result<Self, LayoutError> {
        let executable = normalized(executable);
        let wide = prefix::is_64_bit(root, &executable)?;
        let chain = prefix::link_chain(root, &executable);
        let resolved = chain.last().unwrap_or(&executable);
        let config = VenvConfig::beside(root, &executable);
        // A link to a copied program: the environment is not active, but it tells the version.
        let copied = VenvConfig::beside(root, resolved);
        let nearest = config.as_ref().or(copied.as_ref());
        let abi = abi_of(root, &chain, nearest)
            .ok_or_else(|| LayoutError::UnknownVersion(executable.clone()))?;
        let start = home(root, &executable, resolved, abi.version)
            .unwrap_or_else(|| directory_of(resolved));
        let origin = nearest.and_then(|config| pyvenv::home(&config.content, (3, 11)));
        let made_at = installed_at(root, resolved, origin.as_deref(), abi);
        let (abi, found) = prefix::search(root, &start, &made_at, abi, wide).ok_or_else(|| {
            LayoutError::NoStandardLibrary {
                path: executable.clone(),
                version: abi.directory().replace("python", ""),
            }
        })?;
        let mut interpreter = Self::at(root, abi, found);
        interpreter.venv = config.map(|config| Venv {
            prefix: config.prefix(abi.version),
            system_site: pyvenv::includes_system_site(&config.content).unwrap_or(true),
        });
        interpreter.executable = Some(executable);
        Ok(interpreter)
    }

    /// The interpreter of an environment whose program this process cannot reach, for example in a
    /// closed home directory. All information comes from the environment's own files.
    pub(super) fn of_venv(root: &Root, dir: &Path) -> Option<Self> {
        let content = root
            .read(&joined(dir, "pyvenv.cfg"), pyvenv::LARGEST)
            .ok()?;
        let abi = match version_directories(root, dir).as_slice() {
            [only] => *only,
            _ => Abi {
                version: pyvenv::version(&content)?,
                free_threaded: false,
            },
        };
        let rules = SiteRules::of_version(abi.version);
        let home = pyvenv::home(&content, abi.version)?;
        let prefix = directory_of(&home);
        Some(Self {
            version: abi.version,
            abi_suffix: abi.suffix(),
            executable: None,
            exec_prefix: prefix.clone(),
            prefix,
            platlibdir: "lib",
            flavour: rules.flavour,
            rules,
            venv: Some(Venv {
                prefix: dir.to_owned(),
                system_site: pyvenv::includes_system_site(&content).unwrap_or(true),
            }),
        })
    }

    fn at(root: &Root, abi: Abi, found: Prefixes) -> Self {
        let stdlib = prefix::stdlib(&found.prefix, found.platlibdir, abi);
        let rules = SiteRules::read(root, &stdlib, abi.version);
        Self {
            version: abi.version,
            abi_suffix: abi.suffix(),
            executable: None,
            prefix: found.prefix,
            exec_prefix: found.exec_prefix,
            platlibdir: found.platlibdir,
            flavour: rules.flavour,
            rules,
            venv: None,
        }
    }

    pub(super) fn abi(&self) -> Abi {
        Abi {
            version: self.version,
            free_threaded: self.abi_suffix == "t",
        }
    }

    /// The version as in `python3.13t`, without `python`.
    #[must_use]
    pub fn version_text(&self) -> String {
        format!("{}.{}{}", self.version.0, self.version.1, self.abi_suffix)
    }
}

/// The `pyvenv.cfg` that the `site` module would find.
struct VenvConfig {
    place: PathBuf,
    executable_dir: PathBuf,
    content: Vec<u8>,
}

impl VenvConfig {
    fn beside(root: &Root, executable: &Path) -> Option<Self> {
        let executable_dir = directory_of(executable);
        let place = pyvenv::places(&executable_dir)
            .into_iter()
            .find(|place| root.is_file(&joined(place, "pyvenv.cfg")))?;
        Some(Self {
            content: root
                .read(&joined(&place, "pyvenv.cfg"), pyvenv::LARGEST)
                .ok()?,
            place,
            executable_dir,
        })
    }

    /// `sys.prefix`. Up to 3.13 `site` sets it, always to the directory above that of the program.
    /// From 3.14 on getpath sets it to the directory of the file.
    fn prefix(&self, version: (u8, u8)) -> PathBuf {
        if version >= (3, 14) {
            self.place.clone()
        } else {
            directory_of(&self.executable_dir)
        }
    }
}

/// The directory that `home` in pyvenv.cfg names for getpath. Up to 3.10 getpath looks for the file
/// where the links of the executable lead, from 3.11 on where the executable was started.
fn home(root: &Root, executable: &Path, resolved: &Path, version: (u8, u8)) -> Option<PathBuf> {
    let places = if version >= (3, 11) {
        let [beside, above] = pyvenv::places(&directory_of(executable));
        [above, beside]
    } else {
        pyvenv::places(&directory_of(resolved))
    };
    let content = places.iter().find_map(|place| {
        root.read(&joined(place, "pyvenv.cfg"), pyvenv::LARGEST)
            .ok()
    })?;
    pyvenv::home(&content, version)
}

/// Where the program may have been installed when it was built, which is compiled into it: its path
/// without links, or, for a copy, the path of the original.
fn installed_at(root: &Root, resolved: &Path, origin: Option<&Path>, abi: Abi) -> Vec<PathBuf> {
    let mut places = vec![directory_of(resolved)];
    if let Some(origin) = origin {
        let names = [
            abi.directory().into(),
            resolved.file_name().unwrap_or_default().to_owned(),
        ];
        for name in names {
            let chain = prefix::link_chain(root, &joined(origin, name));
            places.extend(chain.last().map(|program| directory_of(program)));
        }
        places.push(origin.to_owned());
    }
    places
}

/// The version of an executable: from its name or a name in its chain of links, from the virtual
/// environment's configuration, or from the only standard library that it could find.
fn abi_of(root: &Root, chain: &[PathBuf], config: Option<&VenvConfig>) -> Option<Abi> {
    let by_name = chain
        .iter()
        .rev()
        .find_map(|path| Abi::of_name(path.file_name()?.to_str()?));
    let by_config = || {
        Some(Abi {
            version: pyvenv::version(&config?.content)?,
            free_threaded: false,
        })
    };
    let by_library = || {
        let prefix = directory_of(&directory_of(chain.last()?));
        match libraries(root, &prefix).as_slice() {
            [only] => Some(*only),
            _ => None,
        }
    };
    by_name.or_else(by_config).or_else(by_library)
}

/// The versions that have a standard library below a prefix, sorted.
fn libraries(root: &Root, prefix: &Path) -> Vec<Abi> {
    let mut found: Vec<Abi> = version_directories(root, prefix)
        .into_iter()
        .filter(|&abi| prefix::platlibdir(root, prefix, abi, true).is_some())
        .collect();
    found.dedup();
    found
}

/// The versions that have a `{lib,lib64}/python3.X` below a prefix, sorted.
pub(super) fn version_directories(root: &Root, prefix: &Path) -> Vec<Abi> {
    let mut found: Vec<Abi> = ["lib", "lib64"]
        .iter()
        .flat_map(|libdir| root.list(&joined(prefix, libdir)).unwrap_or_default())
        .filter_map(|name| Abi::of_name(name.to_str()?))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Every CPython 3 of the system, sorted by version, then by prefix.
#[must_use]
pub fn interpreters(root: &Root) -> Vec<Interpreter> {
    interpreters_in(root, &SYSTEM_PREFIXES.map(PathBuf::from))
}

/// Every CPython 3 with a program or a standard library below one of the prefixes, sorted by
/// version, then by prefix.
#[must_use]
pub fn interpreters_in(root: &Root, prefixes: &[PathBuf]) -> Vec<Interpreter> {
    let mut found: Vec<Interpreter> = Vec::new();
    for prefix in prefixes {
        let bin = joined(prefix, "bin");
        let mut names = root.list(&bin).unwrap_or_default();
        names.retain(|name| name.to_str().and_then(Abi::of_name).is_some());
        names.sort_unstable();
        let programs = names
            .iter()
            .filter_map(|name| Interpreter::of_executable(root, &joined(&bin, name)).ok());
        found.extend(programs);
        for abi in libraries(root, prefix) {
            let Some(platlibdir) = prefix::platlibdir(root, prefix, abi, true) else {
                continue;
            };
            let prefixes = Prefixes {
                prefix: prefix.clone(),
                exec_prefix: prefix.clone(),
                platlibdir,
            };
            found.push(Interpreter::at(root, abi, prefixes));
        }
    }
    // A stable sort: of several programs with one library the first stays, and programs come first.
    found.sort_by(|a, b| key(a).cmp(&key(b)));
    found.dedup_by(|a, b| key(a) == key(b));
    found
}

fn key(interpreter: &Interpreter) -> (Abi, &Path, &Path, Option<&Path>) {
    (
        interpreter.abi(),
        &interpreter.prefix,
        &interpreter.exec_prefix,
        interpreter.venv.as_ref().map(|venv| venv.prefix.as_path()),
    )
}

/// Newest first. Within a version, the build without a suffix comes first.
pub(super) fn sorted_newest_first(mut found: Vec<Interpreter>) -> Vec<Interpreter> {
    found.sort_by(|a, b| (b.version, a.abi_suffix).cmp(&(a.version, b.abi_suffix)));
    found
}
