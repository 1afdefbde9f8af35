//! `epcache verify`: checks every byte of an index. The output is the result, and an exit status.

use std::path::{Path, PathBuf};

use super::{DAMAGED, Done, SUCCESS, configuration, failed, plural, say_what_hangs};
use crate::cli::VerifyArgs;
use crate::environment::Environment;
use crate::index::{Damage, Index, verify};
use crate::lookup::{AnySource, places};
use crate::rooted::Root;
use crate::terminal::say;

pub(crate) fn run(arguments: &VerifyArgs) -> Done {
    let root = Root::system();
    let _watched = say_what_hangs();
    let files: Vec<PathBuf> = match &arguments.file {
        Some(file) => vec![file.clone()],
        None => {
            let environment = Environment::of_process();
            let config = configuration(&root);
            let venv = environment.venv.as_deref();
            let places = places(&root, &environment, venv, &config);
            places
                .into_iter()
                .map(|(_, path)| path)
                .filter(|path| root.exists(path))
                .collect()
        }
    };
    if files.is_empty() {
        return Err(failed(
            "there is no index in any of the usual places; name a FILE",
        ));
    }
    let mut status = SUCCESS;
    for file in &files {
        match check(&root, file) {
            // The summary, unless the user wants silence.
            Ok(records) if log::log_enabled!(log::Level::Warn) => say(&format!(
                "{}: sound, {}",
                file.display(),
                plural(records as usize, "search directory", "search directories")
            )),
            Ok(_) => {}
            Err(Damage::Io(error)) => {
                return Err(failed(format!("{}: {error}", file.display())));
            }
            Err(damage) => {
                log::error!("{}: {damage}", file.display());
                if let Some(rule) = damage.rule().filter(|_| arguments.explain) {
                    let text = format!("rule {}: {}", rule.number, rule.text);
                    log::error!("{}: {text}", file.display());
                }
                status = DAMAGED;
            }
        }
    }
    Ok(status)
}

fn check(root: &Root, file: &Path) -> Result<u32, Damage> {
    let (file, _) = root.open_file(file)?;
    let index = Index::open(Box::new(file) as AnySource)?;
    verify(&index)?;
    Ok(index.record_count())
}
