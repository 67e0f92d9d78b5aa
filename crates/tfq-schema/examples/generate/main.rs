//! Writes the data that is derived from the schema: reflection data, operator catalogue and what
//! operators mean. `schema/regenerate.sh` runs it after flatc.

mod generator;

use std::error::Error;
use std::fs;

fn main() -> Result<(), Box<dyn Error>> {
    let bfbs = fs::read(generator::project_root().join(generator::BFBS))?;
    let ops = fs::read_to_string(generator::project_root().join(generator::OPS))?;
    for (path, text) in generator::outputs(&bfbs, &ops)? {
        let path = generator::project_root().join(path);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}
