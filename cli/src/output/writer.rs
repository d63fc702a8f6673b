//! Rows in the format and the selection that were asked for, in one go or one at a time.

use serde_json::Value;

use super::table::Table;
use super::{Format, Printer, Row, Selection, View, field};
use crate::error::Error;

/// Writes rows.
#[derive(Debug)]
pub(crate) struct RowWriter {
    view: View,
    columns: Vec<String>,
    table: Table,
    started: bool,
    checked: bool,
}

// === impl RowWriter ===

impl RowWriter {
    /// A writer with the columns of the noun.
    pub(crate) fn new(view: View, default_columns: &[&str]) -> Self {
        let columns = match &view.selection {
            Selection::Default => default_columns
                .iter()
                .map(|&name| name.to_owned())
                .collect(),
            Selection::Columns(columns) => columns.clone(),
            Selection::Bare(field) => vec![field.clone()],
        };
        let table = Table::new(columns.len());
        Self {
            view,
            columns,
            table,
            started: false,
            checked: false,
        }
    }

    /// Writes some rows; with none, at least the header.
    pub(crate) fn write(&mut self, printer: &mut Printer, rows: &[Row]) -> Result<(), Error> {
        self.check(rows)?;
        match self.view.format {
            Format::Table => self.write_table(printer, rows)?,
            Format::Csv => self.write_csv(printer, rows)?,
            Format::Json => {
                for row in rows {
                    printer.line(&self.json(row))?;
                }
            }
            Format::Yaml => {
                for row in rows {
                    let text = self.yaml(row)?;
                    if self.started {
                        printer.line("---")?;
                    }
                    self.started = true;
                    printer.line(text.trim_end())?;
                }
            }
        }
        printer.flush()
    }

    /// Refuses a field that no row has; with no rows there is nothing to judge by.
    fn check(&mut self, rows: &[Row]) -> Result<(), Error> {
        if self.checked || rows.is_empty() || self.view.selection == Selection::Default {
            return Ok(());
        }
        self.checked = true;
        for column in &self.columns {
            if rows
                .iter()
                .all(|row| field::lookup(row.value(), column).is_none())
            {
                let mut available: Vec<String> = Vec::new();
                for key in rows.iter().flat_map(Row::keys) {
                    if !available.contains(&key) {
                        available.push(key);
                    }
                }
                return Err(Error::UnknownField {
                    field: column.clone(),
                    available,
                });
            }
        }
        Ok(())
    }

    fn write_table(&mut self, printer: &mut Printer, rows: &[Row]) -> Result<(), Error> {
        if let Selection::Bare(path) = &self.view.selection {
            for row in rows {
                printer.line(&field::bare(&self.at(row, path)))?;
            }
            return Ok(());
        }
        let header: Option<Vec<String>> =
            (self.view.header && !self.started).then(|| self.columns.clone());
        let cells = rows.iter().map(|row| {
            self.columns
                .iter()
                .map(|path| field::cell(&self.at(row, path)))
                .collect::<Vec<_>>()
        });
        let lines: Vec<Vec<String>> = header.into_iter().chain(cells).collect();
        for line in &lines {
            self.table.fit(line.iter().map(String::as_str));
        }
        self.started = true;
        for line in &lines {
            printer.line(&self.table.line(line.iter().map(String::as_str)))?;
        }
        Ok(())
    }

    /// RFC 4180, but for the line ends, which are this system's.
    fn write_csv(&mut self, printer: &mut Printer, rows: &[Row]) -> Result<(), Error> {
        let bare = matches!(self.view.selection, Selection::Bare(_));
        if self.view.header && !self.started && !bare {
            let names: Vec<String> = self.columns.iter().map(|name| quoted(name)).collect();
            printer.line(&names.join(","))?;
        }
        self.started = true;
        for row in rows {
            let cells = self.columns.iter();
            let cells: Vec<String> = cells
                .map(|path| quoted(&field::bare(&self.at(row, path))))
                .collect();
            printer.line(&cells.join(","))?;
        }
        Ok(())
    }

    fn json(&self, row: &Row) -> String {
        match &self.view.selection {
            Selection::Default => row.json_line(),
            Selection::Bare(path) => self.at(row, path).to_string(),
            Selection::Columns(paths) => {
                let fields: Vec<String> = paths
                    .iter()
                    .map(|path| format!("{}:{}", Value::from(path.as_str()), self.at(row, path)))
                    .collect();
                format!("{{{}}}", fields.join(","))
            }
        }
    }

