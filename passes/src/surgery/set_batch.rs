use super::bind::bind;
use super::{Input, inputs, listed};
use tfq_ir::maps::HashMap;
use tfq_ir::ops::Shape;
use tfq_pass::{Pass, PassError, Session, declare_pass};

declare_pass! {
    contract: ChangesSignature, scope: Module, writes: [RESHAPE];
    /// Sets how many samples the model takes at once.
    ///
    /// ## What it does
    /// The first dimension of inputs that is left open (-1 in `shape_signature`) becomes `size`, in the main
    /// subgraph and in those of signatures. All shapes that follow are stated, also in the subgraphs
    /// that ops call; run `infer-shapes` behind it, and what the model computes of the batch goes. With
    /// `strict=off` a first dimension that is fixed changes too: that of all inputs that have as many rows as the
    /// first of at least two dimensions. `set-shape` sets single inputs.
    ///
    /// ## When it is safe
    /// The model computes for each sample what it did, and takes other shapes than before: callers must know. An
    /// op that cannot have the shape that comes to it is an error that names it, and the model stays as it
    /// was. Constants with the batch in them, the `[1, 128]` of a RESHAPE or the result shape of a
    /// TRANSPOSE_CONV, are made to say the new one where the first dimension is the batch and
    /// nothing else fits, with a remark each; so are variables of recurrent ops. Where an op takes one sample of
    /// a fixed batch of 1, or sums over it, nobody can tell what is meant, and that is an error too. Names,
    /// signatures and metadata stay.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[?,2,4]
    ///   %flat = const : i32[2] = [-1, 8]
    ///   %a = RESHAPE(%x, %flat) : f32[?,8]
    ///   %y = NEG(%a) : f32[?,8]
    ///   output %y
    /// }
    /// ```
    /// becomes with `set-batch{size=4}`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[4,2,4]
    ///   %flat = const : i32[2] = [-1, 8]
    ///   %a = RESHAPE(%x, %flat) : f32[4,8]
    ///   %y = NEG(%a) : f32[4,8]
    ///   output %y
    /// }
    /// ```
    pub struct SetBatch {
        /// How many samples.
        pub size: u64 = 1,
        /// Whether a first dimension that is fixed may not change.
        pub strict: bool = true,
    }
}

impl Pass for SetBatch {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        let module = session.model();
        let size = i32::try_from(self.size).ok().filter(|size| *size > 0);
        let Some(size) = size else {
            return Err(PassError::Unsupported(format!("a batch cannot be {}", self.size)));
        };
        let inputs = inputs(module);
        let first = |input: &Input| input.dims.as_ref().and_then(|dims| dims.first().copied());
        let is_free = |input: &&Input| first(input) == Some(None);
        let rows = |input: &Input| {
            let dims = input.dims.as_ref().filter(|dims| dims.len() > 1)?;
            *dims.first()?
        };
        let batch = inputs.iter().find_map(rows).filter(|_| !self.strict);
        let is_fixed = |input: &&Input| batch.is_some() && rows(input) == batch;
        let chosen = inputs.iter().filter(|input| is_free(input) || is_fixed(input));
        let bound: HashMap<_, _> = chosen
            .filter(|input| first(input) != Some(Some(size)))
            .map(|input| {
                let others = input.dims.iter().flatten().skip(1).copied();
                (input.id, Shape::of(std::iter::once(Some(size)).chain(others)))
            })
            .collect();
        if bound.is_empty() && !inputs.iter().any(|input| first(input) == Some(Some(size))) {
            let message = format!(
                "no input leaves its first dimension open: {}; `set-batch{{size={size} strict=off}}` in --passes changes one that is fixed",
                listed(module, &inputs)
            );
            return Err(PassError::Unsupported(message));
        }
        for input in &inputs {
            let stays = first(input).flatten().filter(|rows| *rows != size);
            if let Some(rows) = stays.filter(|_| !bound.contains_key(&input.id)) {
                let message = format_args!("its first dimension is {rows}, and not open");
                session.missed("input", module.tensor_place(input.sg, input.id), message);
            }
        }
        match bound.is_empty() {
            true => Ok(()),
            false => bind(session, &bound),
        }
    }
}
