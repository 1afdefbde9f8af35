//! The environment variables that epcache uses.
//!
//! The input is the process's variables, the output is an [`Environment`]. A privileged process
//! (through setuid, setgid or file capabilities) ignores variables, because its caller has set
//! them.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use nix::unistd::{getegid, geteuid, getgid, getuid};

use crate::config;
use crate::process;

/// The values of variables. Empty ones count as unset.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `XDG_CACHE_HOME`, if it is absolute, as its specification requires.
    pub cache_home: Option<PathBuf>,
    /// `VIRTUAL_ENV`.
    pub venv: Option<PathBuf>,
    /// `PYTHONUSERBASE`.
    pub user_base: Option<PathBuf>,
    /// `PYTHONNOUSERSITE` is set and not empty: no Python has a user site directory.
    pub no_user_site: bool,
    /// `EPCACHE_INDEX`, split at its colons.
    pub indexes: Vec<PathBuf>,
    /// `PATH`.
    pub path: Option<OsString>,
    /// `SOURCE_DATE_EPOCH` in seconds since 1970. `None` if it is not a number as its specification
    /// requires.
    pub source_date_epoch: Option<i64>,
    /// `DPKG_ROOT`: the system that dpkg works on, instead of the running one.
    pub dpkg_root: Option<PathBuf>,
    /// `EPCACHE_DISABLE` is set to anything but "no": triggers do nothing, for example in build
    /// chroots.
    pub disable: bool,
    /// `EPCACHE_LOG`, in env_logger's syntax.
    pub log: Option<String>,
}

impl Environment {
    /// From the process's variables. A privileged process gets an empty one.
    #[must_use]
    pub fn of_process() -> Self {
        if is_privileged() {
            return Self::default();
        }
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let path = |name| variable(name).map(PathBuf::from);
        Self {
            home: path("HOME"),
            cache_home: path("XDG_CACHE_HOME").filter(|path| path.is_absolute()),
            venv: path("VIRTUAL_ENV"),
            user_base: path("PYTHONUSERBASE"),
            no_user_site: variable("PYTHONNOUSERSITE").is_some(),
            indexes: variable("EPCACHE_INDEX")
                .map(|value| {
                    std::env::split_paths(&value)
                        .filter(|path| !path.as_os_str().is_empty())
                        .collect()
                })
                .unwrap_or_default(),
            path: variable("PATH"),
            source_date_epoch: variable("SOURCE_DATE_EPOCH")
                .and_then(|value| epoch(value.to_str()?)),
            dpkg_root: path("DPKG_ROOT"),
            disable: variable("EPCACHE_DISABLE")
                .is_some_and(|value| config::switch(&value.to_string_lossy()) != Some(false)),
            log: variable("EPCACHE_LOG").and_then(|value| value.into_string().ok()),
        }
    }

    /// The user's own index: `$XDG_CACHE_HOME/epcache/index`, by default in `~/.cache`.
    #[must_use]
    pub fn user_index(&self) -> Option<PathBuf> {
        let cache = self.cache_home.clone();
        let cache = cache.or_else(|| Some(self.home.as_ref()?.join(".cache")));
        cache.map(|cache| cache.join("epcache/index"))
    }

    /// The directory below which Python has the user's packages, if there is one.
    #[must_use]
    pub fn python_user_base(&self) -> Option<PathBuf> {
        let usual = || self.home.as_ref().map(|home| home.join(".local"));
        let base = self.user_base.clone().or_else(usual);
        base.filter(|_| !self.no_user_site)
    }
}

/// Only digits, and no year that the index cannot store.
fn epoch(text: &str) -> Option<i64> {
    const LATEST: i64 = i64::MAX / 1_000_000_000;
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let epoch = text.parse().ok().filter(|_| is_number);
    epoch.filter(|&epoch| epoch <= LATEST)
}

/// Whether the process has more rights than its caller, as in `secure_getenv(3)`.
fn is_privileged() -> bool {
    getuid() != geteuid() || getgid() != getegid() || is_secure_execution()
}

/// AT_SECURE of `getauxval(3)`, from a file in /proc. A process with file capabilities may not even
/// be able to read it. Without /proc, the user and group IDs decide.
fn is_secure_execution() -> bool {
    const AT_SECURE: usize = 23;
    const WORD: usize = size_of::<usize>();
    match process::read("auxv") {
        Ok(vector) => vector.chunks_exact(2 * WORD).any(|pair| {
            let (key, value) = pair.split_at(WORD);
            let word = |bytes: &[u8]| {
                bytes
                    .try_into()
                    .map(usize::from_ne_bytes)
                    .unwrap_or_default()
            };
            word(key) == AT_SECURE && word(value) != 0
        }),
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_a_number_of_seconds_that_the_index_can_hold() {
        assert_eq!(epoch("0"), Some(0));
        assert_eq!(epoch("1700000000"), Some(1_700_000_000));
        for text in [
            "-1",
            "+1",
            " 1",
            "1.5",
            "today",
            "9223372037",
            "99999999999999999999",
        ] {
            assert_eq!(epoch(text), None, "{text}");
        }
    }
}
