//! How a worker is spoken to over its standard input and output.
//!
//! A message is a frame: the length of a JSON text as four little-endian bytes, the text, then
//! the bytes of each value that the text lists in `values`, one after the other. The worker
//! answers each request with one message, which is `{"error": …}` where it failed. The same is
//! spoken by [`crate::serve`] and by `worker.py`.

use crate::value::{Interface, MAX_BYTES, Value, bytes_of, invalid, type_name};
use crate::{Kernels, RuntimeError};
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use tfq_ir::{ElementType, counted};

/// A JSON text of more bytes than this is no message of ours.
const MAX_TEXT: usize = 64 << 20;

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub(crate) enum Request {
    /// Loads a model; `keep` keeps the values of all tensors of a run. Answered by `Loaded`.
    /// With `profile` it can be asked for [`Self::Profile`].
    Load { path: String, kernels: Kernels, threads: u32, keep: bool, profile: bool },
    /// Calls a signature on the values of the message. Answered by `Done` with the outputs.
    Run { model: usize, signature: usize },
    /// Calls a signature again, `runs` times, on the same inputs. Answered by `Times`.
    Again { model: usize, runs: u32 },
    /// As `Again`, and tells when ops ran. Answered by `Profile`.
    Profile { model: usize, runs: u32 },
    /// Answered by `Done`.
    Hello,
    /// Runs a small model and looks at what comes out. Answered by `Done`.
    Probe,
    /// Answered by `Memory`.
    Memory,
    /// Asks for the value of a tensor after a run. Answered by `Done` with it.
    Tensor { model: usize, subgraph: usize, tensor: usize },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reply {
    Loaded { model: usize, signatures: Vec<Interface> },
    Done {},
    Times(Vec<f64>),
    Profile(Vec<RunProfile>),
    Memory(Memory),
    Error(RuntimeError),
}

/// When the ops of one run ran that a delegate has not taken. Times are microseconds from any zero.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunProfile {
    /// When the main subgraph of the call began.
    pub start: u64,
    /// When it ended.
    pub end: u64,
    /// In the order in which they ended.
    pub ops: Vec<OpSpan>,
}

/// When an op ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct OpSpan {
    /// Number of its subgraph in the file.
    pub subgraph: u32,
    /// Its place in the subgraph.
    pub op: u32,
    pub start: u64,
    pub end: u64,
}

/// What a process occupies, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Resident now, mapped files included.
    pub resident: u64,
    /// Resident now and not backed by a file.
    pub anonymous: u64,
    /// The most that was resident at any time.
    pub peak: u64,
}

/// A message with the values that go with it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Message<T> {
    #[serde(flatten)]
    pub(crate) body: T,
    #[serde(default)]
    values: Vec<Header>,
    #[serde(skip)]
    pub(crate) contents: Vec<Value>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    #[serde(with = "type_name")]
    ty: ElementType,
    shape: Vec<usize>,
    bytes: u64,
}

impl<T> Message<T> {
    pub(crate) fn new(body: T, contents: Vec<Value>) -> Self {
        Self { body, values: Vec::new(), contents }
    }
}

pub(crate) fn send<T: Serialize>(out: &mut impl Write, mut message: Message<T>) -> io::Result<()> {
    let header = |value: &Value| Header {
        ty: value.ty,
        shape: value.shape.clone(),
        bytes: value.data.len() as u64,
    };
    message.values = message.contents.iter().map(header).collect();
    let text = serde_json::to_vec(&message)?;
    let length = u32::try_from(text.len()).map_err(io::Error::other)?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(&text)?;
    for value in &message.contents {
        out.write_all(&value.data)?;
    }
    out.flush()
}

