//! `epcache status` shows each index place and search directory: fresh, stale and why, missing, and what was skipped
//! and why. Its exit status is 0 where all is fresh, 3 where something is stale or missing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;
#[path = "support/recipes.rs"]
mod recipes;

use std::fs;

use cli::{Ran, Tree, root_for, run, set_mode, tool_for};
use serde_json::Value;

const SITE: &str = "root/usr/lib/python3.11/site-packages";

fn tree_with_a_system() -> Tree {
    let tree = Tree::new();
    tree.system("root");
    tree
}

fn status(tree: &Tree) -> (Ran, Value) {
    let ran = run(&mut tree.epcache(&["status", "-v", "--root", "root"]));
    let json = run(&mut tree.epcache(&["status", "--root", "root", "--json"]));
    assert_eq!(ran.code, json.code);
    assert_eq!(json.json()["fresh"], ran.code == 0);
    let value = json.json();
    (ran, value)
}

fn refresh(tree: &Tree) {
    let ran = run(&mut tree.epcache(&["refresh", "-q", "--root", "root"]));
    assert_eq!(ran.code, 0, "{ran:?}");
}

/// What is said of the site directory.
fn of_site(json: &Value) -> &Value {
    let mut directories = json["directories"].as_array().unwrap().iter();
    directories
        .find(|d| d["path"] == "/usr/lib/python3.11/site-packages")
        .unwrap()
}

#[test]
fn without_an_index_every_directory_is_missing() {
    let tree = tree_with_a_system();
    let (ran, json) = status(&tree);
    assert_eq!(ran.code, 3, "{ran:?}");
    for place in ["/usr/lib/epcache/index", "/var/cache/epcache/index"] {
        assert!(
            ran.stdout
                .contains(&format!("{place} (system index): missing\n")),
            "{ran:?}"
        );
    }
    assert!(ran.stdout.contains("Not in any index\n"), "{ran:?}");
    assert!(
        ran.stdout
            .contains("\n  /usr/lib/python3.11/site-packages\n"),
        "{ran:?}"
    );
    let mending = format!("epcache refresh --system --root {}", tree.text("root"));
    assert!(
        ran.stdout.contains(&format!("To mend it: {mending}\n")),
        "{ran:?}"
    );
    assert_eq!(of_site(&json)["state"], "missing");
    assert_eq!(json["mending"][0], mending);
}

#[test]
fn after_a_refresh_all_is_fresh() {
    let tree = tree_with_a_system();
    refresh(&tree);
    let (ran, json) = status(&tree);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stdout
            .starts_with("/usr/lib/epcache/index (system index): fresh, "),
        "{ran:?}"
    );
    let line = "  fresh      /usr/lib/python3.11/site-packages  1 distribution, 1 entry point\n";
    assert!(ran.stdout.contains(line), "{ran:?}");
    assert!(!ran.stdout.contains("Not in any index"), "{ran:?}");
    assert!(!ran.stdout.contains("mend"), "{ran:?}");
    assert_eq!(of_site(&json)["state"], "fresh");
    assert_eq!(of_site(&json)["index"], "/usr/lib/epcache/index");
    assert_eq!(json["mending"].as_array().unwrap().len(), 0);
    let index = &json["indexes"][0];
    assert_eq!(
        (&index["state"], &index["suspect"]),
        (&"fresh".into(), &false.into())
    );
    // A directory that was not there and still is not is as it should be.
    assert!(
        ran.stdout.contains("/usr/lib/python311.zip  not there\n"),
        "{ran:?}"
    );
}

#[test]
fn what_is_stale_is_said_and_why() {
    let tree = tree_with_a_system();
    tree.dist(SITE, "removed", "[g]\nr = r:r\n");
    tree.dist(SITE, "changed", "[g]\nc = c:c\n");
    refresh(&tree);
    tree.dist(SITE, "added", "[g]\na = a:a\n");
    fs::remove_dir_all(tree.path(SITE).join("removed-1.dist-info")).unwrap();
    tree.file("new", "[g]\nc = c:other\n");
    let file = tree.path(SITE).join("changed-1.dist-info/entry_points.txt");
    fs::rename(tree.path("new"), file).unwrap();
    let (ran, json) = status(&tree);
    assert_eq!(ran.code, 3);
    assert!(
        ran.stdout
            .starts_with("/usr/lib/epcache/index (system index): stale, "),
        "{ran:?}"
    );
    assert!(
        ran.stdout
            .contains("  stale      /usr/lib/python3.11/site-packages"),
        "{ran:?}"
    );
    for why in [
        "added-1.dist-info: not in the index",
        "removed-1.dist-info: gone, but in the index",
        "changed-1.dist-info: changed since",
    ] {
        assert!(ran.stdout.contains(why), "{why}: {ran:?}");
    }
    assert!(
        ran.stdout
            .contains("To mend it: epcache refresh --system --root "),
        "{ran:?}"
    );
    assert_eq!(of_site(&json)["state"], "stale");
    assert_eq!(json["indexes"][0]["state"], "stale");
    refresh(&tree);
    assert_eq!(status(&tree).0.code, 0);
}

