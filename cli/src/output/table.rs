//! Left-aligned columns with two spaces between.

/// A table that is written row by row.
///
/// Its columns only grow, so that rows which come one at a time still stand below each other.
#[derive(Debug)]
pub(super) struct Table {
    widths: Vec<usize>,
}

/// Stands for an empty cell, so that every row has the same number of words.
const EMPTY: &str = "-";

// === impl Table ===

impl Table {
    /// A table of this many columns.
    pub(super) fn new(columns: usize) -> Self {
        Self {
            widths: vec![0; columns],
        }
    }

    /// Makes the columns wide enough for these cells.
    pub(super) fn fit<'a>(&mut self, cells: impl IntoIterator<Item = &'a str>) {
        for (width, cell) in self.widths.iter_mut().zip(cells) {
            *width = (*width).max(shown(cell).chars().count());
        }
    }

    /// One line, with nothing after its last cell.
    pub(super) fn line<'a>(&self, cells: impl IntoIterator<Item = &'a str>) -> String {
        let mut line = String::new();
        let last = self.widths.len().saturating_sub(1);
        for (at, (width, cell)) in self.widths.iter().zip(cells).enumerate() {
            // An empty last cell stays empty: nothing comes after it that would shift.
            let text = if at == last { cell } else { shown(cell) };
            line.push_str(text);
            if at != last {
                line.extend(std::iter::repeat_n(
                    ' ',
                    width + 2 - text.chars().count().min(*width),
                ));
            }
        }
        line.truncate(line.trim_end().len());
        line
    }
}

fn shown(cell: &str) -> &str {
    if cell.is_empty() { EMPTY } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(rows: &[&[&str]]) -> Vec<String> {
        let mut table = Table::new(rows[0].len());
        for row in rows {
            table.fit(row.iter().copied());
        }
        rows.iter()
            .map(|row| table.line(row.iter().copied()))
            .collect()
    }

    #[test]
    fn columns_are_padded_with_two_spaces_between() {
        let lines = render(&[&["id", "name"], &["12345", "x"]]);
        assert_eq!(lines, ["id     name", "12345  x"]);
    }

    #[test]
    fn an_empty_cell_is_a_dash_but_the_last_is_empty() {
        let lines = render(&[&["a", "b", "c"], &["", "", ""]]);
        assert_eq!(lines, ["a  b  c", "-  -"]);
    }

    #[test]
    fn width_is_counted_in_characters() {
        let lines = render(&[&["é…", "b"], &["xxx", "c"]]);
        assert_eq!(lines, ["é…   b", "xxx  c"]);
    }

    #[test]
    fn columns_never_shrink() {
        let mut table = Table::new(2);
        table.fit(["wide one", ""]);
        table.fit(["x", ""]);
        assert_eq!(table.line(["x", "y"]), "x         y");
    }
}
