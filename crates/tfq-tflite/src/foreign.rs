//! What files are that are given for models and are none.

/// What a file is, and the way from it to a `.tflite` model.
pub(crate) struct Foreign {
    pub(crate) what: &'static str,
    pub(crate) help: Option<&'static str>,
}

/// How much of the ends of a file is looked at for names inside.
const ENDS: usize = 64 << 10;

const CONVERT_KERAS: &str = "load it in Keras and convert it with \
     tf.lite.TFLiteConverter.from_keras_model(model).convert()";
const CONVERT_SAVED_MODEL: &str = "convert its folder with \
     tf.lite.TFLiteConverter.from_saved_model(FOLDER).convert()";
const CONVERT_TORCH: &str = "convert it in PyTorch with the package litert-torch: \
     litert_torch.convert(model, inputs).export('model.tflite')";
const CONVERT_ONNX: &str = "convert it with the package onnx2tf: onnx2tf -i model.onnx";
const UNPACK: &str = "unpack it first";

/// Whether a file is what Git LFS leaves in the place of one that was not fetched.
pub fn is_lfs_pointer(file: &[u8]) -> bool {
    file.starts_with(b"version https://git-lfs.github.com/spec/")
}

/// What a file looks like that has no identifier of the format.
pub(crate) fn recognise(file: &[u8]) -> Foreign {
    let is = |what, help| Foreign { what, help: Some(help) };
    match file {
        [b'P', b'K', 3 | 5, 4 | 6, ..] => zip(file),
        [0x89, b'H', b'D', b'F', ..] => is("it looks like an HDF5 file (Keras)", CONVERT_KERAS),
        [0x1f, 0x8b, ..] => is("it is compressed with gzip", UNPACK),
        [b'B', b'Z', b'h', ..] => is("it is compressed with bzip2", UNPACK),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => is("it is compressed with xz", UNPACK),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => is("it is compressed with Zstandard", UNPACK),
        _ if file.get(257..262) == Some(b"ustar") => is("it is a tar archive", UNPACK),
        _ if is_lfs_pointer(file) => is(
            "it is a pointer of Git LFS, and `git lfs pull` fetches the file",
            "run git lfs pull in its repository",
        ),
        _ if file.starts_with(b"LITERTLM") => is(
            "it is a .litertlm bundle of LiteRT-LM, with models inside",
            "take the models out with the tools of LiteRT-LM, and put the results in again",
        ),
        [b'G', b'G', b'U', b'F', ..] => is(
            "it is a GGUF file (llama.cpp), which holds weights and no graph",
            "convert the model that it was made from",
        ),
        _ if file.starts_with(b"\x93NUMPY") => {
            is("it is a NumPy array", "give it as an input: --input=NAME=FILE.npy")
        }
        [0x80, 2..=5, ..] => is("it looks like a Python pickle (PyTorch)", CONVERT_TORCH),
        _ if is_safetensors(file) => is(
            "it is a safetensors file, which holds weights and no graph",
            "convert the model that it belongs to",
        ),
        _ if file.get(4..8) == Some(b"ORTM") => is(
            "it is a model of ONNX Runtime (.ort)",
            "convert the ONNX model that it was made from with the package onnx2tf",
        ),
        _ => text(file).unwrap_or_else(|| protobuf(file)),
    }
}

fn zip(file: &[u8]) -> Foreign {
    let ends = [&file[..file.len().min(ENDS)], &file[file.len().saturating_sub(ENDS)..]];
    let names = |name: &[u8]| ends.iter().any(|end| contains(end, name));
    let is = |what, help| Foreign { what, help: Some(help) };
    if names(b"data.pkl") {
        is("it looks like a zip of PyTorch (.pt, .pth)", CONVERT_TORCH)
    } else if names(b"model.weights.h5") || names(b"model_weights.h5") {
        is("it looks like a zip of Keras (.keras)", CONVERT_KERAS)
    } else if names(b"saved_model.pb") {
        is("it looks like a zip of a SavedModel", CONVERT_SAVED_MODEL)
    } else {
        is(
            "it looks like a zip, perhaps a .task bundle with models inside",
            "unpack it (unzip), and give the model that is inside",
        )
    }
}

/// A length in 8 bytes, and then JSON of that length.
fn is_safetensors(file: &[u8]) -> bool {
    let Some(length) = file.first_chunk::<8>() else { return false };
    let length = u64::from_le_bytes(*length);
    file.get(8..10) == Some(b"{\"") && length > 2 && length <= file.len() as u64
}

