//! The flags that say what to print of the rows, shared by every verb that prints some.

use clap::ValueEnum;

use crate::output::{Format, Selection, View};

/// What to print of each row.
#[derive(Debug, Default, Clone, clap::Args)]
#[command(next_help_heading = "Output options")]
pub(crate) struct OutputArgs {
    /// Print only this field, with no header; dots reach inside: `runs.exitCode`
    #[arg(long, value_name = "FIELD", conflicts_with = "fields")]
    field: Option<String>,
    /// Print only these columns
    #[arg(long, value_name = "FIELD,…", value_delimiter = ',')]
    fields: Option<Vec<String>>,
    /// Print no header line
    #[arg(long)]
    no_header: bool,
    /// How to print: `json` is one object a line
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<FormatArg>,
}

/// The formats.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum FormatArg {
    Table,
    Json,
    Yaml,
    Csv,
}

// === impl OutputArgs ===

impl OutputArgs {
    /// Whether it was asked for rows at all, for a verb that prints something else.
    pub(crate) fn is_asked(&self) -> bool {
        self.field.is_some() || self.fields.is_some() || self.format.is_some() || self.no_header
    }

    /// The plain values, with the format of the verb if none was asked for.
    pub(crate) fn view(self, default: FormatArg) -> View {
        let selection = match (self.field, self.fields) {
            (Some(field), _) => Selection::Bare(field),
            (None, Some(fields)) => Selection::Columns(fields),
            (None, None) => Selection::Default,
        };
        // A verb that prints documents still answers a question for a field with the field.
        let fallback = if matches!(selection, Selection::Default) {
            default
        } else {
            FormatArg::Table
        };
        let format = match self.format.unwrap_or(fallback) {
            FormatArg::Table => Format::Table,
            FormatArg::Json => Format::Json,
            FormatArg::Yaml => Format::Yaml,
            FormatArg::Csv => Format::Csv,
        };
        View {
            format,
            selection,
            header: !self.no_header,
        }
    }
}
