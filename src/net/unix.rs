//! Unix sockets: the operators' door. Who may open the file may act.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};

use super::BoxedStream;

/// Between two looks whether the file is still there: somebody may have removed it.
const LOOK: Duration = Duration::from_secs(5);
/// Pause after a failed accept: out of file descriptors, usually.
const PAUSE: Duration = Duration::from_millis(100);

/// A socket file that stays: when it is gone it is made again, within seconds.
#[derive(Debug)]
pub struct UnixDoor {
    path: PathBuf,
    listener: UnixListener,
    /// Device and inode of the file. Nobody else gets them as long as we listen.
    file: (u64, u64),
    /// It is gone, and could not be made again.
    lost: bool,
}

impl UnixDoor {
    /// Listens on the socket file `path`. To be called within the runtime.
    ///
    /// # Errors
    /// As [`bind_unix`].
    pub fn bind(path: PathBuf) -> io::Result<Self> {
        let listener = bind_unix(&path)?;
        let file = identity(&path)?;
        Ok(Self {
            path,
            listener,
            file,
            lost: false,
        })
    }

    /// The next connection.
    pub async fn accept(&mut self) -> BoxedStream {
        loop {
            tokio::select! {
                biased;
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => return Box::new(stream),
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be taken");
                        tokio::time::sleep(PAUSE).await;
                    }
                },
                () = tokio::time::sleep(LOOK) => self.look(),
            }
        }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file again when it is gone. What somebody has put there is left alone, unless it
    /// is a socket on which nobody listens.
    fn look(&mut self) {
        if identity(&self.path).is_ok_and(|file| file == self.file) {
            self.lost = false;
            return;
        }
        let path = self.path.display().to_string();
        match Self::bind(self.path.clone()) {
            Ok(again) => {
                tracing::warn!(path, "the socket was gone; it is there again");
                *self = again;
            }
            Err(error) if !self.lost => {
                tracing::error!(path, %error, "the socket is gone, and cannot be made again yet");
                self.lost = true;
            }
            Err(_) => {}
        }
    }
}

/// Device and inode of what has this name; a link is not followed.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

/// Listens on the socket file `path`, which only its owner may open (mode 0600). A socket that a
/// killed process left behind is replaced. To be called within the runtime.
///
/// # Errors
/// `AddrInUse` when somebody answers there, `AlreadyExists` when the file is no socket,
/// `InvalidInput` when the path is longer than about 100 bytes; else as the system says.
pub fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            let what = format!("{} is no socket: move it away", path.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
        }
        Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
            let what = format!("another tideover answers on {}", path.display());
            return Err(io::Error::new(io::ErrorKind::AddrInUse, what));
        }
        Ok(_) => fs::remove_file(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // It gets its name when only the owner may open it: there is no moment for anybody else.
    let unnamed = path.with_extension("new");
    match fs::remove_file(&unnamed) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&unnamed)?;
    fs::set_permissions(&unnamed, fs::Permissions::from_mode(0o600))?;
    fs::rename(&unnamed, path)?;
    Ok(listener)
}

/// Connects to a socket file.
///
/// # Errors
/// As the system says: `NotFound` without the file, `ConnectionRefused` when nobody listens.
pub async fn connect_unix(path: &Path) -> io::Result<BoxedStream> {
    Ok(Box::new(UnixStream::connect(path).await?))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn refusal(path: &Path) -> io::ErrorKind {
        connect_unix(path).await.err().unwrap().kind()
    }

    #[tokio::test]
    async fn only_the_owner_may_open_it_and_leftovers_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        assert_eq!(refusal(&path).await, io::ErrorKind::NotFound);
        // What a killed process leaves behind: the file without a listener.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert_eq!(refusal(&path).await, io::ErrorKind::ConnectionRefused);
        let listener = bind_unix(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let second = bind_unix(&path).unwrap_err();
        assert_eq!(second.kind(), io::ErrorKind::AddrInUse);

        // The second one's question waits in the backlog before ours.
        drop(listener.accept().await.unwrap());
        let mut client = connect_unix(&path).await.unwrap();
        client.write_all(b"hello").await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let mut heard = [0; 5];
        server.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"hello");
    }

    #[tokio::test]
    async fn other_files_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        fs::write(&path, "precious").unwrap();
        let error = bind_unix(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    /// The next connection, of somebody who tries until the file is there.
    async fn met(door: &mut UnixDoor) {
        let path = door.path().to_owned();
        let client = async {
            while connect_unix(&path).await.is_err() {
                tokio::time::sleep(PAUSE).await;
            }
        };
        let met = async { tokio::join!(door.accept(), client) };
        let met = tokio::time::timeout(3 * LOOK, met).await;
        assert!(met.is_ok(), "the socket did not come back");
    }

    #[tokio::test(start_paused = true)]
    async fn a_socket_that_is_removed_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let mut door = UnixDoor::bind(path.clone()).unwrap();
        met(&mut door).await;
        fs::remove_file(&path).unwrap();
        met(&mut door).await;
        let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // A link that stands there is not followed, and not removed; what it names neither.
        fs::remove_file(&path).unwrap();
        let other = folder.path().join("precious");
        fs::write(&other, "precious").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        let met_there = tokio::time::timeout(3 * LOOK, door.accept()).await;
        assert!(met_there.is_err());
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
        assert_eq!(fs::read(&other).unwrap(), b"precious");
        // Nor does it look away: once the link is gone, the socket is back.
        fs::remove_file(&path).unwrap();
        met(&mut door).await;
        // A socket of somebody who died takes its place no longer than that.
        fs::remove_file(&path).unwrap();
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        met(&mut door).await;
    }
}
