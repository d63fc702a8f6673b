//! What a sandbox may not reach on its way out: the machine's own addresses, the networks that begin at it, and
//! what clouds keep at link-local addresses.
//!
//! Routes in the sandbox's network say so before `pasta` makes its own.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// Where clouds keep credentials; the lower half has the resolver that `pasta` plays.
const LINK_LOCAL: &str = "169.254.128.0/17";
/// The machine's addresses.
const ADDRESSES: &str = "/proc/net/fib_trie";
/// The machine's routes.
const ROUTES: &str = "/proc/net/route";

/// The prefixes that are out of bounds on this machine.
pub(super) fn prefixes() -> BTreeSet<String> {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let mut prefixes = addresses(&read(ADDRESSES));
    prefixes.extend(networks(&read(ROUTES)));
    prefixes.insert(LINK_LOCAL.to_owned());
    prefixes
}

/// Every address of the machine's own but its loopback, which is the sandbox's as well.
fn addresses(trie: &str) -> BTreeSet<String> {
    let mut last = None;
    let mut found = BTreeSet::new();
    for line in trie.lines() {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse::<Ipv4Addr>().ok();
        } else if line == "/32 host LOCAL"
            && let Some(address) = last.filter(|address| !address.is_loopback())
        {
            found.insert(format!("{address}/32"));
        }
    }
    found
}

/// The networks that begin at the machine, but for the one that its way out leads through.
fn networks(routes: &str) -> BTreeSet<String> {
    let rows: Vec<Vec<&str>> = routes
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect())
        .collect();
    let number = |row: &[&str], at: usize| {
        let text = row.get(at)?;
        u32::from_str_radix(text, 16).ok().map(u32::from_be)
    };
    let out: Vec<&str> = rows
        .iter()
        .filter(|row| number(row, 1) == Some(0))
        .filter_map(|row| row.first().copied())
        .collect();
    let begin_here = rows.iter().filter(|row| {
        let connected = number(row, 2) == Some(0) && number(row, 1) != Some(0);
        connected && row.first().is_some_and(|name| !out.contains(name))
    });
    begin_here
        .filter_map(|row| {
            let network = Ipv4Addr::from(number(row, 1)?);
            Some(format!("{network}/{}", number(row, 7)?.count_ones()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_own_addresses_are_out_of_bounds() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n\
                    \x20    |-- 127.0.0.1\n           /32 host LOCAL\n\
                    \x20    |-- 172.17.0.1\n           /32 host LOCAL\n\
                    \x20    |-- 192.0.2.255\n           /32 link BROADCAST\n";
        assert_eq!(addresses(trie), ["172.17.0.1/32".to_owned()].into());
    }

    #[test]
    fn networks_that_begin_here_are_out_of_bounds() {
        let routes = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n\
                      eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\n\
                      docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\n\
                      eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n";
        assert_eq!(networks(routes), ["172.17.0.0/16".to_owned()].into());
    }
}
