//! The output of `epcache hook`, used as it is meant to be, and run by the tool that it is for.
//! conda is not in the registries that tests use. Its scripts run as conda runs them: by a shell
//! with `CONDA_PREFIX`, in a prefix like conda's.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;
#[path = "support/recipes.rs"]
mod recipes;

use std::fs;
use std::path::{Path, PathBuf};

use cli::{Tree, left_out, root_for, run, tool_for};

/// A directory that `tests/setup` has made.
fn prepared(name: &str) -> Option<PathBuf> {
    let cache = std::env::var_os("EPCACHE_TEST_CACHE")
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cache/epcache-tests")))?;
    let trees = fs::read_to_string(cache.join("trees")).unwrap_or_default();
    let line = |line: &str| {
        line.split_once('\t')
            .filter(|(tree, _)| *tree == name)
            .map(|(_, path)| path.into())
    };
    let found = trees.lines().find_map(line);
    if found.is_none() {
        left_out(name, "tests/setup has not made it");
    }
    found
}

/// A project: the tools on `PATH`, pip without a network, and a distribution to install (mccabe,
/// which has one entry point in flake8.extension).
fn project() -> Option<(Tree, String)> {
    let venv = prepared("venv")?;
    let wheels = venv.parent().unwrap().join("wheels");
    let tree = Tree::new();
    for tool in ["uv", "tox"] {
        tree.link(venv.join("bin").join(tool), &format!("tools/{tool}"));
    }
    tree.file("requirements.txt", "mccabe\n");
    let python = fs::canonicalize(venv.join("bin/python3")).unwrap();
    let prelude = format!(
        "export PATH={}:{}:$PATH PIP_NO_INDEX=1 PIP_FIND_LINKS={wheels} PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore\n\
         export UV_NO_INDEX=1 UV_FIND_LINKS={wheels} UV_OFFLINE=1 UV_PYTHON_DOWNLOADS=never UV_CACHE_DIR={}\n\
         known() {{ epcache query flake8.extension --venv \"$1\" --index \"$1/.epcache/index\" --freshness trust; }}\n",
        tree.text("tools"),
        python.parent().unwrap().display(),
        tree.text("uv-cache"),
        wheels = wheels.display(),
    );
    Some((tree, prelude))
}

const KNOWN: &str = "flake8.extension\tC90\tmccabe:McCabeChecker\n";

fn works(script: &str) {
    let Some((tree, prelude)) = project() else {
        return;
    };
    let ran = run(&mut recipes::shell(
        &format!("{prelude}{script}"),
        &tree.path(""),
    ));
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, KNOWN),
        "{}",
        ran.stderr
    );
}

#[test]
fn pip_refreshes_the_active_environment() {
    works(
        "python3 -m venv one >&2; . one/bin/activate\n\
         eval \"$(epcache hook pip)\"\n\
         pip install -q mccabe >&2; known one\n\
         pip uninstall -q -y mccabe >&2; ! known one\n\
         ! pip install -q no-such-package 2>/dev/null",
    );
}

#[test]
fn uv_refreshes_the_active_environment_and_that_of_the_project() {
    works(
        "eval \"$(epcache hook uv)\"\n\
         printf '[project]\\nname = \"p\"\\nversion = \"1\"\\nrequires-python = \">=3.10\"\\n' >pyproject.toml\n\
         uv add -q mccabe >&2; known .venv >uv-project\n\
         uv venv -q two; . two/bin/activate\n\
         uv pip install -q mccabe >&2; known two | diff - uv-project >&2; cat uv-project",
    );
}

/// The lines in the shell's own file that a user writes, and how a test writes them.
const SHELLS: [(&str, &str); 4] = [
    ("bash", POSIX),
    ("zsh", POSIX),
    ("dash", POSIX),
    (
        "fish",
        "function active; source $argv/bin/activate.fish; end\n\
         function report; echo $status $argv; end\n\
         epcache hook pip --fish | source\n\
         epcache hook uv --fish | source\n",
    ),
];
const POSIX: &str = "active() { . \"$1/bin/activate\"; }\n\
                     report() { echo $? \"$@\"; }\n\
                     eval \"$(epcache hook pip)\"\n\
                     eval \"$(epcache hook uv)\"\n";

/// In every shell, the lines print this.
fn works_in_every_shell(lines: &str, expected: &str) {
    for (shell, own) in SHELLS {
        if !tool_for("the shell functions", shell) {
            continue;
        }
        let Some((tree, prelude)) = project() else {
            return;
        };
        let known = tree.file(
            "tools/known",
            "#!/bin/sh\nexec epcache query flake8.extension --venv \"$1\" --index \"$1/.epcache/index\" --freshness trust\n",
        );
        cli::set_mode(known, 0o755);
        tree.file("script", format!("{own}{lines}"));
        let line = format!(
            "{prelude}\npython3 -m venv one >&2; uv venv -q two\n\
             mkdir -p project/src; printf '[project]\\nname = \"p\"\\nversion = \"1\"\\nrequires-python = \">=3.10\"\\n' >project/pyproject.toml\n\
             {shell} script"
        );
        let ran = run(&mut recipes::shell(&line, &tree.path("")));
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (0, expected),
            "{shell}: {}",
            ran.stderr
        );
    }
}

