//! `epcache::layout` below a root of its own: layouts of Linux distributions that are not available
//! here. It also tests that nothing outside of the root is looked at.
//!
//! The Fedora and openSUSE trees are mocks: directories and marker files laid out as in those
//! distributions, and a `site.py` with the lines of their patches (Fedora's 00251, openSUSE's
//! python-3.3.0b1-localpath). The expected values come from the text of the patches, not from a
//! real system.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test's helpers are tests too

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

#[test]
fn fedora_has_packages_in_two_directories() {
    let tree = fedora();
    let expected = with(
        library("/usr", "lib64", "python3.14"),
        &[
            "/usr/lib64/python3.14/site-packages",
            "/usr/lib/python3.14/site-packages",
        ],
    );
    for name in [
        "/usr/bin/python3",
        "/usr/bin/python",
        "/usr/bin/python3.14",
        "/bin/python3",
    ] {
        assert_eq!(tree.isolated(name), expected, "{name}");
    }
    let found = tree.interpreter("/usr/bin/python3");
    assert_eq!(
        (found.flavour, found.platlibdir),
        (Flavour::Fedora, "lib64")
    );
}

#[test]
fn fedora_looks_in_usr_local_first_but_not_when_isolated() {
    let tree = fedora();
    tree.dir("/home/a/.local/lib/python3.14/site-packages");
    let expected = with(
        library("/usr", "lib64", "python3.14"),
        &[
            "/home/a/.local/lib/python3.14/site-packages",
            "/usr/local/lib64/python3.14/site-packages",
            "/usr/local/lib/python3.14/site-packages",
            "/usr/lib64/python3.14/site-packages",
            "/usr/lib/python3.14/site-packages",
        ],
    );
    assert_eq!(
        tree.ordinary("/usr/bin/python3", Some("/home/a/.local")),
        expected
    );
}

#[test]
fn fedora_free_threaded_has_its_own_directories() {
    let tree = fedora();
    let expected = with(
        library("/usr", "lib64", "python3.13t"),
        &[
            "/usr/lib64/python3.13t/site-packages",
            "/usr/lib/python3.13t/site-packages",
        ],
    );
    assert_eq!(tree.isolated("/usr/bin/python3.13t"), expected);
    assert_eq!(expected[0], "/usr/lib64/python313t.zip");
    // `make install` installs the program again without the `t`.
    tree.program("/usr/bin/python3.13");
    assert_eq!(tree.isolated("/usr/bin/python3.13"), expected);
}

#[test]
fn fedora_system_records_are_the_union_of_all_versions() {
    let tree = fedora();
    let found = system(&tree.root(), &["/opt/plugins".into()]);
    let paths = strings(&found.directories);
    let mut expected = Vec::new();
    for name in ["python3.9", "python3.13t", "python3.14"] {
        expected.extend(library("/usr", "lib64", name));
        for libdir in [
            "/usr/local/lib64",
            "/usr/local/lib",
            "/usr/lib64",
            "/usr/lib",
        ] {
            expected.push(format!("{libdir}/{name}/site-packages"));
        }
    }
    expected.push("/opt/plugins".to_owned());
    assert_eq!(paths, expected);
    assert_eq!(
        aliases(&found, "/usr/lib64/python3.14/site-packages"),
        ["/lib64/python3.14/site-packages"]
    );
    assert_eq!(found.directories.last().unwrap().origin, Origin::Config);
    assert!(
        found.notes.is_empty() && found.left_out.is_empty(),
        "{found:#?}"
    );
}

#[test]
fn a_fedora_venv_has_one_directory_by_two_names() {
    let tree = fedora();
    tree.file(
        "/srv/v/pyvenv.cfg",
        "home = /usr/bin\ninclude-system-site-packages = false\n",
    )
    .link("/usr/bin/python3", "/srv/v/bin/python")
    .dir("/srv/v/lib/python3.14/site-packages")
    .link("lib", "/srv/v/lib64");
    let two = [
        "/srv/v/lib64/python3.14/site-packages",
        "/srv/v/lib/python3.14/site-packages",
    ];
    let expected = with(library("/usr", "lib64", "python3.14"), &two);
    assert_eq!(tree.isolated("/srv/v/bin/python"), expected);
    assert_eq!(tree.ordinary("/srv/v/bin/python", Some("/none")), expected);
    // One record, found by both names.
    let found = venv(&tree.root(), Path::new("/srv/v")).unwrap();
    assert_eq!(strings(&found.directories), [two[0]]);
    assert_eq!(aliases(&found, two[0]), [two[1]]);
}

