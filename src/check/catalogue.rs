//! Every kind of finding: its identifier, its consequence, and what to do.
//!
//! The input is an identifier, the output is its explanation. Identifiers are stable, because
//! scripts and configurations name them.

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something is wrong.
    Problem,
    /// Information. It is usually on purpose.
    Note,
}

impl Level {
    /// The word for it in output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Note => "note",
        }
    }
}

/// A kind of finding.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its stable identifier.
    pub id: &'static str,
    /// What it concerns.
    pub area: &'static str,
    /// How much it matters.
    pub level: Level,
    /// What was found, in general.
    pub what: &'static str,
    /// The consequence.
    pub follows: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

macro_rules! kinds {
    ($($area:literal: { $($name:ident $id:literal $level:ident $what:literal $follows:literal $remedy:literal)* })*) => {
        $($(
            #[doc = $what]
            pub(super) const $name: &Kind = &Kind {
                id: $id,
                area: $area,
                level: Level::$level,
                what: $what,
                follows: $follows,
                remedy: $remedy,
            };
        )*)*

        /// All kinds, in the order in which `check --list` explains them.
        pub const KINDS: &[&Kind] = &[$($($name),*),*];
    };
}

kinds! {
    "the file": {
        NO_EQUALS_SIGN "line-without-equals" Problem
            "A line of entry_points.txt has no '='."
            "importlib.metadata raises an error for every program that asks for entry points; epcache ignores the file."
            "Write `name = module:object`, or remove the line. An indented line does not continue the one before it."
        COLON "colon-for-equals" Problem
            "A line of entry_points.txt is written `name: value`."
            "importlib.metadata raises an error for every program that asks for entry points; epcache ignores the file."
            "Write `name = value`."
        NOT_UTF8 "not-utf-8" Problem
            "entry_points.txt is not UTF-8."
            "importlib.metadata raises an error for every program that asks for entry points; epcache ignores the file."
            "Save the file as UTF-8."
        BYTE_ORDER_MARK "byte-order-mark" Problem
            "entry_points.txt starts with a byte order mark."
            "The first line is not recognised as a group, so the entry points below it are lost."
            "Save the file as UTF-8 without a byte order mark."
        BEFORE_GROUP "line-before-group" Problem
            "A line stands before the first [group] of entry_points.txt."
            "The line is ignored silently."
            "Put the line below the [group] that it belongs to."
        DUPLICATE_NAME "duplicate-name" Problem
            "A name stands twice in one group of one file."
            "Which of the two a program takes is up to that program; Python 3.9 and older raise an error."
            "Remove one of the two, or rename it."
        BRACKET_SPACES "spaces-in-brackets" Problem
            "There are spaces inside the brackets of a group."
            "The spaces are part of the group's name, so nobody who asks for the group finds these entry points."
            "Write `[group]`."
        EMPTY_NAME "empty-name" Problem
            "A group or an entry point has an empty name."
            "Nobody can ask for it by name."
            "Give it a name, or remove it."
        SEMICOLON "semicolon-comment" Problem
            "A line starts with ';', which does not make a comment."
            "importlib.metadata takes the line for an entry point whose name starts with ';'."
            "Start comments with '#'."
        CONTROL_CHARACTER "control-character" Problem
            "A group, name or value, or the name of a metadata directory, has a control character."
            "epcache leaves it out of the index and of every answer."
            "Remove the control character."
        OVER_LIMIT "over-limit" Problem
            "A file is larger than 1 MiB, or has more than 65,536 entry points, or a directory has more than is read."
            "epcache ignores the file, or leaves the distribution unread."
            "Make the file smaller."
        UNREADABLE "unreadable" Problem
            "A file or directory cannot be read by everybody, although the directory around it can."
            "Other users do not see the distribution or its entry points; it is not in the system's index."
            "chmod a+r the file, or a+rx the directory."
        NOT_A_FILE "not-a-file" Problem
            "A directory, a dangling link or a special file stands where a file is expected."
            "It is ignored."
            "Replace it with a regular file."
    }
    "the place": {
        BESIDE_PACKAGE "beside-package" Problem
            "entry_points.txt lies beside the package or in it, outside of the metadata directory."
            "Nobody reads it there."
            "Declare the entry points in pyproject.toml or setup.cfg, so that the build puts them into the metadata directory."
        IN_LICENSES "in-licenses" Problem
            "entry_points.txt lies in the metadata directory's folder of licences."
            "Nobody reads it there."
            "Exclude the file from license-files, and declare the entry points in pyproject.toml or setup.cfg."
        MISNAMED "misnamed-file" Problem
            "A file in the metadata directory is nearly named entry_points.txt."
            "Nobody reads it."
            "Name it entry_points.txt."
        NO_METADATA "no-metadata" Problem
            "A metadata directory has neither METADATA nor PKG-INFO, or an empty one."
            "The distribution has no name and no version for programs that ask; pip cannot remove or upgrade it."
            "Install the distribution again; if it is gone, remove the directory."
        NO_NAME "no-name-or-version" Problem
            "METADATA or PKG-INFO has no usable Name or Version."
            "It is taken from the directory's name; importlib.metadata says None or raises an error."
            "Build the distribution again with a current build tool."
        PIP_LEFTOVER "pip-leftover" Problem
            "A name starts with '~': pip renames what it is about to remove, and did not finish."
            "A distribution of that name may still be listed; pip warns about it each time."
            "Remove it."
        SEVERAL_VERSIONS "several-versions" Problem
            "Two metadata directories of one distribution lie in one directory."
            "One counts, the other is hidden; which one importlib.metadata of older Pythons takes depends on the file system."
            "Remove the one that is no longer installed."
        SHADOWED "shadowed" Note
            "A distribution is in two search directories."
            "The one in the earlier directory counts."
            "Nothing, if that is wanted; otherwise remove one of the two."
        NAME_DISAGREES "name-disagrees" Problem
            "The metadata has another name or version than its directory."
            "Tools that look at the directory's name and tools that read the file see different distributions."
            "Build the distribution again; do not rename metadata directories."
    }
    "the reference": {
        NOT_A_REFERENCE "not-an-object-reference" Problem
            "The value is not of the form `module:object` or `module`."
            "Loading it raises an error; from Python 3.15 on, asking for entry points does, for every program."
            "Write `package.module:object`, without quotes, calls or comments."
        NO_MODULE "module-missing" Problem
            "No installed file provides the module that the value names."
            "Loading the entry point raises ModuleNotFoundError."
            "Correct the module's name, or install the file that is missing."
        MODULE_UNCLEAR "module-unclear" Note
            "Whether the module exists cannot be told: an editable installation, an archive, a package that changes its path, a closed directory."
            "It was not checked."
            "Load the entry point once, or check as a user who can read all of sys.path."
        MODULE_ELSEWHERE "module-elsewhere" Note
            "The module is not part of this tree, and the tree is not a whole system."
            "The entry point works where another package provides the module."
            "Make sure that the package depends on the one that has the module."
        NO_EXTRA "extra-undeclared" Problem
            "The value names an extra that the distribution does not declare."
            "pip and pkg_resources do not find the extra's requirements."
            "Declare the extra, or remove the brackets."
    }
    "the group": {
        NEAR_GROUP "group-misspelt" Problem
            "A group that nobody else uses is nearly a well-known or a much-used one."
            "The program that asks for the usual group does not find these entry points."
            "Correct the group's name, if the usual one is meant."
    }
    "the clash": {
        SAME_NAME "same-name" Note
            "Two distributions have the same name in one group."
            "Which one a program takes is up to that program; the first is found first."
            "Nothing, if one is meant to replace the other."
        SAME_SCRIPT "same-script" Problem
            "Two distributions have the same console script or GUI script."
            "There is one file for both: the distribution that was installed last has overwritten the other's."
            "Remove one of the two distributions."
        NO_SCRIPT "script-missing" Problem
            "A console script or GUI script has no file in the directory for programs."
            "The command cannot be run."
            "Install the distribution again, or add the file to the package."
        NOT_INSTALLED "requirement-missing" Problem
            "A distribution requires another one that is not installed."
            "Importing it may fail."
            "Install the requirement."
        OTHER_VERSION "requirement-version" Problem
            "A distribution requires another version of one that is installed."
            "It may not work."
            "Install a version that fits."
        BAD_REQUIREMENT "requirement-unclear" Note
            "A requirement cannot be parsed, or its marker or version cannot be evaluated here."
            "It was not checked."
            "Write requirements as the specification of dependency specifiers says."
    }
    "this check": {
        UNCHECKED "unchecked" Problem
            "Something was not checked: it is too much, or could not be read."
            "Findings about it are missing."
            "Check it by itself with --path, or as a user who can read it."
    }
}