/// The next message; `None` where the other side has closed the pipe before one. What the other
/// side says of lengths is believed only as far as bytes follow. An error of the kind
/// `InvalidData` is about what came, any other about the pipe.
pub(crate) fn receive<T: for<'de> Deserialize<'de>>(
    from: &mut impl Read,
) -> io::Result<Option<Message<T>>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Ok(()) => (),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u64::from(u32::from_le_bytes(length));
    if length > MAX_TEXT as u64 {
        return Err(invalid("it is no message"));
    }
    let mut message: Message<T> = serde_json::from_slice(&read(from, length)?)
        .map_err(|error| invalid(&error.to_string()))?;
    let mut total = 0_u64;
    for header in std::mem::take(&mut message.values) {
        if bytes_of(header.ty, &header.shape) != Some(header.bytes) {
            let Header { ty, shape, bytes } = header;
            return Err(invalid(&format!(
                "{ty} of shape {shape:?} takes no {}",
                counted(bytes, "byte")
            )));
        }
        total = total.saturating_add(header.bytes);
        if total > MAX_BYTES {
            return Err(invalid(&format!(
                "it has more than {} of values",
                counted(MAX_BYTES, "byte")
            )));
        }
        let data = read(from, header.bytes)?;
        message.contents.push(Value { ty: header.ty, shape: header.shape, data });
    }
    Ok(Some(message))
}

/// So many bytes, with room for no more than twice what came.
fn read(from: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    from.take(length).read_to_end(&mut data)?;
    if data.len() as u64 == length { Ok(data) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stage;

    #[test]
    fn messages_come_back_with_their_values() {
        let value = Value { ty: ElementType::Int16, shape: vec![2], data: vec![1, 2, 3, 4] };
        let mut pipe = Vec::new();
        let run = Request::Run { model: 3, signature: 1 };
        send(&mut pipe, Message::new(run, vec![value.clone()])).unwrap();
        let failed = Reply::Error(RuntimeError::new(Stage::Invoke, "no"));
        send(&mut pipe, Message::new(failed, Vec::new())).unwrap();

        let mut pipe = &pipe[..];
        let request: Message<Request> = receive(&mut pipe).unwrap().unwrap();
        assert!(matches!(request.body, Request::Run { model: 3, signature: 1 }));
        assert_eq!(request.contents, [value]);
        let reply: Message<Reply> = receive(&mut pipe).unwrap().unwrap();
        assert!(matches!(reply.body, Reply::Error(error) if error.message == "no"));
        assert!(receive::<Reply>(&mut pipe).unwrap().is_none(), "the pipe is at its end");
    }

    #[test]
    fn half_a_message_and_no_message_are_errors() {
        let mut pipe = Vec::new();
        let value = Value { ty: ElementType::Int8, shape: vec![4], data: vec![0; 4] };
        send(&mut pipe, Message::new(Reply::Done {}, vec![value])).unwrap();
        assert!(receive::<Reply>(&mut &pipe[..pipe.len() - 1]).is_err());
        let error = receive::<Reply>(&mut &b"INFO: something"[..]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    /// A pipe with a text and nothing behind it.
    fn pipe(text: &str) -> Vec<u8> {
        [&u32::try_from(text.len()).unwrap().to_le_bytes(), text.as_bytes()].concat()
    }

    #[test]
    fn lengths_are_not_believed() {
        let kind = |values: &str| {
            let text = format!(r#"{{"done":{{}},"values":[{values}]}}"#);
            receive::<Reply>(&mut &pipe(&text)[..]).unwrap_err().kind()
        };
        let value =
            |shape: &str, bytes: u64| format!(r#"{{"ty":"INT8","shape":{shape},"bytes":{bytes}}}"#);
        // The bytes do not follow, are not those of the shape, or are too many.
        assert_eq!(kind(&value("[2147483648]", 1 << 31)), io::ErrorKind::UnexpectedEof);
        assert_eq!(kind(&value("[4]", 1 << 40)), io::ErrorKind::InvalidData);
        assert_eq!(kind(&value("[4294967296,4294967296]", 0)), io::ErrorKind::InvalidData);
        assert_eq!(kind(&value("[1099511627776]", 1 << 40)), io::ErrorKind::InvalidData);
        let much = [value("[0]", 0), value("[2147483649]", (1 << 31) + 1)].join(",");
        assert_eq!(kind(&much), io::ErrorKind::InvalidData);
        // The text itself is cut off, or none.
        let cut = [&(60_u32 << 20).to_le_bytes()[..], b"{"].concat();
        let error = receive::<Reply>(&mut &cut[..]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        for text in ["{", "null", "[[[[", r#"{"times":"x"}"#, r#"{"error":{"stage":"?"}}"#] {
            let error = receive::<Reply>(&mut &pipe(text)[..]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{text}");
        }
    }
}