#[test]
fn a_new_search_directory_is_missing() {
    let tree = tree_with_a_system();
    refresh(&tree);
    tree.file(
        "root/etc/epcache.conf",
        "[epcache]\ndirectories = /opt/more\n",
    );
    tree.dist("root/opt/more", "more", "[g]\nmore = m:m\n");
    let (ran, _) = status(&tree);
    assert_eq!(ran.code, 3);
    assert!(
        ran.stdout.contains("Not in any index\n  /opt/more\n"),
        "{ran:?}"
    );
}

#[test]
fn what_was_skipped_is_said_and_why() {
    let tree = tree_with_a_system();
    tree.file(
        &format!("{SITE}/x.pth"),
        "import os; os.x\n/opt/src\n/opt/x.egg\n",
    );
    tree.dist("root/opt/src", "src", "");
    tree.file("root/opt/x.egg", "");
    tree.dist(SITE, "bad", "[g]\nno equals sign\n");
    refresh(&tree);
    let (ran, json) = status(&tree);
    assert_eq!(ran.code, 0, "{ran:?}");
    let (_, skipped) = ran.stdout.split_once("Skipped\n").unwrap();
    for (path, why) in [
        (
            "/usr/lib/python3.11/site-packages/x.pth:1\n",
            "not run here",
        ),
        ("/opt/src\n", "outside of the site directories"),
        ("/opt/x.egg\n", "an archive"),
    ] {
        let (_, after) = skipped
            .split_once(path)
            .unwrap_or_else(|| panic!("{path}: {ran:?}"));
        assert!(
            after.lines().next().unwrap().contains(why),
            "{path}: {ran:?}"
        );
    }
    assert!(json["skipped"].as_array().unwrap().len() >= 3);
    assert!(
        ran.stdout
            .contains("bad-1.dist-info: a part of it is not usable"),
        "{ran:?}"
    );
}

#[test]
fn an_index_that_is_not_used_is_shown_with_the_reason() {
    let tree = tree_with_a_system();
    refresh(&tree);
    let index = tree.path("root/usr/lib/epcache/index");
    set_mode(&index, 0o666);
    let (ran, json) = status(&tree);
    assert_eq!(ran.code, 3);
    assert!(
        ran.stdout
            .contains("unusable, not trusted: others can write /usr/lib/epcache/index"),
        "{ran:?}"
    );
    assert_eq!(json["indexes"][0]["state"], "unusable");
    fs::remove_file(&index).unwrap();
    tree.file("root/usr/lib/epcache/index", "no index");
    let (ran, _) = status(&tree);
    assert_eq!(ran.code, 3);
    assert!(
        ran.stdout
            .starts_with("/usr/lib/epcache/index (system index): unusable, "),
        "{ran:?}"
    );
}

#[test]
fn the_active_environment_counts() {
    let tree = Tree::new();
    let venv = tree.venv("my venv");
    let site = tree.text("my venv/lib/python3.11/site-packages");
    let status = || {
        let ran = run(tree
            .epcache(&["status", "--json"])
            .env("VIRTUAL_ENV", &venv));
        let json = ran.json();
        let mut directories = json["directories"].as_array().unwrap().iter();
        let state = directories.find(|d| d["path"] == site.as_str()).unwrap()["state"].clone();
        (state, json["mending"].to_string())
    };
    let mending = format!("epcache refresh --venv '{}'", venv.display());
    let (state, commands) = status();
    assert_eq!(state, "missing");
    assert!(commands.contains(&mending), "{commands}");
    run(&mut tree.epcache(&["refresh", "-q", "--venv", "my venv"]));
    let (state, commands) = status();
    assert_eq!(state, "fresh");
    assert!(!commands.contains(&mending), "{commands}");
    tree.dist(
        "my venv/lib/python3.11/site-packages",
        "new",
        "[g]\nn = n:n\n",
    );
    let (state, commands) = status();
    assert_eq!(state, "stale");
    assert!(commands.contains(&mending), "{commands}");
}

