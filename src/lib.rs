//! epcache: `updatedb` and `locate` for Python entry points.
//!
//! A small program, started by the system's package manager, reads the metadata of every installed
//! Python distribution as data and publishes one read-only index. Any program then finds plugins and
//! console scripts by opening one file instead of hundreds.
//!
//! The library is the program's rooms. Data flows through them one way, and each calls only rooms
//! below it in this list (`tests/rooms.rs` checks that):
//!
//! - [`commands`]: one file a subcommand; wires the rooms below, and prints;
//! - [`cli`]: the arguments of the commands;
//! - [`trigger`]: what a package manager says becomes a request;
//! - [`worker`]: a request becomes the bytes of an index, with no printing and no writing;
//! - [`consumers`]: who has registered for some of the entry points, and the files for them;
//! - [`lookup`]: which record answers for an entry of `sys.path`, and what they say together;
//! - [`layout`]: which search directories exist;
//! - [`environment`]: what the user has set; [`config`]: what the administrator has set;
//! - [`scan`]: one search directory becomes one record;
//! - [`freshness`]: is a record still true;
//! - [`index`]: the format;
//! - [`state`] and [`journal`]: what came of the last runs;
//! - [`publish`]: one file in place of another;
//! - [`privsep`]: work done by a child that has given up everything it does not need;
//! - [`rooted`]: the file tree, below a root;
//! - `waiting`: patience that ends;
//! - `json`, [`terminal`]: what is printed; `owner`, `parallel`: users and threads;
//! - `process`: what the kernel says of this one;
//! - [`metadata`]: the grammars, and what a control character is.

pub mod cli;
pub mod commands;
pub mod config;
pub mod consumers;
pub mod environment;
pub mod freshness;
pub mod index;
pub mod journal;
mod json;
pub mod layout;
pub mod lookup;
pub mod metadata;
mod owner;
mod parallel;
pub mod privsep;
mod process;
pub mod publish;
pub mod rooted;
pub mod scan;
pub mod state;
pub mod terminal;
pub mod trigger;
mod waiting;
pub mod worker;