#[test]
fn opensuse_looks_in_usr_local_last() {
    let tree = Tree::merged();
    tree.python("/usr", "lib64", "python3.12", OPENSUSE)
        .python("/usr", "lib64", "python3.14", OPENSUSE_3_14)
        .link("python3.12", "/usr/bin/python3");
    for name in ["python3.12", "python3.14"] {
        for libdir in [
            "/usr/lib64",
            "/usr/lib",
            "/usr/local/lib64",
            "/usr/local/lib",
        ] {
            tree.dir(&format!("{libdir}/{name}/site-packages"));
        }
    }
    let expected = with(
        library("/usr", "lib64", "python3.12"),
        &[
            "/usr/lib64/python3.12/site-packages",
            "/usr/lib/python3.12/site-packages",
            "/usr/local/lib64/python3.12/site-packages",
            "/usr/local/lib/python3.12/site-packages",
        ],
    );
    assert_eq!(tree.isolated("/usr/bin/python3"), expected);
    assert_eq!(
        tree.interpreter("/usr/bin/python3").flavour,
        Flavour::OpenSuse
    );

    let venv_of = |name: &str, path: &str, flag: &str| {
        let config = format!("home = /usr/bin\ninclude-system-site-packages = {flag}\n");
        tree.file(&format!("{path}/pyvenv.cfg"), &config)
            .link(&format!("/usr/bin/{name}"), &format!("{path}/bin/python"))
            .dir(&format!("{path}/lib/{name}/site-packages"));
        let list = tree.isolated(&format!("{path}/bin/python"));
        list[3..].to_vec()
    };
    let sites = |name: &str, prefixes: &[&str]| -> Vec<String> {
        prefixes
            .iter()
            .map(|prefix| format!("{prefix}/{name}/site-packages"))
            .collect()
    };
    // Up to 3.13 an environment is alone. From 3.14 on additions to PREFIXES stay there.
    assert_eq!(
        venv_of("python3.12", "/srv/a", "false"),
        sites("python3.12", &["/srv/a/lib"])
    );
    let local = ["/usr/local/lib64", "/usr/local/lib"];
    assert_eq!(
        venv_of("python3.14", "/srv/b", "false"),
        sites("python3.14", &["/srv/b/lib", local[0], local[1]])
    );
    assert_eq!(
        venv_of("python3.12", "/srv/c", "true"),
        sites(
            "python3.12",
            &["/srv/c/lib", "/usr/lib64", "/usr/lib", local[0], local[1]]
        )
    );
    assert_eq!(
        venv_of("python3.14", "/srv/d", "true"),
        sites(
            "python3.14",
            &["/srv/d/lib", local[0], local[1], "/usr/lib64", "/usr/lib"]
        )
    );
}