#[test]
fn a_record_that_no_lookup_believes_counts_for_nothing() {
    if !root_for("an index of a foreign owner") {
        return;
    }
    let tree = Tree::new();
    let venv = tree.venv("venv");
    run(&mut tree.epcache(&["refresh", "-q", "--venv", "venv"]));
    tree.give("venv/.epcache");
    tree.give("venv/.epcache/index");
    let status = |arguments: &[&str]| run(tree.epcache(arguments).env("VIRTUAL_ENV", &venv));
    let ran = status(&["status"]);
    let site = "venv/lib/python3.11/site-packages";
    assert!(
        ran.stdout
            .contains(&format!("  untrusted  {}", tree.text(site))),
        "{ran:?}"
    );
    assert!(ran.stdout.contains("belongs neither to root"), "{ran:?}");
    assert!(ran.stdout.contains("epcache refresh --venv"), "{ran:?}");
    let json = status(&["status", "--json"]).json();
    let mut directories = json["directories"].as_array().unwrap().iter();
    let of_site = directories.find(|d| d["path"] == tree.text(site).as_str());
    assert_eq!(of_site.unwrap()["state"], "missing");
    // The owner of the directory may say what is in it.
    tree.give(site);
    let ran = status(&["status"]);
    assert!(
        ran.stdout
            .contains(&format!("  fresh      {}", tree.text(site))),
        "{ran:?}"
    );
}

#[test]
fn a_stale_index_counts_whatever_it_is_of() {
    let tree = Tree::new();
    tree.dist("site", "x", "[g]\nx = x:x\n");
    tree.refresh(&["site"], "index");
    tree.dist("site", "y", "[g]\ny = y:y\n");
    let ran = run(tree
        .epcache(&["status", "--json"])
        .env("EPCACHE_INDEX", "index"));
    assert_eq!(ran.code, 3);
    assert_eq!(ran.json()["indexes"][0]["state"], "stale");
    assert_eq!(ran.json()["indexes"][0]["kind"], "environment");
}

#[test]
fn on_a_terminal_long_reasons_are_cut_and_colours_shown() {
    if !tool_for("status on a terminal", "script") {
        return;
    }
    let tree = tree_with_a_system();
    tree.file(
        &format!("{SITE}/x.pth"),
        format!("import {}\n", "x".repeat(300)),
    );
    refresh(&tree);
    let ran = run(&mut tree.on_terminal("\"$EPCACHE\" status --root root"));
    assert!(ran.stdout.contains("\x1b[32mfresh"), "{ran:?}");
    assert!(!ran.stdout.contains("xxxx"), "{ran:?}");
    let ran = run(&mut tree.on_terminal("NO_COLOR=1 \"$EPCACHE\" status --root root"));
    assert!(!ran.stdout.contains('\x1b'), "{ran:?}");
    assert!(
        ran.stdout.lines().all(|line| line.chars().count() <= 80),
        "{ran:?}"
    );
    let (ran, _) = status(&tree);
    assert!(
        ran.stdout.contains("xxxx"),
        "a program may have all of it: {ran:?}"
    );
}

#[test]
fn an_index_that_is_wrong_where_another_one_is_right_does_no_harm() {
    let tree = Tree::new();
    tree.system("root");
    run(&mut tree.epcache(&["refresh", "--root", "root"]));
    tree.dir("root/var/cache/epcache");
    let stale = tree.path("root/var/cache/epcache/index");
    std::fs::copy(tree.path("root/usr/lib/epcache/index"), stale).unwrap();
    tree.dir("root/usr/lib/python3.11/site-packages/new-1.dist-info");
    let both_wrong = run(&mut tree.epcache(&["status", "--root", "root"]));
    assert_eq!(both_wrong.code, 3, "{both_wrong:?}");
    run(&mut tree.epcache(&["refresh", "--root", "root"]));
    let one_right = run(&mut tree.epcache(&["status", "--root", "root"]));
    assert_eq!(one_right.code, 0, "{one_right:?}");
    assert!(one_right.stdout.contains("stale"), "{one_right:?}");
}

#[test]
fn the_recipe_for_metrics_works_as_it_is_written() {
    let tree = Tree::new();
    tree.dir("collector");
    let mut recipe = recipes::recipe("docs/administration.md", "Watching it", &tree.path(""));
    let ran = run(recipe.env("COLLECTOR", tree.path("collector")));
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
    assert_eq!(cli::names(tree.path("collector")), ["epcache.prom"]);
    let metrics = fs::read_to_string(tree.path("collector/epcache.prom")).unwrap();
    let status = run(&mut tree.epcache(&["status", "--json"])).json();
    let fresh = u8::from(status["fresh"].as_bool().unwrap());
    assert_eq!(metrics, format!("epcache_fresh {fresh}\n"));
}
