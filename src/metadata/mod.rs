//! The grammars of the names and files of installed distributions.
//!
//! The input is bytes and strings that other rooms have read: names of directory entries, the text
//! of `entry_points.txt`, the start of `METADATA` or `PKG-INFO`. The output is values that borrow
//! from them where possible. This room uses no file system, clock or log, and does not panic on any
//! input.
//!
//! The rules are those of the current `importlib.metadata` (importlib_metadata 10.2 on CPython
//! 3.14), to the character. If a module differs on purpose, its first paragraphs list the
//! difference. All modules share one difference: "letter", "space" and "lower case" follow the
//! Unicode version of the Rust toolchain, which may be newer or older than that of the interpreter.

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