#[test]
fn debian_records_have_both_spellings_of_a_merged_usr() {
    let tree = Tree::merged();
    tree.python("/usr", "lib", "python3.13", DEBIAN)
        .dir("/usr/lib/python3/dist-packages/gtk-2.0")
        .dir("/usr/local/lib/python3.13/dist-packages")
        .dir("/srv/source")
        .file("/usr/lib/python3/dist-packages/old.egg", "PK")
        .file(
            "/usr/lib/python3/dist-packages/a.pth",
            "gtk-2.0\n/srv/source\nimport x\nold.egg\n",
        )
        .dir("/usr/local/lib/python3.7/dist-packages");
    let dist = "/usr/lib/python3/dist-packages";
    let found = system(&tree.root(), &[]);
    let expected = with(
        library("/usr", "lib", "python3.13"),
        &[
            "/usr/local/lib/python3.13/dist-packages",
            dist,
            "/usr/lib/python3/dist-packages/gtk-2.0",
            // Python 3.7 is gone, but its directory is left.
            "/usr/local/lib/python3.7/dist-packages",
        ],
    );
    assert_eq!(strings(&found.directories), expected);
    assert_eq!(aliases(&found, dist), ["/lib/python3/dist-packages"]);
    let egg = PathBuf::from("/usr/lib/python3/dist-packages/old.egg");
    let left_out = [
        ("/srv/source".into(), Reason::SourceTree),
        (egg, Reason::Archive),
    ];
    assert_eq!(found.left_out, left_out);
    let notes: Vec<String> = found.notes.iter().map(ToString::to_string).collect();
    assert!(
        notes[0].starts_with("/usr/lib/python3/dist-packages/a.pth:3: code that"),
        "{notes:?}"
    );
    assert!(
        notes[1].starts_with("/usr/lib/python3/dist-packages/a.pth:4: adds"),
        "{notes:?}"
    );
    assert_eq!(notes.len(), 2);
    // All of them are on the interpreter's own list.
    let list = tree.isolated("/usr/bin/python3.13");
    assert_eq!(
        list[5..],
        [
            "/usr/lib/python3/dist-packages/gtk-2.0",
            "/srv/source",
            "/usr/lib/python3/dist-packages/old.egg"
        ]
    );
    // PREFIX is compiled in, and the search from /bin finds nothing.
    tree.link("python3.13", "/usr/bin/python3");
    assert_eq!(tree.isolated("/bin/python3"), list);
}

#[test]
fn a_pth_file_that_names_a_later_site_directory_does_not_claim_it() {
    let tree = Tree::new();
    let (local, dist) = (
        "/usr/local/lib/python3.13/dist-packages",
        "/usr/lib/python3/dist-packages",
    );
    tree.python("/usr", "lib", "python3.13", DEBIAN)
        .dir(local)
        .dir(dist)
        .dir(&format!("{local}/own"))
        .file(&format!("{local}/a.pth"), &format!("{dist}\nown\n"));
    let found = system(&tree.root(), &[]);
    let origin = |path: &str| {
        let mut all = found.directories.iter();
        let one = all.find(|it| it.path == Path::new(path)).unwrap();
        one.origin.pth_site().is_some()
    };
    assert!(!origin(dist));
    assert_eq!(found.left_out, []);
    assert!(origin(&format!("{local}/own")));
}

#[test]
fn a_lib64_that_leads_to_lib_is_not_another_directory() {
    let tree = Tree::new();
    tree.dir("/usr/lib")
        .link("lib", "/usr/lib64")
        .link("usr/lib", "/lib64");
    tree.python("/usr", "lib", "python3.14", UPSTREAM)
        .dir("/usr/lib/python3.14/site-packages");
    let found = system(&tree.root(), &[]);
    let expected = with(
        library("/usr", "lib", "python3.14"),
        &["/usr/lib/python3.14/site-packages"],
    );
    assert_eq!(strings(&found.directories), expected);
    assert_eq!(
        aliases(&found, "/usr/lib/python3.14/site-packages"),
        [
            "/lib64/python3.14/site-packages",
            "/usr/lib64/python3.14/site-packages"
        ]
    );
}

#[test]
fn with_two_libraries_the_width_of_the_program_decides() {
    let tree = Tree::new();
    tree.python("/usr", "lib64", "python3.12", UPSTREAM).python(
        "/usr",
        "lib",
        "python3.12",
        UPSTREAM,
    );
    assert_eq!(tree.interpreter("/usr/bin/python3.12").platlibdir, "lib64");
    tree.file("/usr/bin/python3.12", "\x7fELF\x01");
    assert_eq!(tree.interpreter("/usr/bin/python3.12").platlibdir, "lib");
}

#[test]
fn user_sites_of_all_versions_are_found() {
    let tree = fedora();
    let base = "/home/a/.local/lib";
    tree.dir(&format!("{base}/python3.14/site-packages/x.egg"))
        .file(
            &format!("{base}/python3.14/site-packages/.x.pth"),
            "x.egg\n",
        )
        .dir(&format!("{base}/python3.13t/site-packages"))
        .dir(&format!("{base}/python3.6/site-packages/y"))
        .file(
            &format!("{base}/python3.6/site-packages/y.pth"),
            "y\n/usr\n",
        )
        .dir(&format!("{base}/python3.8"))
        .dir(&format!("{base}/python2.7/site-packages"));
    let found = user(&tree.root(), Path::new("/home/a"), None);
    let expected = [
        format!("{base}/python3.6/site-packages"),
        format!("{base}/python3.6/site-packages/y"),
        format!("{base}/python3.13t/site-packages"),
        format!("{base}/python3.14/site-packages"),
    ];
    assert_eq!(strings(&found.directories), expected);
    assert_eq!(found.left_out, [("/usr".into(), Reason::SourceTree)]);
    let elsewhere = user(
        &tree.root(),
        Path::new("/nowhere"),
        Some(Path::new("/home/a/.local")),
    );
    assert_eq!(elsewhere, found);
}

