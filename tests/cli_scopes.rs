//! `epcache refresh` and its scopes: which search directories are read, and where the index goes.
//! With `--root` all of it stays below the root.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;

use std::fs;
use std::path::Path;

use cli::{Ran, Tree, mode, root_for, run, set_mode, tool_for};
use serde_json::json;

/// The index that a refresh has made, or would make.
fn index(ran: &Ran) -> String {
    ran.json()["index"].as_str().unwrap().to_owned()
}

#[test]
fn without_a_scope_root_refreshes_the_system() {
    if !root_for("the default scope of root") {
        return;
    }
    let tree = Tree::new();
    let venv = tree.venv("venv");
    let mut command = tree.epcache(&["refresh", "--dry-run", "--json"]);
    let ran = run(command.env("VIRTUAL_ENV", venv).env("HOME", tree.path("")));
    assert_eq!(index(&ran), "/usr/lib/epcache/index");
}

#[test]
fn without_a_scope_others_refresh_the_active_environment_or_their_own_directories() {
    let tree = Tree::new();
    let venv = tree.venv("venv");
    tree.dist(&Tree::user_site("home"), "mine", "[g]\nmine = mine:main\n");
    tree.give("venv");
    tree.give("home");

    let refresh = || {
        let mut command = tree.as_user(&["refresh", "--json"]);
        command.env("HOME", tree.path("home"));
        command
    };
    let ran = run(refresh().env("VIRTUAL_ENV", &venv));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(index(&ran), tree.text("venv/.epcache/index"));
    assert_eq!(ran.json()["entry_points"], 1);

    let ran = run(&mut refresh());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(index(&ran), tree.text("home/.cache/epcache/index"));
    assert_eq!(ran.json()["entry_points"], 1);

    tree.dir("cache");
    tree.give("cache");
    let ran = run(refresh().env("XDG_CACHE_HOME", tree.path("cache")));
    assert_eq!(index(&ran), tree.text("cache/epcache/index"));
    for made in [
        "venv/.epcache/index",
        "home/.cache/epcache/index",
        "cache/epcache/index",
    ] {
        assert!(tree.path(made).is_file(), "{made}");
    }
}

#[test]
fn the_system_index_is_for_root() {
    if !root_for("the refusal of --system") {
        return;
    }
    let ran = run(&mut Tree::new().as_user(&["refresh", "--system"]));
    assert_eq!(ran.code, 2);
    assert!(ran.complaint().contains("Permission denied"), "{ran:?}");
    assert!(
        ran.complaint()
            .contains("--system is for root, --user and --venv"),
        "{ran:?}"
    );
}

#[test]
fn any_user_may_be_named() {
    let tree = Tree::new();
    tree.dist(&Tree::user_site("home"), "mine", "[g]\nmine = mine:main\n");
    let ran = run(tree
        .epcache(&["refresh", "--user", "--json"])
        .env("HOME", tree.path("home")));
    assert_eq!(index(&ran), tree.text("home/.cache/epcache/index"));
    assert_eq!(ran.json()["entry_points"], 1);
    // PYTHONUSERBASE replaces ~/.local.
    tree.dist(
        "base/lib/python3.11/site-packages",
        "two",
        "[g]\na = a:a\nb = b:b\n",
    );
    let mut command = tree.epcache(&["refresh", "--user", "--json"]);
    command
        .env("HOME", tree.path("home"))
        .env("PYTHONUSERBASE", tree.path("base"));
    assert_eq!(run(&mut command).json()["entry_points"], 2);
}

