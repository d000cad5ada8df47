//! Records as lines: one JSON object, one line, whatever a user's name or a path is made of.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use crate::config::Sink;
use crate::domain::time::Timestamp;

/// Records name users and addresses: the gateway writes them, its group may read them.
const FILE_MODE: u32 = 0o640;

/// Appends a record as one line.
pub(crate) fn append_line<T: Serialize>(lines: &mut Vec<u8>, record: &T) {
    let mut serializer = Serializer::with_formatter(&mut *lines, OneLine);
    record
        .serialize(&mut serializer)
        .expect("a record has string keys, and a vector takes every byte");
    lines.push(b'\n');
}

/// An instant as RFC 3339, in UTC, with milliseconds.
pub(crate) fn rfc_3339(at: Timestamp) -> String {
    let since = Duration::from_millis(at.min(Timestamp::LAST).as_millis());
    humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + since).to_string()
}

/// Compact JSON that also escapes what is no control character to JSON but is one to those who
/// read lines: C1 controls, the line separators U+2028 and U+2029, and marks of direction.
struct OneLine;

impl Formatter for OneLine {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + Write,
    {
        let mut plain = 0;
        for (index, hidden) in fragment.char_indices().filter(|(_, c)| is_hidden(*c)) {
            writer.write_all(&fragment.as_bytes()[plain..index])?;
            write!(writer, "\\u{:04x}", u32::from(hidden))?;
            plain = index + hidden.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[plain..])
    }
}

/// All of these lie below U+10000, so that four digits spell each.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Where lines go.
pub(crate) enum LineSink {
    Stdout,
    File(LineFile),
}

impl LineSink {
    /// Opens a sink; none where nothing is to be written.
    pub(crate) fn open(sink: &Sink) -> io::Result<Option<Self>> {
        Ok(match sink {
            Sink::Off => None,
            Sink::Stdout => Some(Self::Stdout),
            Sink::File(path) => Some(Self::File(LineFile::open(path)?)),
        })
    }

    /// Appends whole lines. `written` grows by the lines that were taken, also where it fails, so
    /// that a repetition repeats none of them.
    pub(crate) fn append(&mut self, lines: &[u8], written: &mut usize) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(&lines[*written..])?;
                stdout.flush()?;
                *written = lines.len();
                Ok(())
            }
            Self::File(file) => file.append(lines, written),
        }
    }

    /// Returns once what was appended survives a crash of the machine. What a pipe or a standard
    /// output took is its reader's to keep.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match self {
            Self::Stdout => Ok(()),
            Self::File(file) if file.regular => file.file.sync_data(),
            Self::File(_) => Ok(()),
        }
    }

    /// Opens the path anew, where a rotation has moved the file away. If that fails, the file
    /// that is open stays.
    pub(crate) fn reopen(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout => Ok(()),
            Self::File(file) => {
                *file = LineFile::open(&file.path)?;
                Ok(())
            }
        }
    }
}

/// A file that is only appended to.
pub(crate) struct LineFile {
    path: PathBuf,
    file: File,
    /// No pipe and no device, which cannot be synced.
    regular: bool,
    /// It ends in the middle of a line: a write or the machine broke off.
    torn: bool,
}

impl LineFile {
    fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .read(true)
            .mode(FILE_MODE)
            .open(path)?;
        let regular = file.metadata()?.is_file();
        let torn = regular && ends_torn(&mut file)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            regular,
            torn,
        })
    }

    fn append(&mut self, lines: &[u8], written: &mut usize) -> io::Result<()> {
        if self.torn {
            self.file.write_all(b"\n")?;
            self.torn = false;
        }
        let mut taken = *written;
        while taken < lines.len() {
            match self.file.write(&lines[taken..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => taken += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            let whole = lines[..taken].iter().rposition(|byte| *byte == b'\n');
            *written = whole.map_or(0, |end| end + 1).max(*written);
            self.torn = taken > *written;
        }
        Ok(())
    }
}

/// Whether a file's last byte ends no line.
fn ends_torn(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{LineSink, append_line, rfc_3339};
    use crate::config::Sink;
    use crate::domain::time::Timestamp;

    fn appended(path: &std::path::Path, line: &str) {
        let mut sink = LineSink::open(&Sink::File(path.to_owned()))
            .unwrap()
            .unwrap();
        let mut written = 0;
        sink.append(line.as_bytes(), &mut written).unwrap();
        sink.sync().unwrap();
        assert_eq!(written, line.len());
    }

    #[test]
    fn whatever_a_text_holds_it_stays_on_one_line_and_reads_back() {
        let text = "a\n\r\"\\\u{0}\u{1b}[2J\u{7f}\u{85}\u{9b}\u{2028}\u{2029}\u{202e}\u{2066}ü€🙂";
        let mut line = Vec::new();
        append_line(&mut line, &text);
        let line = String::from_utf8(line).unwrap();
        let shown = line.trim_end_matches('\n');
        assert_eq!(line.len(), shown.len() + 1);
        assert!(shown.chars().all(|c| !c.is_control()), "{shown}");
        assert!(
            !shown.contains(['\u{2028}', '\u{2029}', '\u{202e}', '\u{2066}']),
            "{shown}"
        );
        assert!(shown.ends_with("ü€🙂\""), "{shown}");
        assert_eq!(serde_json::from_str::<String>(shown).unwrap(), text);
    }

    #[test]
    fn an_instant_is_spelled_to_the_millisecond_and_never_fails() {
        let spelled = |millis| rfc_3339(Timestamp::from_millis(millis));
        assert_eq!(spelled(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(spelled(1_767_225_600_123), "2026-01-01T00:00:00.123Z");
        assert_eq!(spelled(u64::MAX), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn a_file_is_appended_to_and_a_torn_line_stays_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records");
        appended(&path, "{\"a\":1}\n");
        appended(&path, "{\"b\":2}\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"a\":1}\n{\"b\":2}\n");

        fs::write(&path, "{\"a\":").unwrap();
        appended(&path, "{\"b\":2}\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"a\":\n{\"b\":2}\n");
    }

    #[test]
    fn a_rotated_file_is_left_for_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (
            folder.path().join("records"),
            folder.path().join("records.1"),
        );
        let mut sink = LineSink::open(&Sink::File(path.clone())).unwrap().unwrap();
        sink.append(b"one\n", &mut 0).unwrap();
        fs::rename(&path, &moved).unwrap();
        sink.append(b"two\n", &mut 0).unwrap();
        sink.reopen().unwrap();
        sink.append(b"three\n", &mut 0).unwrap();
        assert_eq!(fs::read_to_string(&moved).unwrap(), "one\ntwo\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
    }

    #[test]
    fn a_repetition_begins_behind_what_was_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records");
        let mut sink = LineSink::open(&Sink::File(path.clone())).unwrap().unwrap();
        sink.append(b"one\ntwo\n", &mut 4).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
    }

    #[test]
    fn what_cannot_be_synced_is_a_sink_all_the_same() {
        let mut sink = LineSink::open(&Sink::File("/dev/null".into()))
            .unwrap()
            .unwrap();
        sink.append(b"one\n", &mut 0).unwrap();
        sink.sync().unwrap();
    }

    #[test]
    fn a_full_disk_takes_nothing() {
        let mut sink = LineSink::open(&Sink::File("/dev/full".into()))
            .unwrap()
            .unwrap();
        let mut written = 0;
        assert!(sink.append(b"one\n", &mut written).is_err());
        assert_eq!(written, 0);
    }
}