#[test]
fn interpreters_are_found_by_program_and_by_library() {
    let tree = fedora();
    // As RHEL's platform-python: a library whose program is not in bin.
    tree.file("/usr/lib64/python3.6/os.py", "")
        .dir("/usr/lib/python3.6/site-packages");
    // A link from /usr/local/bin to another installation.
    tree.python("/opt/py", "lib", "python3.12", UPSTREAM)
        .link("/opt/py/bin/python3.12", "/usr/local/bin/python3.12")
        .file("/usr/bin/python3.11", "#!/bin/sh\n")
        .program("/usr/bin/python3.10");
    let found = interpreters(&tree.root());
    let seen: Vec<_> = found
        .iter()
        .map(|one| {
            (
                one.version_text(),
                one.prefix.to_str().unwrap(),
                one.executable.is_some(),
            )
        })
        .collect();
    let row = |version: &str, prefix, program| (version.to_owned(), prefix, program);
    assert_eq!(
        seen,
        [
            row("3.6", "/usr", false),
            row("3.9", "/usr", true),
            row("3.12", "/opt/py", true),
            row("3.13t", "/usr", true),
            row("3.14", "/usr", true),
        ]
    );
    let there = interpreters_in(&tree.root(), &["/opt/py".into()]);
    assert_eq!(there.len(), 1);
}

#[test]
fn the_interpreter_that_the_user_means_is_found() {
    let tree = fedora();
    let root = tree.root();
    let find = |wanted: Wanted| find_interpreter(&root, &wanted, Some("/opt/py/bin".as_ref()));
    let version = |text: &str| find(Wanted::Version(text.to_owned())).map(|one| one.version_text());
    tree.python("/opt/py", "lib", "python3.12", UPSTREAM);
    assert_eq!(version("3.9").unwrap(), "3.9");
    assert_eq!(version("3.13t").unwrap(), "3.13t");
    assert_eq!(version("3").unwrap(), "3.14");
    // PATH has no meaning below a root.
    assert!(matches!(
        version("3.12"),
        Err(LayoutError::NoSuchVersion(_))
    ));
    assert!(matches!(
        version("3.13"),
        Err(LayoutError::NoSuchVersion(_))
    ));
    assert!(matches!(
        version("nonsense"),
        Err(LayoutError::NoSuchVersion(_))
    ));
    let program = Wanted::Executable("/opt/py/bin/python3.12".into());
    assert_eq!(find(program).unwrap().prefix, Path::new("/opt/py"));
    let default = find(Wanted::Default).unwrap();
    assert_eq!(default.executable.unwrap(), Path::new("/usr/bin/python3"));

    tree.file("/opt/shims/python3.12", "#!/usr/bin/env bash\nexec pyenv\n");
    let shim = find(Wanted::Executable("/opt/shims/python3.12".into()));
    assert!(
        matches!(shim, Err(LayoutError::NotAnInterpreter(_))),
        "{shim:?}"
    );
    let missing = find(Wanted::Executable("/opt/nothing/python3.12".into()));
    assert!(
        matches!(missing, Err(LayoutError::Io { .. })),
        "{missing:?}"
    );
    tree.program("/opt/lost/bin/python3.11")
        .program("/opt/lost/bin/thing");
    let lost = find(Wanted::Executable("/opt/lost/bin/python3.11".into()));
    assert!(
        matches!(lost, Err(LayoutError::NoStandardLibrary { .. })),
        "{lost:?}"
    );
    let thing = find(Wanted::Executable("/opt/lost/bin/thing".into()));
    assert!(
        matches!(thing, Err(LayoutError::UnknownVersion(_))),
        "{thing:?}"
    );
    let no_venv = find(Wanted::Venv("/opt/py".into()));
    assert!(
        matches!(no_venv, Err(LayoutError::NotAVenv(_))),
        "{no_venv:?}"
    );
}