/// Also where options stand in front of the command, and never changing the exit status.
#[test]
fn in_every_shell_the_index_follows_pip() {
    works_in_every_shell(
        "active one\n\
         pip -q install mccabe >&2; report pip; known one\n\
         pip3 uninstall -q -y mccabe >&2; report pip3; known one\n\
         python -m pip install -q mccabe >&2; report python; known one\n\
         python3 -m pip --quiet uninstall -y mccabe >&2; report python3; known one\n\
         pip --python two -q install mccabe >&2; report two; known two\n\
         pip install -q no-such-package 2>/dev/null; report failed\n\
         python3 -c 'import sys; sys.exit(7)'; report other\n\
         true\n",
        &format!(
            "0 pip\n{KNOWN}0 pip3\n0 python\n{KNOWN}0 python3\n0 two\n{KNOWN}1 failed\n7 other\n"
        ),
    );
}

#[test]
fn in_every_shell_the_index_follows_uv() {
    works_in_every_shell(
        "uv pip install -q -p two mccabe >&2; report pip; known two\n\
         uv pip uninstall -q --python=two mccabe >&2; report uninstall; known two\n\
         cd project/src\n\
         uv add -q mccabe >&2; report add; known ../.venv\n\
         rm ../.venv/.epcache/index; uv sync -q >&2; report sync; known ../.venv\n\
         rm ../.venv/.epcache/index; uv run -q false; report run; known ../.venv\n\
         uv add -q no-such-package 2>/dev/null; report failed\n\
         true\n",
        &format!(
            "0 pip\n{KNOWN}0 uninstall\n0 add\n{KNOWN}0 sync\n{KNOWN}1 run\n{KNOWN}1 failed\n"
        ),
    );
}

/// Nor does a failure of epcache itself change it.
#[test]
fn the_exit_status_of_a_tool_stays_as_it_is_where_epcache_fails() {
    works_in_every_shell(
        "active one\n\
         touch one/.epcache\n\
         pip -q install mccabe >&2; report pip\n\
         uv pip install -q mccabe >&2; report uv\n\
         true\n",
        "0 pip\n0 uv\n",
    );
}

#[test]
fn make_renews_the_index_only_when_the_requirements_change() {
    works(
        "epcache hook make >Makefile\n\
         make >&2; known .venv\n\
         make --question\n\
         sleep 1; touch requirements.txt; ! make --question; make >&2; make --question",
    );
}

#[test]
fn direnv_refreshes_the_environment_that_it_activates() {
    if !tool_for("the lines for .envrc", "direnv") {
        return;
    }
    works(
        "mkdir d; cd d; python3 -m venv .venv; .venv/bin/pip install -q mccabe\n\
         { echo 'export VIRTUAL_ENV=$PWD/.venv'; epcache hook direnv; } >.envrc\n\
         direnv allow . ; direnv exec . true 2>/dev/null; known .venv",
    );
}

#[test]
fn tox_makes_the_index_before_the_commands() {
    works(
        "{ printf '[tox]\\nno_package = true\\nenv_list = one\\n'; epcache hook tox\n\
           printf 'deps = mccabe\\ncommands = epcache query flake8.extension --venv {envdir} --index {envdir}/.epcache/index --freshness trust\\n'\n\
         } >tox.ini\n\
         printf '[testenv:one]\\npass_env = PIP_*\\n' >>tox.ini\n\
         tox run -q >tox.log 2>&1 || { cat tox.log >&2; exit 1; }\n\
         grep ^flake8 tox.log",
    );
}

#[test]
fn an_activation_script_of_conda_refreshes_its_prefix() {
    works(
        "python3 -m venv prefix; prefix/bin/pip install -q mccabe; rm prefix/pyvenv.cfg\n\
         ln -s $(basename prefix/lib/python3*) prefix/lib/python3.1\n\
         mkdir -p prefix/conda-meta prefix/etc/conda/activate.d prefix/etc/conda/deactivate.d\n\
         epcache hook conda >prefix/etc/conda/activate.d/epcache.sh\n\
         epcache hook conda | grep -o 'unset EPCACHE_INDEX' >prefix/etc/conda/deactivate.d/epcache.sh\n\
         export CONDA_PREFIX=$PWD/prefix\n\
         run() { for script in \"$CONDA_PREFIX/etc/conda/$1\"/*.sh; do . \"$script\"; done; }\n\
         run activate.d; site=$(echo prefix/lib/python3.1?/site-packages)\n\
         epcache query flake8.extension --path \"$site\" --freshness trust | tee found\n\
         test \"$EPCACHE_INDEX\" = $PWD/prefix/.epcache/index\n\
         run deactivate.d; test -z \"${EPCACHE_INDEX-}\"",
    );
}

