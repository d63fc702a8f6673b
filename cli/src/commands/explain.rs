//! `eai events explain`: why something is as it is, in sentences.

use serde::Deserialize;

use super::resource::qualified;
use crate::args::{FormatArg, StoryArgs};
use crate::client::{Call, Client};
use crate::error::{Error, ExitStatus};
use crate::output::{Format, Printer, RowWriter, Selection};

const COLUMNS: &[&str] = &["id", "state", "kind", "name", "reason"];

/// An event, as the platform tells it.
#[derive(Debug, Deserialize)]
pub(super) struct Line {
    pub(super) sequence: u64,
    pub(super) time: String,
    pub(super) kind: String,
    pub(super) of: String,
    pub(super) name: Option<String>,
    pub(super) who: String,
    pub(super) text: String,
    pub(super) r#type: String,
}

#[derive(Debug, Deserialize)]
struct Reason {
    #[serde(flatten)]
    line: Line,
    because: Vec<Line>,
}

#[derive(Debug, Deserialize)]
struct Explanation {
    id: String,
    kind: String,
    name: Option<String>,
    state: String,
    reason: Option<String>,
    reasons: Vec<Reason>,
}

pub(super) async fn run(
    args: StoryArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let reference = qualified(&args.reference, client.account());
    let row = client.row(Call::get(&["explanation", &reference])).await?;
    let view = args.output.view(FormatArg::Table);
    if view.format != Format::Table || view.selection != Selection::Default {
        RowWriter::new(view, COLUMNS).write(printer, &[row])?;
        return Ok(ExitStatus::Success);
    }
    let explanation: Explanation = serde_json::from_value(row.value().clone())
        .map_err(|error| client.no_answer(&error.to_string()))?;
    for line in told(&explanation) {
        printer.line(&line)?;
    }
    Ok(ExitStatus::Success)
}

/// The explanation, line by line.
fn told(explanation: &Explanation) -> Vec<String> {
    let Explanation {
        id,
        kind,
        name,
        state,
        reason,
        reasons,
    } = explanation;
    let this = subject(kind, name.as_deref(), id);
    let mut lines = vec![match reason {
        Some(reason) => format!("{this} is {state}: {reason}"),
        None => format!("{this} is {state}"),
    }];
    for Reason { line, because } in reasons {
        let who = if line.of == *id {
            "it".to_owned()
        } else {
            line.subject()
        };
        lines.push(format!("- {who} {} ({})", line.text, line.source()));
        for (depth, cause) in (1..).zip(because) {
            let indent = "  ".repeat(depth);
            let who = cause.subject();
            lines.push(format!(
                "{indent}because {who} {} ({})",
                cause.text,
                cause.source()
            ));
        }
    }
    lines
}

// === impl Line ===

impl Line {
    /// What it happened to.
    pub(super) fn subject(&self) -> String {
        subject(&self.kind, self.name.as_deref(), &self.of)
    }

    /// Where it stands, when it was, and who asked.
    fn source(&self) -> String {
        let Self {
            sequence,
            time,
            who,
            ..
        } = self;
        let who = match who.as_str() {
            "platform" => "the platform",
            other => other,
        };
        format!("event {sequence}, {time}, by {who}")
    }
}

fn subject(kind: &str, name: Option<&str>, id: &str) -> String {
    match name {
        Some(name) => format!("{kind} `{name}`"),
        None => format!("{kind} {id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_stand_below_what_they_led_to() {
        let line = |sequence: u64, kind: &str, of: &str, text: &str, who: &str| {
            serde_json::json!({
                "sequence": sequence, "time": "T", "kind": kind, "of": of, "name": null,
                "who": who, "text": text, "type": "x", "because": [],
            })
        };
        let mut ended = line(
            9,
            "job",
            "j",
            "ended as CANCELLED: service-stopped",
            "platform",
        );
        ended["because"] = serde_json::json!([line(7, "service", "s", "was stopped", "toolkit")]);
        let explanation = serde_json::json!({
            "id": "j", "kind": "job", "name": null, "state": "CANCELLED", "reason": "stopped",
            "reasons": [line(3, "job", "j", "was asked for", "toolkit"), ended],
        });
        let lines = told(&serde_json::from_value(explanation).unwrap());
        assert_eq!(
            lines,
            [
                "job j is CANCELLED: stopped",
                "- it was asked for (event 3, T, by toolkit)",
                "- it ended as CANCELLED: service-stopped (event 9, T, by the platform)",
                "  because service s was stopped (event 7, T, by toolkit)",
            ]
        );
    }
}
