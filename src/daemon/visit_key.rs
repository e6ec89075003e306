//! The key by which we know what platforms send back. Losing it costs nothing but that a loop is
//! found one round later.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::base::Entropy;
use crate::mail::VisitKey;

/// Its file in `data_dir`.
const FILE: &str = "visit.key";

/// Reads the key, or makes one.
pub(super) fn visit_key(data_dir: &Path, entropy: &Entropy) -> io::Result<VisitKey> {
    let path = data_dir.join(FILE);
    match fs::read(&path).map(<[u8; 32]>::try_from) {
        Ok(Ok(key)) => return Ok(VisitKey::new(key)),
        Ok(Err(_)) => tracing::warn!(path = %path.display(), "is no key: made anew"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let key = entropy.bytes::<32>();
    let unnamed = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&unnamed)?;
    file.write_all(&key)?;
    file.sync_all()?;
    fs::rename(&unnamed, &path)?;
    Ok(VisitKey::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{BackendId, SpoolId};

    #[test]
    fn the_key_stays_and_a_broken_one_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let line = || {
            let key = visit_key(folder.path(), &Entropy::system()).unwrap();
            key.line(SpoolId::from_u64(1), &BackendId::new("cloud"))
        };
        let first = line();
        assert_eq!(line(), first);
        fs::write(folder.path().join(FILE), "short").unwrap();
        let second = line();
        assert_ne!(second, first);
        assert_eq!(line(), second);
    }
}
