//! Whether a path concerns the index, by its name alone.
//!
//! The input is a path, the output is the directory that it touches, if any. A path concerns the
//! index if it is a metadata directory or lies in one, if it is a `.pth` file or a consumer's
//! registration, or if it has a name that search directories have. Its other components do not
//! matter, because an administrator may have search directories anywhere.

/// The directory in which a change of `path` touches the index: the parent directory of the
/// metadata directory or `.pth` file, or the search directory itself.
pub(super) fn touched_directory(path: &[u8]) -> Option<&[u8]> {
    let path = path.trim_ascii_end_slashes();
    let mut start = 0;
    for component in path.split(|&byte| byte == b'/') {
        if is_metadata(component) {
            return Some(parent(path, start));
        }
        start += component.len() + 1;
    }
    let name_at = path
        .iter()
        .rposition(|&byte| byte == b'/')
        .map_or(0, |slash| slash + 1);
    let name = path.get(name_at..).unwrap_or_default();
    if ends_with(name, b".conf") && parent(path, name_at).ends_with(b"epcache/consumers.d") {
        return Some(parent(path, name_at));
    }
    if ends_with(name, b".pth") {
        return Some(parent(path, name_at));
    }
    is_search_directory(name).then_some(path)
}

/// The metadata directories on the way to `path`. For each: its whole path, its parent directory,
/// and its name.
pub(super) fn metadata_directories(path: &[u8]) -> impl Iterator<Item = [&[u8]; 3]> {
    let mut start = 0;
    path.split(|&byte| byte == b'/').filter_map(move |name| {
        let directory = parent(path, start);
        let end = start + name.len();
        start = end + 1;
        let whole = path.get(..end).unwrap_or_default();
        is_metadata(name).then_some([whole, directory, name])
    })
}

/// A metadata directory, an egg, or `EGG-INFO` in an egg.
fn is_metadata(name: &[u8]) -> bool {
    match name.last() {
        Some(b'o' | b'O') => {
            ends_with(name, b".dist-info")
                || ends_with(name, b".egg-info")
                || name.eq_ignore_ascii_case(b"egg-info")
        }
        Some(b'g' | b'G') => ends_with(name, b".egg"),
        _ => false,
    }
}

/// `site-packages`, `dist-packages`, `lib-dynload`, `python3.13t`, `python313.zip`. An interpreter
/// has these on `sys.path`. If one appears, there may be a new interpreter.
fn is_search_directory(name: &[u8]) -> bool {
    match name.strip_prefix(b"python3") {
        Some(rest) => {
            let rest = rest.strip_suffix(b".zip").unwrap_or(rest);
            rest.iter()
                .all(|&byte| byte.is_ascii_digit() || matches!(byte, b'.' | b't'))
        }
        None => matches!(name, b"site-packages" | b"dist-packages" | b"lib-dynload"),
    }
}

fn ends_with(name: &[u8], ending: &[u8]) -> bool {
    name.len()
        .checked_sub(ending.len())
        .and_then(|at| name.get(at..))
        .is_some_and(|end| end.eq_ignore_ascii_case(ending))
}

/// The path before the component at `start`, without the slash.
fn parent(path: &[u8], start: usize) -> &[u8] {
    match start {
        0 => b"",
        1 => b"/",
        _ => path.get(..start - 1).unwrap_or_default(),
    }
}

trait TrimSlashes {
    fn trim_ascii_end_slashes(&self) -> &[u8];
}

impl TrimSlashes for [u8] {
    fn trim_ascii_end_slashes(&self) -> &[u8] {
        let mut path = self;
        while let [rest @ .., b'/'] = path {
            path = rest;
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touched(path: &str) -> Option<&str> {
        touched_directory(path.as_bytes()).map(|path| std::str::from_utf8(path).unwrap())
    }

    #[test]
    fn a_file_in_a_metadata_directory_touches_its_parent_directory() {
        const SITE: &str = "/usr/lib/python3.13/site-packages";
        for name in [
            "a-1.dist-info",
            "a-1.dist-info/",
            "A-1.DIST-INFO/METADATA",
            "a-1.dist-info/licenses/sub/LICENSE",
            "a.egg-info",
            "a.Egg-Info/PKG-INFO",
            "a-1.egg",
            "a-1.egg/EGG-INFO/entry_points.txt",
            ".dist-info",
            "x.pth",
            "X.PTH",
            ".hidden.pth",
        ] {
            assert_eq!(touched(&format!("{SITE}/{name}")), Some(SITE), "{name}");
        }
        assert_eq!(touched("/x.egg-info"), Some("/"));
        assert_eq!(touched("/srv/x/EGG-INFO/PKG-INFO"), Some("/srv/x"));
        assert_eq!(touched("a-1.dist-info"), Some(""));
    }

    #[test]
    fn search_directories_touch_themselves() {
        for path in [
            "/usr/lib/python3/dist-packages",
            "/usr/local/lib64/python3.13t/site-packages",
            "/usr/lib64/python3.13",
            "/usr/lib64/python3.13/lib-dynload",
            "/usr/lib/python311.zip",
        ] {
            assert_eq!(touched(path), Some(path));
            assert_eq!(touched(&format!("{path}/")), Some(path));
        }
    }

    #[test]
    fn modules_data_and_their_directories_touch_nothing() {
        for path in [
            "",
            "/",
            "/usr/bin/python3-config",
            "/usr/lib/python3/dist-packages/a/__init__.py",
            "/usr/lib/python3/dist-packages/a",
            "/usr/lib/python3/dist-packages/dist-info",
            "/usr/lib/python3/dist-packages/a.pth/b",
            "/usr/lib/python3/dist-packages/a.pth.py",
            "/usr/lib/python3/dist-packages/egg",
            "/usr/lib/python3.13/site-packages.old",
            "/usr/share/python3-foo",
        ] {
            assert_eq!(touched(path), None, "{path}");
        }
    }
}
