//! The command `tfq-opt`: the command line with the built-in passes.

fn main() -> std::process::ExitCode {
    tfq_cli::main(tfq_opt::builtin())
}
