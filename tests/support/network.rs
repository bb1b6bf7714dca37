//! Networks for tests: each host is a network namespace of its own, and switches join them.
//!
//! Namespaces have no names and need no cleaning up: one lives as long as its file is open or a thread is in it, so it
//! ends with the test's process, even if that is killed.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Runs `act` on a new thread, because changing the namespace changes it for the rest of the thread's life.
fn aside<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(act).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

struct Namespace(File);

impl Namespace {
    fn new() -> io::Result<Self> {
        aside(|| {
            // SAFETY: moves this thread alone, which ends right after.
            check(unsafe { libc::unshare(libc::CLONE_NEWNET) })?;
            let space = Namespace(File::open("/proc/thread-self/ns/net")?);
            space.ip("link set lo up")?;
            Ok(space)
        })
    }

    /// Runs `act` on a thread in this namespace; the sockets and threads that it creates stay there.
    fn run<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        aside(|| {
            // SAFETY: the descriptor is open, and the thread is this call's own.
            check(unsafe { libc::setns(self.0.as_raw_fd(), libc::CLONE_NEWNET) }).expect("the namespace is there");
            act()
        })
    }

    fn command(&self, program: &str, arguments: &str) -> io::Result<()> {
        let output = self.run(|| Command::new(program).args(arguments.split_whitespace()).output());
        let output = output.map_err(|e| io::Error::other(format!("{program}: {e}")))?;
        let said = String::from_utf8_lossy(&output.stderr);
        match output.status.success() {
            true => Ok(()),
            false => Err(io::Error::other(format!("{program} {arguments}: {}", said.trim()))),
        }
    }

    fn ip(&self, arguments: &str) -> io::Result<()> {
        self.command("ip", arguments)
    }

    /// Returns the path by which other programs can open the namespace.
    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}

/// An Ethernet switch.
pub struct Switch {
    space: Namespace,
    ports: AtomicU32,
}

impl Switch {
    /// Returns `None` if this system or user cannot create network namespaces, and prints the reason to stderr.
    pub fn new() -> Option<Self> {
        let make = || {
            let space = Namespace::new()?;
            space.ip("link add switch type bridge")?;
            space.ip("link set switch up")?;
            Ok(Switch { space, ports: AtomicU32::new(0) })
        };
        make()
            .inspect_err(|e: &io::Error| {
                eprintln!(
                    "skipped: no network namespaces ({e}); it needs root, iproute2 and a kernel with veth and bridge"
                );
            })
            .ok()
    }
}

/// A computer in the network.
pub struct Host(Namespace);

impl Host {
    pub fn new() -> Self {
        Host(Namespace::new().expect("if a switch could be made, so can a host"))
    }

    /// Runs `act` on a thread of this host; the sockets and threads that it creates stay there.
    pub fn run<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        self.0.run(act)
    }

    /// Runs `ip` with these arguments.
    pub fn ip(&self, arguments: &str) {
        self.0.ip(arguments).unwrap();
    }

    /// Runs `tc` with these arguments; returns false if the kernel does not support them.
    pub fn tc(&self, arguments: &str) -> bool {
        self.0.command("tc", arguments).is_ok()
    }

    /// Adds an interface with an address such as `10.77.0.1/24`, and a cable from it to the switch.
    pub fn plug<'a>(&self, switch: &'a Switch, interface: &str, address: &str) -> Cable<'a> {
        let port = format!("port{}", switch.ports.fetch_add(1, Ordering::Relaxed));
        self.ip(&format!("link add {interface} type veth peer name {port} netns {}", switch.space.path()));
        let cable = Cable { switch, port };
        cable.port_ip("master switch");
        cable.set_plugged(true);
        self.ip(&format!("address add {address} broadcast + dev {interface}"));
        self.ip(&format!("link set {interface} up"));
        cable
    }
}

/// A cable between a host and a switch; dropping the value leaves the cable in place.
pub struct Cable<'a> {
    switch: &'a Switch,
    port: String,
}

impl Cable<'_> {
    fn port_ip(&self, change: &str) {
        self.switch.space.ip(&format!("link set {} {change}", self.port)).unwrap();
    }

    /// Plugs the cable into the switch or pulls it out; the host sees the carrier appear or vanish.
    pub fn set_plugged(&self, is_plugged: bool) {
        self.port_ip(if is_plugged { "up" } else { "down" });
    }

    pub fn set_mtu(&self, bytes: u16) {
        self.port_ip(&format!("mtu {bytes}"));
    }
}
