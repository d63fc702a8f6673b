//! The real binary against a small HTTP server that shows what it was asked.

#[cfg(test)]
mod commands;
#[cfg(test)]
mod events;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod jobs;
#[cfg(test)]
mod output;
#[cfg(test)]
mod session;
#[cfg(test)]
mod support;
