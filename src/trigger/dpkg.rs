//! dpkg: the arguments of `postinst`, as Debian Policy (6.5) and triggers(7) have them.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use super::Touched;

/// What the arguments of postinst stand for. `triggered NAMES` names the directories in which files
/// have come, gone or changed, and `epcache-refresh` where another package asks by hand; which files,
/// dpkg does not say. At all else (`configure VERSION`, which follows installation and upgrade;
/// `abort-remove`, `abort-upgrade` and the like, before which triggers may have been lost; nothing),
/// nobody can tell what has changed since the last time.
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
    fn all_else_may_have_touched_anything() {
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
