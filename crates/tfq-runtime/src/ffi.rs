//! LiteRT's C API, the only unsafe code of the project's own.
//!
//! Declarations are those of LiteRT 2.3.0 (`litert/c/*.h`). The API changes between minor
//! versions, which is why [`crate::Runtime`] refuses others. Everything here is meant for a
//! process that may crash: a model that breaks the runtime takes the process with it.
#![allow(unsafe_code)]

use crate::protocol::{OpSpan, RunProfile};
use crate::value::{Interface, Port, Value};
use crate::{Kernels, RuntimeError, Stage};
use libloading::Library;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::ptr::{null, null_mut};
use tfq_ir::visible_path;
use tfq_ir::{ElementType, counted, text_from_bytes};

type Handle = *mut c_void;
type Status = c_int;

const OK: Status = 0;
const HOST_MEMORY: c_int = 1;
const CPU: c_int = 1;
const LOCK_READ: c_int = 0;
const LOCK_WRITE: c_int = 1;
/// The key of the signature that the runtime makes up for a model without any.
const PLACEHOLDER: &str = "<placeholder signature>";
/// `OPERATOR_INVOKE_EVENT`: the number of an op, and that of its subgraph.
const OP_EVENT: c_int = 2;
/// The event of a subgraph that runs; those inside of it begin later.
const CALL_EVENT: &str = "Invoke";
const PLAIN_EVENT: c_int = 1;
const MAX_RANK: usize = 8;
/// Room for the most dimensions that a rank can tell, behind the last layout.
const SPARE_LAYOUTS: usize = 8;
/// What outputs are filled with before a run. Two, since one run may compute the bytes of one.
const MARKS: [u8; 2] = [0xa5, 0x5a];

/// `LiteRtLayout`: the low seven bits are the rank, the eighth tells whether strides are given.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Layout {
    bits: u32,
    dimensions: [i32; MAX_RANK],
    strides: [u32; MAX_RANK],
}

impl Layout {
    fn of(shape: &[usize]) -> Option<Self> {
        let mut layout = Self { bits: u32::try_from(shape.len()).ok()?, ..Self::default() };
        for (to, from) in layout.dimensions.get_mut(..shape.len())?.iter_mut().zip(shape) {
            *to = i32::try_from(*from).ok()?;
        }
        Some(layout)
    }

    fn rank(&self) -> usize {
        (self.bits & 0x7f) as usize
    }

    fn shape(&self) -> &[i32] {
        &self.dimensions[..self.rank().min(MAX_RANK)]
    }
}

/// `LiteRtRankedTensorType`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct TensorType {
    element: c_int,
    layout: Layout,
}

/// `ProfiledEventData`; the memory that it tells of is not looked at.
#[repr(C)]
#[derive(Clone, Copy)]
struct Event {
    tag: *const c_char,
    kind: c_int,
    start: u64,
    elapsed: u64,
    memory: [usize; 6],
    first: u64,
    second: u64,
    source: c_int,
}

impl Event {
    const NONE: Self = Self {
        tag: null(),
        kind: 0,
        start: 0,
        elapsed: 0,
        memory: [0; 6],
        first: 0,
        second: 0,
        source: 0,
    };
}

