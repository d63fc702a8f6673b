//! The reverse proxy over real sockets, before applications that do what they like.

mod failures;
mod http2;
mod identity;
mod large;
mod plain;
mod pooled;
mod smuggling;
mod stalls;
mod streams;
mod support;
mod upgrade;
