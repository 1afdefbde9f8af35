//! The forms of views and the recipes in docs/consumers.md, exactly as written there, in a
//! container.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;
#[path = "support/container.rs"]
mod container;
#[path = "support/recipes.rs"]
mod recipes;
mod support;

use std::fs;

use cli::Tree;
use container::Container;
use recipes::blocks;
use support::{repository, run, text, within};

const PAGE: &str = "docs/consumers.md";

#[test]
fn views_look_as_documented() {
    let tree = Tree::new();
    tree.system("root");
    let metadata = "root/usr/lib/python3/dist-packages/pytest_timeout-2.1.0.egg-info";
    tree.file(
        &format!("{metadata}/PKG-INFO"),
        "Metadata-Version: 2.1\nName: pytest-timeout\nVersion: 2.1.0\n",
    );
    tree.file(
        &format!("{metadata}/entry_points.txt"),
        "[pytest11]\ntimeout = pytest_timeout\n",
    );
    let registration = blocks(PAGE, "For packagers", "ini").concat();
    let consumers = "root/usr/lib/epcache/consumers.d";
    tree.file(&format!("{consumers}/shown.conf"), registration);
    let root = tree.text("root");
    let refresh = ["refresh", "--quiet", "--system", "--root", &root];
    assert_eq!(cli::run(&mut tree.epcache(&refresh)).code, 0);
    let status = cli::run(&mut tree.epcache(&["status", "--json", "--root", &root]));
    let consumers = &status.json()["consumers"];
    assert_eq!(consumers["registered"], serde_json::json!(["shown"]));
    assert_eq!(consumers["problems"], serde_json::json!([]));
    for form in ["json", "tsv"] {
        let view = tree.path(&format!("root/usr/lib/epcache/views/shown.{form}"));
        let view = fs::read_to_string(view).unwrap();
        assert_eq!(view, blocks(PAGE, "Views", form).concat());
    }
    assert!(tree.path("root/usr/lib/epcache/changed/shown").exists());
}

/// A container with a plugin of pytest, and the sources of the example.
fn container(test: &str) -> Option<Container> {
    let container = Container::new(test)?;
    let site = "/usr/local/lib/python3.99/site-packages/plugin-1.dist-info";
    container.write("/usr/local/bin/python3.99", "\x7fELF\x02");
    container.write("/usr/local/lib/python3.99/os.py", "");
    container.write("/usr/local/lib/python3.99/site.py", "");
    container.write(
        &format!("{site}/METADATA"),
        "Metadata-Version: 2.1\nName: plugin\nVersion: 1\n",
    );
    container.write(
        &format!("{site}/entry_points.txt"),
        "[pytest11]\nplugin = plugin\n[console_scripts]\ntool = plugin:main\n",
    );
    let sources = container.root().join("sources/packaging/examples");
    fs::create_dir_all(&sources).unwrap();
    let mut copy = within(30, "cp");
    copy.arg("--recursive");
    copy.arg(repository().join("packaging/examples/consumer"));
    let done = run(copy.arg(sources));
    assert!(done.status.success(), "{}", text(&done.stderr));
    Some(container)
}

const REGISTER: &str = "cp /sources/packaging/examples/consumer/usr/lib/epcache/consumers.d/* \
                        /usr/lib/epcache/consumers.d/; epcache refresh --system --quiet";

#[test]
fn the_administrators_recipes_work() {
    let test = "the_administrators_recipes_work";
    let Some(container) = container(test) else {
        return;
    };
    let recipes = blocks(PAGE, "For administrators", "sh");
    let [mask, add] = recipes.as_slice() else {
        panic!("{recipes:?}")
    };
    let bash = |script: &str| container.chroot(&["bash", "-euo", "pipefail", "-c", script]);
    container.write("/usr/lib/epcache/consumers.d/.keep", "");
    bash(REGISTER);
    let view = container
        .root()
        .join("usr/lib/epcache/views/pytest-plugins.tsv");
    assert!(fs::read_to_string(&view).unwrap().contains("\tplugin\t"));
    let find = blocks(PAGE, "Views", "sh")
        .concat()
        .replace("NAME", "pytest-plugins");
    assert_eq!(
        bash(&format!("{find}cat \"$view\"")),
        fs::read_to_string(&view).unwrap()
    );
    bash(mask);
    assert!(!view.exists());
    let said = bash(add);
    assert!(
        said.lines().any(|line| line == "tool\tplugin:main"),
        "{said}"
    );
}

#[test]
fn the_example_can_be_tried_as_documented() {
    let test = "the_example_can_be_tried_as_documented";
    let Some(container) = container(test) else {
        return;
    };
    let recipe = blocks(PAGE, "An example", "sh").concat();
    let output = container.boot(&format!("set -e; cd /sources\n{recipe}"));
    assert!(output.lines().any(|line| line == "plugin"), "{output}");
}

/// "Without systemd": no part of systemd runs here.
#[test]
fn without_systemd_a_comparison_and_a_loop_do_the_same() {
    let test = "without_systemd_a_comparison_and_a_loop_do_the_same";
    let Some(container) = container(test) else {
        return;
    };
    let recipes = blocks(PAGE, "Without systemd", "sh");
    let [once, watch] = recipes.as_slice() else {
        panic!("{recipes:?}")
    };
    container.write("/usr/lib/epcache/consumers.d/.keep", "");
    container.write("/once", once);
    container.write("/watch", watch);
    container.write(
        "/update",
        "#!/bin/sh\n[ ! -e /fail ] || exit 1\necho >>/runs\n",
    );
    let script = format!(
        "chmod 755 /update; mount -t proc proc /proc; {REGISTER}\n{}",
        r#"
export STATE=/var/tmp UPDATE=/update CONSUMER=/once
put() {
    local site=/usr/local/lib/python3.99/site-packages
    cp -r $site/plugin-1.dist-info "$site/$1-1.dist-info"
    sed -i "s/Name: .*/Name: $1/" "$site/$1-1.dist-info/METADATA"
    epcache refresh --system --quiet
}
: >/fail; sh /once && echo mistaken; rm /fail
sh /once; sh /once; echo "at first: $(wc -l </runs)"
put second; sh /once; sh /once; echo "changed: $(wc -l </runs)"
timeout 60 bash /watch </watch & watch=$!
for try in $(seq 50); do
    put "try$try"; sleep 0.2
    [ "$(wc -l </runs)" = 2 ] || break
done
sleep 1
cmp /usr/lib/epcache/changed/pytest-plugins /var/tmp/pytest-plugins.stamp && echo "watched"
kill $watch; wait || true
umount /proc
"#
    );
    let said = container.chroot(&["unshare", "--mount", "bash", "-c", &script]);
    for line in ["at first: 1", "changed: 2", "watched"] {
        assert!(said.lines().any(|found| found == line), "{line}\n{said}");
    }
    assert!(!said.contains("mistaken"), "{said}");
}
