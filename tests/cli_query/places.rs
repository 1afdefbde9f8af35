//! Which indexes are searched, in which order, and which are trusted.

use super::*;

#[test]
fn indexes_are_searched_in_the_order_of_their_places() {
    let tree = Tree::new();
    let venv = tree.venv("venv");
    let site = "venv/lib/python3.11/site-packages";
    // Each index has the content of the directory at the time when it was written.
    let places = [
        "one",
        "two",
        "venv/.epcache/index",
        "home/.cache/epcache/index",
    ];
    for (number, place) in places.iter().enumerate() {
        tree.dist(site, "x", &format!("[g]\nx = index{number}:main\n"));
        tree.refresh(&[site], place);
    }
    fs::remove_dir_all(tree.path(site).join("env-1.dist-info")).unwrap();
    tree.dist(site, "x", "[g]\nx = live:main\n");
    let mut asked = vec![];
    for _ in 0..=places.len() {
        let mut command = tree.epcache(&["query", "g", "x", "--freshness", "trust"]);
        command
            .env("HOME", tree.path("home"))
            .env("VIRTUAL_ENV", &venv);
        let ran = run(command.env("EPCACHE_INDEX", "none::one:two"));
        assert_eq!(ran.stderr, "", "what is not there is not worth a word");
        let source = ran
            .stdout
            .trim_start_matches("g\tx\t")
            .split(':')
            .next()
            .unwrap()
            .to_owned();
        if let Some(number) = source.strip_prefix("index") {
            fs::remove_file(tree.path(places[number.parse::<usize>().unwrap()])).unwrap();
        }
        asked.push(source);
    }
    assert_eq!(asked, ["index0", "index1", "index2", "index3", "live"]);

    // XDG_CACHE_HOME replaces ~/.cache.
    tree.refresh(&[site], "cache/epcache/index");
    tree.dist(site, "x", "[g]\nx = later:main\n");
    let mut command = tree.epcache(&["query", "g", "x", "--freshness", "trust"]);
    command
        .env("VIRTUAL_ENV", &venv)
        .env("XDG_CACHE_HOME", tree.path("cache"));
    assert_eq!(run(&mut command).stdout, "g\tx\tlive:main\n");
}

#[test]
fn the_systems_first_index_comes_before_its_second() {
    let tree = Tree::new();
    tree.system("root");
    let site = "root/usr/lib/python3.11/site-packages";
    let places = ["root/usr/lib/epcache/index", "root/var/cache/epcache/index"];
    for (place, says) in places.iter().zip(["usr", "var"]) {
        tree.dist(site, "sys", &format!("[g]\nsys = {says}:main\n"));
        let ran = run(&mut tree.epcache(&["refresh", "-q", "--root", "root", "--output", place]));
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    tree.dist(site, "sys", "[g]\nsys = live:main\n");
    for (says, gone) in [
        ("usr", Some(places[0])),
        ("var", Some(places[1])),
        ("live", None),
    ] {
        let ran = run(&mut tree.epcache(&["query", "g", "--root", "root", "--freshness", "trust"]));
        assert_eq!(ran.stdout, format!("g\tsys\t{says}:main\n"));
        if let Some(gone) = gone {
            fs::remove_file(tree.path(gone)).unwrap();
        }
    }
}

#[test]
fn the_first_fresh_index_answers_after_a_stale_one() {
    let tree = tree_with_a_false_index("stale");
    tree.refresh(&["site"], "fresh");
    let mut command = tree.epcache(&["query", "g", "--path", "site"]);
    let ran = run(command.env("EPCACHE_INDEX", "stale:fresh"));
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), (LIVE, ""));
}

#[test]
fn a_named_index_that_is_missing_causes_a_warning() {
    let tree = tree_with_a_false_index("index");
    for (index, why) in [
        ("./gone", "missing"),
        ("site", "directory"),
        ("site/x-1.dist-info/METADATA", "index not used"),
    ] {
        let mut command = tree.epcache(&["query", "g", "--path", "site", "--index", index]);
        let ran = run(&mut command);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, LIVE));
        assert_eq!(ran.warnings().len(), 1, "{ran:?}");
        assert!(
            ran.stderr.contains(index) && ran.stderr.contains(why),
            "{ran:?}"
        );
    }
}

#[test]
fn a_damaged_index_causes_a_warning_and_the_answer_is_right() {
    let tree = tree_with_a_false_index("index");
    let sound = fs::read(tree.path("index")).unwrap();
    for at in [0, sound.len() / 2, sound.len() - 5] {
        let mut damaged = sound.clone();
        damaged[at] ^= 0x10;
        tree.file("index", damaged);
        let ran = run(tree
            .epcache(&["query", "g", "--path", "site"])
            .env("EPCACHE_INDEX", "index"));
        assert_eq!((ran.code, ran.stdout.as_str()), (0, LIVE), "{at}: {ran:?}");
        assert!(
            ran.warnings()
                .iter()
                .all(|warning| warning.contains("index")),
            "{ran:?}"
        );
        assert!(!ran.warnings().is_empty(), "{at}");
    }
}

