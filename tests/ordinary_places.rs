//! Setups that administrators have, with links and mounts: root can refresh there as usual.
//!
//! Each runs in a copy of the running system (an overlay, and so another root file system than
//! usual), in a mount namespace that ends with the test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;

use cli::{Ran, Tree, left_out, root_for, run, tool_for};

/// A system over this one at `system`. In it the tree is at /tree, and epcache is in /usr/bin.
/// `mount` are options for the system. `line` runs in it.
fn in_system(tree: &Tree, mount: &str, line: &str) -> Ran {
    for name in ["layer", "system"] {
        tree.dir(name);
    }
    tree.file("line", format!("set -eu\ncd /tree\n{line}\n"));
    let script = format!(
        "mount -t tmpfs -o mode=755 none layer
         mkdir -m 755 layer/up layer/work
         mount -t overlay none -o lowerdir=/,upperdir=layer/up,workdir=layer/work system
         mount -t proc none system/proc; mount --bind /dev system/dev
         mkdir system/tree system/data
         rm -rf system/usr/lib/epcache system/var/cache/epcache
         cp \"$EPCACHE\" system/usr/bin/epcache
         {mount}
         mount --rbind . system/tree
         exec chroot system /bin/sh /tree/line"
    );
    run(&mut tree.with_mounts(&script))
}

/// A tree with an environment in `venv` (for any place), and a search directory in `site`.
fn tree() -> Tree {
    let tree = Tree::new();
    tree.venv("venv");
    tree.dist("site", "a", "[g]\na = a:main\n");
    tree
}

/// Root's file system as it is, and mounted nosuid as in containers and services.
const ROOTS: [&str; 2] = ["", "mount -o remount,bind,nosuid system"];

fn all_work(cases: &[&str]) {
    for mount in ROOTS {
        for line in cases {
            let ran = in_system(&tree(), mount, line);
            assert_eq!(
                (ran.code, ran.stderr.as_str()),
                (0, ""),
                "{mount}: {line}: {ran:?}"
            );
        }
    }
}

#[test]
fn links_that_root_has_made_are_followed() {
    if !root_for("links of root's") {
        return;
    }
    all_work(&[
        // Homes on another disk, one of them another user's.
        "mkdir -p /data/home/ann /data/home/root; rmdir /home 2>/dev/null || mv /home /old
         ln -s /data/home /home; cp -a venv /home/root/venv; cp -a venv /home/ann/venv
         chown -hR 1234:1234 /home/ann/
         epcache refresh -q --venv /home/root/venv; epcache refresh -q --venv /home/ann/venv
         test \"$(stat -c %u /data/home/root/venv/.epcache/index /data/home/ann/venv/.epcache/index | tr '\\n' ' ')\" = '0 1234 '",
        "mkdir -p /data/home/ann/.local; rmdir /home 2>/dev/null || mv /home /old; ln -s data/home /home
         chown -hR 1234:1234 /data/home/ann
         HOME=/home/ann epcache refresh -q --user; test \"$(stat -c %u /data/home/ann/.cache/epcache/index)\" = 1234",
        // Releases of an application.
        "mkdir -p /opt/app/releases/3; ln -s releases/3 /opt/app/current; cp -a venv /opt/app/releases/3/venv
         epcache refresh -q --venv /opt/app/current/venv; epcache refresh -q --venv /opt/app/current/venv
         epcache refresh -q --path /opt/app/current/venv/lib/python3.11/site-packages --output /opt/app/current/index
         test -f /opt/app/releases/3/venv/.epcache/index -a -f /opt/app/releases/3/index",
        // The same, but the environment itself is the link.
        "mkdir -p /opt/envs; cp -a venv /opt/envs/3; ln -s 3 /opt/envs/current
         epcache refresh -q --venv /opt/envs/current; test -f /opt/envs/3/.epcache/index",
        "mkdir -p /run/app; test -L /var/run || { rm -rf /var/run; ln -s /run /var/run; }
         epcache refresh -q --path site --output /var/run/app/index; test -f /run/app/index",
        "test -L /lib; epcache refresh -q --path site --output /lib/app/index; test -f /usr/lib/app/index",
        // Paths relative to the current directory.
        "mkdir -p /srv/one /srv/two; cd /srv/one
         epcache refresh -q --path /tree/site --output index
         epcache refresh -q --path /tree/site --output ../two/index
         epcache refresh -q --path /tree/site --output ./new/er/index
         test -f index -a -f /srv/two/index -a -f new/er/index",
    ]);
}

#[test]
fn the_system_index_is_written_as_usual() {
    if !root_for("the system's own index") {
        return;
    }
    all_work(&[
        "epcache refresh -q --system; epcache trigger --strict dpkg triggered /usr/lib/python3; epcache verify -q /usr/lib/epcache/index",
        // /usr is read-only: /var is next, and may be elsewhere.
        "mkdir -p /data/cache; rm -rf /var/cache; ln -s /data/cache /var/cache; mount --bind /usr /usr
         mount -o remount,bind,ro /usr; epcache refresh -q --system; epcache trigger --strict rpm </dev/null
         test -f /data/cache/epcache/index -a -f /data/cache/epcache/state",
        // A separate /var, with a link of root's in it.
        "mkdir -p /data/cache; mount -t tmpfs -o mode=755 none /var; ln -s /data/cache /var/cache; mount --bind /usr /usr
         mount -o remount,bind,ro /usr; epcache refresh -q --system; test -f /data/cache/epcache/index",
        "mount -t tmpfs -o mode=755,nosuid,nodev,noexec none /var; mount --bind /usr /usr; mount -o remount,bind,ro /usr
         epcache refresh -q --system; test -f /var/cache/epcache/index",
        // As `cargo install` leaves it, and as in a container.
        "mkdir /data/empty; mount --bind /data/empty /etc; epcache refresh -q --system; test -f /usr/lib/epcache/index",
    ]);
}