macro_rules! api {
    ($($field:ident = $symbol:literal ($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions of a loaded library.
        #[derive(Clone, Copy)]
        pub(crate) struct Api { $($field: unsafe extern "C" fn($($argument),*) $(-> $result)?,)* }

        impl Api {
            /// Loads a library, for good: its threads outlive the models that started them.
            pub(crate) fn load(path: &Path) -> Result<Self, RuntimeError> {
                let failed = |error: libloading::Error| {
                    let cause = std::error::Error::source(&error);
                    let cause = cause.map_or_else(|| error.to_string(), ToString::to_string);
                    RuntimeError::new(Stage::Library, format!("{}: {cause}", visible_path(path)))
                };
                // SAFETY: the initialisers of a LiteRT library may run in any thread and at any
                // time; the caller chose the file.
                let library = unsafe { Library::new(path) }.map_err(failed)?;
                let api = Self {
                    $($field: {
                        // SAFETY: the declaration is that of the headers of LiteRT 2.3.0.
                        let symbol = unsafe { library.get(concat!($symbol, "\0")) };
                        *symbol.map_err(failed)?
                    },)*
                };
                std::mem::forget(library);
                Ok(api)
            }
        }
    };
}

api! {
    create_environment = "LiteRtCreateEnvironment"(c_int, *const c_void, *mut Handle) -> Status;
    destroy_environment = "LiteRtDestroyEnvironment"(Handle);
    create_model = "LiteRtCreateModelFromFile"(Handle, *const c_char, *mut Handle) -> Status;
    destroy_model = "LiteRtDestroyModel"(Handle);
    create_options = "LiteRtCreateOptions"(*mut Handle) -> Status;
    destroy_options = "LiteRtDestroyOptions"(Handle);
    set_accelerators = "LiteRtSetOptionsHardwareAccelerators"(Handle, c_int) -> Status;
    create_opaque = "LiteRtCreateOpaqueOptions"(
        *const c_char, *mut c_void, unsafe extern "C" fn(*mut c_void), *mut Handle) -> Status;
    add_opaque = "LiteRtAddOpaqueOptions"(Handle, Handle) -> Status;
    create_compiled = "LiteRtCreateCompiledModel"(Handle, Handle, Handle, *mut Handle) -> Status;
    destroy_compiled = "LiteRtDestroyCompiledModel"(Handle);
    signature_count = "LiteRtGetNumModelSignatures"(Handle, *mut usize) -> Status;
    signature = "LiteRtGetModelSignature"(Handle, usize, *mut Handle) -> Status;
    signature_key = "LiteRtGetSignatureKey"(Handle, *mut *const c_char) -> Status;
    input_count = "LiteRtGetNumSignatureInputs"(Handle, *mut usize) -> Status;
    input_name = "LiteRtGetSignatureInputName"(Handle, usize, *mut *const c_char) -> Status;
    input_tensor = "LiteRtGetSignatureInputTensorByIndex"(Handle, usize, *mut Handle) -> Status;
    output_count = "LiteRtGetNumSignatureOutputs"(Handle, *mut usize) -> Status;
    output_name = "LiteRtGetSignatureOutputName"(Handle, usize, *mut *const c_char) -> Status;
    output_tensor = "LiteRtGetSignatureOutputTensorByIndex"(Handle, usize, *mut Handle) -> Status;
    ranked_type = "LiteRtGetRankedTensorType"(Handle, *mut TensorType) -> Status;
    weights = "LiteRtGetTensorWeights"(Handle, *mut Handle) -> Status;
    weights_bytes = "LiteRtGetWeightsBytes"(Handle, *mut *const c_void, *mut usize) -> Status;
    resize_input = "LiteRtCompiledModelResizeInputTensor"(
        Handle, usize, usize, *const c_int, usize) -> Status;
    output_layouts = "LiteRtGetCompiledModelOutputTensorLayouts"(
        Handle, usize, usize, *mut Layout, bool) -> Status;
    create_buffer = "LiteRtCreateManagedTensorBuffer"(
        Handle, c_int, *const TensorType, usize, *mut Handle) -> Status;
    destroy_buffer = "LiteRtDestroyTensorBuffer"(Handle);
    lock_buffer = "LiteRtLockTensorBuffer"(Handle, *mut *mut c_void, c_int) -> Status;
    unlock_buffer = "LiteRtUnlockTensorBuffer"(Handle) -> Status;
    profiler = "LiteRtCompiledModelGetProfiler"(Handle, *mut Handle) -> Status;
    start_profiler = "LiteRtStartProfiler"(Handle) -> Status;
    stop_profiler = "LiteRtStopProfiler"(Handle) -> Status;
    reset_profiler = "LiteRtResetProfiler"(Handle) -> Status;
    event_count = "LiteRtGetNumProfilerEvents"(Handle, *mut c_int) -> Status;
    events = "LiteRtGetProfilerEvents"(Handle, c_int, *mut Event) -> Status;
    run = "LiteRtRunCompiledModel"(
        Handle, usize, usize, *const Handle, usize, *const Handle) -> Status;
}

/// A handle that is destroyed with its owner.
struct Owned {
    handle: Handle,
    destroy: unsafe extern "C" fn(Handle),
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the handle was made by the matching create function and is destroyed once.
        unsafe { (self.destroy)(self.handle) }
    }
}

/// The buffer of an input or output.
struct Buffer {
    owned: Owned,
    ty: ElementType,
    shape: Vec<usize>,
    bytes: usize,
}

/// A model on the runtime, ready to be called.
///
/// Fields are dropped in order: what uses others first.
pub(crate) struct Session {
    api: Api,
    /// The inputs and outputs of the last call, for [`Session::again`].
    bound: Option<(usize, Vec<Buffer>, Vec<Buffer>)>,
    compiled: Owned,
    /// The shape that each input of each signature has now.
    shapes: Vec<Vec<Vec<i32>>>,
    signatures: Vec<Interface>,
    _options: Owned,
    _model: Owned,
    environment: Owned,
}

impl Session {
    /// Loads a model from a file, which may be mapped as long as the session lives.
    pub(crate) fn open(
        api: Api,
        path: &Path,
        kernels: Kernels,
        threads: u32,
        profile: bool,
    ) -> Result<Self, RuntimeError> {
        let text = path.to_str().and_then(|path| CString::new(path).ok());
        let Some(text) = text else {
            let message = format!("{} is no path that the runtime can take", visible_path(path));
            return Err(RuntimeError::new(Stage::Load, message));
        };
        // SAFETY (this and all calls below): handles come from the create functions above them
        // and live in `Owned`s; out-pointers are to locals of the declared types.
        let environment = api.made(Stage::Library, api.destroy_environment, |out| unsafe {
            (api.create_environment)(0, null(), out)
        })?;
        let model = api.made(Stage::Load, api.destroy_model, |out| unsafe {
            (api.create_model)(environment.handle, text.as_ptr(), out)
        })?;
        let options =
            api.made(Stage::Load, api.destroy_options, |out| unsafe { (api.create_options)(out) })?;
        check(Stage::Load, unsafe { (api.set_accelerators)(options.handle, CPU) })?;
        let mode = match kernels {
            Kernels::Reference => "reference",
            Kernels::Optimized => "builtin",
            Kernels::Xnnpack => "delegate",
        };
        let cpu = format!("num_threads = {threads}\nkernel_mode = \"{mode}\"\n");
        // The first chooses the kernels, the second whether the delegate takes part.
        api.add_toml(options.handle, c"cpu_delegate", &cpu)?;
        api.add_toml(options.handle, c"xnnpack", &cpu)?;
        // Errors go to standard error, which the parent reads.
        let profiling = if profile { "enable_profiling = true\n" } else { "" };
        let runtime = format!("error_reporter_mode = 1\n{profiling}");
        api.add_toml(options.handle, c"runtime_options_string", &runtime)?;
        let signatures = api.signatures(model.handle)?;
        let compiled = api.made(Stage::Prepare, api.destroy_compiled, |out| unsafe {
            (api.create_compiled)(environment.handle, model.handle, options.handle, out)
        })?;
        let shapes = signatures
            .iter()
            .map(|signature| signature.inputs.iter().map(|port| port.shape.clone()).collect())
            .collect();
        Ok(Self {
            api,
            bound: None,
            compiled,
            shapes,
            signatures,
            _options: options,
            _model: model,
            environment,
        })
    }

    pub(crate) fn signatures(&self) -> &[Interface] {
        &self.signatures
    }

    /// Calls a signature. Inputs are in its order and of its types; their shapes may differ
    /// from the model's, which is then resized.
    ///
    /// The runtime makes a tensor whose size an op computes in memory of its own, which this API
    /// has no function for, and leaves the buffer of such an output as it was. Before the run it
    /// tells a placeholder's dimensions of it, which may be the right ones. So outputs are
    /// marked: what still holds the mark was not written. A mark that was computed by chance is
    /// told by a second run with another one.
    pub(crate) fn run(
        &mut self,
        index: usize,
        inputs: &[Value],
    ) -> Result<Vec<Value>, RuntimeError> {
        self.bind(index, inputs)?;
        let mut suspect = self.unwritten(MARKS[0])?;
        if !suspect.is_empty() {
            let again = self.unwritten(MARKS[1])?;
            suspect.retain(|n| again.contains(n));
        }
        if let Some(n) = suspect.first() {
            return Err(self.computed_size(index, *n));
        }
        let Some((_, _, outputs)) = &self.bound else { return Ok(Vec::new()) };
        outputs.iter().map(|buffer| self.read(buffer)).collect()
    }

    /// Runs on outputs that are filled with this byte; which of them still are.
    fn unwritten(&self, mark: u8) -> Result<Vec<usize>, RuntimeError> {
        let Some((index, _, outputs)) = &self.bound else { return Ok(Vec::new()) };
        for buffer in outputs {
            self.locked(buffer, LOCK_WRITE, |to| {
                // SAFETY: as in `write`.
                unsafe { std::ptr::write_bytes(to, mark, buffer.bytes) }
            })?;
        }
        self.again()?;
        // Without a new allocation these are the dimensions that the run gave the tensors.
        let layouts = self.layouts(*index, outputs.len(), false)?;
        let mut unwritten = Vec::new();
        for (n, (buffer, layout)) in outputs.iter().zip(&layouts).enumerate() {
            let same = layout.shape().iter().map(|d| usize::try_from(*d).ok());
            if !same.eq(buffer.shape.iter().map(|d| Some(*d))) {
                return Err(self.computed_size(*index, n));
            }
            let marked = self.locked(buffer, LOCK_READ, |from| {
                // SAFETY: as in `write`.
                let bytes = unsafe { std::slice::from_raw_parts(from, buffer.bytes) };
                bytes.iter().all(|byte| *byte == mark)
            })?;
            if marked && buffer.bytes > 0 {
                unwritten.push(n);
            }
        }
        Ok(unwritten)
    }

    fn computed_size(&self, index: usize, output: usize) -> RuntimeError {
        let name = &self.signatures[index].outputs[output].name;
        RuntimeError::new(
            Stage::Interface,
            format!("the size of output `{name}` is known only after a run"),
        )
    }

    /// The dimensions of the outputs of a signature, as they are or with a new allocation.
    fn layouts(
        &self,
        index: usize,
        count: usize,
        allocate: bool,
    ) -> Result<Vec<Layout>, RuntimeError> {
        // The runtime writes as many dimensions as a tensor has, whatever fits in a layout.
        let mut layouts = vec![Layout::default(); count + SPARE_LAYOUTS];
        // SAFETY: as in `open`; there are as many layouts as are told, and room for more.
        check(Stage::Prepare, unsafe {
            (self.api.output_layouts)(
                self.compiled.handle,
                index,
                count,
                layouts.as_mut_ptr(),
                allocate,
            )
        })?;
        layouts.truncate(count);
        match layouts.iter().position(|layout| layout.rank() > MAX_RANK) {
            Some(n) => {
                let name = &self.signatures[index].outputs[n].name;
                let message = format!("output `{name}` has more than {MAX_RANK} dimensions");
                Err(RuntimeError::new(Stage::Interface, message))
            }
            None => Ok(layouts),
        }
    }

    /// Calls the signature again that was called last, on the same inputs.
    pub(crate) fn again(&self) -> Result<(), RuntimeError> {
        let Some((index, inputs, outputs)) = &self.bound else { return Ok(()) };
        let handles = |buffers: &[Buffer]| -> Vec<Handle> {
            buffers.iter().map(|buffer| buffer.owned.handle).collect()
        };
        let (ins, outs) = (handles(inputs), handles(outputs));
        // SAFETY: as in `open`; the arrays have the lengths that are given, and the runtime
        // keeps neither.
        check(Stage::Invoke, unsafe {
            (self.api.run)(
                self.compiled.handle,
                *index,
                ins.len(),
                ins.as_ptr(),
                outs.len(),
                outs.as_ptr(),
            )
        })
    }

    /// Calls the signature again that was called last, and tells when its ops ran.
    pub(crate) fn profile(&self) -> Result<RunProfile, RuntimeError> {
        let mut profiler = null_mut();
        // SAFETY (this and all calls below): as in `open`; the model owns the profiler.
        check(Stage::Invoke, unsafe { (self.api.profiler)(self.compiled.handle, &mut profiler) })?;
        check(Stage::Invoke, unsafe { (self.api.reset_profiler)(profiler) })?;
        check(Stage::Invoke, unsafe { (self.api.start_profiler)(profiler) })?;
        let ran = self.again();
        check(Stage::Invoke, unsafe { (self.api.stop_profiler)(profiler) })?;
        ran?;
        let mut count = 0;
        check(Stage::Invoke, unsafe { (self.api.event_count)(profiler, &mut count) })?;
        let mut events = vec![Event::NONE; usize::try_from(count).unwrap_or(0)];
        check(Stage::Invoke, unsafe { (self.api.events)(profiler, count, events.as_mut_ptr()) })?;
        Ok(profile_of(&events))
    }

    fn bind(&mut self, index: usize, inputs: &[Value]) -> Result<(), RuntimeError> {
        self.bound = None;
        let signature = self.signatures.get(index).ok_or_else(|| {
            RuntimeError::new(Stage::Input, format!("the model has no signature {index}"))
        })?;
        if inputs.len() != signature.inputs.len() {
            let (given, wanted) = (inputs.len(), signature.inputs.len());
            let message = format!("{} for {}", counted(given, "value"), counted(wanted, "input"));
            return Err(RuntimeError::new(Stage::Input, message));
        }
        for (n, (value, port)) in inputs.iter().zip(&signature.inputs).enumerate() {
            fits(value, port)?;
            let wanted: Result<Vec<i32>, _> =
                value.shape.iter().map(|d| i32::try_from(*d)).collect();
            let wanted = wanted.map_err(|_| {
                let (name, form) = (&port.name, value.form());
                RuntimeError::new(
                    Stage::Input,
                    format!("input `{name}`: {form} has too large dimensions"),
                )
            })?;
            if self.shapes[index][n] != wanted {
                // SAFETY: as in `open`; the dimensions are copied.
                let resized = unsafe {
                    (self.api.resize_input)(
                        self.compiled.handle,
                        index,
                        n,
                        wanted.as_ptr(),
                        wanted.len(),
                    )
                };
                check(Stage::Resize, resized)?;
                self.shapes[index][n] = wanted;
            }
        }
        let mut ins = Vec::with_capacity(inputs.len());
        for value in inputs {
            let buffer = self.buffer(value.ty, value.shape.clone())?;
            self.write(&buffer, &value.data)?;
            ins.push(buffer);
        }
        let layouts = self.layouts(index, signature.outputs.len(), true)?;
        let mut outs = Vec::with_capacity(layouts.len());
        for (n, (layout, port)) in layouts.iter().zip(&signature.outputs).enumerate() {
            let shape: Result<Vec<usize>, _> =
                layout.shape().iter().map(|d| usize::try_from(*d)).collect();
            let shape = shape.map_err(|_| self.computed_size(index, n))?;
            outs.push(self.buffer(port.ty, shape)?);
        }
        self.bound = Some((index, ins, outs));
        Ok(())
    }

    fn buffer(&self, ty: ElementType, shape: Vec<usize>) -> Result<Buffer, RuntimeError> {
        let code = code_of(ty);
        let elements = shape.iter().try_fold(1_u64, |n, d| n.checked_mul(*d as u64));
        let bytes = elements.and_then(|n| ty.bytes_for(n)).and_then(|n| usize::try_from(n).ok());
        let (Some(bytes), Some(layout)) = (bytes, Layout::of(&shape)) else {
            let message = format!("a tensor of type {ty} and shape {shape:?} cannot be passed");
            return Err(RuntimeError::new(Stage::Interface, message));
        };
        let tensor = TensorType { element: code, layout };
        // A buffer of no bytes is refused.
        let owned = self.api.made(Stage::Input, self.api.destroy_buffer, |out| unsafe {
            (self.api.create_buffer)(
                self.environment.handle,
                HOST_MEMORY,
                &tensor,
                bytes.max(1),
                out,
            )
        })?;
        Ok(Buffer { owned, ty, shape, bytes })
    }

    /// What a buffer holds while it is locked.
    fn locked<T>(
        &self,
        buffer: &Buffer,
        mode: c_int,
        work: impl FnOnce(*mut u8) -> T,
    ) -> Result<T, RuntimeError> {
        let mut address = null_mut();
        // SAFETY: as in `open`.
        check(Stage::Output, unsafe {
            (self.api.lock_buffer)(buffer.owned.handle, &mut address, mode)
        })?;
        let result = work(address.cast());
        // SAFETY: it was locked just now.
        check(Stage::Output, unsafe { (self.api.unlock_buffer)(buffer.owned.handle) })?;
        Ok(result)
    }

    fn write(&self, buffer: &Buffer, data: &[u8]) -> Result<(), RuntimeError> {
        let length = data.len().min(buffer.bytes);
        self.locked(buffer, LOCK_WRITE, |to| {
            // SAFETY: the buffer was made with `bytes` bytes and is ours while it is locked.
            unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), to, length) }
        })
    }

    fn read(&self, buffer: &Buffer) -> Result<Value, RuntimeError> {
        let mut data = vec![0; buffer.bytes];
        self.locked(buffer, LOCK_READ, |from| {
            // SAFETY: as in `write`.
            unsafe { std::ptr::copy_nonoverlapping(from, data.as_mut_ptr(), buffer.bytes) }
        })?;
        Ok(Value { ty: buffer.ty, shape: buffer.shape.clone(), data })
    }
}