/// Pages and messages of servers that were saved in the place of a file.
fn text(file: &[u8]) -> Option<Foreign> {
    let head = &file[..file.len().min(1024)];
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let head = head.to_ascii_lowercase();
    let download = "the download went wrong: fetch the file itself (on GitHub and Hugging Face \
         its raw or `resolve` address), and see that you are allowed to";
    let (what, help) = if head.starts_with(b"<!doctype html") || head.starts_with(b"<html") {
        ("it is an HTML page", download)
    } else if head.starts_with(b"<?xml") || head.starts_with(b"<error") {
        ("it is XML, perhaps what a server said", download)
    } else if head.starts_with(b"{") && contains(&head, b"modeltopology") {
        ("it is a model of TensorFlow.js", "convert the model that it was made from")
    } else if head.starts_with(b"{") {
        (
            "it is JSON",
            "JSON of flatc becomes a model again with flatc -b schema.fbs model.json; what a \
             server said is no model",
        )
    } else {
        return None;
    };
    Some(Foreign { what, help: Some(help) })
}

fn protobuf(file: &[u8]) -> Foreign {
    let is = |what, help| Foreign { what, help: Some(help) };
    let head = &file[..file.len().min(ENDS)];
    match file {
        // Version, then the message of a graph; ONNX has the producer's name there.
        [0x08, _, 0x12, rest @ ..] => match rest.iter().position(|byte| *byte < 0x80) {
            Some(end) if rest.get(end + 1) == Some(&0x0a) => {
                is("it looks like the saved_model.pb of a SavedModel", CONVERT_SAVED_MODEL)
            }
            _ => is("it looks like an ONNX model", CONVERT_ONNX),
        },
        [0x08, _, 0x3a | 0x42, ..] => is("it looks like an ONNX model", CONVERT_ONNX),
        [0x08, ..] => is(
            "it looks like a protocol buffer (ONNX or a SavedModel)",
            "convert it: ONNX with the package onnx2tf, a SavedModel with tf.lite.TFLiteConverter",
        ),
        [0x0a, ..]
            if contains(head, b"\x12\x0bPlaceholder") || contains(head, b"\x12\x05Const") =>
        {
            is(
                "it looks like a frozen graph of TensorFlow 1 (GraphDef)",
                "convert it with tf.compat.v1.lite.TFLiteConverter.from_frozen_graph(...)",
            )
        }
        _ => Foreign { what: "the identifier TFL3 is missing at byte 4", help: None },
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(file: &[u8]) -> &'static str {
        let found = recognise(file);
        assert_eq!(found.help.is_none(), found.what.contains("TFL3"), "{}", found.what);
        found.what
    }

    #[test]
    fn files_of_others_are_recognised() {
        let zip = |name: &str| [b"PK\x03\x04........................", name.as_bytes()].concat();
        assert!(what(&zip("archive/data.pkl")).contains("PyTorch"));
        assert!(what(&zip("model.weights.h5")).contains(".keras"));
        assert!(what(&zip("detector.tflite")).contains(".task"));
        assert!(what(b"\n <!DOCTYPE html><html>").contains("HTML"));
        assert!(what(b"<HTML>").contains("HTML"));
        assert!(what(b"<?xml version='1.0'?><Error>").contains("XML"));
        assert!(
            what(b"{\"format\": \"layers-model\", \"modelTopology\": 1}").contains("TensorFlow.js")
        );
        assert!(what(b"{\"error\": 404}").contains("JSON"));
        assert!(what(b"LITERTLM\x01\x00").contains(".litertlm"));
        assert!(what(b"GGUF\x03\x00\x00\x00").contains("GGUF"));
        assert!(what(b"\x93NUMPY\x01\x00").contains("NumPy"));
        assert!(what(b"\x80\x02\x8a\x0a").contains("pickle"));
        assert!(what(b"\x04\0\0\0\0\0\0\0{\"a\"").contains("safetensors"));
        assert!(what(b"\x18\0\0\0ORTM....").contains("ONNX Runtime"));
        assert!(what(b"\x08\x08\x12\x07pytorch").contains("ONNX"));
        assert!(what(b"\x08\x01\x12\x80\x02\x0a\x10").contains("SavedModel"));
        assert!(what(b"\x0a\x20\x0a\x05input\x12\x0bPlaceholder").contains("GraphDef"));
        assert!(what(b"\x1f\x8b\x08").contains("gzip"));
        assert!(what(b"version https://git-lfs.github.com/spec/v1\n").contains("LFS"));
        assert!(what(b"anything else").contains("TFL3"));
    }
}
