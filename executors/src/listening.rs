//! Who listens in a process's network namespace, by the kernel's own tables.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use crate::backend::Listening;

/// The state of a socket that listens.
const LISTEN: &str = "0A";

/// The most that is told.
const MANY: usize = 256;

/// The ports that are listened on, in order. The process is named by its folder in `/proc`.
pub(crate) fn listening(process: &Path) -> io::Result<Vec<Listening>> {
    let mut found = parse(&std::fs::read_to_string(process.join("net/tcp"))?);
    // There is none where the kernel has no IPv6.
    if let Ok(table) = std::fs::read_to_string(process.join("net/tcp6")) {
        found.extend(parse(&table));
    }
    found.sort_by_key(|listening| (listening.port, listening.address));
    found.dedup();
    found.truncate(MANY);
    Ok(found)
}

fn parse(table: &str) -> Vec<Listening> {
    let line = |line: &str| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (address, port) = words.next()?.split_once(':')?;
        (words.nth(1)? == LISTEN).then_some(())?;
        Some(Listening {
            address: parse_address(address)?,
            port: u16::from_str_radix(port, 16).ok()?,
        })
    };
    table.lines().skip(1).filter_map(line).collect()
}

/// Words of four bytes, each in the machine's order.
fn parse_address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let word = u32::from_str_radix(hex.get(at * 8..at * 8 + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    if hex.len() == 8 {
        return Some(IpAddr::V4(Ipv4Addr::from(word(0)?)));
    }
    let mut bytes = [0; 16];
    for (at, part) in bytes.chunks_exact_mut(4).enumerate() {
        part.copy_from_slice(&word(at)?);
    }
    let address = Ipv6Addr::from(bytes);
    (hex.len() == 32).then_some(IpAddr::V6(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_kernels_table_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue\n   \
                     0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000\n   \
                     1: 0100007F:0BB8 0100007F:9999 01 00000000:00000000\n   \
                     2: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0\n";
        let found = parse(table);
        let expected = [("127.0.0.1", 3000), ("::1", 8080)].map(|(address, port)| Listening {
            address: address.parse().unwrap(),
            port,
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn nonsense_is_passed_over() {
        assert!(parse("head\n 0: zz:00 x 0A\n 1: é00000000:1 x 0A\n\n").is_empty());
    }
}
