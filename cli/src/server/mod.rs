//! `eai server`.

pub(crate) mod nats;
