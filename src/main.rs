//! The command `tfq-opt`: the command line with the built-in passes.

/// A graph is many small parts that come and go: next to the allocator of the system, this one takes
/// a fifth to a third less time for a model of many ops, and less room.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    tfq_cli::main(tfq_opt::builtin())
}
