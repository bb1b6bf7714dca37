//! Who may watch: a user's name and password, and TLS.

use super::super::Failure;
use clap::{Args, ValueHint};
use gst::glib;
use gst_rtsp::RTSPAuthMethod;
use gst_rtsp_server::prelude::*;
use gst_rtsp_server::{RTSPAuth, RTSPMediaFactory, RTSPToken, gio};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The password, where it is not in a file. An argument would be seen by all users of the machine.
const PASSWORD: &str = "WYZE_SERVE_PASSWORD";
/// What gst-rtsp-server calls those who may watch.
const ROLE: &str = "viewer";

#[derive(Args, Debug)]
pub struct AccessArguments {
    /// Only this user may watch, with the password of --password-file or WYZE_SERVE_PASSWORD
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// A file that has the password in its first line
    #[arg(long, value_name = "FILE", requires = "user", value_hint = ValueHint::FilePath)]
    password_file: Option<PathBuf>,
    /// Serve by TLS (rtsps://) with the certificate in this PEM file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    certificate: Option<PathBuf>,
    /// The PEM file with the certificate's private key, where that is a file of its own
    #[arg(long, value_name = "FILE", requires = "certificate", value_hint = ValueHint::FilePath)]
    key: Option<PathBuf>,
}

/// Who may watch.
#[derive(Debug)]
pub struct Access {
    auth: Option<RTSPAuth>,
    pub has_password: bool,
    pub has_tls: bool,
}

impl Access {
    pub fn new(arguments: &AccessArguments) -> Result<Self, Failure> {
        let password = password(arguments)?;
        let certificate = arguments.certificate.as_deref().map(|file| certificate(file, arguments.key.as_deref()));
        let certificate = certificate.transpose()?;
        let (has_password, has_tls) = (password.is_some(), certificate.is_some());
        if !has_password && !has_tls {
            return Ok(Access { auth: None, has_password, has_tls });
        }
        let auth = RTSPAuth::new();
        auth.set_realm(Some("wyze-cameras"));
        // Basic would send the password as it is.
        auth.set_supported_methods(RTSPAuthMethod::Digest);
        let mut token = RTSPToken::builder().field("media.factory.role", ROLE).build();
        match (&arguments.user, &password) {
            (Some(user), Some(password)) => auth.add_digest(user, password, &token),
            _ => auth.set_default_token(Some(&mut token)),
        }
        auth.set_tls_certificate(certificate.as_ref());
        Ok(Access { auth: Some(auth), has_password, has_tls })
    }

    pub fn auth(&self) -> Option<&RTSPAuth> {
        self.auth.as_ref()
    }

    /// Lets in those who may watch, where others may not.
    pub fn guard(&self, factory: &impl IsA<RTSPMediaFactory>) {
        if self.auth.is_some() {
            let role = gst::Structure::builder(ROLE).field("media.factory.access", true);
            factory.add_role_from_structure(&role.field("media.factory.construct", true).build());
        }
    }
}

/// Returns the password, where there is to be one.
fn password(arguments: &AccessArguments) -> Result<Option<Zeroizing<String>>, Failure> {
    let usage = |text: &str| Err(Failure::Usage(text.to_owned()));
    let from_environment = std::env::var(PASSWORD).ok().filter(|text| !text.is_empty()).map(Zeroizing::new);
    let password = match (&arguments.user, &arguments.password_file) {
        (None, _) if from_environment.is_some() => return usage("WYZE_SERVE_PASSWORD is set: give --user too"),
        (None, _) => return Ok(None),
        (Some(user), _) if user.is_empty() || user.contains([':', '"']) => {
            return usage("the user's name is empty, or has a colon or a quote in it");
        }
        (Some(_), Some(file)) => {
            let text = std::fs::read_to_string(file).map(Zeroizing::new);
            let text = text.map_err(|e| Failure::Other(format!("cannot read {}: {e}", file.display())))?;
            Zeroizing::new(text.lines().next().unwrap_or_default().to_owned())
        }
        (Some(_), None) => match from_environment {
            Some(password) => password,
            None => return usage("--user needs a password: set WYZE_SERVE_PASSWORD, or give --password-file"),
        },
    };
    if password.is_empty() { usage("the password is empty") } else { Ok(Some(password)) }
}

fn certificate(file: &Path, key: Option<&Path>) -> Result<gio::TlsCertificate, Failure> {
    let loaded = match key {
        Some(key) => gio::TlsCertificate::from_files(file, key),
        None => gio::TlsCertificate::from_file(file),
    };
    let certificate = loaded.map_err(|e: glib::Error| {
        Failure::Other(format!("the certificate cannot be used: {} ({e})", file.display()))
    })?;
    match certificate.private_key_pem() {
        Some(_) => Ok(certificate),
        None => Err(Failure::Usage(format!("{} has no private key: give --key", file.display()))),
    }
}