impl Api {
    fn made(
        self,
        stage: Stage,
        destroy: unsafe extern "C" fn(Handle),
        create: impl FnOnce(*mut Handle) -> Status,
    ) -> Result<Owned, RuntimeError> {
        let mut handle = null_mut();
        check(stage, create(&mut handle))?;
        Ok(Owned { handle, destroy })
    }

    /// Attaches a table of options in the form in which the runtime parses them.
    fn add_toml(self, options: Handle, kind: &CStr, text: &str) -> Result<(), RuntimeError> {
        unsafe extern "C" fn free(text: *mut c_void) {
            // SAFETY: the runtime gives back what `into_raw` gave it, once.
            drop(unsafe { CString::from_raw(text.cast()) });
        }
        let text = CString::new(text).expect("options hold no zero byte").into_raw();
        let mut opaque = null_mut();
        // SAFETY: the runtime copies `kind` and owns the text from here on.
        let created =
            unsafe { (self.create_opaque)(kind.as_ptr(), text.cast(), free, &mut opaque) };
        if created != OK {
            // SAFETY: nobody took it.
            unsafe { free(text.cast()) };
        }
        check(Stage::Load, created)?;
        // SAFETY: as in `open`; the options own it afterwards.
        check(Stage::Load, unsafe { (self.add_opaque)(options, opaque) })
    }

