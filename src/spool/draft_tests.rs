//! Drafts: what is put in front, and read before it is accepted.

use super::*;

/// A front that is known last stands first, in memory and in a file, and the sum is right.
#[tokio::test]
async fn something_is_put_in_front_of_a_body() {
    let dir = TempDir::new().unwrap();
    let (spool, opened) = open(dir.path());
    for size in [0, 10, 50_000, 700_000] {
        let body: Vec<u8> = (0_u8..251).cycle().take(size).collect();
        let front = b"Authentication-Results: mx.example.org; none\r\n";
        let mut draft = spool.draft();
        for chunk in body.chunks(9_000) {
            draft.append(chunk).await.unwrap();
        }
        draft.prepend(front).await.unwrap();
        assert_eq!(draft.len(), (size + front.len()) as u64);
        draft.append(b"end").await.unwrap();
        // Who looks at it on its way reads it as it is, wherever it lies.
        let mut seen = Vec::new();
        loop {
            let piece = draft.read_at(seen.len() as u64, 7_000).await.unwrap();
            if piece.is_empty() {
                break;
            }
            seen.extend_from_slice(&piece);
        }
        assert!(seen == [front, body.as_slice(), b"end"].concat(), "{size}");
        assert!(draft.read_at(u64::MAX, 9).await.unwrap().is_empty());
        let id = spool.accept(draft, envelope(&["bob@example.org"])).await;
        let expected = [front, body.as_slice(), b"end"].concat();
        assert!(read(&spool, id.unwrap()) == expected, "{size}");
    }
    close(spool, opened).await;
    let offline = Offline::open(options(dir.path()), World::system()).unwrap();
    let found = offline.verify(&mut |_, _| {}).unwrap();
    assert!(found.ok, "{found:?}");
}
