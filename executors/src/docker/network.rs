//! The platform's bridge: one network for all its containers, in which they do not reach each other.
//!
//! Addresses are handed out here, each as late again as can be: whoever still has the address of a run that ended
//! must not meet another one there.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest, NetworkInspect};
use bollard::query_parameters::InspectNetworkOptions;
use uuid::Uuid;

use super::engine::{Engine, Error, QUICK, SLOW, call, if_there};
use super::label;

/// Containers of one bridge do not reach each other.
const OPTIONS: [(&str, &str); 1] = [("com.docker.network.bridge.enable_icc", "false")];
/// How often another platform may be quicker in taking the addresses that the engine has chosen.
const ATTEMPTS: usize = 5;

/// The network of a platform, made when it is first needed.
#[derive(Debug)]
pub(super) struct Network {
    name: String,
    platform: String,
    bridge: tokio::sync::Mutex<Option<Bridge>>,
}

/// One that is there.
#[derive(Debug)]
struct Bridge {
    subnet: Subnet,
    /// Counts on and on.
    next: u32,
}

/// The addresses of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Subnet {
    base: u32,
    size: u32,
    gateway: Ipv4Addr,
}

// === impl Network ===

impl Network {
    pub(super) fn new(platform: &str) -> Self {
        Self {
            name: format!("eai-{platform}"),
            platform: platform.to_owned(),
            bridge: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// An address in the network, which is made if it isn't there, and where this machine is found from there.
    pub(super) async fn address(&self, engine: &Engine) -> Result<(Ipv4Addr, Ipv4Addr), Error> {
        let mut slot = self.bridge.lock().await;
        let mut bridge = match slot.take() {
            Some(bridge) => bridge,
            None => self.there(engine).await?,
        };
        let address = bridge.take();
        let gateway = bridge.subnet.gateway;
        *slot = Some(bridge);
        Ok((address, gateway))
    }

    /// It may be gone: it is looked at before it is used again.
    pub(super) async fn doubt(&self) {
        *self.bridge.lock().await = None;
    }

    /// Removes it. Fails while something is connected.
    pub(super) async fn remove(&self, engine: &Engine) -> Result<(), Error> {
        let mut slot = self.bridge.lock().await;
        *slot = None;
        let removed = engine.docker.remove_network(&self.name);
        if_there(call("remove the network", SLOW, removed).await).map(drop)
    }

    async fn there(&self, engine: &Engine) -> Result<Bridge, Error> {
        let mut attempts = 0;
        loop {
            if let Some(found) = self.inspect(engine).await?
                && let Some(subnet) = Subnet::of(&found)
            {
                return Ok(Bridge {
                    subnet,
                    // Where an earlier start left off is not known.
                    next: Uuid::new_v4().as_fields().0,
                });
            }
            attempts += 1;
            match self.make(engine).await {
                Ok(()) => {}
                // Somebody else was quicker.
                Err(error) if attempts < ATTEMPTS && error.status().is_some() => {
                    tracing::debug!(%error, "docker.network");
                }
                Err(error) => return Err(explained(error)),
            }
        }
    }

    async fn inspect(&self, engine: &Engine) -> Result<Option<NetworkInspect>, Error> {
        let found = engine
            .docker
            .inspect_network(&self.name, None::<InspectNetworkOptions>);
        if_there(call("look at the network", QUICK, found).await)
    }

    /// The engine takes fixed addresses only where the network's own were given to it. Which ones are free it
    /// knows best: it chooses, and is then told what it chose.
    async fn make(&self, engine: &Engine) -> Result<(), Error> {
        self.create(engine, None).await?;
        let Some(made) = self.inspect(engine).await? else {
            return Ok(());
        };
        let chosen = made.ipam.and_then(|ipam| ipam.config);
        let removed = engine.docker.remove_network(&self.name);
        if_there(call("remove the network", SLOW, removed).await)?;
        self.create(engine, chosen).await
    }

    async fn create(
        &self,
        engine: &Engine,
        addresses: Option<Vec<IpamConfig>>,
    ) -> Result<(), Error> {
        let text = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let request = NetworkCreateRequest {
            name: self.name.clone(),
            driver: Some("bridge".to_owned()),
            ipam: addresses.map(|config| Ipam {
                config: Some(config),
                ..Ipam::default()
            }),
            options: Some(HashMap::from(OPTIONS.map(text))),
            labels: Some(HashMap::from([text((label::PLATFORM, &self.platform))])),
            ..NetworkCreateRequest::default()
        };
        let made = engine.docker.create_network(request);
        call("make a network", SLOW, made).await.map(drop)
    }
}

/// What to do where the engine has no room for another network.
fn explained(error: Error) -> Error {
    match error {
        Error::Refused {
            action,
            status,
            message,
        } if message.contains("non-overlapping") => Error::Refused {
            action,
            status,
            message: format!(
                "{message}; every network of this engine takes addresses: remove unused ones with \
                 `docker network prune`"
            ),
        },
        error => error,
    }
}

// === impl Bridge ===

impl Bridge {
    fn take(&mut self) -> Ipv4Addr {
        loop {
            self.next = self.next.wrapping_add(1);
            if let Some(address) = self.subnet.host(self.next) {
                return address;
            }
        }
    }
}

// === impl Subnet ===

impl Subnet {
    /// None where fixed addresses can't be had in the network.
    fn of(network: &NetworkInspect) -> Option<Self> {
        let config = network.ipam.as_ref()?.config.as_ref()?.first()?;
        let subnet = config.subnet.as_deref()?;
        let gateway = config.gateway.as_deref();
        Self::parse(subnet, gateway)
    }

    fn parse(subnet: &str, gateway: Option<&str>) -> Option<Self> {
        let (base, length) = subnet.split_once('/')?;
        let base = u32::from(base.parse::<Ipv4Addr>().ok()?);
        let length: u32 = length.parse().ok().filter(|length| *length <= 29)?;
        let size = 1_u32.checked_shl(32 - length)?;
        let gateway = match gateway.map(str::parse) {
            Some(Ok(gateway)) => gateway,
            _ => Ipv4Addr::from(base + 1),
        };
        Some(Self {
            base,
            size,
            gateway,
        })
    }

    /// The address of this number, counted round and round; none where it is not a container's.
    fn host(&self, number: u32) -> Option<Ipv4Addr> {
        let offset = number % self.size;
        let address = Ipv4Addr::from(self.base + offset);
        let is_own = offset == 0 || offset == self.size - 1 || address == self.gateway;
        (!is_own).then_some(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_again_as_late_as_can_be() {
        let subnet = Subnet::parse("172.20.0.0/29", Some("172.20.0.1")).unwrap();
        let mut bridge = Bridge { subnet, next: 7 };
        let taken: Vec<_> = (0..6).map(|_| bridge.take().octets()[3]).collect();
        assert_eq!(taken, [2, 3, 4, 5, 6, 2]);
        let subnet = Subnet::parse("172.20.0.0/29", None).unwrap();
        let mut bridge = Bridge {
            subnet,
            next: u32::MAX,
        };
        assert_eq!(bridge.take().octets()[3], 2);
    }

    #[test]
    fn what_is_no_subnet_is_not_used() {
        for text in [
            "",
            "172.20.0.0",
            "fd00::/64",
            "172.20.0.0/32",
            "172.20.0.0/x",
        ] {
            assert_eq!(Subnet::parse(text, None), None, "{text}");
        }
    }
}
