//! The addresses at which a camera is looked for.

use super::Place;
use super::shared::Shared;
use crate::protocol::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;

/// Resolves a host name to the addresses to probe, which come over the channel. That may take as long as the system
/// likes, so a thread of its own does it, and wakes the session thread when it is done.
pub fn start_resolving(host: &str, port: u16, shared: &Arc<Shared>) -> Receiver<Result<Vec<SocketAddr>, Error>> {
    let (sender, answer) = mpsc::channel();
    let spawned = thread::Builder::new().name("wyze-resolve".into()).spawn({
        let (host, sender, shared) = (host.to_owned(), sender.clone(), Arc::downgrade(shared));
        move || {
            // Fails only when the session no longer waits.
            let _ = sender.send(resolve(&host, port));
            if let Some(shared) = shared.upgrade() {
                shared.wake();
            }
        }
    });
    if let Err(e) = spawned {
        let _ = sender.send(Err(Error::UnknownHost { host: host.to_owned(), reason: e.to_string() }));
    }
    answer
}

fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
    let unknown = |reason: String| Error::UnknownHost { host: host.to_owned(), reason };
    let addresses: Vec<_> =
        (host, port).to_socket_addrs().map_err(|e| unknown(e.to_string()))?.filter(SocketAddr::is_ipv4).collect();
    if addresses.is_empty() { Err(unknown("it has no IPv4 address".into())) } else { Ok(addresses) }
}

/// The addresses of a search: broadcast in all networks, and where the camera was last. A camera that was on this
/// machine is a simulated or a forwarded one, which no broadcast finds.
pub fn search_addresses(place: &Place) -> Vec<SocketAddr> {
    let last = place.known.map(|ip| SocketAddr::new(ip.into(), place.port));
    let is_here = place.known.is_some_and(|ip| ip.is_loopback());
    let networks = if is_here { Vec::new() } else { broadcast_addresses(place) };
    networks.into_iter().chain(last).collect()
}

/// The broadcast addresses of all IPv4 interfaces that `place` allows, and 255.255.255.255; sorted, each once.
pub fn broadcast_addresses(place: &Place) -> Vec<SocketAddr> {
    let mut interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    // The machine itself is no network to search.
    interfaces.retain(|interface| {
        !interface.is_loopback() && place.interface.as_ref().is_none_or(|name| *name == interface.name)
    });
    let directed = interfaces.into_iter().filter_map(|interface| match interface.addr {
        if_addrs::IfAddr::V4(v4) => Some(directed_broadcast(v4.ip, v4.netmask, v4.broadcast)),
        if_addrs::IfAddr::V6(_) => None,
    });
    let mut addresses: Vec<_> =
        directed.chain([Ipv4Addr::BROADCAST]).map(|ip| SocketAddr::new(IpAddr::V4(ip), place.port)).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// The broadcast address of a network. Some systems tell none, or the interface's own address.
fn directed_broadcast(ip: Ipv4Addr, netmask: Ipv4Addr, told: Option<Ipv4Addr>) -> Ipv4Addr {
    told.filter(|told| *told != ip && !told.is_unspecified()).unwrap_or(ip | !netmask)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(known: Option<Ipv4Addr>) -> Place {
        Place { host: None, port: 32761, known, interface: None }
    }

    #[test]
    fn a_search_covers_every_network_and_has_no_address_twice() {
        let addresses = broadcast_addresses(&place(None));
        assert!(addresses.contains(&SocketAddr::from(([255, 255, 255, 255], 32761))));
        let mut unique = addresses.clone();
        unique.dedup();
        assert_eq!(addresses, unique);
    }

    #[test]
    fn a_broadcast_address_that_is_not_told_follows_from_the_netmask() {
        let [ip, netmask, all] = [[10, 1, 2, 3], [255, 255, 252, 0], [10, 1, 3, 255]].map(Ipv4Addr::from);
        for told in [None, Some(ip), Some(Ipv4Addr::UNSPECIFIED), Some(all)] {
            assert_eq!(directed_broadcast(ip, netmask, told), all, "{told:?}");
        }
        let other = Ipv4Addr::from([10, 1, 255, 255]);
        assert_eq!(directed_broadcast(ip, netmask, Some(other)), other, "what the system tells otherwise is taken");
    }

    #[test]
    fn a_camera_is_asked_where_it_was_besides_a_search_unless_that_is_this_machine() {
        let networks = broadcast_addresses(&place(None));
        let [away, here] = [[192, 168, 1, 20], [127, 0, 0, 1]].map(Ipv4Addr::from);
        let addresses = search_addresses(&place(Some(away)));
        assert_eq!(addresses, [networks.clone(), vec![SocketAddr::from((away, 32761))]].concat());
        assert_eq!(search_addresses(&place(Some(here))), [SocketAddr::from((here, 32761))]);
        assert_eq!(search_addresses(&place(None)), networks);
    }

    #[test]
    fn a_name_resolves_to_ipv4_or_says_why_not() {
        assert_eq!(resolve("localhost", 1), Ok(vec![SocketAddr::from(([127, 0, 0, 1], 1))]));
        assert!(matches!(resolve("no such host", 1), Err(Error::UnknownHost { .. })));
    }
}
