//! Files that somebody names in a config: they are read to their end, so they must have one.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Opens a regular file for reading. Whoever opens a pipe would wait for somebody to write into it,
/// and a device may have no end.
///
/// # Errors
/// When it is something else, or as the system says.
pub fn open_regular(path: &Path) -> io::Result<File> {
    // Of no effect on regular files.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::other("it is no regular file"))
}

/// All of a regular file.
///
/// # Errors
/// When it has more than `most` bytes, and as [`open_regular`].
pub fn read_regular(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = open_regular(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if read as u64 > most {
        return Err(io::Error::other(format!("it has more than {most} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_an_end_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "seven b").unwrap();
        assert_eq!(read_regular(&file, 7).unwrap(), b"seven b");
        let long = read_regular(&file, 6).unwrap_err();
        assert_eq!(long.to_string(), "it has more than 6 bytes");
        let pipe = folder.path().join("pipe");
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, mode, 0).unwrap();
        for path in [pipe.as_path(), folder.path(), Path::new("/dev/zero")] {
            let error = read_regular(path, 7).unwrap_err();
            assert_eq!(error.to_string(), "it is no regular file", "{path:?}");
        }
        let gone = read_regular(&folder.path().join("gone"), 7).unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::NotFound);
    }
}
