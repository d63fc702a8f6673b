//! The loopback port of nats-server: chosen once, then kept, so that what a user wrote down stays
//! true. Whoever starts the platform remembers it.

use std::net::{Ipv4Addr, TcpListener};

use super::Error;

/// Below the range from which kernels take ports for outgoing connections: a port in that range
/// could be in use, by chance, at any later start.
const RANGE: std::ops::Range<u16> = 10_240..32_768;
const TRIES: usize = 100;

/// A free port, at random: several platforms that start for the first time at the same moment
/// must not all choose the same one.
pub(crate) fn choose() -> Result<u16, Error> {
    let random = || uuid::Uuid::new_v4().as_u128() % (RANGE.len() as u128);
    (0..TRIES)
        .filter_map(|_| u16::try_from(random()).ok())
        .map(|offset| RANGE.start + offset)
        .find(|port| is_free(*port))
        .ok_or(Error::NoFreePort)
}

/// Says so if something else listens where nats-server is about to.
pub(super) fn check_free(port: u16) -> Result<(), Error> {
    if is_free(port) {
        Ok(())
    } else {
        Err(Error::PortTaken { port })
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_port_is_free_and_a_taken_one_is_an_error_that_names_it() {
        let port = choose().unwrap();
        assert!(RANGE.contains(&port));
        let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = holder.local_addr().unwrap().port();
        let text = check_free(taken).unwrap_err().to_string();
        assert!(text.contains(&taken.to_string()), "{text}");
        assert!(text.contains("--nats-port"), "{text}");
    }
}
