//! What can go wrong between a command and its events, worded for the user who waits for the answer.

use super::LogKind;
use crate::aggregate::Refusal;
use crate::ids::CommandId;

/// Why the log did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The aggregate refused the command; nothing was stored.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The id belongs to another command on the same aggregate; nothing was stored.
    #[error("command id {0} was used for another command: choose a new one")]
    CommandIdReused(CommandId),
    /// An event would be larger than an event may be; nothing was stored.
    #[error("the command makes an event of {bytes} bytes; {most} are allowed: send less")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// What is allowed.
        most: usize,
    },
    /// Only the reserve is left; nothing was stored.
    #[error(
        "the {log} has {used} of {most} bytes and keeps the rest for stops and running work: \
         start the server with a larger {}",
        .log.option()
    )]
    Reserved {
        /// Which log.
        log: LogKind,
        /// Bytes stored.
        used: u64,
        /// Bytes allowed.
        most: u64,
    },
    /// Not even the reserve is left; nothing was stored.
    #[error("the {0} is full: start the server with a larger {option}", option = .0.option())]
    Full(LogKind),
    /// No answer within the deadline: the command may have been stored or not.
    #[error(
        "the event log did not answer in time ({reason}); whether the command was stored is unknown: \
         send it again with the same command id ({command})"
    )]
    Unknown {
        /// The command.
        command: CommandId,
        /// What was seen last.
        reason: String,
    },
    /// Too many others wrote to the same aggregate all the time; nothing was stored.
    #[error("others kept changing {aggregate} at the same time: send the command again")]
    Contended {
        /// The aggregate.
        aggregate: String,
    },
    /// The server cannot be reached, or does not answer.
    #[error("the event log cannot be read now ({0})")]
    Unavailable(String),
    /// What is stored is not what was written. Nothing is served from it.
    #[error("the event log is damaged: {0}")]
    Damaged(String),
    /// An event that this version cannot read.
    #[error("event {sequence} cannot be read by this version of eai")]
    Unreadable {
        /// Its sequence.
        sequence: u64,
        /// Why.
        #[source]
        source: crate::aggregate::DecodeError,
    },
}