    fn signatures(self, model: Handle) -> Result<Vec<Interface>, RuntimeError> {
        let mut count = 0;
        // SAFETY (here and below): as in `Session::open`.
        check(Stage::Load, unsafe { (self.signature_count)(model, &mut count) })?;
        (0..count)
            .map(|index| {
                let (mut signature, mut key) = (null_mut(), null());
                let (mut inputs, mut outputs) = (0, 0);
                unsafe {
                    check(Stage::Load, (self.signature)(model, index, &mut signature))?;
                    check(Stage::Load, (self.signature_key)(signature, &mut key))?;
                    check(Stage::Load, (self.input_count)(signature, &mut inputs))?;
                    check(Stage::Load, (self.output_count)(signature, &mut outputs))?;
                }
                let key = string(key);
                self.apart(signature, inputs, outputs)?;
                let ports =
                    |count, name: NameOf, tensor: TensorOf| -> Result<Vec<Port>, RuntimeError> {
                        (0..count).map(|n| self.port(signature, n, name, tensor)).collect()
                    };
                Ok(Interface {
                    key: (key != PLACEHOLDER).then_some(key),
                    inputs: ports(inputs, self.input_name, self.input_tensor)?,
                    outputs: ports(outputs, self.output_name, self.output_tensor)?,
                })
            })
            .collect()
    }

