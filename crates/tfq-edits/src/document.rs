//! Documents of edits: what a run did, or what a plugin sends.

use crate::VERSION;
use crate::blobs::{Blobs, NoBlob};
use crate::error::EditsError;
use crate::read::{At, EditReader};
use crate::wire::{Blob, Document, Edit, Label, Step};
use crate::write::EditWriter;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fmt::Write;
use std::sync::Arc;
use tfq_ir::{LoggedEdit, Module};
use tfq_json::Closed;

/// Edits in their JSON form, in the order in which they are applied.
///
/// ```
/// use tfq_edits::{Blobs, Edits};
/// # use tfq_ir::{ConstantPool, ElementType, SubgraphBuilder, Tensor};
/// # let mut builder = SubgraphBuilder::new(None);
/// # let x = builder.tensor(Tensor::new("x", ElementType::Float32, [2]));
/// # let input = tfq_ir::Module::new(vec![builder.finish(vec![x], vec![x])], ConstantPool::default());
/// let mut module = input.clone();
/// module.apply(tfq_ir::Edit::Description(Some("smaller".into())))?;
///
/// // In one process ...
/// let mut blobs = Blobs::new();
/// let text = Edits::of_log(&input, module.edits(), &mut blobs).to_json();
///
/// // ... and in another, which reads the same model.
/// let mut again = input.clone();
/// Edits::parse(&text)?.apply(&mut again, &blobs)?;
/// assert_eq!(again.description().map(|text| &**text), Some("smaller"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Edits {
    document: Document,
    limits: Limits,
}

impl Edits {
    /// The edits that were applied to a module, with the bytes that go beside them.
    ///
    /// # Panics
    /// If they were applied to another one.
    pub fn of_log(start: &Module, edits: &[LoggedEdit], blobs: &mut Blobs) -> Self {
        let mut module = start.clone();
        let mut writer = EditWriter::new(start, blobs);
        let edits = edits.iter().map(|logged| {
            let edit = writer.edit(&logged.edit);
            let applied = module.apply(tfq_ir::Edit::clone(&logged.edit));
            module.forget_edits();
            writer.follow(&module, &applied.expect("it was applied once"));
            Step { pass: logged.pass.as_deref().map(Label::new), edit }
        });
        Self {
            document: Document { tfq_edits: VERSION, model: None, edits: edits.collect() },
            limits: Limits::of(start),
        }
    }

    /// Says which model they belong to: [`crate::file_hash`].
    #[must_use]
    pub fn for_model(mut self, hash: String) -> Self {
        self.document.model = Some(hash);
        self
    }

    /// Which model they belong to, where they say so.
    pub fn model(&self) -> Option<&str> {
        self.document.model.as_deref()
    }

    /// Whether they belong to the model of this hash. Where they do not say, they may.
    pub fn check_model(&self, hash: &str) -> Result<(), EditsError> {
        let Some(wanted) = self.model().filter(|wanted| *wanted != hash) else { return Ok(()) };
        let message = format!("these are edits of another model: of {wanted}, and this is {hash}");
        let help = "give the model that the edits were made of";
        Err(EditsError::new("model", message).help(Some(help.to_owned())))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.document.edits.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.document.edits.is_empty()
    }

    /// The document, one line for each edit.
    pub fn to_json(&self) -> String {
        let Document { tfq_edits, model, edits } = &self.document;
        let mut out = format!("{{\n  \"tfq_edits\": {tfq_edits},\n");
        if let Some(model) = model {
            _ = writeln!(out, "  \"model\": {},", json(model));
        }
        out.push_str("  \"edits\": [");
        for (n, step) in edits.iter().enumerate() {
            _ = write!(out, "{}\n    {}", if n > 0 { "," } else { "" }, json(step));
        }
        out.push_str(if edits.is_empty() { "]\n}\n" } else { "\n  ]\n}\n" });
        out
    }

    /// What a document of them may hold: where they are the log of a module, one for that.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Reads a document. Whether its edits fit a model shows when they are applied. For a model of a
    /// great many ops it may hold more: [`Self::parse_within`].
    pub fn parse(text: &str) -> Result<Self, EditsError> {
        Self::parse_within(text, Limits::default())
    }

    /// As [`Self::parse`], a document that may hold so much.
    pub fn parse_within(text: &str, limits: Limits) -> Result<Self, EditsError> {
        let read: Result<Document, EditsError> = parse(text, limits);
        // Another version may have other fields, so that it is the version that is wrong.
        let version = match &read {
            Ok(document) => Some(u64::from(document.tfq_edits)),
            Err(_) if limits.check(text).is_err() => None,
            Err(_) => version(text),
        };
        if let Some(version) = version.filter(|version| *version != u64::from(VERSION)) {
            let message = format!("version {version} of edits is not known, only {VERSION}");
            let help = "read it with the version of the tool that wrote it";
            return Err(EditsError::new("tfq_edits", message).help(Some(help.to_owned())));
        }
        Ok(Self { document: read?, limits })
    }

    /// An error where bytes are named so often that their copies would take too much. It is known
    /// before any is made.
    fn check_copies(&self, blobs: &Blobs) -> Result<(), EditsError> {
        let mut count = blobs.count_copies();
        for (n, step) in self.document.edits.iter().enumerate() {
            let mut fits = true;
            step.edit.each_blob(&mut |blob| {
                if let Blob::Blake3(digits) = blob {
                    fits &= count(digits);
                }
            });
            if !fits {
                return Err(EditsError::new(format!("edits[{n}].edit"), blobs.too_many_copies())
                    .help(Some(NoBlob::HELP_WITH_COPIES.to_owned())));
            }
        }
        Ok(())
    }

