//! dpkg: the arguments of `postinst`, as in Debian Policy (6.5) and triggers(7).
//!
//! The input is the arguments, the output is what was touched. `triggered NAMES` names the
//! directories in which files were added, removed or changed, but not the files. The name
//! `epcache-refresh` means that another package asks for a refresh.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use super::Touched;

/// What the arguments of postinst say. All arguments but `triggered NAMES` tell nothing about what
/// has changed: `configure VERSION` follows an installation or upgrade, and triggers may have been
/// lost before `abort-remove`, `abort-upgrade` and the like.
pub fn dpkg(arguments: &[OsString]) -> Touched {
    let names = match arguments {
        [action, names, ..] if action == "triggered" => names.as_bytes(),
        _ => return Touched::Unknown,
    };
    let mut touched = Touched::Nothing;
    for name in names.split(u8::is_ascii_whitespace) {
        if !name.is_empty() {
            touched.add(name);
        }
    }
    match touched {
        Touched::Nothing => Touched::Unknown,
        touched => touched,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn told(arguments: &[&str]) -> Touched {
        let arguments: Vec<OsString> = arguments.iter().map(Into::into).collect();
        dpkg(&arguments)
    }

    #[test]
    fn names_of_triggers_are_directories() {
        let one = "/usr/lib/python3/dist-packages";
        let two = "/usr/local/lib/python3.11/dist-packages";
        let directories = BTreeSet::from([one.into(), two.into()]);
        assert_eq!(
            told(&["triggered", &format!("{one} {two} {one}")]),
            Touched::Directories(directories)
        );
    }

    #[test]
    fn with_other_arguments_anything_may_have_been_touched() {
        for arguments in [
            &["triggered", "/usr/lib/python3 epcache-refresh"][..],
            &["triggered", "epcache-refresh"],
            &["triggered", " "],
            &["triggered"],
            &["configure", "0.1.0-1"],
            &["configure", ""],
            &["abort-upgrade", "0.1.0-1"],
            &["abort-remove"],
            &["abort-deconfigure", "in-favour", "x", "1"],
            &["new-in-some-later-dpkg"],
            &[],
        ] {
            assert_eq!(told(arguments), Touched::Unknown, "{arguments:?}");
        }
    }
}
