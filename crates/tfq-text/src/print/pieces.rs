//! Names, lists, payloads and hashes.

use super::printer::{Aside, Printed, Printer, key};
use crate::format::{INLINE_BYTES, INLINE_ELEMENTS};
use crate::side::{self, Hash};
use crate::values::Number;
use crate::{Level, quote};
use bytes::Bytes;
use std::fmt::Write;
use tfq_ir::quote_into;
use tfq_ir::{OpKind, SubgraphId, TensorId, TensorLink, catalog};

impl Printer<'_> {
    pub(super) fn separate(&mut self, n: usize) {
        if n > 0 {
            self.out.push_str(", ");
        }
    }

    pub(super) fn optional(&mut self, text: Option<&str>) {
        match text {
            Some(text) => quote_into(&mut self.out, text),
            None => self.out.push_str("none"),
        }
    }

    pub(super) fn kind(&mut self, kind: &OpKind) {
        match kind {
            OpKind::Custom(name) => {
                self.out.push_str("custom ");
                quote_into(&mut self.out, name);
            }
            OpKind::Builtin(code) => match catalog::op_by_code(*code) {
                Some(info) => self.out.push_str(info.name),
                None => _ = write!(self.out, "builtin {code}"),
            },
        }
    }

    pub(super) fn tensor_name(&mut self, place: &Printed<'_>, id: TensorId) {
        match place.names.get(id) {
            Some(name) => quote::name(&mut self.out, '%', name),
            None => self.out.push_str("-1"),
        }
    }

    pub(super) fn operand(&mut self, place: &Printed<'_>, id: Option<TensorId>) {
        match id {
            Some(id) => self.tensor_name(place, id),
            None => self.out.push('_'),
        }
    }

    pub(super) fn local_link(&mut self, place: &Printed<'_>, link: &TensorLink) {
        match link {
            TensorLink::Tensor(id) => self.tensor_name(place, *id),
            TensorLink::Raw(raw) => _ = write!(self.out, "{raw}"),
        }
    }

    pub(super) fn link(&mut self, subgraph: usize, link: &TensorLink) {
        let names = self.names.get(subgraph).and_then(Option::as_ref);
        match (link, names) {
            (TensorLink::Tensor(id), Some(names)) => match names.get(*id) {
                Some(name) => quote::name(&mut self.out, '%', name),
                None => self.out.push_str("-1"),
            },
            (TensorLink::Tensor(_), None) => self.out.push_str("-1"),
            (TensorLink::Raw(raw), _) => _ = write!(self.out, "{raw}"),
        }
    }

    /// A tensor, with its subgraph where that is another.
    pub(super) fn qualified(&mut self, place: &Printed<'_>, subgraph: SubgraphId, id: TensorId) {
        if subgraph == place.id {
            self.tensor_name(place, id);
        } else {
            quote::name(&mut self.out, '@', &self.subgraphs[subgraph.0 as usize]);
            self.out.push(' ');
            self.link(subgraph.0 as usize, &TensorLink::Tensor(id));
        }
    }

    pub(super) fn plain<T>(&mut self, list: &[T], mut write: impl FnMut(&mut String, &T)) {
        self.out.push('[');
        for (n, value) in list.iter().enumerate() {
            self.separate(n);
            write(&mut self.out, value);
        }
        self.out.push(']');
    }

    /// All of a list of numbers.
    pub(super) fn every<T: Number>(&mut self, list: &[T]) {
        self.plain(list, |out, v| v.write(out));
    }

    /// A list of numbers that may be long: one alone, a few, many alike, or what range they are
    /// in.
    pub(super) fn list<T: Number>(&mut self, list: &[T]) {
        match list {
            [one] => one.write(&mut self.out),
            few if few.len() <= INLINE_ELEMENTS => self.every(few),
            list => {
                let least = list.iter().min_by(|a, b| a.compare(b)).expect("it has elements");
                let greatest = list.iter().max_by(|a, b| a.compare(b)).expect("it has elements");
                let alike = least.compare(greatest).is_eq();
                _ = write!(self.out, "[{} {} ", list.len(), if alike { '*' } else { ':' });
                least.write(&mut self.out);
                if alike {
                    self.out.push(']');
                    return;
                }
                self.out.push_str("..");
                greatest.write(&mut self.out);
                if matches!(self.aside, Aside::Fills) {
                    self.out.push_str(" fill");
                } else if self.level >= Level::Hash {
                    let mut bytes = Vec::with_capacity(list.len() * T::SIZE);
                    list.iter().for_each(|v| v.put(&mut bytes));
                    let hash = side::hash(&bytes);
                    self.out.push(' ');
                    self.show_hash(hash, || bytes.into());
                }
                self.out.push(']');
            }
        }
    }

    /// As [`Self::list`], for numbers that a kernel follows.
    pub(super) fn steering_list<T: Number>(&mut self, list: &[T]) {
        match (&self.aside, list) {
            (Aside::Fills, [_, _, ..]) => self.every(list),
            _ => self.list(list),
        }
    }

    /// Bytes without a type.
    pub(super) fn blob(&mut self, bytes: &Bytes) {
        if bytes.len() <= INLINE_BYTES {
            quote::bytes(&mut self.out, bytes);
            return;
        }
        _ = write!(self.out, "bytes({})", bytes.len());
        if matches!(self.aside, Aside::Fills) {
            self.out.push_str(" fill");
        } else if self.level >= Level::Hash {
            self.out.push(' ');
            self.digest(bytes);
        }
    }

    /// As [`Self::blob`], for bytes that tell an op what to do, which fills cannot.
    pub(super) fn steering_blob(&mut self, bytes: &Bytes) {
        match self.aside {
            Aside::Fills => quote::bytes(&mut self.out, bytes),
            Aside::Nothing | Aside::Bytes(_) => self.blob(bytes),
        }
    }

    pub(super) fn digest(&mut self, bytes: &Bytes) {
        let hash = *self.hashes.entry(key(bytes)).or_insert_with(|| side::hash(bytes));
        self.show_hash(hash, || bytes.clone());
    }

    pub(super) fn show_hash(&mut self, hash: Hash, bytes: impl FnOnce() -> Bytes) {
        let digits = side::hex(&hash, self.digits);
        self.out.push('#');
        self.out.push_str(&digits);
        self.collided |= *self.shown.entry(digits).or_insert(hash) != hash;
        if let Aside::Bytes(side) = &mut self.aside {
            side.add(hash, bytes);
        }
    }
}

pub(super) fn truth(v: bool) -> &'static str {
    if v { "true" } else { "false" }
}
