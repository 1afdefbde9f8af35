//! The recipes of docs/images.md, exactly as written, on Debian's own packages: with tar,
//! mksquashfs, mkfs.erofs and ostree, in a mount namespace that ends with the test.

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
use std::path::{Path, PathBuf};
use std::process::Command;

use cli::{Ran, Tree, left_out, root_for, run, tool_for};

const PAGE: &str = "docs/images.md";

/// The directory for the image: the metadata of a Debian system, and the files that show a Python.
fn image(test: &str) -> Option<Tree> {
    if !root_for(test) {
        return None;
    }
    let cache = std::env::var_os("EPCACHE_TEST_CACHE")
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cache/epcache-tests")))?;
    let trees = fs::read_to_string(cache.join("trees")).unwrap_or_default();
    let Some(debian) = trees
        .lines()
        .find_map(|line| line.strip_prefix("debian-bookworm\t"))
    else {
        left_out(test, "tests/setup has not made debian-bookworm");
        return None;
    };
    let tree = Tree::new();
    let mut copy = tree.program("sh".as_ref());
    copy.args([
        "-euc",
        "cd \"$1\"; tar -c usr/lib/python3/dist-packages/*-info usr/bin/python3.11 \
         usr/lib/python3.11/os.py usr/lib/python3.11/site.py usr/lib/python3.11/lib-dynload |
         tar -C \"$2\" -x",
        "sh",
        debian,
    ]);
    let ran = run(copy.arg(tree.dir("image")));
    assert_eq!(ran.code, 0, "{ran:?}");
    Some(tree)
}

/// Runs scripts in order, in a new mount namespace.
fn shell(tree: &Tree, scripts: &[String]) -> Ran {
    let plain = recipes::shell(&scripts.concat(), &tree.path(""));
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private"]);
    command.arg(plain.get_program()).args(plain.get_args());
    command.env_clear().current_dir(tree.path(""));
    for (name, value) in plain.get_envs() {
        command.env(name, value.unwrap());
    }
    run(&mut command)
}

fn of(heading: &str) -> String {
    recipes::blocks(PAGE, heading, "sh").concat()
}

/// If the index answers, no file of a package is opened (O_PATH looks at its times).
const FEW: &str = "! grep -v O_PATH calls | grep -E 'entry_points.txt|METADATA|PKG-INFO' >&2\n";

fn counted(root: &str) -> String {
    format!(
        "strace -f -e trace=openat -o calls epcache query flake8.extension --root {root} >/dev/null\n"
    )
}

/// Checks that the output is the image's answer, so many times, and nothing else.
fn answers(ran: &Ran, times: usize) {
    let lines = 8;
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    let found: Vec<_> = ran
        .stdout
        .lines()
        .filter(|line| line.starts_with("flake8.extension\t"))
        .collect();
    assert_eq!(found.len(), lines * times, "{ran:?}");
    assert!(
        found.chunks(lines).all(|chunk| chunk == &found[..lines]),
        "{ran:?}"
    );
    assert!(
        found[..lines]
            .iter()
            .any(|line| line.contains("McCabeChecker")),
        "{found:?}"
    );
}

#[test]
fn an_image_index_is_the_same_on_every_machine() {
    let Some(tree) = image("the bytes of an image's index") else {
        return;
    };
    let ran = shell(
        &tree,
        &[
            of("Images"),
            "mv image/usr/lib/epcache/index first\n\
             tar -C image --sort=name -c . | (mkdir other; tar -C other -x); sleep 1\n\
             touch other/usr/lib/python3.11/os.py; BUILDROOT=$PWD/other\n"
                .to_owned(),
            of("mkosi"),
            "cmp first other/usr/lib/epcache/index; ls -A other/usr/lib/epcache\n".to_owned(),
        ],
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!ran.stdout.contains("state"), "{ran:?}");
}

#[test]
fn a_layer_is_answered_from_its_index() {
    let Some(tree) = image("a layer in an archive") else {
        return;
    };
    let ran = shell(
        &tree,
        &[
            of("Layers and archives").replace("epcache refresh", "epcache --quiet refresh"),
            counted("unpacked"),
            FEW.into(),
        ],
    );
    answers(&ran, 1);
}

#[test]
fn read_only_images_without_times_are_answered_from_their_index() {
    let test = "squashfs and erofs";
    let Some(tree) = image(test) else {
        return;
    };
    if !tool_for(test, "mksquashfs") || !tool_for(test, "mkfs.erofs") {
        return;
    }
    let ran = shell(
        &tree,
        &[
            of("Images").replace("epcache", "epcache --quiet"),
            of("squashfs and erofs"),
            counted("squashfs"),
            FEW.into(),
            counted("erofs"),
            FEW.into(),
        ],
    );
    answers(&ran, 2);
}

#[test]
fn an_ostree_commit_contains_its_index_and_a_change_is_seen() {
    let test = "ostree";
    let Some(tree) = image(test) else {
        return;
    };
    if !tool_for(test, "ostree") {
        return;
    }
    let before = [
        of("Images").replace("epcache", "epcache --quiet"),
        of("ostree"),
        // The last block has made it read-only.
        counted("deployed"),
        FEW.into(),
    ];
    let mut scripts = before.to_vec();
    scripts.push("stat -c %Y deployed/usr/lib/python3/dist-packages/mccabe*\n".into());
    let ran = shell(&tree, &scripts);
    answers(&ran, 2);
    assert!(ran.stdout.ends_with("\n0\n"), "{ran:?}");

    let Some(tree) = image(test) else {
        return;
    };
    let mut scripts = before.to_vec();
    scripts.push(of("When somebody changes an image"));
    let ran = shell(&tree, &scripts);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stdout
            .ends_with("flake8.extension\tC90\tmccabe:Changed\n"),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("mccabe"), "{ran:?}");
    assert!(ran.stderr.contains("differs from the index"), "{ran:?}");
}

/// Two images that differ only in the content of one file, with the same size and times, and an
/// index of the first one that lies elsewhere.
#[test]
fn an_index_outside_an_image_is_not_trusted_for_another_image() {
    let test = "two images without times";
    let Some(tree) = image(test) else {
        return;
    };
    let ran = shell(
        &tree,
        &["site=usr/lib/python3/dist-packages\n\
           mksquashfs image one.squashfs -quiet -no-progress -all-time 0\n\
           sed -i s/McCabeChecker/McCabeChanged/ image/$site/mccabe*/entry_points.txt\n\
           mksquashfs image two.squashfs -quiet -no-progress -all-time 0\n\
           mkdir mounted; mount -o loop,ro one.squashfs mounted\n\
           epcache refresh --quiet --image --path $PWD/mounted/$site --output $PWD/out/index\n\
           export EPCACHE_INDEX=$PWD/out/index\n\
           epcache query flake8.extension C90 --path $PWD/mounted/$site\n\
           umount mounted; mount -o loop,ro two.squashfs mounted\n\
           epcache query flake8.extension C90 --path $PWD/mounted/$site\n"
            .to_owned()],
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    let told = "flake8.extension\tC90\tmccabe:McCabe";
    assert_eq!(ran.stdout, format!("{told}Checker\n{told}Changed\n"));
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    assert!(ran.stderr.contains("differs from the index"), "{ran:?}");
}
