//! Layouts of Linux distributions.

use super::*;

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
