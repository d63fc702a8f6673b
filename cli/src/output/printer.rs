//! The one place that prints: data on standard output, all else on standard error.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal as _, Write};

use crate::env;
use crate::error::Error;

/// Writes to standard output and error.
pub(crate) struct Printer {
    out: BufWriter<Box<dyn Write>>,
    colour: bool,
    progress: Progress,
}

/// Says on standard error why the user is waiting; silent if nobody watches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    watched: bool,
}

// === impl Printer ===

impl Printer {
    /// The process's own output.
    pub(crate) fn standard() -> Self {
        let watched = io::stderr().is_terminal();
        Self {
            out: BufWriter::new(Box::new(io::stdout())),
            colour: watched && env::read(env::NO_COLOR).is_none(),
            progress: Progress { watched },
        }
    }

    /// One line of data.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Error> {
        writeln!(self.out, "{text}").map_err(output_error)
    }

    /// Bytes that a job wrote to its standard output, as they are.
    pub(crate) fn written(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.out.write_all(bytes).map_err(output_error)
    }

    /// Bytes that a job wrote to its standard error, or that the platform says of it, as they are.
    pub(crate) fn written_aside(&mut self, bytes: &[u8]) -> Result<(), Error> {
        // What was written before comes before it, if both go to one place.
        self.flush()?;
        io::stderr().write_all(bytes).map_err(output_error)
    }

    /// Makes sure that all data is out.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        self.out.flush().map_err(output_error)
    }

    /// Says why nothing was done, and what to do next.
    pub(crate) fn error(&mut self, error: &Error) {
        // Data that was written before an error comes before it, if both go to one place.
        drop(self.out.flush());
        self.labelled("error", "1;31", error);
        if let Some(hint) = error.hint() {
            self.labelled("hint", "36", &hint);
        }
    }

    /// Says what went wrong beside the point.
    pub(crate) fn warning(&self, text: &dyn Display) {
        self.labelled("warning", "1;33", text);
    }

    /// What clap says: help and versions are data, the rest are errors.
    pub(crate) fn clap(&mut self, message: &clap::Error) -> Result<(), Error> {
        let text = message.render();
        if message.use_stderr() {
            let text = if self.colour {
                text.ansi().to_string()
            } else {
                text.to_string()
            };
            say(text.trim_end());
            return Ok(());
        }
        let colour = io::stdout().is_terminal() && env::read(env::NO_COLOR).is_none();
        let text = if colour {
            text.ansi().to_string()
        } else {
            text.to_string()
        };
        self.line(text.trim_end())?;
        self.flush()
    }

    /// For whoever must wait.
    pub(crate) fn progress(&self) -> Progress {
        self.progress
    }

    fn labelled(&self, label: &str, colour: &str, text: &dyn Display) {
        if self.colour {
            say(&format!("\u{1b}[{colour}m{label}:\u{1b}[0m {text}"));
        } else {
            say(&format!("{label}: {text}"));
        }
    }
}

// === impl Progress ===

impl Progress {
    /// Whether someone watches.
    pub(super) fn is_watched(self) -> bool {
        self.watched
    }

    /// Says something, if someone watches.
    pub(crate) fn note(self, text: &dyn Display) {
        if self.watched {
            say(&text.to_string());
        }
    }
}

fn say(text: &str) {
    // If standard error is closed, there is nobody left to tell.
    drop(writeln!(io::stderr(), "{text}"));
}

fn output_error(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Error::BrokenPipe
    } else {
        Error::Output(error)
    }
}

#[cfg(test)]
pub(crate) mod capture {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// What a captured printer wrote.
    #[derive(Clone, Default)]
    pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Printer {
        /// A printer into memory.
        pub(crate) fn captured() -> (Self, Captured) {
            let captured = Captured::default();
            let printer = Self {
                out: BufWriter::new(Box::new(captured.clone())),
                colour: false,
                progress: Progress { watched: false },
            };
            (printer, captured)
        }
    }
}
