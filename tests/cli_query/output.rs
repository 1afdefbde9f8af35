//! The output of `epcache query`.

use super::*;

#[test]
fn in_a_pipe_it_prints_plain_columns() {
    let tree = Tree::new();
    tree.dist(
        "site",
        "a",
        "[z]\none = a:one\n[g]\ntwo words = a:two [x, y]\nbad = no ref\n",
    );
    tree.dist("site", "b", "[g]\nthree = b:three\n");
    let ran = run(tree
        .epcache(&["query", "g", "--path", "site"])
        .env("TERM", "xterm"));
    let mut lines: Vec<_> = ran.stdout.lines().collect();
    lines.sort_unstable();
    let expected = [
        "g\tbad\tno ref",
        "g\tthree\tb:three",
        "g\ttwo words\ta:two [x, y]",
    ];
    assert_eq!((ran.code, lines.as_slice()), (0, &expected[..]));
    assert_eq!(ran.stderr, "");
    let ran = run(&mut tree.epcache(&["query", "--path", "site"]));
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "g\t3\nz\t1\n"));
    let ran = run(&mut tree.epcache(&["query", "g", "three", "--path", "site"]));
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "g\tthree\tb:three\n"));
}

#[test]
fn the_exit_status_says_whether_one_was_found() {
    let tree = Tree::new();
    tree.dist("site", "a", "[g]\na = a:main\n");
    for (arguments, code) in [
        ("g", 0),
        ("g a", 0),
        ("g b", 1),
        ("nothing", 1),
        ("nothing --json", 1),
        ("g --python 9.9", 2),
    ] {
        let mut command = tree.epcache(&["query"]);
        command.args(arguments.split(' '));
        if code != 2 {
            command.args(["--path", "site"]);
        }
        assert_eq!(run(&mut command).code, code, "{arguments}");
    }
    let ran = run(&mut tree.epcache(&["query", "--path", "empty", "gone"]));
    assert_eq!(ran.code, 2, "which might be a mistake: {ran:?}");
    let gone = tree.text("gone");
    let ran = run(&mut tree.epcache(&["query", "--path", &gone]));
    let warning = format!("epcache: warning: --path {gone}: no such directory\n");
    assert_eq!(
        (ran.code, ran.stdout.as_str(), ran.stderr),
        (1, "", warning)
    );
}

#[test]
fn json_is_an_array_of_objects_with_these_keys() {
    let tree = Tree::new();
    tree.dist("site", "a", "[g]\nname = a:main [x]\n");
    let ran = run(&mut tree.epcache(&["query", "g", "--json", "--path", "site"]));
    let expected = serde_json::json!([{
        "group": "g", "name": "name", "value": "a:main [x]", "distribution": "a", "version": "1",
        "path": tree.text("site/a-1.dist-info"),
    }]);
    assert_eq!(ran.json(), expected);
    let ran = run(&mut tree.epcache(&["query", "h", "--json", "--path", "site"]));
    assert_eq!((ran.code, ran.json()), (1, serde_json::json!([])));
}

