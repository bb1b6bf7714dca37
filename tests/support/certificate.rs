//! Certificates for servers on this machine.

#![allow(dead_code, reason = "each test binary uses its own part")]

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Name};

/// What a server proves with its certificate to be `localhost`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    Good,
    SelfSigned,
    OtherName,
    Expired,
}

/// A certificate, and the key that belongs to it.
struct Identity {
    key: PKey<Private>,
    certificate: X509,
}

/// What is certified.
enum Subject<'a> {
    Authority,
    Host(&'a str),
}

impl Identity {
    /// Makes a certificate, valid for `days` from yesterday on, that `issuer` signs; `None` is itself.
    fn new(subject: &Subject, issuer: Option<&Identity>, days: u32) -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let mut certificate = X509::builder().unwrap();
        certificate.set_version(2).unwrap();
        // By name and number, OpenSSL tells authorities apart, and finds out whether a certificate is self-signed.
        let number: u32 = rand::random();
        certificate.set_serial_number(&BigNum::from_u32(number).unwrap().to_asn1_integer().unwrap()).unwrap();
        let mut name = X509Name::builder().unwrap();
        name.append_entry_by_nid(Nid::COMMONNAME, &format!("Certificate {number}")).unwrap();
        let name = name.build();
        certificate.set_subject_name(&name).unwrap();
        certificate.set_issuer_name(issuer.map_or(&name, |issuer| issuer.certificate.subject_name())).unwrap();
        certificate.set_pubkey(&key).unwrap();
        let yesterday = std::time::SystemTime::now() - std::time::Duration::from_secs(86_400);
        let start = yesterday.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
        certificate.set_not_before(&Asn1Time::from_unix(start).unwrap()).unwrap();
        certificate.set_not_after(&Asn1Time::from_unix(start + i64::from(days) * 86_400).unwrap()).unwrap();
        let extension = match subject {
            Subject::Authority => BasicConstraints::new().critical().ca().build().unwrap(),
            Subject::Host(host) => {
                let mut names = SubjectAlternativeName::new();
                let names = if host.parse::<std::net::IpAddr>().is_ok() { names.ip(host) } else { names.dns(host) };
                names.build(&certificate.x509v3_context(None, None)).unwrap()
            }
        };
        certificate.append_extension(extension).unwrap();
        certificate.sign(issuer.map_or(&key, |issuer| &issuer.key), MessageDigest::sha256()).unwrap();
        Identity { key, certificate: certificate.build() }
    }
}

/// Returns what a server of the name `localhost` needs, and the certificate of its authority, to be trusted by clients.
pub fn acceptor(proof: Proof) -> (SslAcceptor, String) {
    let authority = Identity::new(&Subject::Authority, None, 7);
    let name = if proof == Proof::OtherName { "example.com" } else { "localhost" };
    let issuer = (proof != Proof::SelfSigned).then_some(&authority);
    // What was valid for no time from yesterday on has expired.
    let server = Identity::new(&Subject::Host(name), issuer, if proof == Proof::Expired { 0 } else { 7 });
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    acceptor.set_private_key(&server.key).unwrap();
    acceptor.set_certificate(&server.certificate).unwrap();
    (acceptor.build(), pem(&authority.certificate))
}

/// Returns a certificate of this host that nobody vouches for, and its key, as PEM.
pub fn self_signed(host: &str) -> (String, String) {
    let server = Identity::new(&Subject::Host(host), None, 7);
    let key = server.key.private_key_to_pem_pkcs8().unwrap();
    (pem(&server.certificate), String::from_utf8(key).unwrap())
}

fn pem(certificate: &X509) -> String {
    String::from_utf8(certificate.to_pem().unwrap()).unwrap()
}
