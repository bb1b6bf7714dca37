//! What opening a DTLS record costs: through SSL_read, as the session does, and with the AEAD alone.

use gstwyze::protocol::credentials::Credentials;
use gstwyze::protocol::dtls::{Endpoint, EndpointSettings, EndpointState, Role};
use openssl::cipher::Cipher;
use openssl::cipher_ctx::CipherCtx;
use std::hint::black_box;
use std::time::{Duration, Instant};
use wyze_bench::Error;
use wyze_bench::camera::identity;

/// The AV packet of a camera, in bytes.
const PACKET: usize = 1060;
const RECORDS: u32 = 2000;
const ROUNDS: u32 = 50;
const TAG: usize = 16;
/// Header and explicit parts that AEAD authenticates with the packet.
const AUTHENTICATED: [u8; 13] = [0; 13];

pub fn measure() -> Result<(), Error> {
    let (through_ssl, alone) = (through_ssl()?, alone()?);
    println!("opening a record of {PACKET} bytes: SSL_read {through_ssl:.2?}, ChaCha20-Poly1305 alone {alone:.2?}");
    Ok(())
}

fn through_ssl() -> Result<Duration, Error> {
    let [uid, enr, mac] = identity(0);
    let psk = Credentials::new(&uid, &enr, &mac)?.psk();
    let mut client = Endpoint::new(&EndpointSettings::new(Role::Client, psk.clone()))?;
    let mut camera = Endpoint::new(&EndpointSettings::new(Role::Server { hello_verify: false }, psk))?;
    while *client.state() == EndpointState::Handshaking {
        let to_camera: Vec<_> = std::iter::from_fn(|| client.poll_transmit()).collect();
        to_camera.iter().for_each(|datagram| camera.handle_datagram(datagram, |_| {}));
        let to_client: Vec<_> = std::iter::from_fn(|| camera.poll_transmit()).collect();
        to_client.iter().for_each(|datagram| client.handle_datagram(datagram, |_| {}));
    }
    let mut took = Duration::ZERO;
    for _ in 0..ROUNDS {
        for _ in 0..RECORDS {
            camera.send(&[1; PACKET]);
        }
        let records: Vec<_> = std::iter::from_fn(|| camera.poll_transmit()).collect();
        let start = Instant::now();
        for record in &records {
            black_box(client.open(record)).ok_or("a record did not open")?;
        }
        took += start.elapsed();
    }
    Ok(took / (RECORDS * ROUNDS))
}

fn alone() -> Result<Duration, Error> {
    let (key, nonce) = ([7; 32], [0; 12]);
    let mut context = CipherCtx::new()?;
    context.encrypt_init(Some(Cipher::chacha20_poly1305()), Some(&key), Some(&nonce))?;
    context.cipher_update(&AUTHENTICATED, None)?;
    let mut packet = Vec::new();
    context.cipher_update_vec(&[1; PACKET], &mut packet)?;
    context.cipher_final_vec(&mut packet)?;
    let mut tag = [0; TAG];
    context.tag(&mut tag)?;
    context.decrypt_init(Some(Cipher::chacha20_poly1305()), Some(&key), Some(&nonce))?;
    let mut plain = [0; PACKET + TAG];
    let start = Instant::now();
    for _ in 0..RECORDS * ROUNDS {
        context.decrypt_init(None, None, Some(&nonce))?;
        context.set_tag(&tag)?;
        context.cipher_update(&AUTHENTICATED, None)?;
        let n = context.cipher_update(&packet, Some(&mut plain))?;
        context.cipher_final(&mut plain[n..])?;
        black_box(&plain);
    }
    Ok(start.elapsed() / (RECORDS * ROUNDS))
}
