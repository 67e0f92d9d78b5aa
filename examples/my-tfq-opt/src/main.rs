//! tfq-opt with a pass of one's own: all commands know it.

mod floor;

use std::process::ExitCode;
use tfq_opt::pass::Declared;

fn main() -> ExitCode {
    let registry = tfq_opt::builtin().with_passes([floor::RemoveFloorOfFloor::info()]);
    tfq_cli::main(registry.expect("the names are not taken"))
}
