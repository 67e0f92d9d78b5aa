//! Goldens as files: what is written is read back the same, for every model and level, and no
//! file makes reading or comparing panic.

use std::fs;
use std::path::{Path, PathBuf};
use tfq_golden::{Golden, Header, Kind, blame, compare, file_hash, record, same_text};
use tfq_pass::Pipeline;
use tfq_target::Target;
use tfq_text::Level;

/// A golden of the default pipeline; `None` for a model that is refused.
fn golden(path: &Path, level: Level) -> Option<(Golden, tfq_golden::Recording)> {
    let bytes = fs::read(path).unwrap();
    let module = tfq_tflite::lift(&bytes.clone().into(), &Default::default()).ok()?;
    let pipeline = Pipeline::parse(&tfq_passes::builtin(), "default").unwrap();
    let target = &*Target::named("litert").unwrap();
    let recording = record(module, &pipeline, target, level).ok()?;
    let header = Header::new("m.tflite", &file_hash(&bytes), &pipeline, target.name(), level);
    Some((Golden::new(header, &recording), recording))
}

fn models() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/models");
    let folders = ["digits", "odd", "ops"].map(|folder| fs::read_dir(root.join(folder)).unwrap());
    let files = folders.into_iter().flatten().map(|file| file.unwrap().path());
    let mut models: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|e| e == "tflite")).collect();
    models.sort();
    models
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("m.golden");
    let mut count = 0;
    for path in models() {
        for level in Level::ALL {
            let Some((golden, recording)) = golden(&path, level) else { continue };
            let place = format!("{} at level {level}", path.display());
            golden.write(&file).unwrap();
            let read = Golden::read(&file).unwrap_or_else(|error| panic!("{place}: {error}"));
            assert_eq!(read.print(), golden.print(), "{place}");
            assert_eq!(read.header, golden.header, "{place}");
            assert_eq!(read.sections, golden.sections, "{place}");
            let comparison = compare(&read, &golden);
            assert_eq!(comparison.kinds, [], "{place}");
            assert!(comparison.causes.is_empty() && comparison.diff.is_none(), "{place}");
            assert!(blame(&read, &recording).is_none(), "{place}");
            // Not only letter by letter.
            let mut spaced = golden.clone();
            spaced.text = golden.text.replace(" = const", "  =\n  const");
            assert!(same_text(&golden.text, &spaced.text), "{place}");
            let mut spaced = Golden::parse(&spaced.print()).unwrap();
            spaced.side.clone_from(&golden.side);
            let comparison = compare(&spaced, &golden);
            assert!(comparison.is_same(), "{place}: {:?}", comparison.kinds);
            count += 1;
        }
    }
    assert!(count > 400, "{count}");
}

#[test]
fn no_file_makes_it_panic() {
    let models = models();
    for name in ["shared_fc_and_add", "names_utf8", "tensor_names", "if_branches"] {
        let path = models.iter().find(|path| path.file_stem().unwrap() == name).unwrap();
        let (golden, recording) = golden(path, Level::Hash).unwrap();
        let text = golden.print();
        let cuts = (0..text.len()).step_by(7).filter(|at| text.is_char_boundary(*at));
        for at in cuts {
            let half = (0..=at / 2).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            for file in [text[..at].to_owned(), [&text[..half], &text[at..]].concat()] {
                if let Ok(cut) = Golden::parse(&file) {
                    compare(&cut, &golden);
                    blame(&cut, &recording);
                }
            }
        }
        for (from, to) in [("\"", "\\é"), ("%", "%\""), ("{", "{{"), (" = ", "="), ("#", "## ")] {
            if let Ok(changed) = Golden::parse(&text.replace(from, to)) {
                let comparison = compare(&changed, &golden);
                assert!(!comparison.kinds.is_empty(), "{from} for {to}");
            }
        }
    }
}

#[test]
fn what_is_wrong_with_the_text_is_told() {
    let path = models().pop().unwrap();
    let (golden, _) = golden(&path, Level::Quant).unwrap();
    let mut broken = Golden::parse(&golden.print()).unwrap();
    broken.text = broken.text.replace("subgraph", "subgrph");
    let comparison = compare(&broken, &golden);
    assert_eq!(comparison.kinds, [Kind::Unreadable]);
    assert!(comparison.headline().contains("does not parse: "), "{}", comparison.headline());
}
