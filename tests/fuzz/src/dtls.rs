//! Target `dtls`: two DTLS endpoints, during and after their handshake, and a forger who sends to both.

use super::credentials;
use super::input::Input;
use gstwyze::protocol::dtls::{Endpoint, EndpointSettings, EndpointState, Role, Suite};
use std::collections::VecDeque;

/// How many datagrams the two endpoints may send in all, so that they do not send for ever.
const MOST_SENT: usize = 4000;

struct Pair {
    client: Endpoint,
    server: Endpoint,
    to_client: VecDeque<Vec<u8>>,
    to_server: VecDeque<Vec<u8>>,
    sent: usize,
}

/// Lets the input decide whether the forger comes before or after the handshake, and what it sends.
pub fn dtls(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut pair = Pair::new(&mut input);
    let established = input.flag();
    if established {
        pair.shake_hands();
    }
    while !input.is_empty() {
        let to_client = input.flag();
        match input.below(8) {
            0 if established => {
                let from = if to_client { &mut pair.server } else { &mut pair.client };
                let data = input.text();
                assert!(
                    data.is_empty() || data.len() > 16_384 || from.send(data),
                    "an established session refuses {} bytes",
                    data.len()
                );
                pair.collect();
            }
            1 => pair.pass_on(to_client),
            2 => pair.damage(to_client, &mut input),
            3 if !established => pair.client.handle_timeout(),
            4 => {
                let record = record(&mut input);
                pair.forge(to_client, &record, established);
            }
            5 => {
                let records = [record(&mut input), record(&mut input)].concat();
                pair.forge(to_client, &records, established);
            }
            _ => {
                let datagram = input.text();
                pair.forge(to_client, datagram, established);
            }
        }
        pair.collect();
        assert!(pair.sent < MOST_SENT, "{} datagrams", pair.sent);
        if established {
            assert_eq!(
                (pair.client.state(), pair.server.state()),
                (&EndpointState::Established, &EndpointState::Established)
            );
        }
    }
}

/// Makes a record whose header is right or nearly right.
fn record(input: &mut Input<'_>) -> Vec<u8> {
    let (kind, epoch, sequence) = (input.pick(&[20, 21, 22, 23, 22, 24]), input.pick(&[1, 0, 1, 0, 2]), input.byte());
    let off_by = input.pick(&[0, 0, 0, 0, 0, 0, 1, u16::MAX]);
    let body = input.text();
    let length = (body.len() as u16).wrapping_add(off_by).to_be_bytes();
    [&[kind, 0xFE, 0xFD, 0, epoch, 0, 0, 0, 0, 0, sequence, length[0], length[1]], body].concat()
}

impl Pair {
    fn new(input: &mut Input<'_>) -> Self {
        let mut endpoint = |role| {
            let mut settings = EndpointSettings::new(role, credentials().psk());
            if input.flag() {
                settings.suites = vec![Suite::PskAes128CbcSha256];
            }
            Endpoint::new(&settings).unwrap()
        };
        let (client, server) = (endpoint(Role::Client), endpoint(Role::Server { hello_verify: false }));
        let mut pair = Pair { client, server, to_client: VecDeque::new(), to_server: VecDeque::new(), sent: 0 };
        pair.collect();
        pair
    }

    fn shake_hands(&mut self) {
        while !(self.to_client.is_empty() && self.to_server.is_empty()) {
            self.pass_on(true);
            self.pass_on(false);
        }
        assert_eq!(
            (self.client.state(), self.server.state()),
            (&EndpointState::Established, &EndpointState::Established)
        );
    }

    fn collect(&mut self) {
        for (endpoint, out) in [(&mut self.server, &mut self.to_client), (&mut self.client, &mut self.to_server)] {
            while let Some(datagram) = endpoint.poll_transmit() {
                self.sent += 1;
                out.push_back(datagram);
            }
        }
    }

    fn pass_on(&mut self, to_client: bool) {
        let (endpoint, queue) = self.side(to_client);
        if let Some(datagram) = queue.pop_front() {
            endpoint.handle_datagram(&datagram, |_| {});
        }
        self.collect();
    }

    /// Delivers a copy of a genuine datagram with some bytes changed, and perhaps cut short.
    fn damage(&mut self, to_client: bool, input: &mut Input<'_>) {
        let (_, queue) = self.side(to_client);
        let Some(mut datagram) = queue.front().cloned() else { return };
        for _ in 0..=input.below(3) {
            let at = usize::from(input.u16()) % datagram.len();
            datagram[at] ^= input.byte();
        }
        if input.flag() {
            datagram.truncate(usize::from(input.u16()) % datagram.len());
        }
        // The result is not checked: the changes may have cancelled out, and the datagram is genuine then.
        let (endpoint, _) = self.side(to_client);
        endpoint.handle_datagram(&datagram, |_| {});
    }

    fn forge(&mut self, to_client: bool, datagram: &[u8], established: bool) {
        let (endpoint, _) = self.side(to_client);
        endpoint.handle_datagram(datagram, |_| assert!(!established, "a forged record was taken"));
    }

    fn side(&mut self, to_client: bool) -> (&mut Endpoint, &mut VecDeque<Vec<u8>>) {
        if to_client { (&mut self.client, &mut self.to_client) } else { (&mut self.server, &mut self.to_server) }
    }
}
