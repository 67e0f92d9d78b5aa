//! Documentation that follows from the descriptions of passes.

use std::fmt::Write;
use tfq_pass::Registry;

/// `docs/passes.md`: every pass with its manual and options, and the named pipelines.
pub fn passes_markdown(registry: &Registry) -> String {
    let mut out = String::from(
        "# Passes\n\nGenerated from the passes' doc comments by `tfq-opt passes --markdown`; a test \
         keeps it up to date.\n\n",
    );
    for info in registry.passes() {
        let _ = writeln!(out, "- [{0}](#{0}): {1}", info.name, info.summary());
    }
    for info in registry.passes() {
        // The manual's headings stand one level below the pass's.
        let manual = info.manual().replace("\n## ", "\n### ");
        let _ = write!(out, "\n## {}\n\n{manual}\n\n", info.name);
        out.push_str(&info.declares().join(" \n"));
        out.push('\n');
        if info.options.is_empty() {
            continue;
        }
        let _ =
            write!(out, "\n### Options\n\n| option | values | default | |\n|---|---|---|---|\n");
        for option in &info.options {
            let cell = |text: String| text.replace('|', "\\|");
            let default = match &*option.default {
                "" => String::new(),
                text => format!("`{text}`"),
            };
            let (name, ty, doc) = (&option.name, option.type_name(), option.summary());
            let _ = writeln!(out, "| `{name}` | `{}` | {default} | {} |", cell(ty), cell(doc));
        }
    }
    out.push_str("\n# Pipelines\n");
    for pipeline in registry.pipelines() {
        let _ = write!(out, "\n## {}\n\nTo {}.\n\n", pipeline.name, pipeline.summary);
        for (n, (pass, why)) in pipeline.steps.iter().enumerate() {
            let _ = writeln!(out, "{}. `{pass}`: {why}", n + 1);
        }
    }
    out
}