// ---- trusted indexes

#[test]
fn an_index_that_others_can_write_is_ignored() {
    let tree = tree_with_a_false_index("in/index");
    let ask = || {
        let mut command = tree.epcache(&TRUST);
        run(command.env("EPCACHE_INDEX", "in/index"))
    };
    assert_eq!(ask().stdout, INDEXED);
    for (path, modes) in [("in/index", [0o664, 0o646]), ("in", [0o775, 0o757])] {
        let before = cli::mode(tree.path(path));
        for mode in modes {
            set_mode(tree.path(path), mode);
            let ran = ask();
            assert_eq!(
                (ran.stdout.as_str(), ran.stderr.as_str()),
                (LIVE, ""),
                "{path} {mode:o}"
            );
            let ran = run(tree.epcache(&TRUST).args(["--index", "in/index"]));
            assert_eq!(ran.stdout, LIVE);
            assert!(
                ran.stderr.contains("not trusted: others can write"),
                "{ran:?}"
            );
            assert!(ran.stderr.contains(&tree.text(path)), "{ran:?}");
        }
        set_mode(tree.path(path), before);
    }
    assert_eq!(ask().stdout, INDEXED);
}

#[test]
fn an_index_of_a_foreign_owner_is_ignored() {
    if !root_for("foreign owners") {
        return;
    }
    const SOMEBODY: u32 = 54321;
    let tree = tree_with_a_false_index("in/index");
    let own = |path: &str, owner: u32| chown(tree.path(path), Some(owner), Some(owner)).unwrap();
    let ask = |user: bool| {
        let mut command = if user {
            tree.as_user(&TRUST)
        } else {
            tree.epcache(&TRUST)
        };
        run(command.env("EPCACHE_INDEX", tree.path("in/index"))).stdout
    };
    // Every user trusts root's index.
    assert_eq!(
        (ask(true).as_str(), ask(false).as_str()),
        (INDEXED, INDEXED)
    );
    // No user trusts another user's index, least of all root.
    own("in/index", SOMEBODY);
    own("in", SOMEBODY);
    assert_eq!((ask(true).as_str(), ask(false).as_str()), (LIVE, LIVE));
    // But it counts for directories that this user owns.
    own("site", SOMEBODY);
    assert_eq!(
        (ask(true).as_str(), ask(false).as_str()),
        (INDEXED, INDEXED)
    );
    own("site", 0);
    // A user trusts their own index.
    own("in/index", NOBODY);
    own("in", NOBODY);
    assert_eq!((ask(true).as_str(), ask(false).as_str()), (INDEXED, LIVE));
    // The folder determines who may replace the file.
    own("in/index", 0);
    assert_eq!((ask(true).as_str(), ask(false).as_str()), (LIVE, LIVE));
}

#[test]
fn a_privileged_process_ignores_the_environment() {
    let name = "the environment of a privileged process";
    if !root_for(name) {
        return;
    }
    let tree = tree_with_a_false_index("index");
    let program = tree.public_program();
    let venv = tree.venv("venv");
    tree.refresh(&["venv/lib/python3.11/site-packages"], "venv-index");
    let ask = |arguments: &[&str]| {
        let mut command = tree.as_user(arguments);
        command
            .env("EPCACHE_INDEX", tree.path("index"))
            .env("VIRTUAL_ENV", &venv);
        command.env("EPCACHE_LOG", "off");
        run(&mut command)
    };
    assert_eq!(ask(&TRUST).stdout, INDEXED);
    assert_eq!(ask(&["query", "g"]).stdout, "g\tenv\tenv:main\n");
    assert_eq!(ask(&["bogus", "--json"]).code, 2);
    set_mode(&program, 0o4755);
    // Whether the file system supports setuid.
    let mut command = tree.program("sh".as_ref());
    command.args([
        "-c",
        "stat -f -c %T .; findmnt -no OPTIONS --target . 2>/dev/null",
    ]);
    if run(&mut command).stdout.contains("nosuid") {
        return cli::left_out(name, "the temporary directory is mounted nosuid");
    }
    let ran = ask(&TRUST);
    assert_eq!(ran.stdout, LIVE, "{ran:?}");
    let ran = ask(&["query", "g"]);
    assert!(!ran.stdout.contains("env:main"), "{ran:?}");
    let ran = ask(&["verify", "/no/such"]);
    assert!(
        ran.complaint().starts_with("epcache: error: "),
        "EPCACHE_LOG is one as well: {ran:?}"
    );
    // Group and file capabilities only set the kernel's flag.
    chown(&program, Some(0), Some(0)).unwrap();
    set_mode(&program, 0o2755);
    assert_eq!(ask(&TRUST).stdout, LIVE);
    set_mode(&program, 0o755);
    assert_eq!(ask(&TRUST).stdout, INDEXED);
    if tool_for("a process with file capabilities", "setcap") {
        let ran = run(tree
            .program("setcap".as_ref())
            .args(["cap_chown+ep"])
            .arg(&program));
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(ask(&TRUST).stdout, LIVE);
    }
}
