//! What the user sees: the one printer, rows, tables, JSON Lines and YAML.
//!
//! Owns every byte on standard output and error. It knows nothing of nouns or of HTTP.

mod bar;
mod field;
mod ordered;
mod printer;
mod row;
mod table;
mod writer;

pub(crate) use bar::Bar;
pub(crate) use printer::{Printer, Progress};
pub(crate) use row::Row;
pub(crate) use writer::RowWriter;

/// How rows are printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) format: Format,
    pub(crate) selection: Selection,
    pub(crate) header: bool,
}

/// The shape of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Padded columns.
    Table,
    /// One object a line.
    Json,
    /// One document a row.
    Yaml,
    /// Cells with commas between them.
    Csv,
}

/// Which fields of a row are printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    /// The columns of the noun; in JSON and YAML the whole row.
    Default,
    /// These columns.
    Columns(Vec<String>),
    /// One value, bare.
    Bare(String),
}
