//! Whether an unknown library has the C API that `ffi.rs` declares.

use crate::ffi::{Api, Session};
use crate::value::Value;
use crate::{Kernels, RuntimeError, Stage};
use tfq_ir::{ElementType, counted};
use tfq_tflite::TemporaryFolder;

/// `y = x + x` of float32, with a free dimension: `probe.tfg`, written.
const MODEL: &[u8] = include_bytes!("probe.tflite");

/// Calls every function that a run needs on a model whose result is known. Arguments that mean
/// something else there end in an error, another result, or a crash of this process.
pub(crate) fn probe(api: Api) -> Result<(), RuntimeError> {
    let failed = |error: std::io::Error| RuntimeError::new(Stage::Library, error.to_string());
    // Goes with this process too, or with the next one where the library kills it.
    let folder = TemporaryFolder::new().map_err(failed)?;
    let file = folder.path().join("probe.tflite");
    std::fs::write(&file, MODEL).map_err(failed)?;
    for kernels in Kernels::ALL {
        let mut session = Session::open(api, &file, kernels, 2, false)?;
        let [signature] = session.signatures() else {
            return Err(wrong(&format!(
                "{} in place of one",
                counted(session.signatures().len(), "signature")
            )));
        };
        let names = [&signature.inputs, &signature.outputs]
            .map(|ports| ports.iter().map(|port| (&*port.name, port.ty)).collect::<Vec<_>>());
        let float = ElementType::Float32;
        if signature.key.is_some() || names != [[("x", float)], [("y", float)]] {
            return Err(wrong(&format!("the signature {signature:?}")));
        }
        // The shape that the model has, and another.
        for numbers in [&[1.0_f32][..], &[0.5, -3.0, 7.25]] {
            let value = |factor: f32| Value {
                ty: float,
                shape: vec![numbers.len(), 1],
                data: numbers.iter().flat_map(|x| (factor * x).to_le_bytes()).collect(),
            };
            let found = session.run(0, &[value(1.0)])?;
            if found != [value(2.0)] {
                return Err(wrong(&format!("the result {found:?}")));
            }
        }
    }
    Ok(())
}

fn wrong(what: &str) -> RuntimeError {
    RuntimeError::new(Stage::Library, format!("a model gives {what}"))
}
