//! The grammars: what the names and the files of installed distributions say.
//!
//! In come bytes and strings that somebody else has read: names of directory entries, the text of
//! `entry_points.txt`, the head of `METADATA` or `PKG-INFO`. Out go values that borrow from them
//! wherever they can. Nothing here knows a file system, a clock or a log, and nothing here panics
//! on its input, whoever wrote it.
//!
//! The yardstick is current `importlib.metadata` (importlib_metadata 10.2 on CPython 3.14), to the
//! character. Where a module differs on purpose, its first paragraphs list the difference. One
//! difference is common to all: "letter", "space" and "lower case" follow the Unicode version of
//! the Rust toolchain, which may be newer or older than that of the interpreter.

mod alphabetic_marks;

pub mod core_metadata;
pub mod dependency_specifier;
pub mod directory_name;
pub mod entry_points;
pub mod imports;
pub mod marker;
pub mod normalize;
pub mod object_reference;
pub mod precedence;
pub mod requirements;
pub mod text;