    /// An error where an output is an input: the runtime then computes nothing, and leaves the
    /// buffer of the output as it was.
    fn apart(self, signature: Handle, inputs: usize, outputs: usize) -> Result<(), RuntimeError> {
        let tensors = |count, tensor_of: TensorOf| {
            let tensor = |n| {
                let mut tensor = null_mut();
                // SAFETY: as in `Session::open`.
                check(Stage::Load, unsafe { tensor_of(signature, n, &mut tensor) })?;
                Ok(tensor)
            };
            (0..count).map(tensor).collect::<Result<Vec<Handle>, RuntimeError>>()
        };
        let inputs = tensors(inputs, self.input_tensor)?;
        if tensors(outputs, self.output_tensor)?.iter().any(|tensor| inputs.contains(tensor)) {
            return Err(RuntimeError::new(Stage::Interface, "an output is an input"));
        }
        Ok(())
    }

    fn port(
        self,
        signature: Handle,
        index: usize,
        name_of: NameOf,
        tensor_of: TensorOf,
    ) -> Result<Port, RuntimeError> {
        let (mut name, mut tensor) = (null(), null_mut());
        let mut ty = TensorType::default();
        let (mut weights, mut address, mut bytes) = (null_mut(), null(), 0);
        // SAFETY: as in `Session::open`.
        unsafe {
            check(Stage::Load, name_of(signature, index, &mut name))?;
            check(Stage::Load, tensor_of(signature, index, &mut tensor))?;
            if (self.ranked_type)(tensor, &mut ty) != OK {
                let message = format!("the rank of `{}` is unknown", string(name));
                return Err(RuntimeError::new(Stage::Interface, message));
            }
            let known = (self.weights)(tensor, &mut weights) == OK;
            if known && (self.weights_bytes)(weights, &mut address, &mut bytes) != OK {
                bytes = 0;
            }
        }
        let name = string(name);
        let Some(element) = type_of(ty.element) else {
            let message = format!("`{name}` has the unknown element type {}", ty.element);
            return Err(RuntimeError::new(Stage::Load, message));
        };
        let shape = ty.layout.shape().to_vec();
        Ok(Port { name, ty: element, shape, constant: bytes > 0 })
    }
}

