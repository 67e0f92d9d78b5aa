//! How a worker is spoken to over its standard input and output.
//!
//! A message is a frame: the length of a JSON text as four little-endian bytes, the text, then
//! the bytes of each value that the text lists in `values`, one after the other. The worker
//! answers each request with one message, which is `{"error": …}` where it failed. The same is
//! spoken by [`crate::serve`] and by `worker.py`.

use crate::value::{Signature, Value, type_name};
use crate::{Kernels, RunError};
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use tfq_ir::ElementType;

/// A JSON text of more bytes than this is no message of ours.
const MAX_TEXT: usize = 64 << 20;

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub(crate) enum Request {
    /// Loads a model; `keep` keeps the values of all tensors of a run. Answered by `Loaded`.
    Load { path: String, kernels: Kernels, threads: u32, keep: bool },
    /// Calls a signature on the values of the message. Answered by `Done` with the outputs.
    Run { model: usize, signature: usize },
    /// Calls a signature again, `runs` times, on the same inputs. Answered by `Times`.
    Again { model: usize, runs: u32 },
    /// Answered by `Done`.
    Hello,
    /// Answered by `Memory`.
    Memory,
    /// Asks for the value of a tensor after a run. Answered by `Done` with it.
    Tensor { model: usize, subgraph: usize, tensor: usize },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reply {
    Loaded { model: usize, signatures: Vec<Signature> },
    Done {},
    Times(Vec<f64>),
    Memory(Memory),
    Error(RunError),
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
    bytes: usize,
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
        bytes: value.data.len(),
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

/// The next message; `None` where the other side has closed the pipe before one.
pub(crate) fn receive<T: for<'de> Deserialize<'de>>(
    from: &mut impl Read,
) -> io::Result<Option<Message<T>>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Ok(()) => (),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_TEXT {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "this is no message"));
    }
    let mut text = vec![0; length];
    from.read_exact(&mut text)?;
    let mut message: Message<T> = serde_json::from_slice(&text)?;
    for header in std::mem::take(&mut message.values) {
        let mut data = vec![0; header.bytes];
        from.read_exact(&mut data)?;
        message.contents.push(Value { ty: header.ty, shape: header.shape, data });
    }
    Ok(Some(message))
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
        let failed = Reply::Error(RunError::new(Stage::Invoke, "no"));
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
        assert!(receive::<Reply>(&mut &b"INFO: something"[..]).is_err());
    }
}
