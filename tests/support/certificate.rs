//! Certificates for servers on this machine.

#![allow(dead_code, reason = "each test binary uses its own part")]

use openssl::pkey::PKey;
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::X509;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};

/// What a server proves with its certificate to be `localhost`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    Good,
    SelfSigned,
    OtherName,
    Expired,
}

/// Returns what a server of the name `localhost` needs, and the certificate of its authority, to be trusted by clients.
pub fn acceptor(proof: Proof) -> (SslAcceptor, String) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // By the name, OpenSSL tells authorities apart, and finds out whether a certificate is self-signed.
    let number: u32 = rand::random();
    authority.distinguished_name.push(DnType::CommonName, format!("Authority {number}"));
    let authority_key = KeyPair::generate().unwrap();
    let authority = authority.self_signed(&authority_key).unwrap();
    let name = if proof == Proof::OtherName { "example.com" } else { "localhost" };
    let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
    if proof == Proof::Expired {
        parameters.not_after = rcgen::date_time_ymd(2020, 1, 1);
    }
    let key = KeyPair::generate().unwrap();
    let certificate = match proof {
        Proof::SelfSigned => parameters.self_signed(&key),
        _ => parameters.signed_by(&key, &authority, &authority_key),
    };
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    acceptor.set_private_key(&PKey::private_key_from_der(&key.serialize_der()).unwrap()).unwrap();
    acceptor.set_certificate(&X509::from_der(certificate.unwrap().der()).unwrap()).unwrap();
    (acceptor.build(), authority.pem())
}