type NameOf = unsafe extern "C" fn(Handle, usize, *mut *const c_char) -> Status;
type TensorOf = unsafe extern "C" fn(Handle, usize, *mut Handle) -> Status;

fn string(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the runtime gives strings that end with a zero and live as long as the model.
    text_from_bytes(unsafe { CStr::from_ptr(text) }.to_bytes()).into_owned()
}

/// What the runtime noted of one run.
fn profile_of(events: &[Event]) -> RunProfile {
    let called = |event: &&Event| event.kind == PLAIN_EVENT && string(event.tag) == CALL_EVENT;
    let call = events.iter().filter(called).min_by_key(|event| event.start);
    let ops = events.iter().filter(|event| event.kind == OP_EVENT).map(|event| OpSpan {
        subgraph: u32::try_from(event.second).unwrap_or(u32::MAX),
        op: u32::try_from(event.first).unwrap_or(u32::MAX),
        start: event.start,
        end: event.start + event.elapsed,
    });
    RunProfile {
        start: call.map_or(0, |event| event.start),
        end: call.map_or(0, |event| event.start + event.elapsed),
        ops: ops.collect(),
    }
}

fn fits(value: &Value, port: &Port) -> Result<(), RuntimeError> {
    let wrong = |message| Err(RuntimeError::new(Stage::Input, message));
    if port.constant {
        return wrong(format!("input `{}` is a constant of the model", port.name));
    }
    let rank_and_type = value.ty == port.ty && value.shape.len() == port.shape.len();
    let bytes = value.ty.bytes_for(value.elements() as u64);
    if !rank_and_type || bytes != Some(value.data.len() as u64) {
        let (given, wanted) = (value.form(), port.form());
        return wrong(format!("input `{}` is {wanted}, {given} was given", port.name));
    }
    Ok(())
}

