//! Runs models on workers that live as long as the thread.

use std::cell::RefCell;
use std::io::Write;
use std::process::Command;
use tfq_opt::format::{LowerOptions, lower};
use tfq_opt::ir::{ElementType, Module};
use tfq_opt::runtime::{
    Difference, Engine, Fill, Kernels, Range, Runtime, RuntimeError, Stage, Value, Worker, fill,
};

/// A worker keeps each model that it loaded mapped, and cannot map more than the system lets it.
const MODELS_OF_A_WORKER: u32 = 2_000;

thread_local! {
    /// With how many models each has loaded.
    pub(crate) static WORKERS: RefCell<[Option<(Worker, u32)>; 2]> = const { RefCell::new([None, None]) };
}

/// What the outputs of a model are on these kernels, for made-up inputs.
pub(crate) fn outputs(
    runtime: &Runtime,
    module: &Module,
    kernels: Kernels,
) -> Result<Vec<Value>, RuntimeError> {
    let file = written(module)?;
    let variables = module
        .subgraphs()
        .any(|(_, graph)| graph.tensors().any(|tensor| graph.tensor(tensor).is_variable));
    // The C API reads no variables, and no results whose size only a run tells.
    if !variables {
        match on(runtime, Engine::Library, &file, kernels) {
            Err(error) if error.stage == Stage::Interface => (),
            other => return other,
        }
    }
    on(runtime, Engine::Python, &file, kernels)
}

/// A file of the model, for as long as it is kept.
pub(crate) fn written(module: &Module) -> Result<tempfile::NamedTempFile, RuntimeError> {
    let failed = |error: &dyn std::error::Error| RuntimeError::new(Stage::Load, error.to_string());
    let image = lower(module, &LowerOptions::default()).map_err(|error| failed(&error))?;
    let mut file = tempfile::NamedTempFile::new().map_err(|error| failed(&error))?;
    file.write_all(&image.to_vec()).map_err(|error| failed(&error))?;
    Ok(file)
}

/// The same on one of the interfaces.
pub(crate) fn on(
    runtime: &Runtime,
    engine: Engine,
    file: &tempfile::NamedTempFile,
    kernels: Kernels,
) -> Result<Vec<Value>, RuntimeError> {
    WORKERS.with_borrow_mut(|workers| {
        let slot = &mut workers[usize::from(engine == Engine::Python)];
        slot.take_if(|(_, models)| *models >= MODELS_OF_A_WORKER);
        let (worker, models) = match slot {
            Some(worker) => worker,
            None => slot.insert((start(runtime, engine)?, 0)),
        };
        *models += 1;
        let result = run(worker, file, kernels);
        let ended = [Stage::Crash, Stage::Killed, Stage::Timeout, Stage::Library];
        if result.as_ref().is_err_and(|error| ended.contains(&error.stage)) {
            *slot = None;
        }
        result
    })
}

fn start(runtime: &Runtime, engine: Engine) -> Result<Worker, RuntimeError> {
    match engine {
        Engine::Python => Worker::python(&runtime.python, None),
        Engine::Library => {
            let mut command = Command::new(env!("CARGO_BIN_EXE_tfq-opt"));
            command.arg("runtime-worker");
            Worker::start(command, runtime, None)
        }
    }
}

fn run(
    worker: &mut Worker,
    file: &tempfile::NamedTempFile,
    kernels: Kernels,
) -> Result<Vec<Value>, RuntimeError> {
    let model = worker.load(file.path(), kernels, 1)?;
    let inputs = model.signatures[0].inputs.iter().map(|port| {
        // Ids of the tables, which have 16 rows; codes of quantised inputs.
        let range = if port.ty == ElementType::Int32 { Range::Below(16) } else { Range::All };
        let value = fill(&port.name, port.ty, &port.least_shape(), Fill::Random { seed: 1 }, range);
        value.map_err(|_| RuntimeError::new(Stage::Input, "no value can be made"))
    });
    let inputs: Result<Vec<Value>, RuntimeError> = inputs.collect();
    worker.run(&model, 0, inputs?)
}

/// The worst signal-to-noise ratio of the outputs, or why there is none.
pub(crate) fn snr(wanted: &[Value], found: &[Value]) -> Result<f64, String> {
    if wanted.len() != found.len() {
        return Err(format!("{} outputs became {}", wanted.len(), found.len()));
    }
    let mut worst = f64::INFINITY;
    for (x, y) in wanted.iter().zip(found) {
        let difference = Difference::between(x, y).map_err(|mismatch| mismatch.to_string())?;
        worst = worst.min(difference.snr_db);
    }
    Ok(worst)
}