#[test]
fn in_json_a_path_that_is_not_utf8_has_the_same_bytes_in_python() {
    if !tool_for("the bytes of paths", "python3") {
        return;
    }
    let tree = Tree::new();
    let site = tree
        .path("")
        .join(OsStr::from_bytes(b"s\xef\xffte \xe2\x82\xac"));
    let metadata = site.join(OsStr::from_bytes(b"n\xe9-1.dist-info"));
    fs::create_dir_all(&metadata).unwrap();
    fs::write(metadata.join("entry_points.txt"), "[g]\nx = x:main\n").unwrap();
    let mut query = tree.epcache(&["query", "g", "--json", "--path"]);
    let output = query.arg(&site).output().unwrap();
    tree.file("json", &output.stdout);
    let code = "import json, os, sys; e, = json.load(open('json')); \
                sys.stdout.buffer.write(os.fsencode(e['path']) + b'|' + os.fsencode(e['distribution']))";
    let output = tree
        .program("python3".as_ref())
        .args(["-I", "-c", code])
        .output()
        .unwrap();
    let expected = [metadata.as_os_str().as_bytes(), b"|n\xe9"].concat();
    assert_eq!(
        output.stdout,
        expected,
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// What a terminal shows, without colours.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain + rest
}

#[test]
fn on_a_terminal_it_prints_aligned_and_coloured_columns() {
    if !tool_for("query on a terminal", "script") {
        return;
    }
    let tree = Tree::new();
    let long = "l".repeat(300);
    tree.dist(
        "site",
        "a",
        &format!("[g]\nx = a:x\nlonger = a:longer\n{long} = a:long\nbad = no ref\n[zz]\nz=z:z\n"),
    );
    let query = "\"$EPCACHE\" query g --path site";
    let ran = run(&mut tree.on_terminal(query));
    assert!(ran.stdout.contains("\x1b[36mlonger\x1b[0m"), "{ran:?}");
    let shown = plain(&ran.stdout);
    let column = |line: &str| {
        shown
            .lines()
            .find(|l| l.starts_with(line))
            .unwrap()
            .find("a:")
    };
    assert_eq!(column("x "), column("longer "), "{shown}");
    assert_eq!(
        column("x "),
        Some(42),
        "one long name does not push all others away: {shown}"
    );
    assert!(shown.contains("no ref (malformed)"), "{shown}");
    assert!(shown.contains("  a 1\r\n"), "the distribution: {shown}");

    let ran = run(&mut tree.on_terminal("\"$EPCACHE\" query --path site"));
    assert!(ran.stdout.contains('\x1b'), "{ran:?}");
    assert_eq!(plain(&ran.stdout), "4  g\r\n1  zz\r\n");

    for plainly in ["NO_COLOR=1", "TERM=dumb"] {
        let ran = run(&mut tree.on_terminal(&format!("{plainly} {query}")));
        assert_eq!(ran.stdout, shown, "{plainly}");
    }
    let ran = run(&mut tree.on_terminal(&format!("{query} | cat")));
    assert!(!ran.stdout.contains('\x1b'), "{ran:?}");
    assert!(ran.stdout.contains("g\tx\ta:x\r\n"), "{ran:?}");
}

#[test]
fn control_characters_never_reach_a_terminal_raw() {
    if !tool_for("control characters on a terminal", "script") {
        return;
    }
    let tree = Tree::new();
    // Escape sequences in seven and eight bits, a carriage return, DEL, right-to-left marks.
    let evil = "e\x1b]0;t\x07\u{9b}2J\x7f\u{202e}";
    // Characters that an index may contain.
    let odd = "e\u{202e}";
    tree.dist(
        "site",
        "x",
        &format!("[g{odd}]\nn{odd} = v{odd}\nn = {evil}\n"),
    );
    let metadata = format!("Name: d{evil}\nVersion: 1{evil}\n");
    tree.file("site/x-1.dist-info/METADATA", metadata);
    tree.file(
        &format!("site/f{evil}-2.dist-info/entry_points.txt"),
        "[g]\nbad\n",
    );
    tree.refresh(&["site"], "index");
    tree.file(&format!("site/new{odd}-2.dist-info/METADATA"), "");
    let group = quoted(format!("g{odd}"));
    for command in [
        "query --path site --index index".to_owned(),
        format!("query {group} --path site"),
        "query --json --path site".to_owned(),
        "export --index index".to_owned(),
        "refresh -v --path site --output index2".to_owned(),
        "refresh --json --path site --output index2".to_owned(),
        "status".to_owned(),
        "status --json".to_owned(),
    ] {
        let line = format!("EPCACHE_INDEX=index NO_COLOR=1 \"$EPCACHE\" {command}");
        let ran = run(&mut tree.on_terminal(&line));
        let raw = ran
            .stdout
            .contains(['\x1b', '\x07', '\u{9b}', '\x7f', '\u{202e}']);
        assert!(!raw, "{command}: {ran:?}");
        assert!(ran.stdout.contains("u202e"), "{command}: {ran:?}");
        let named = ran.stdout.contains("x9b2J") || ran.stdout.contains("u009b2J");
        assert!(named || !command.contains("refresh"), "{command}: {ran:?}");
    }
    // JSON still has the exact text.
    let ran = run(&mut tree.epcache(&["query", "*", "--json", "--path", "site"]));
    assert_eq!(ran.json()[0]["name"], format!("n{odd}"));
    assert_eq!(ran.json()[0]["distribution"], "x");
}

// ---- stale indexes
