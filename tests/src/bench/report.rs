//! Prints what was measured: the one place that does.

/// A line of the report.
#[expect(clippy::print_stdout, reason = "the report is what the program is for")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// A line about the run itself.
#[expect(clippy::print_stderr, reason = "kept apart from the report")]
pub(crate) fn complain(line: &str) {
    eprintln!("{line}");
}

/// A table with a heading; the first column is left aligned, numbers right.
pub(crate) fn table(title: &str, header: &[&str], rows: &[Vec<String>]) {
    let mut widths: Vec<usize> = header.iter().map(|cell| cell.len()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.len());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (index, (cell, width)) in cells.zip(&widths).enumerate() {
            let width = *width;
            let padded = match index {
                0 => format!("{cell:<width$}"),
                _ => format!("  {cell:>width$}"),
            };
            text.push_str(&padded);
        }
        say(text.trim_end());
    };
    say("");
    say(title);
    line(&mut header.iter().copied());
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
}
