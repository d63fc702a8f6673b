//! The read side against a real nats-server, the one `EAI_NATS_SERVER` names, else on `PATH`: rows, rebuilds,
//! damage and what is noticed of it.
//!
//! Tests wait on conditions with deadlines; nothing here sleeps to let something happen.

#[cfg(test)]
mod views {
    mod events;
    mod files;
    mod halt;
    mod jobs;
    mod once;
    mod parked;
    mod past;
    mod rebuild;
    mod restored;
    mod rows;
    mod scrub;
    mod server;
    mod support;
    mod until;
    mod verify;
    mod versions;
}
