//! Finding interpreters and search directories below a root.

use super::*;

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
