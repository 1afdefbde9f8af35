//! A container to boot systemd in: a layer over this machine's root, with epcache installed as a
//! package would install it. The input is a script, the output is what it printed. Nothing of the
//! container stays, and this machine's files are not changed.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use nix::fcntl::{Flock, FlockArg};

use crate::support::{public_directory, repository, run, skip, text, within};

/// A layer over this machine's root, with epcache installed as a package would install it.
pub(crate) struct Container {
    directory: tempfile::TempDir,
}

impl Drop for Container {
    fn drop(&mut self) {
        for mount in ["root", "layer"] {
            let mut umount = Command::new("umount");
            umount.arg("--lazy").arg(self.directory.path().join(mount));
            let _ = umount.status();
        }
    }
}

impl Container {
    pub(crate) fn new(test: &str) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            skip(test, "only root can mount");
            return None;
        }
        let container = Self {
            directory: public_directory(),
        };
        let (layer, root) = (container.path("layer"), container.root());
        for directory in [&layer, &root] {
            fs::create_dir(directory).unwrap();
        }
        let mut mount = within(30, "mount");
        let mut done = run(mount.args(["-t", "tmpfs", "tmpfs"]).arg(&layer));
        if done.status.success() {
            let (upper, work) = (layer.join("upper"), layer.join("work"));
            fs::create_dir(&upper).unwrap();
            fs::create_dir(&work).unwrap();
            let (upper, work) = (upper.display(), work.display());
            let options = format!("lowerdir=/,upperdir={upper},workdir={work}");
            let mut mount = within(30, "mount");
            mount.args(["-t", "overlay", "overlay", "-o", &options]);
            done = run(mount.arg(&root));
        }
        if !done.status.success() {
            skip(test, &text(&done.stderr));
            return None;
        }
        // The services that this machine starts at boot are not needed here.
        let wanted = "etc/systemd/system/multi-user.target.wants";
        for directory in ["usr/lib/epcache", "var/cache/epcache", wanted] {
            let _ = fs::remove_dir_all(root.join(directory));
        }
        let mut install = within(60, repository().join("packaging/install"));
        install.arg(env!("CARGO_BIN_EXE_epcache")).arg(&root);
        install.args(["/usr", "/usr/share/doc/epcache", "", "/usr/share/zsh"]);
        let done = run(&mut install);
        assert!(done.status.success(), "{}", text(&done.stderr));
        container.chroot(&["systemd-sysusers", "epcache.conf"]);
        Some(container)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.path("root")
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.root().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Which of `epcache.path` and `epcache.timer` are enabled.
    pub(crate) fn enabled(&self) -> [bool; 2] {
        [
            "multi-user.target.wants/epcache.path",
            "timers.target.wants/epcache.timer",
        ]
        .map(|link| self.root().join("etc/systemd/system").join(link))
        .map(|link| fs::symlink_metadata(link).is_ok())
    }

    pub(crate) fn chroot(&self, command: &[&str]) -> String {
        let mut chroot = within(120, "chroot");
        let done = run(chroot.arg(self.root()).args(command));
        let said = text(&done.stdout) + &text(&done.stderr);
        assert!(done.status.success(), "{command:?}: {said}");
        said
    }

    /// Boots it, runs a script in it, and returns its output. Its last output must be `done`.
    pub(crate) fn boot(&self, script: &str) -> String {
        self.boot_with(&[], script)
    }

    /// The same with a read-only `/usr`, as in an image.
    pub(crate) fn boot_image(&self, script: &str) -> String {
        let usr = format!("--bind-ro={}:/usr", self.root().join("usr").display());
        self.boot_with(&[&usr], script)
    }

    fn boot_with(&self, options: &[&str], script: &str) -> String {
        self.write("/script", &format!("set -u\n{script}\necho done\n"));
        self.write(
            "/etc/systemd/system/script.service",
            "[Unit]\nAfter=multi-user.target\nSuccessAction=exit-force\nFailureAction=exit-force\n\
             [Service]\nType=oneshot\nExecStart=/bin/bash /script\n\
             StandardOutput=file:/output\nStandardError=inherit\nTimeoutStartSec=240\n",
        );
        self.write(
            "/etc/systemd/system/script.target",
            "[Unit]\nRequires=multi-user.target script.service\nAfter=multi-user.target\n",
        );
        // One at a time on this machine: if they share one tree of control groups, one systemd
        // would end the processes that another has started.
        let lock = File::create("/run/epcache-tests.lock").unwrap();
        let _booting = Flock::lock(lock, FlockArg::LockExclusive).unwrap();
        let mut nspawn = within(300, "systemd-nspawn");
        nspawn
            .args(["--quiet", "--register=no", "--keep-unit"])
            .args(["--private-network", "--console=pipe", "--directory"])
            .arg(self.root())
            .args(options)
            .args(["--boot", "systemd.unit=script.target"]);
        let done = run(&mut nspawn);
        let output = self.root().join("output");
        let said = fs::read_to_string(&output).unwrap_or_default();
        let _ = fs::remove_file(output);
        assert!(
            said.ends_with("done\n"),
            "{said}\n{}\n{}",
            text(&done.stdout),
            text(&done.stderr)
        );
        said
    }
}