/// By buildah, from the files that the program needs and the metadata of a Debian.
#[test]
fn a_line_in_a_containerfile_makes_the_index_of_the_image() {
    let name = "the line for a Containerfile";
    let (true, true, Some(debian)) = (
        root_for(name),
        tool_for(name, "buildah"),
        prepared("debian-bookworm"),
    ) else {
        return;
    };
    let line = recipes::blocks(
        "docs/images.md",
        "Containerfiles and bootc",
        "Containerfile",
    );
    let tree = Tree::new();
    tree.file("line", line.concat());
    let script = format!(
        "mkdir -p base/etc base/usr/bin base/usr/lib/python3/dist-packages base/usr/lib/python3.11; ln -s usr/bin base/bin\n\
         cp \"$EPCACHE\" /bin/sh base/usr/bin\n\
         for library in $(ldd \"$EPCACHE\" /bin/sh | grep -o '/[^ :]*\\.so[^ ]*' | sort -u); do cp --parents -L \"$library\" base; done\n\
         printf 'root:x:0:0::/:/bin/sh\\n_epcache:x:999:999::/:/bin/sh\\n' >base/etc/passwd\n\
         cp -r {debian}/usr/lib/python3/dist-packages/*-info base/usr/lib/python3/dist-packages\n\
         cp {debian}/usr/bin/python3.11 base/usr/bin; cp {debian}/usr/lib/python3.11/os.py {debian}/usr/lib/python3.11/site.py base/usr/lib/python3.11\n\
         venv=base/app/.venv; mkdir -p $venv/bin $venv/lib/python3.11/site-packages; ln -s /usr/bin/python3.11 $venv/bin/python3\n\
         echo 'home = /usr/bin' >$venv/pyvenv.cfg; cp -r {debian}/usr/lib/python3/dist-packages/mccabe*-info $venv/lib/python3.11/site-packages\n\
         \"$EPCACHE\" hook containerfile >lines; grep -qxf line lines\n\
         {{ printf 'FROM scratch\\nCOPY base/ /\\n'; sed 's/^# RUN/RUN/' lines; }} >Containerfile\n\
         build=\"buildah --storage-driver vfs --root $PWD/store --runroot $PWD/run\"\n\
         $build build --isolation chroot --network host --tag image . >&2\n\
         mounted=$($build mount $($build from image))\n\
         ls -A $mounted/usr/lib/epcache >&2; test -s $mounted/app/.venv/.epcache/index\n\
         rm -r $mounted/usr/lib/python3/dist-packages/mccabe*\n\
         \"$EPCACHE\" query flake8.extension C90 --freshness trust --root $mounted\n",
        debian = debian.display()
    );
    let ran = run(&mut tree.with_mounts(&script));
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, KNOWN),
        "{}",
        ran.stderr
    );
}

#[test]
fn without_a_tool_the_list_is_printed() {
    let tree = Tree::new();
    let ran = run(&mut tree.epcache(&["hook"]));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let names: Vec<_> = ran
        .stdout
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(
        names,
        [
            "pip",
            "uv",
            "make",
            "containerfile",
            "direnv",
            "tox",
            "conda"
        ]
    );
}

/// Environments contain their own absolute paths, and so does their index.
#[test]
fn an_environment_that_was_moved_says_so_until_it_is_refreshed() {
    let tree = Tree::new();
    let old = tree.venv("old");
    tree.give("old");
    let refresh = |venv: &Path| {
        let mut refresh = tree.as_user(&["refresh", "--quiet"]);
        let ran = run(refresh.env("VIRTUAL_ENV", venv).env("HOME", tree.path("")));
        assert_eq!(ran.code, 0, "{ran:?}");
    };
    refresh(&old);
    let new = tree.path("new");
    fs::rename(&old, &new).unwrap();
    let ask = |arguments: &[&str]| {
        let mut command = tree.as_user(arguments);
        run(command.env("VIRTUAL_ENV", &new).env("HOME", tree.path("")))
    };
    let warned = ask(&["query", "g", "env"]);
    assert_eq!(warned.stdout, "g\tenv\tenv:main\n");
    let complaint = warned.complaint();
    let mending = format!("`epcache refresh --venv {}` mends it", new.display());
    assert!(
        complaint.contains("the environment has moved"),
        "{complaint}"
    );
    assert!(complaint.contains(&mending), "{complaint}");
    let status = ask(&["status"]).stdout;
    assert!(status.contains("the environment has moved"), "{status}");
    refresh(&new);
    let quiet = ask(&["query", "g", "env", "--freshness", "trust"]);
    assert_eq!(
        (quiet.stdout.as_str(), quiet.stderr.as_str()),
        ("g\tenv\tenv:main\n", "")
    );
    assert!(!ask(&["status"]).stdout.contains("moved"));
}
