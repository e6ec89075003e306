//! How the fuzz targets of conversations are run: in one thread, over pipes, in a time that stands
//! still while anybody has something to do.

use std::cell::Cell;
use std::future::Future;
use std::sync::{Mutex, Once};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

/// Bytes on their way in a pipe.
pub(crate) const PIPE: usize = 64 * 1024;
/// All others have fallen silent when it is over.
const LULL: Duration = Duration::from_millis(1);

/// How what one side says comes to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// All in one go.
    Rush,
    /// The first line, and when the other side waits the rest in one go (RFC 2920).
    Group,
    /// A line, then silence until the other side waits.
    Lines,
}

impl Pace {
    /// By a byte of the input.
    pub(crate) const fn of(byte: u8) -> Self {
        if byte.is_multiple_of(2) {
            Self::Lines
        } else {
            Self::Rush
        }
    }
}

thread_local! {
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

/// Runs it to its end. Who waits for something that never comes waits no real time. What panics in
/// a task is kept from others by the program, and told here.
pub(crate) fn run<T>(conversation: impl Future<Output = T>) -> T {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.set(PANICS.get() + 1);
            before(panic);
        }));
    });
    let panics = PANICS.get();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let result = runtime.unwrap().block_on(conversation);
    assert_eq!(PANICS.get(), panics, "a task panicked");
    result
}

/// Until all others have fallen silent.
pub(crate) async fn lull() {
    tokio::time::sleep(LULL).await;
}

/// Says all of it, closes its side, and returns what the other side said until it closed, too.
pub(crate) async fn talk(stream: DuplexStream, said: &[u8], pace: Pace) -> Vec<u8> {
    let heard = Mutex::default();
    talk_noting(stream, (said, pace), &heard).await;
    heard.into_inner().unwrap()
}

/// The same, for who may be gone before it is over.
pub(crate) async fn talk_noting(
    stream: DuplexStream,
    (said, pace): (&[u8], Pace),
    heard: &Mutex<Vec<u8>>,
) {
    let (mut source, mut sink) = tokio::io::split(stream);
    let hearing = async {
        let mut piece = [0; 4096];
        while let Ok(read @ 1..) = source.read(&mut piece).await {
            heard.lock().unwrap().extend_from_slice(&piece[..read]);
        }
    };
    let saying = async {
        match pace {
            Pace::Rush => drop(sink.write_all(said).await),
            Pace::Group => {
                let first = said.iter().position(|byte| *byte == b'\n');
                let (first, rest) = said.split_at(first.map_or(said.len(), |at| at + 1));
                sink.write_all(first).await.ok();
                lull().await;
                sink.write_all(rest).await.ok();
                lull().await;
            }
            Pace::Lines => {
                for line in said.split_inclusive(|byte| *byte == b'\n') {
                    lull().await;
                    if sink.write_all(line).await.is_err() {
                        break;
                    }
                }
                lull().await;
            }
        }
        sink.shutdown().await.ok();
    };
    tokio::join!(hearing, saying);
}
