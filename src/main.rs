//! The binary: arguments in, exit code out.

/// Gives memory back to the system after a flood, and is faster with many threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    tideover::cli::run()
}
