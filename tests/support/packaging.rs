//! Shared by the tests of both packages.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::support::{repository, run, say, text};

/// Whether the tests run while a package is built. Then they would build it again, which takes
/// minutes. Prints if so.
pub(crate) fn being_built(what: &str) -> bool {
    // The variables that rpmbuild and dpkg-buildpackage set.
    let found = ["RPM_BUILD_ROOT", "DEB_HOST_ARCH"]
        .into_iter()
        .find(|variable| std::env::var_os(variable).is_some());
    if let Some(variable) = found {
        say(&format!(
            "SKIPPED {what}: a package is being built ({variable} is set)"
        ));
    }
    found.is_some()
}

/// The files that `make install` installs from the one list, with these directories for DOCDIR,
/// LICENSEDIR and ZSHDIR.
pub(crate) fn installed_by_make(directories: [&str; 3]) -> BTreeSet<String> {
    let root = tempfile::tempdir().expect("a temporary directory");
    let mut install = Command::new(repository().join("packaging/install"));
    // Any program will do: only the names matter.
    install.args([Path::new("/bin/sh"), root.path(), Path::new("/usr")]);
    let output = run(install.args(directories));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let mut find = Command::new("find");
    find.arg(root.path())
        .args(["!", "-type", "d", "-printf", "/%P\n"]);
    names(&run(&mut find).stdout)
}

/// Names, one on each line, as before manual pages are compressed.
pub(crate) fn names(lines: &[u8]) -> BTreeSet<String> {
    let name = |line: &str| line.trim_end_matches(".gz").to_owned();
    text(lines).lines().map(name).collect()
}
