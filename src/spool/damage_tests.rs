//! Damage and the tools for a spool at rest.

use tempfile::TempDir;

use super::tests::{accept, close, open_in, options};
use super::{Offline, World};

#[tokio::test]
async fn a_rebuild_and_an_export_tell_of_damage_and_go_on() {
    let dir = TempDir::new().unwrap();
    let (spool, opened) = open_in(options(dir.path()), World::system());
    let first = accept(&spool, &["bob@example.org"], b"first\r\n").await;
    let torn = accept(&spool, &["bob@example.org"], b"a word to be torn\r\n").await;
    let large = accept(&spool, &["bob@example.org"], &vec![b'x'; 50_000]).await;
    let last = accept(&spool, &["bob@example.org"], b"last\r\n").await;
    close(spool, opened).await;
    let segment = dir.path().join("log/0000000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = memchr::memmem::find(&bytes, b"a word to be").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    std::fs::write(dir.path().join(format!("big/{large}.eml")), b"cut").unwrap();

    let offline = Offline::open(options(dir.path()), World::system()).unwrap();
    let rebuilt = offline.rebuild(&mut |_, _| {}).unwrap();
    assert_eq!(rebuilt.damaged.len(), 1, "{:?}", rebuilt.damaged);
    let quarantined = std::fs::read_dir(dir.path().join("quarantine")).unwrap();
    assert_eq!(quarantined.count(), 1);
    let export = dir.path().join("rescue");
    let rescued = offline.export(&export, &mut |_, _| {}).unwrap();
    assert_eq!(rescued.messages, 2);
    assert_eq!(rescued.damaged.len(), 1);
    assert_eq!(rescued.damaged[0].0, large);
    for (id, there) in [(first, true), (torn, false), (large, false), (last, true)] {
        assert_eq!(export.join(format!("{id}.eml")).exists(), there, "{id}");
    }
    drop(offline);
    let (spool, opened) = open_in(options(dir.path()), World::system());
    assert_eq!(spool.stats().quarantined, 1);
    close(spool, opened).await;
}