#[test]
fn paths_given_by_hand_keep_their_spelling() {
    let tree = Tree::new();
    tree.dir("/srv/lib").link("lib", "/srv/lib64");
    let paths = [
        "/srv/./lib64/".into(),
        "rel/../x".into(),
        "/srv/lib".into(),
        "/srv/lib".into(),
    ];
    let found = given(&tree.root(), &paths);
    assert_eq!(
        strings(&found.directories),
        ["/srv/./lib64/", "/x", "/srv/lib", "/srv/lib"]
    );
    let working = std::env::current_dir().unwrap();
    let found = given(&Root::system(), &["".into(), "src/../tests".into()]);
    assert_eq!(found.directories[0].path, working);
    assert_eq!(found.directories[1].path, working.join("tests"));
}

#[test]
fn a_venv_without_its_interpreter_is_an_error_that_names_it() {
    let tree = Tree::new();
    tree.file("/srv/v/pyvenv.cfg", "home = /usr/bin\nversion = 3.12.1\n")
        .link("/usr/bin/python3.12", "/srv/v/bin/python")
        .dir("/srv/v/lib/python3.12/site-packages");
    let error = venv(&tree.root(), Path::new("/srv/v"))
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("/srv/v/bin/python: "), "{error}");
}

#[test]
fn no_file_outside_of_the_root_is_looked_at() {
    // What a link to the outside would lead to: a whole installation, and lines of .pth files.
    let tree = Tree::new();
    let elsewhere = tree.path.parent().unwrap().join("elsewhere");
    let outside = elsewhere.to_str().unwrap();
    for name in [
        "bin",
        "lib/python3.12/lib-dynload",
        "lib/python3.12/site-packages/in",
    ] {
        fs::create_dir_all(elsewhere.join(name)).unwrap();
    }
    fs::write(elsewhere.join("bin/python3.12"), "\x7fELF\x02").unwrap();
    fs::write(elsewhere.join("lib/python3.12/os.py"), "").unwrap();
    fs::write(
        elsewhere.join("lib/python3.12/site-packages/x.pth"),
        "in\nimport y\n",
    )
    .unwrap();
    let up = "../".repeat(tree.path.components().count() + 4);
    tree.link(&format!("{outside}/bin/python3.12"), "/usr/bin/python3.12")
        .link(
            &format!("{up}{outside}/bin/python3.12"),
            "/usr/bin/python3.11",
        )
        .link(&format!("{outside}/lib/python3.12"), "/usr/lib/python3.12")
        .link(outside, "/opt")
        .link("/usr/bin/python3.12", "/srv/v/bin/python")
        .file("/srv/v/pyvenv.cfg", &format!("home = {outside}/bin\n"));
    let root = tree.root();
    assert_eq!(interpreters(&root), []);
    let found = system(&root, &["/opt".into()]);
    assert_eq!(strings(&found.directories), ["/opt"]);
    assert_eq!(found.directories[0].aliases, [""; 0].map(PathBuf::from));
    assert!(venv(&root, Path::new("/srv/v")).is_err());
    let user = user(&root, Path::new("/opt"), Some(Path::new("/opt")));
    assert_eq!(user, Found::default());

    // An interpreter inside, whose .pth files point outside. Such lines lead nowhere.
    let inner = Tree::new();
    inner
        .python("/usr", "lib", "python3.13", UPSTREAM)
        .file(
            "/usr/lib/python3.13/site-packages/x.pth",
            &format!("{outside}/lib\nlinked\n"),
        )
        .link(
            &format!("{outside}/lib"),
            "/usr/lib/python3.13/site-packages/linked",
        )
        .link(
            &format!("{outside}/lib/python3.12/site-packages/x.pth"),
            "/usr/lib/python3.13/site-packages/y.pth",
        );
    let list = inner.isolated("/usr/bin/python3.13");
    let expected = with(
        library("/usr", "lib", "python3.13"),
        &["/usr/lib/python3.13/site-packages"],
    );
    assert_eq!(list, expected);
}