    fn yaml(&self, row: &Row) -> Result<String, Error> {
        let text = match &self.view.selection {
            Selection::Default => serde_saphyr::to_string(&row.ordered()),
            Selection::Bare(_) | Selection::Columns(_) => {
                let row =
                    Row::parse(&self.json(row)).map_err(|error| Error::Yaml(error.to_string()))?;
                serde_saphyr::to_string(&row.ordered())
            }
        };
        text.map_err(|error| Error::Yaml(error.to_string()))
    }

    #[expect(clippy::unused_self, reason = "reads as the row's value in this view")]
    fn at(&self, row: &Row, path: &str) -> Value {
        field::lookup(row.value(), path).unwrap_or(Value::Null)
    }
}

/// A cell as it is, or in quotes where it could be read as more than one.
fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: [&str; 2] = [
        r#"{"id":"1","name":"a","tags":["x","y"],"runs":[{"exitCode":0}]}"#,
        r#"{"id":"22","name":"","tags":[],"runs":[]}"#,
    ];

    fn print(format: Format, selection: Selection, header: bool) -> Result<String, Error> {
        let rows: Vec<Row> = ROWS.iter().map(|text| Row::parse(text).unwrap()).collect();
        let (mut printer, output) = Printer::captured();
        let view = View {
            format,
            selection,
            header,
        };
        RowWriter::new(view, &["id", "name", "tags"]).write(&mut printer, &rows)?;
        Ok(output.text())
    }

    fn columns(names: &[&str]) -> Selection {
        Selection::Columns(names.iter().map(|&name| name.to_owned()).collect())
    }

    #[test]
    fn a_table_has_a_header_of_field_paths() {
        let text = print(Format::Table, Selection::Default, true).unwrap();
        assert_eq!(text, "id  name  tags\n1   a     x,y\n22  -     []\n");
    }

    #[test]
    fn a_table_of_chosen_columns_without_header() {
        let text = print(Format::Table, columns(&["runs.exitCode", "id"]), false).unwrap();
        assert_eq!(text, "0  1\n-  22\n");
    }

    #[test]
    fn a_bare_field_has_no_header_and_no_dash() {
        let text = print(Format::Table, Selection::Bare("name".into()), true).unwrap();
        assert_eq!(text, "a\n\n");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let text = print(Format::Json, Selection::Default, true).unwrap();
        assert_eq!(text, format!("{}\n{}\n", ROWS[0], ROWS[1]));
    }

    #[test]
    fn json_of_chosen_columns_keeps_their_order() {
        let text = print(Format::Json, columns(&["tags", "id"]), true).unwrap();
        assert_eq!(
            text,
            "{\"tags\":[\"x\",\"y\"],\"id\":\"1\"}\n{\"tags\":[],\"id\":\"22\"}\n"
        );
    }

    #[test]
    fn csv_quotes_what_has_commas() {
        let text = print(Format::Csv, Selection::Default, true).unwrap();
        assert_eq!(text, "id,name,tags\n1,a,\"x,y\"\n22,,[]\n");
        let text = print(Format::Csv, Selection::Bare("id".into()), true).unwrap();
        assert_eq!(text, "1\n22\n");
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    }

    #[test]
    fn yaml_is_a_document_a_row() {
        let text = print(Format::Yaml, columns(&["id", "name"]), true).unwrap();
        assert_eq!(text, "id: \"1\"\nname: a\n---\nid: \"22\"\nname: \"\"\n");
    }

    #[test]
    fn an_unknown_field_names_the_fields_there_are() {
        let error = print(Format::Table, Selection::Bare("nome".into()), true).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown field `nome`: the fields are id, name, tags, runs"
        );
    }

    #[test]
    fn with_no_rows_any_field_goes_and_the_header_stands() {
        let (mut printer, output) = Printer::captured();
        let view = View {
            format: Format::Table,
            selection: columns(&["x", "y"]),
            header: true,
        };
        RowWriter::new(view, &[]).write(&mut printer, &[]).unwrap();
        assert_eq!(output.text(), "x  y\n");
    }

    #[test]
    fn the_header_comes_once() {
        let (mut printer, output) = Printer::captured();
        let view = View {
            format: Format::Table,
            selection: Selection::Default,
            header: true,
        };
        let mut writer = RowWriter::new(view, &["id"]);
        for text in ROWS {
            writer
                .write(&mut printer, &[Row::parse(text).unwrap()])
                .unwrap();
        }
        assert_eq!(output.text(), "id\n1\n22\n");
    }
}