fn check(stage: Stage, status: Status) -> Result<(), RuntimeError> {
    if status == OK { Ok(()) } else { Err(RuntimeError::new(stage, status_text(status))) }
}

/// The names of `LiteRtStatus`, as words.
fn status_text(status: Status) -> String {
    let text = match status {
        1 => "invalid argument",
        2 => "out of memory",
        3 => "the runtime failed",
        4 => "an input is missing",
        5 => "unsupported",
        6 => "not found",
        8 => "wrong version",
        500 => "the file cannot be read",
        501 => "the flatbuffer is invalid",
        502 => "a library cannot be loaded",
        504 => "the model cannot be compiled",
        _ => return format!("status {status}"),
    };
    text.to_owned()
}

/// Numbers of `LiteRtElementType`, which are TfLiteType's and not the schema's.
const TYPES: [(c_int, ElementType); 21] = [
    (1, ElementType::Float32),
    (2, ElementType::Int32),
    (3, ElementType::UInt8),
    (4, ElementType::Int64),
    (5, ElementType::String),
    (6, ElementType::Bool),
    (7, ElementType::Int16),
    (8, ElementType::Complex64),
    (9, ElementType::Int8),
    (10, ElementType::Float16),
    (11, ElementType::Float64),
    (12, ElementType::Complex128),
    (13, ElementType::UInt64),
    (14, ElementType::Resource),
    (15, ElementType::Variant),
    (16, ElementType::UInt32),
    (17, ElementType::UInt16),
    (18, ElementType::Int4),
    (19, ElementType::BFloat16),
    (20, ElementType::Int2),
    (21, ElementType::UInt4),
];

