"""Programs that know nothing of epcache, with and without it: they have to say and to make the same.

    python3 -B tests/python_programs.py (venv | debian) EPCACHE TREE [NAME...]

In: a tree that tests/setup has made, the program, and which of those named below to try (default: all). Out: a
table of what each program took without and with the index, and of how many questions the index
answered. The exit status is 1 if anything else is not the same: status, output, the order in it, files
made; or if the index answered nothing for more than half of them, since those that use the
importlib_metadata backport are left alone. For root, in a mount namespace of its own without a network
(python_programs.rs sees to both): the tree stays as it is, all is done in a layer over it.

The tree gets what the packages python3-epcache and python3-epcache-auto would bring, and an index at its
usual place. "Without" is EPCACHE=off.
"""

import difflib
import hashlib
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = os.path.join(os.path.dirname(HERE), "python")

# Name: command line, in a folder with the files of PROJECT.
BOTH = {
    "pytest --trace-config": "pytest --trace-config --collect-only -p no:cacheprovider tests",
    "pytest": "pytest -q -p no:cacheprovider tests",
    "flake8 --version": "python3 -m flake8 --version",
    "flake8": "python3 -m flake8 --exit-zero tests",
    "openstack --help": "openstack --help",
    "openstack command list": "openstack command list",
    "stevedore": "python3 -m stevedore.example.load_as_extension",
    "keyring": "keyring --list-backends",
    "sphinx-build": "sphinx-build -b html docs out",
    "mkdocs": "mkdocs build --site-dir out",
    "pygmentize -L": "pygmentize -L",
    "twine": "twine --version",
    "setuptools wheel": "python3 setup.py -q bdist_wheel --dist-dir out",
    "pip list": "pip list",
    "poetry": "poetry about",
    "celery": "python3 -m celery --help",
    "tox": "tox --version",
    "flask": "flask --help",
    "pybabel": "pybabel extract -o - tests",
    "alembic": "alembic --help",
}
ONLY = {
    "venv": {
        "jupyter --version": "jupyter --version",
        "jupyter kernelspec": "jupyter kernelspec list --json",
        "jupyter server extensions": "jupyter server extension list",
        "python -m build": "python3 -m build --wheel --no-isolation --outdir out .",
        "poetry plugins": "poetry self show plugins",
        "pdm": "pdm plugin list",
        "datasette": "datasette plugins --all",
        "virtualenv": "virtualenv --help",
        "nox": "nox --version",
    },
    "debian": {
        "paster": "paster3 --help",
        "twist": "twist3 --help",
    },
}

PROJECT = {
    "setup.cfg": "[metadata]\nname = sample\nversion = 1\n[options]\npackages = sample\n"
    "[options.entry_points]\nconsole_scripts =\n  sample = sample:main\n",
    "setup.py": "import setuptools; setuptools.setup()\n",
    "pyproject.toml": '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n',
    "sample/__init__.py": "def main(): pass\n",
    "tests/test_sample.py": 'from gettext import gettext as _\nimport os\n\n\ndef test_sample(mocker):\n    assert _("text")\n',
    "docs/conf.py": 'project = "sample"\nextensions = ["myst_parser", "sphinxcontrib.bibtex"]\n'
    'html_theme = "sphinx_rtd_theme"\nbibtex_bibfiles = []\n',
    "docs/index.rst": "Sample\n======\n\n.. code-block:: python\n\n   import os\n\n.. toctree::\n\n   more\n",
    "docs/more.md": "# More\n\n```toml\na = 1\n```\n",
    "docs/index.md": "# Sample\n\n```python\nimport os\n```\n",
    "mkdocs.yml": "site_name: sample\ntheme: readthedocs\nplugins: [search]\n",
}

# What differs between two runs of the same thing: how long it took, when it was, random names, addresses.
VARIES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\b\d+(\.\d+)? ?(seconds?|ms|s)\b", "TIME"),
        (r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d([.,]\d+)?)?", "DATE"),
        (r"0x[0-9a-f]{6,}", "ADDRESS"),
        (r"--randomly-seed=\d+", "SEED"),
        (r"\.tmp-\w+|\b\d{14,}(?= +: <)", "NAME"),
        # The index is open, and takes a number.
        (r"\b(oldfd|name)=\d+", r"\1=NUMBER"),
        (r"Extension package \S+ took TIME to import\n", ""),
    )
]
# Programs that print a set whose order is that of addresses in memory: their lines are sorted.
UNORDERED = {"keyring"}


def main(kind, program, tree, *names):
    with tempfile.TemporaryDirectory(prefix="epcache-programs-") as work:
        os.chmod(work, 0o755)
        run("mount", "-t", "tmpfs", "-o", "mode=755,size=2g", "tmpfs", work)
        try:
            system = (Venv if kind == "venv" else Debian)(program, tree, work)
            programs = {**BOTH, **ONLY[kind]}
            return compare_all(system, {name: programs[name] for name in names or programs})
        finally:
            os.chdir("/")
            run("umount", "-R", "-l", work)


def run(*command):
    subprocess.run(command, check=True)


