//! Bytes that are mostly text, as JSON. The input is bytes, the output is a JSON string.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::ser::{Error, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::terminal::escape;

/// A path, or a name that may come from one. In JSON, bytes that are not UTF-8 become lone
/// surrogates, as in Python's `surrogateescape`: `json.loads` and `os.fsencode` return the same
/// bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JsonText<B = Vec<u8>>(pub(crate) B);

impl<B: AsRef<[u8]>> JsonText<B> {
    /// For terminals.
    pub(crate) fn shown(&self) -> String {
        escape(&String::from_utf8_lossy(self.0.as_ref())).into_owned()
    }
}

impl From<&Path> for JsonText {
    fn from(path: &Path) -> Self {
        Self(path.as_os_str().as_bytes().to_vec())
    }
}

impl<B: AsRef<[u8]>> Serialize for JsonText<B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = self.0.as_ref();
        let mut json = String::with_capacity(bytes.len() + 2);
        json.push('"');
        for chunk in bytes.utf8_chunks() {
            let valid = serde_json::to_string(chunk.valid()).map_err(S::Error::custom)?;
            let unquoted = valid
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'));
            json.push_str(unquoted.unwrap_or_default());
            for byte in chunk.invalid() {
                json.push_str(&format!("\\udc{byte:02x}"));
            }
        }
        json.push('"');
        let raw = RawValue::from_string(json).map_err(S::Error::custom)?;
        raw.serialize(serializer)
    }
}