fn type_of(code: c_int) -> Option<ElementType> {
    TYPES.iter().find(|row| row.0 == code).map(|row| row.1)
}

fn code_of(ty: ElementType) -> c_int {
    TYPES.iter().find(|row| row.1 == ty).map_or(0, |row| row.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_go_both_ways() {
        for (code, ty) in TYPES {
            assert_eq!(type_of(code), Some(ty));
            assert_eq!(code_of(ty), code);
        }
        assert_eq!(type_of(99), None);
        assert_eq!(code_of(ElementType::Float8E5M2), 0);
    }

    #[test]
    fn layouts_hold_shapes() {
        assert_eq!(Layout::of(&[2, 3]).unwrap().shape(), [2, 3]);
        assert!(Layout::of(&[]).unwrap().shape().is_empty());
        assert!(Layout::of(&[1; 9]).is_none());
        assert!(Layout::of(&[usize::MAX]).is_none());
        let nine = Layout { bits: 9, ..Layout::default() };
        assert_eq!((nine.rank(), nine.shape().len()), (9, MAX_RANK));
    }

    #[test]
    fn a_file_that_is_no_library_is_an_error() {
        let Err(error) = Api::load(Path::new("/nowhere/libLiteRt.so")) else { panic!("it loads") };
        assert_eq!(error.stage, Stage::Library);
        assert!(error.message.contains("/nowhere/libLiteRt.so"), "{}", error.message);
    }
}