class System:
    """A tree with a layer over it, the package, and an index."""

    def overlay(self, tree, work, at):
        for name in ("upper", "work"):
            os.mkdir(os.path.join(work, name))
        options = "lowerdir=%s,upperdir=%s/upper,workdir=%s/work" % (tree, work, work)
        run("mount", "-t", "overlay", "-o", options, "overlay", at)

    def install(self, directory):
        shutil.copytree(
            os.path.join(PACKAGE, "src", "epcache"),
            os.path.join(directory, "epcache"),
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        for name in ("epcache-auto.pth", "epcache_auto.py"):
            shutil.copy(os.path.join(PACKAGE, "auto", name), directory)
        # Beside the package, and last in the alphabet: counts what the index has answered.
        with open(os.path.join(directory, "zz-count.pth"), "w") as file:
            file.write("import zz_count\n")
        with open(os.path.join(directory, "zz_count.py"), "w") as file:
            file.write(COUNT)


COUNT = '''
import atexit, os, sys

def count():
    quick = sys.modules.get("epcache_auto._quick")
    path = os.environ.get("EPCACHE_TEST_COUNT")
    if path and quick:
        answers = [rows for _, rows, _, _ in quick._answers.values() if rows]
        with open(path, "a") as file:
            file.write("%d\\n" % len(answers))

atexit.register(count)
'''


class Venv(System):
    def __init__(self, program, tree, work):
        self.overlay(tree, work, tree)
        self.root = ""
        self.folder = os.path.join(work, "programs")
        self.path = os.path.join(tree, "bin")
        self.install(
            subprocess.check_output(
                [self.path + "/python3", "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
                text=True,
            ).strip()
        )
        self.refresh = program, "refresh", "--venv", tree

    def command(self, words):
        return ["sh", "-c", 'cd "$0" && exec "$@"', self.folder, *words]


class Debian(System):
    def __init__(self, program, tree, work):
        self.root = os.path.join(work, "root")
        os.mkdir(self.root)
        self.overlay(tree, work, self.root)
        run("mount", "-t", "proc", "proc", self.root + "/proc")
        run("mount", "--rbind", "/dev", self.root + "/dev")
        self.folder = "/srv/programs"
        self.path = "/usr/bin:/bin"
        self.install(self.root + "/usr/lib/python3/dist-packages")
        self.refresh = program, "refresh", "--root", self.root

    def command(self, words):
        return ["/usr/sbin/chroot", self.root, "/bin/sh", "-c", 'cd "$0" && exec "$@"', self.folder, *words]


def once(system, words, is_on):
    """Runs a program in a fresh folder. Returns what came of it, seconds, and what the index answered."""
    folder = system.root + system.folder
    shutil.rmtree(folder, True)
    for name, content in PROJECT.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(content)
    os.mkdir(os.path.join(folder, "home"))
    environment = {
        "PATH": system.path + ":/usr/bin:/bin",
        "HOME": system.folder + "/home",
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "100",
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": "1700000000",
        "EPCACHE_TEST_COUNT": system.folder + "/home/count",
        "EPCACHE": "auto" if is_on else "off",
    }
    before = processor_time()
    ended = subprocess.run(
        ["timeout", "--kill-after=5", "120", *system.command(words)],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    took = processor_time() - before
    try:
        with open(folder + "/home/count") as file:
            answered = sum(map(int, file))
    except FileNotFoundError:
        answered = 0
    lines = ["status %d" % ended.returncode]
    for title, output in ("out", ended.stdout), ("err", ended.stderr):
        lines += ["%s: %s" % (title, line) for line in constant(output).splitlines()]
    return lines + made(os.path.join(folder, "out")), took, answered


def made(folder):
    """The files that a program has made, each by its sum."""
    lines = []
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            if name.endswith(".whl"):
                with zipfile.ZipFile(path) as archive:
                    for member in archive.namelist():
                        lines.append("file %s: %s %s" % (name, member, digest(archive.read(member))))
            elif not name.endswith((".doctree", ".pickle", ".gz")):
                with open(path, "rb") as file:
                    content = constant(file.read())
                lines.append("file %s %s" % (os.path.relpath(path, folder), digest(content.encode())))
    return sorted(lines)


def constant(output):
    """The part of it that is the same each time."""
    text = output.decode("utf-8", "replace")
    for pattern, replacement in VARIES:
        text = pattern.sub(replacement, text)
    return text


def processor_time():
    """Of all children so far: a machine that is busy with other things changes it little."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def digest(content):
    return hashlib.sha256(content).hexdigest()


def compare_all(system, programs):
    # What a program compiles makes directories, or moves them up into the layer: that is over once all have run.
    first = {name: once(system, line.split(), False)[0] for name, line in programs.items()}
    # Times as young as the clock's last tick may be recorded as unknown: then nothing is fresh.
    time.sleep(0.1)
    run(*system.refresh)
    failures, without_answer = [], []
    print("%-28s %9s %9s %8s  %s" % ("processor time", "without", "with", "saved", "questions answered"))
    for name, line in programs.items():
        complaint = compare(system, name, line.split(), first[name], without_answer)
        if complaint:
            failures.append("%s: %s" % (name, complaint))
        sys.stdout.flush()
    if len(programs) > 1 and len(without_answer) > len(programs) / 2:
        failures.append("the index answered nothing for %s" % ", ".join(without_answer))
    for failure in failures:
        print("FAILED " + failure, file=sys.stderr)
    return 1 if failures else 0


def compare(system, name, words, first, without_answer):
    """What is wrong, if anything."""
    if first[0] != "status 0":
        return "it does not run:\n" + "\n".join(first[-20:])
    without, without_took, _ = once(system, words, False)
    found, took, answered = once(system, words, True)
    if name in UNORDERED:
        first, without, found = sorted(first), sorted(without), sorted(found)
    if first != without:
        return "not the same two times without the index:\n" + difference(first, without)
    if without != found:
        return "not the same with the index:\n" + difference(without, found)
    times = 1e3 * without_took, 1e3 * took, 1e3 * (without_took - took)
    print("%-28s %6.0f ms %6.0f ms %5.0f ms  %d" % (name, *times, answered))
    if not answered:
        without_answer.append(name)
    return None


def difference(one, other):
    return "\n".join(list(difflib.unified_diff(one, other, n=1, lineterm=""))[:40])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