    /// Applies all of them in order, or none: where one does not fit the module stays as it was.
    pub fn apply(&self, module: &mut Module, blobs: &Blobs) -> Result<(), EditsError> {
        self.apply_numbered(module, blobs).map(|_| ())
    }

    /// As [`Self::apply`]. Gives for each edit that the module then has more in its log, which of
    /// these it is: one without effect is not there.
    pub fn apply_numbered(
        &self,
        module: &mut Module,
        blobs: &Blobs,
    ) -> Result<Vec<usize>, EditsError> {
        let mut numbers = Vec::new();
        let start = module.edits().len();
        let mut changed = module.clone();
        blobs.begin();
        self.check_copies(blobs)?;
        for (n, step) in self.document.edits.iter().enumerate() {
            let path = format!("edits[{n}].edit");
            let edit =
                EditReader { module: &changed, blobs }.edit(&step.edit, &At::start(&path))?;
            let pass = step.pass.as_ref().map(|pass| pass.as_str().into());
            let logged = LoggedEdit { edit: Arc::new(edit), pass };
            changed.replay(&[logged]).map_err(|error| EditsError::new(path, error))?;
            numbers.resize(changed.edits().len() - start, n);
        }
        *module = changed;
        Ok(numbers)
    }
}

/// An edit of a module as JSON, with the bytes that go beside it. Where there are more to come, an
/// [`EditWriter`] looks at the constants of the module once.
pub fn write_edit(edit: &tfq_ir::Edit, module: &Module, blobs: &mut Blobs) -> String {
    EditWriter::new(module, blobs).write(edit)
}

/// Reads an edit for the model that it is to change.
pub fn read_edit(text: &str, module: &Module, blobs: &Blobs) -> Result<tfq_ir::Edit, EditsError> {
    let edit: Edit = parse(text, Limits::of(module))?;
    blobs.begin();
    EditReader { module, blobs }.edit(&edit, &At::start(""))
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("keys are strings")
}

/// How much a document may hold, aside from the bytes beside it: a short text may ask for much memory,
/// more than edits of models need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    bytes: u64,
    /// Each takes some 900 bytes of memory at the worst, where the JSON has less than 30: a tensor, an
    /// op.
    objects: u64,
    /// All other values take up to 32 bytes each.
    values: u64,
}

impl Default for Limits {
    /// For a model of which nothing is known.
    fn default() -> Self {
        Self { bytes: 256 << 20, objects: 2_000_000, values: 40_000_000 }
    }
}

impl Limits {
    /// For edits of this model: more for each of its ops. A run writes 25 objects and 1.2 kB for each
    /// op of a model that it quantises.
    pub fn of(module: &Module) -> Self {
        let ops: usize = module.subgraphs().map(|(_, graph)| graph.op_count()).sum();
        let (ops, base) = (ops as u64, Self::default());
        Self {
            bytes: base.bytes + 5000 * ops,
            objects: base.objects + 40 * ops,
            values: base.values + 400 * ops,
        }
    }

    /// How many bytes it may have.
    pub fn bytes(self) -> u64 {
        self.bytes
    }

    /// An error where the document has more.
    pub fn check(self, text: &str) -> Result<(), EditsError> {
        let (mut objects, mut values) = (0, 0);
        for byte in text.bytes() {
            objects += u64::from(byte == b'{');
            values += u64::from(byte == b',');
        }
        let counts = [
            (text.len() as u64, self.bytes, "bytes"),
            (objects, self.objects, "objects"),
            (values, self.values, "values"),
        ];
        let too_many = counts.into_iter().find(|(count, most, _)| count > most);
        let Some((count, most, what)) = too_many else { return Ok(()) };
        let message = format!("the document has {count} {what}, and may have {most}");
        let help = "make several documents of it, each for what the one before it gave; large \
                    constants go by hash, beside it";
        Err(EditsError::new("", message).help(Some(help.to_owned())))
    }
}

fn parse<T: DeserializeOwned>(text: &str, limits: Limits) -> Result<T, EditsError> {
    limits.check(text)?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| EditsError::of_json(&error))?;
    reader.end().map_err(|error| EditsError::of_syntax("", &error))?;
    Ok(value)
}

/// The version that a document says, whatever else it holds.
fn version(text: &str) -> Option<u64> {
    #[derive(Deserialize)]
    struct Head {
        tfq_edits: u64,
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    Head::deserialize(Closed(&mut reader)).ok().map(|head| head.tfq_edits)
}

#[cfg(test)]
mod tests {
    use crate::wire::Document;
    use schemars::Schema;
    use schemars::generate::SchemaSettings;
    use schemars::transform::RecursiveTransform;
    use std::fs;

    /// The names of formats are hints to people: what the reader holds them to is said besides.
    fn bounds(schema: &mut Schema) {
        let (least, most) = match schema.get("format").and_then(|format| format.as_str()) {
            Some("int8") => (-128, 127),
            Some("uint8") => (0, 255),
            Some("uint16") => (0, 65535),
            Some("int32") => (i64::from(i32::MIN), i64::from(i32::MAX)),
            Some("uint32") => (0, i64::from(u32::MAX)),
            _ => return,
        };
        schema.insert("minimum".to_owned(), least.into());
        schema.insert("maximum".to_owned(), most.into());
    }

    #[test]
    fn the_json_schema_is_what_the_types_say() {
        let settings = SchemaSettings::draft2020_12().for_deserialize();
        let settings = settings.with_transform(RecursiveTransform(bounds));
        let schema = settings.into_generator().into_root_schema_for::<Document>();
        let made = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schema/edits.schema.json");
        let there = fs::read_to_string(path).unwrap_or_default();
        if there != made && std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(path, made).unwrap();
            return;
        }
        assert!(there == made, "write it anew: UPDATE_DOCS=1 cargo test -p tfq-edits --lib");
    }
}
