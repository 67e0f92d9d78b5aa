//! Writes the data that is derived from the schema: reflection data and operator catalogue. `schema/regenerate.sh`
//! runs it after flatc.

mod generator;

use std::error::Error;
use std::fs;

fn main() -> Result<(), Box<dyn Error>> {
    let bfbs = fs::read(generator::project_root().join(generator::BFBS))?;
    for (path, text) in generator::outputs(&bfbs)? {
        let path = generator::project_root().join(path);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}
