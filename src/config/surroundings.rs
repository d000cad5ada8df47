//! What a configuration refers to outside itself: files, environment variables, a process's key.

use std::io;
use std::path::{Path, PathBuf};

/// What the check may look at. Tests put up their own.
pub struct Surroundings<'a> {
    /// Where relative paths start: the directory of the file.
    pub base_dir: &'a Path,
    /// An environment variable, where it is set.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// The text of a file.
    pub read_file: &'a dyn Fn(&Path) -> io::Result<String>,
    /// The key under which ids are known where the file names none. It must stay the same as long
    /// as the process lives: a reload would orphan all sessions otherwise.
    pub process_key: &'a [u8],
}

impl Surroundings<'_> {
    /// A path of the file, seen from the process.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.base_dir.join(path)
    }
}
