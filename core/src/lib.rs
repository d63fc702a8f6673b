//! x

#[cfg(feature = "log")]
pub mod jws;
#[cfg(feature = "log")]
pub mod log;
