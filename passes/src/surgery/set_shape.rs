use super::bind::bind;
use super::{Input, inputs, listed};
use tfq_ir::maps::HashMap;
use tfq_ir::ops::Shape;
use tfq_ir::{Module, TensorId};
use tfq_pass::{OptionKind, OptionValue, Pass, PassError, Session, declare_pass};

declare_pass! {
    contract: ChangesSignature, scope: Module, writes: [RESHAPE];
    /// Sets the shapes of inputs.
    ///
    /// ## What it does
    /// Inputs get the dimensions that `input` says, by the name of the tensor or the one that a signature has
    /// for it: `set-shape{input=image:1x224x224x3}`, several with commas between, and without a name where
    /// there is one input. A `?` leaves a dimension as it is. All shapes that follow are stated, also in the
    /// subgraphs that ops call; run `infer-shapes` behind it, and what the model computes of shapes
    /// goes. A dimension that is fixed (not -1 in `shape_signature`) changes with `strict=off` only.
    ///
    /// ## When it is safe
    /// The model does the same ops on inputs of other shapes: callers must know. As with `set-batch`,
    /// an op that cannot have the shape that comes to it is an error that names it, and constants with the batch
    /// in them are made to say another one where nothing else fits, with a remark each. Names, signatures and
    /// metadata stay.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %image = input : f32[?,?,?,3]
    ///   %y = NEG(%image) : f32[?,?,?,3]
    ///   output %y
    /// }
    /// ```
    /// becomes with `set-shape{input=image:?x64x48x3}`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %image = input : f32[?,64,48,3]
    ///   %y = NEG(%image) : f32[?,64,48,3]
    ///   output %y
    /// }
    /// ```
    pub struct SetShape {
        /// The dimensions of inputs.
        pub input: InputShapes = InputShapes::default(),
        /// Whether a dimension that is fixed may not change.
        pub strict: bool = true,
    }
}

/// Inputs by name, and the dimensions that they get; `None` leaves one as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputShapes(pub Vec<(Option<String>, Vec<Option<i32>>)>);

impl OptionValue for InputShapes {
    fn kind() -> OptionKind {
        OptionKind::Text("[NAME:]DIMxDIM...,...".into())
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut shapes = Vec::new();
        // A name may hold a comma: dimensions tell where it ends.
        let mut name = String::new();
        for part in text.split(',').filter(|_| !text.is_empty()) {
            name.push_str(part);
            let (before, after) = match name.rsplit_once(':') {
                Some((before, after)) => (Some(before.to_owned()), after),
                None => (None, &*name),
            };
            match dimensions(after) {
                Some(dims) => {
                    shapes.push((before.filter(|name| !name.is_empty()), dims));
                    name.clear();
                }
                None => name.push(','),
            }
        }
        match name.is_empty() {
            true => Ok(Self(shapes)),
            false => {
                let what = name.trim_end_matches(',');
                Err(format!("`{what}` is no NAME:1x224x224x3, with `?` for what stays"))
            }
        }
    }

    fn text(&self) -> String {
        let shape = |(name, dims): &(Option<String>, Vec<Option<i32>>)| {
            let dim = |dim: &Option<i32>| dim.map_or("?".to_owned(), |dim| dim.to_string());
            let dims = dims.iter().map(dim).collect::<Vec<_>>().join("x");
            match name {
                Some(name) => format!("{name}:{dims}"),
                None => dims,
            }
        };
        self.0.iter().map(shape).collect::<Vec<_>>().join(",")
    }
}

fn dimensions(text: &str) -> Option<Vec<Option<i32>>> {
    let dims = text.split('x').map(|dim| match dim.trim() {
        "?" | "-1" => Some(None),
        size => size.parse().ok().filter(|size| *size > 0).map(Some),
    });
    dims.collect()
}

impl Pass for SetShape {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        let bound = self.bound(session.model()).map_err(PassError::Unsupported)?;
        match bound.is_empty() {
            true => Ok(()),
            false => bind(session, &bound),
        }
    }
}

impl SetShape {
    fn bound(&self, module: &Module) -> Result<HashMap<TensorId, Shape>, String> {
        let inputs = inputs(module);
        let mut bound = HashMap::default();
        for (name, dims) in &self.input.0 {
            let named: Vec<&Input> = match name {
                Some(name) => inputs.iter().filter(|one| one.is_called(module, name)).collect(),
                None if inputs.len() > 1 => {
                    let all = listed(module, &inputs);
                    return Err(format!("a shape needs the name of an input: {all}"));
                }
                None => inputs.iter().collect(),
            };
            if named.is_empty() {
                let (name, all) = (name.as_deref().unwrap_or("?"), listed(module, &inputs));
                return Err(format!("there is no input `{name}`, but {all}"));
            }
            for input in named {
                let shape = self.shape(input, dims).map_err(|why| {
                    let wanted = Shape::of(dims.iter().copied());
                    format!("input {} cannot be {wanted}: {why}", input.shown(module))
                })?;
                if shape.dims() != input.dims.as_deref() {
                    bound.insert(input.id, shape);
                }
            }
        }
        Ok(bound)
    }

    /// The shape that an input gets.
    fn shape(&self, input: &Input, dims: &[Option<i32>]) -> Result<Shape, String> {
        let Some(had) = &input.dims else { return Ok(Shape::of(dims.iter().copied())) };
        if had.len() != dims.len() {
            return Err(format!("{} dimensions are not {}", dims.len(), had.len()));
        }
        let mut pairs = had.iter().zip(dims);
        let other = pairs.find(|(had, dim)| dim.is_some() && had.is_some() && had != dim);
        match other.filter(|_| self.strict) {
            Some((Some(had), _)) => Err(format!(
                "its dimension of {had} is fixed; `set-shape` with strict=off in --passes changes it too"
            )),
            _ => Ok(Shape::of(had.iter().zip(dims).map(|(had, dim)| dim.or(*had)))),
        }
    }
}
