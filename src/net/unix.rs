//! Unix sockets: the operators' door. Who may open the file may act.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;

use tokio::net::{UnixListener, UnixStream};

use super::BoxedStream;

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
}