#[test]
fn an_environment_keeps_its_index_in_itself_and_its_query_finds_it() {
    let tree = Tree::new();
    tree.venv("my venv");
    let ran = run(&mut tree.epcache(&["refresh", "--venv", "my venv", "--json"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(index(&ran), tree.text("my venv/.epcache/index"));
    // The content of the index is trusted without a look, so a change meanwhile is not seen.
    tree.dist(
        "my venv/lib/python3.11/site-packages",
        "new",
        "[g]\nnew = new:main\n",
    );
    for venv in ["my venv", "./my venv", &tree.text("my venv")] {
        let ran = run(&mut tree.epcache(&["query", "g", "--venv", venv, "--freshness", "trust"]));
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (0, "g\tenv\tenv:main\n"),
            "{venv}: {ran:?}"
        );
    }
}

#[test]
fn an_egg_is_known_only_by_its_own_name() {
    let tree = Tree::new();
    let metadata = "name-1-py3.egg/EGG-INFO";
    tree.file(&format!("{metadata}/PKG-INFO"), "Name: name\nVersion: 1\n");
    tree.file(&format!("{metadata}/entry_points.txt"), "[g]\nname = a:b\n");
    tree.link("name-1-py3.egg", "link");
    let (egg, slash, link) = ("name-1-py3.egg", tree.text("name-1-py3.egg/"), "link");
    let answer = |path: &str, index: &str| {
        let query = ["query", "g", "--path", path, "--index", index];
        run(&mut tree.epcache(&query)).stdout
    };
    // What may hold metadata by any other name.
    for path in ["name-1-py3.egg", "link"] {
        tree.dist(path, "plain", "");
    }
    // With any other name than `*.egg` the same directory contains no metadata, also for CPython.
    for (number, indexed) in [egg, &slash, link].into_iter().enumerate() {
        let index = format!("index-{number}");
        tree.refresh(&[indexed], &index);
        assert_eq!(answer(egg, &index), "g\tname\ta:b\n", "{indexed}");
        assert_eq!(answer(&slash, &index), "", "{indexed}");
        assert_eq!(answer(link, &index), "", "{indexed}");
    }
}

#[test]
fn a_directory_is_also_known_by_its_path_without_links() {
    let tree = Tree::new();
    tree.dist("real", "x", "[g]\nx = x:main\n");
    tree.link("real", "link");
    // Once with a directory that root's worker enters itself, once with one that it is given.
    for mode in [0o755, 0o700] {
        set_mode(tree.path(""), mode);
        tree.refresh(&["link"], "index");
        let export = run(&mut tree.epcache(&["export", "--index", "index"])).json();
        let directory = &export["directories"][0];
        assert_eq!(directory["path"], tree.text("link"));
        assert_eq!(directory["aliases"], json!([tree.text("real")]), "{mode:o}");
    }
}

#[test]
fn paths_count_in_the_order_in_which_they_are_given() {
    let tree = Tree::new();
    for site in ["a", "b"] {
        tree.dist(site, "twin", &format!("[g]\nname = {site}:main\n"));
        tree.dist(site, site, &format!("[g]\n{site} = {site}:main\n"));
    }
    tree.refresh(&["a", "b"], "sub/dir/index");
    tree.refresh(&["a"], "only-a");
    for paths in [
        ["--path", "a", "--path", "b"],
        ["--path", "b", "--path", "a"],
    ] {
        let [first, second] = [paths[1], paths[3]];
        for index in ["sub/dir/index", "only-a"] {
            let mut command = tree.epcache(&["query", "g", "--index", index]);
            let ran = run(command.args(paths));
            assert!(
                ran.stdout.contains(&format!("name\t{first}:main")),
                "{ran:?}"
            );
            assert!(
                !ran.stdout.contains(&format!("name\t{second}:main")),
                "{ran:?}"
            );
            let position = |name: &str| ran.stdout.find(&format!("\t{name}\t")).unwrap();
            assert!(position(first) < position(second), "{ran:?}");
        }
    }
}

#[test]
fn under_its_other_name_the_program_is_refresh() {
    let tree = Tree::new();
    tree.dist("site", "x", "[g]\nx = x:main\n");
    tree.link(env!("CARGO_BIN_EXE_epcache"), "refresh-entrypoints-cache");
    let mut command = tree.program(&tree.path("refresh-entrypoints-cache"));
    let ran = run(command.args(["--path", "site", "--output", "index", "--json"]));
    assert_eq!((ran.code, index(&ran).as_str()), (0, "index"), "{ran:?}");
    assert!(tree.path("index").is_file());
    let ran = run(tree
        .program(&tree.path("refresh-entrypoints-cache"))
        .arg("--bogus"));
    assert!(
        ran.complaint().contains("see epcache help refresh"),
        "{ran:?}"
    );
}

// ---- --root

/// A root with links of every kind. Each leads elsewhere unless it is resolved below the root: the
/// files there contain `outside`.
fn root_with_links() -> Tree {
    let tree = Tree::new();
    tree.system("root");
    let site = "root/usr/lib/python3.11/site-packages";
    let outside = tree.text("elsewhere");
    for (place, says) in [
        ("elsewhere".to_owned(), "outside"),
        (format!("root{outside}"), "inside"),
    ] {
        tree.dist(&place, "linked", &format!("[g]\nlinked = {says}:main\n"));
        tree.file(
            &format!("{place}/entry_points.txt"),
            format!("[g]\nfile = {says}:main\n"),
        );
        tree.dist(
            &format!("{place}/local"),
            "local",
            &format!("[g]\nlocal = {says}:main\n"),
        );
    }
    tree.link(
        format!("{outside}/linked-1.dist-info"),
        &format!("{site}/linked-1.dist-info"),
    );
    let file = tree.dist(site, "file", "").join("entry_points.txt");
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(format!("{outside}/entry_points.txt"), file).unwrap();
    // Above the root there is nothing, as with the system's own root.
    let up = "../".repeat(30);
    tree.link(
        format!(
            "{up}{}/local/local-1.dist-info",
            outside.trim_start_matches('/')
        ),
        &format!("{site}/local-1.dist-info"),
    );
    // A directory of the path itself.
    tree.link("/usr/libraries", "root/usr/lib64");
    tree
}

const LINKED: [&str; 4] = [
    "g\tfile\tinside:main",
    "g\tlinked\tinside:main",
    "g\tlocal\tinside:main",
    "g\tsys\tsys:main",
];

#[test]
fn below_a_root_links_are_resolved_within_it_and_the_index_lies_there() {
    let tree = root_with_links();
    let root = tree.text("root");
    let ran = run(&mut tree.epcache(&["refresh", "--root", &root, "--json"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(index(&ran), format!("{root}/usr/lib/epcache/index"));
    for freshness in ["trust", "strict"] {
        let mut command = tree.epcache(&["query", "g", "--root", &root, "--freshness", freshness]);
        // These variables have no meaning there.
        let ran = run(command.env("VIRTUAL_ENV", "/x").env("EPCACHE_INDEX", "/x"));
        let mut lines: Vec<_> = ran.stdout.lines().collect();
        lines.sort_unstable();
        assert_eq!((lines.as_slice(), ran.stderr.as_str()), (&LINKED[..], ""));
    }
}

#[test]
fn below_a_root_no_link_is_followed_to_write() {
    // Into the root, out of it, and to nowhere, with and without a file outside.
    for (link, target) in [
        ("usr/lib/epcache", "elsewhere"),
        ("usr/lib/epcache", "nowhere"),
        ("usr/lib", "elsewhere"),
        ("usr/lib/epcache", "/elsewhere"),
    ] {
        let tree = Tree::new();
        if link.ends_with("epcache") {
            tree.system("root");
        } else {
            tree.dir("root/usr");
        }
        tree.dir("elsewhere/epcache");
        tree.dir("root/elsewhere/epcache");
        // From the root itself, or from the running system.
        let target = match target.strip_prefix('/') {
            Some(inside) => format!("/{inside}"),
            None => tree.text(target),
        };
        tree.link(target, &format!("root/{link}"));
        let ran = run(&mut tree.epcache(&["refresh", "--root", "root"]));
        assert_eq!(ran.code, 2, "{ran:?}");
        let said = format!("/root/{link} is a link, and links are not followed here");
        assert!(ran.complaint().contains(&said), "{said}: {ran:?}");
        for elsewhere in ["elsewhere", "root/elsewhere"] {
            assert_eq!(cli::names(tree.path(elsewhere)), ["epcache"]);
            assert!(cli::names(tree.path(elsewhere).join("epcache")).is_empty());
        }
        assert!(!tree.path("nowhere").exists());
    }
    // A link at another place does not matter.
    let tree = Tree::new();
    tree.system("root");
    tree.link("/nowhere", "root/var");
    let ran = run(&mut tree.epcache(&["refresh", "--root", "root"]));
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn below_a_root_nothing_outside_is_opened() {
    if !tool_for("what --root opens", "strace") {
        return;
    }
    let tree = root_with_links();
    let root = tree.text("root");
    for command in ["refresh", "query", "status"] {
        let log = tree.path("strace");
        let mut strace = tree.program("strace".as_ref());
        strace.args([
            "-f",
            "-y",
            "-s",
            "4096",
            "-e",
            "trace=%file,openat,readlinkat,newfstatat",
        ]);
        strace.arg("-o").arg(&log);
        strace
            .arg(env!("CARGO_BIN_EXE_epcache"))
            .args([command, "--root", &root]);
        let ran = run(strace.env("HOME", tree.path("")));
        let log = fs::read_to_string(log).unwrap();
        if ran.code == 1 && !log.contains("execve(") {
            return cli::left_out("what --root opens", "strace may not trace here");
        }
        let opened: Vec<_> = log.lines().filter_map(opened_path).collect();
        // Root looks at each directory on the way there.
        let below = |path: &str| {
            let path = Path::new(path);
            path.starts_with(&root) || Path::new(&root).starts_with(path)
        };
        assert!(opened.iter().any(|path| below(path)), "{command}: {log}");
        // The command line, and the process's questions to the kernel about itself.
        let own = [
            "/etc/ld.so",
            "/lib",
            "/usr/lib",
            "/proc/self/",
            "/proc/",
            "/sys/fs/cgroup",
        ];
        // The running system's configuration of reading packages, and the setup of the sandbox.
        let how = [
            "/usr/lib/epcache/epcache.conf",
            "/usr/lib/epcache/conf.d",
            "/etc/epcache.conf",
            "/etc/epcache.conf.d",
            "/etc/passwd",
            "/usr/lib/passwd",
            "/dev/null",
            "/",
        ];
        let is_how = |path: &str| command == "refresh" && how.contains(&path);
        let is_own = |path: &str| is_how(path) || own.iter().any(|own| path.starts_with(own));
        let outside: Vec<_> = opened.iter().filter(|p| !below(p) && !is_own(p)).collect();
        assert_eq!(outside, [""; 0], "{command}");
        // Those would be the places of its own libraries as well as Python's.
        let suspect = [
            "python",
            "epcache",
            "pyvenv",
            ".conf",
            "dist-info",
            "elsewhere",
            ".pth",
        ];
        for path in opened
            .iter()
            .filter(|path| !below(path) && !is_how(path) && !path.starts_with("/etc/ld.so"))
        {
            assert!(
                !suspect.iter().any(|word| path.contains(word)),
                "{command} opened {path}"
            );
        }
    }
}

/// The path of an `open`. For a successful one the kernel's path, which strace's `-y` adds to the
/// descriptor.
fn opened_path(line: &str) -> Option<String> {
    let call = line.split_once(' ')?.1.trim_start();
    if !call.starts_with("open") {
        return None;
    }
    // By an absolute path that no root uses, whether the file exists today or not.
    let by_path = call
        .split_once(", \"")
        .map(|(_, rest)| rest.split('"').next());
    if let Some(Some(path)) = by_path.filter(|path| path.is_some_and(|p| p.starts_with('/'))) {
        return Some(path.to_owned());
    }
    let (_, result) = line.rsplit_once(") = ")?;
    let path = result.split_once('<')?.1.rsplit_once('>')?.0;
    Some(path.to_owned())
}

#[test]
fn where_usr_is_read_only_the_index_goes_to_var() {
    if !root_for("a read-only /usr") || !tool_for("a read-only /usr", "unshare") {
        return;
    }
    let tree = Tree::new();
    tree.system("root");
    let read_only = "mount --bind root/usr root/usr; mount -o remount,ro,bind root/usr; ";
    let line = format!("{read_only} \"$EPCACHE\" refresh --root root --json");
    let ran = run(&mut tree.with_mounts(&line));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(index(&ran), tree.text("root/var/cache/epcache/index"));
    assert_eq!(mode(tree.path("root/var/cache/epcache/index")), 0o644);
    let query = ["query", "g", "--root", "root", "--freshness", "trust"];
    tree.dist(
        "root/usr/lib/python3.11/site-packages",
        "new",
        "[g]\nnew = new:main\n",
    );
    let ran = run(&mut tree.epcache(&query));
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        ("g\tsys\tsys:main\n", "")
    );

    // Neither is writable: the error names the first.
    let line = format!(
        "{read_only} mkdir -p root/var; mount --bind root/var root/var; \
         mount -o remount,ro,bind root/var; \"$EPCACHE\" refresh --root root"
    );
    let ran = run(&mut tree.with_mounts(&line));
    assert_eq!(ran.code, 2);
    assert!(ran.complaint().contains("root/usr/lib/epcache"), "{ran:?}");
    assert!(ran.complaint().contains("Read-only file system"), "{ran:?}");
}
