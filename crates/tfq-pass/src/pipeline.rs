//! Pipelines as text: `quantize-weights{min-elements=4096},until-stable(remove-identities)`.
//!
//! ```text
//! pipeline = [item ("," item)*]
//! item     = name ["{" [option (space option)*] "}"] ["(" string ")"] ["(" pipeline ")"]
//! option   = name "=" (value | string)
//! value    = characters other than space, "{", "}" and '"'
//! string   = characters in double quotes, where \" and \\ stand for " and \
//! ```
//!
//! White space may stand between all of these but around `=`; `#` begins a comment that ends
//! with the line.
//!
//! Three names are not passes: `repeat{max=N}(...)` runs what it holds N times or until nothing
//! changes, `until-stable{max=N}(...)` runs it until nothing changes and fails after N rounds,
//! `subgraph("name")(...)` runs it on one subgraph.

mod ast;
mod parse;
mod resolve;

pub use ast::{Node, Pipeline, PipelineError, Step};