#[test]
fn a_link_on_a_separate_var_that_is_mounted_nosuid_is_named() {
    if !root_for("a /var that is mounted nosuid") {
        return;
    }
    let line = "mkdir -p /data/cache; mount -t tmpfs -o mode=755,nosuid none /var; ln -s /data/cache /var/cache
                mount --bind /usr /usr; mount -o remount,bind,ro /usr; epcache refresh -q --system";
    let ran = in_system(&tree(), "", line);
    assert_eq!(ran.code, 2, "{ran:?}");
    let said = "/var/cache is a link, and its file system is mounted nosuid: give the path of the directory";
    assert!(ran.stderr.contains(said), "{ran:?}");
}

#[test]
fn mounts_make_no_difference() {
    if !root_for("bind mounts") {
        return;
    }
    all_work(&[
        "mkdir -p /data/out /srv/out; mount --bind /data/out /srv/out
         epcache refresh -q --path site --output /srv/out/index; test -f /data/out/index",
        "mkdir -p /data/venv /srv/venv; cp -a venv/. /data/venv; mount --bind /data/venv /srv/venv
         epcache refresh -q --venv /srv/venv; test -f /data/venv/.epcache/index",
        "mkdir -p /srv/out; mount -t tmpfs -o mode=755,nosuid,nodev none /srv/out
         epcache refresh -q --path site --output /srv/out/index; test -f /srv/out/index",
        // A home on its own file system without links.
        "mkdir -p /home/ann; mount -t tmpfs -o mode=755,nosuid,nodev none /home; cp -a venv /home/venv
         epcache refresh -q --venv /home/venv; test -f /home/venv/.epcache/index",
        // A container's own root, with a volume in it.
        "mkdir -p /srv/root; cp -a python /srv/root/system; mkdir -p /srv/root/system/usr/lib/epcache
         mount -t tmpfs -o mode=755,nosuid none /srv/root/system/usr/lib/epcache
         epcache refresh -q --root /srv/root/system; test -f /srv/root/system/usr/lib/epcache/index",
    ]);
}

#[test]
fn an_ostree_deployment_is_an_ordinary_root() {
    if !root_for("a deployment") {
        return;
    }
    // As ostree lays it out.
    const DEPLOYMENT: &str = "D=/ostree/deploy/os/deploy/abc.0; mkdir -p $D /ostree/deploy/os/var
        cp -a python/. $D; mkdir -p $D/sysroot; ln -s sysroot/ostree $D/ostree
        for it in home opt srv; do ln -s var/$it $D/$it; done; ln -s ../var/usrlocal $D/usr/local
        ln -s deploy/abc.0 /ostree/deploy/os/current\n";
    all_work(&[
        &format!("{DEPLOYMENT} epcache refresh -q --root $D --image; test -f $D/usr/lib/epcache/index"),
        &format!(
            "{DEPLOYMENT} epcache refresh -q --root /ostree/deploy/os/current
             epcache trigger --strict --root /ostree/deploy/os/current dpkg; test -f $D/usr/lib/epcache/index"
        ),
        &format!(
            "{DEPLOYMENT} mkdir -p $D/var; mount --bind $D $D; mount --bind /ostree/deploy/os/var $D/var
             mount --bind $D/usr $D/usr; mount -o remount,bind,ro $D/usr
             epcache refresh -q --root $D; test -f $D/var/cache/epcache/index"
        ),
    ]);
}

#[test]
fn a_btrfs_subvolume_is_an_ordinary_directory() {
    let test = "a btrfs subvolume";
    if !root_for(test) || !tool_for(test, "mkfs.btrfs") {
        return;
    }
    let make = "rm -f btrfs; truncate -s 128M btrfs; mkfs.btrfs -q btrfs; mkdir -p disk; mount -o loop btrfs disk";
    let tree = tree();
    let ran = run(&mut tree.with_mounts(make));
    if ran.code != 0 {
        return left_out(test, &format!("no btrfs to be mounted: {}", ran.stderr));
    }
    let line = format!(
        "{make}; btrfs subvolume create disk/one >/dev/null; btrfs subvolume create disk/one/home >/dev/null
         mkdir -p sub; mount -o loop,subvol=one/home btrfs sub
         cp -a venv disk/one/home/venv; ln -s one/home disk/home
         \"$EPCACHE\" refresh -q --venv disk/home/venv; test -f disk/one/home/venv/.epcache/index
         rm -r disk/one/home/venv/.epcache
         \"$EPCACHE\" refresh -q --venv sub/venv; test -f disk/one/home/venv/.epcache/index"
    );
    let ran = run(&mut tree.with_mounts(&line));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
}
