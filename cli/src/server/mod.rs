//! `eai server`.

#[cfg_attr(
    not(test),
    expect(
        dead_code,
        unused_imports,
        reason = "the server that wires it in comes next"
    )
)]
pub(crate) mod nats;
