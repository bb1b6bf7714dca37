//! The account as it is kept between runs: tokens, and when the cloud may be asked again.

use super::camera::{Camera, Cameras, Origin, Secret};
use super::cloud::{
    CameraList, Cloud, CloudError, CodeSource, Granted, Hosts, Limits, Login, LoginWindow, PowerAction, new_phone_id,
};
use super::store::Store;
use super::store_error::StoreError;
#[cfg(feature = "webrtc")]
use crate::protocol::ticket::Ticket;
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("nobody is logged in: run wyze-cameras login")]
    LoggedOut,
}

/// The content of the tokens' file. The file stays after a logout, so that a failed login is not forgotten.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Kept {
    phone_id: String,
    tokens: Option<Granted>,
    login: LoginWindow,
    limits: Limits,
}

/// Access to an account: the cloud, and the store that keeps what the cloud said.
pub struct Access<'a> {
    store: &'a Store,
    cloud: Cloud,
    phone_id: String,
}

impl<'a> Access<'a> {
    pub fn new(store: &'a Store, hosts: Hosts) -> Result<Self, AccessError> {
        let kept: Kept = store.tokens()?.unwrap_or_default();
        let phone_id = if kept.phone_id.is_empty() { new_phone_id() } else { kept.phone_id };
        let cloud = Cloud::new(hosts, &phone_id, kept.limits)?;
        Ok(Access { store, cloud, phone_id })
    }

    /// Sets how long one request may take. Without it, that is 30 s.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.cloud.set_timeout(timeout);
    }

    /// Logs in, unless any process has tried to a moment ago. For `ask` see [`Cloud::login`].
    pub fn login(&self, login: &Login, ask: &mut dyn FnMut(CodeSource) -> Option<String>) -> Result<(), AccessError> {
        self.change(|kept| Ok(kept.login.open(Camera::now())?))?;
        let result = self.cloud.login(login, ask);
        self.change(|kept| {
            match &result {
                Ok(_) => kept.login.succeeded(),
                Err(error) => kept.login.failed(error, Camera::now()),
            }
            Ok(())
        })?;
        self.keep(result?)
    }

    /// Whether the tokens of a login are kept, be they still valid or not.
    pub fn is_logged_in(&self) -> Result<bool, AccessError> {
        Ok(self.store.tokens::<Kept>()?.is_some_and(|kept| kept.tokens.is_some()))
    }

    /// Fetches the account's cameras with the tokens of the last login.
    pub fn cameras(&self) -> Result<CameraList, AccessError> {
        self.with_token(|cloud, token| cloud.cameras(token))
    }

    /// Has the cloud switch a camera of this model and MAC, with the tokens of the last login.
    pub fn power(&self, model: &str, mac: &Secret, action: PowerAction) -> Result<(), AccessError> {
        self.with_token(|cloud, token| cloud.power(token, model, mac, action))
    }

    /// Gets what one connection over WebRTC to a camera of this model and MAC needs, with the tokens of the last login.
    #[cfg(feature = "webrtc")]
    pub fn streams(&self, model: &str, mac: &Secret) -> Result<Ticket, AccessError> {
        self.with_token(|cloud, token| cloud.streams(token, model, mac))
    }

    /// Asks the cloud with the access token of the last login. Tokens that have expired are renewed.
    fn with_token<R>(&self, ask: impl Fn(&Cloud, &Secret) -> Result<R, CloudError>) -> Result<R, AccessError> {
        let kept: Kept = self.store.tokens()?.unwrap_or_default();
        self.cloud.learn(&kept.limits);
        let tokens = kept.tokens.ok_or(AccessError::LoggedOut)?;
        let result = match ask(&self.cloud, &tokens.access_token) {
            Err(CloudError::TokenExpired) => {
                self.renew(&tokens.access_token).and_then(|access| Ok(ask(&self.cloud, &access)?))
            }
            result => result.map_err(AccessError::from),
        };
        self.change(|_| Ok(()))?;
        result
    }

    /// Gets and keeps new tokens in place of those that have expired, and returns the access token. Where the cloud
    /// refuses, only a login helps. Others wait meanwhile: a refresh token is good for one use.
    fn renew(&self, expired: &Secret) -> Result<Secret, AccessError> {
        self.change(|kept| {
            let tokens = kept.tokens.as_mut().ok_or(AccessError::LoggedOut)?;
            if tokens.access_token == *expired {
                *tokens = self.cloud.refresh(&tokens.refresh_token).map_err(|e| match e {
                    CloudError::Refused { .. } => CloudError::TokenExpired,
                    other => other,
                })?;
            }
            Ok(tokens.access_token.clone())
        })
    }

    /// Forgets the tokens. Returns whether there were any.
    pub fn logout(&self) -> Result<bool, AccessError> {
        let mut had = false;
        self.change(|kept| {
            had = kept.tokens.take().is_some();
            Ok(())
        })?;
        Ok(had)
    }

    fn keep(&self, tokens: Granted) -> Result<(), AccessError> {
        self.change(|kept| {
            kept.tokens = Some(tokens);
            Ok(())
        })
    }

    /// Changes the tokens' file, and writes what hosts said of their limits there too.
    fn change<R>(&self, change: impl FnOnce(&mut Kept) -> Result<R, AccessError>) -> Result<R, AccessError> {
        self.store.update_tokens(|kept| {
            let kept = kept.get_or_insert_with(Kept::default);
            kept.phone_id.clone_from(&self.phone_id);
            self.cloud.learn(&kept.limits);
            kept.limits = self.cloud.limits();
            change(kept)
        })
    }
}

/// Replaces the cameras that came from the account before. Other cameras stay, unless the account has them too, and so
/// do those that could not be read this time. An address stays where the account knows none.
pub fn replace_account(cameras: &mut Cameras, list: CameraList) {
    let CameraList { cameras: mut fetched, left_out } = list;
    for camera in &mut fetched {
        let is_same = |old: &&Camera| !camera.mac.is_empty() && old.mac == camera.mac;
        if let Some(old) = cameras.iter().find(is_same) {
            camera.host = camera.host.take().or_else(|| old.host.clone());
            camera.port = old.port;
        }
    }
    let is_fetched = |old: &Camera| fetched.iter().any(|new| new.is_same_as(old));
    let is_left_out = |old: &Camera| {
        left_out
            .iter()
            .any(|device| if device.mac.is_empty() { device.name == old.name } else { device.mac == old.mac })
    };
    cameras.retain(|old| (old.origin != Origin::Account || is_left_out(old)) && !is_fetched(old));
    cameras.splice(0..0, fetched);
}

#[cfg(test)]
mod tests {
    use super::super::cloud::LeftOut;
    use super::*;

    fn camera(name: &str, mac: &str, host: Option<&str>, origin: Origin) -> Camera {
        let host = host.map(str::to_owned);
        Camera { name: name.into(), uid: mac.into(), mac: mac.into(), host, origin, ..Camera::default() }
    }

    #[test]
    fn the_account_s_cameras_are_replaced_and_others_stay() {
        let mut cameras = Cameras::from(vec![
            camera("gone", "1", None, Origin::Account),
            camera("old name", "2", Some("10.0.0.2"), Origin::Account),
            camera("odd by MAC", "5", None, Origin::Account),
            camera("odd by name", "6", None, Origin::Account),
            camera("by hand", "3", Some("10.0.0.3"), Origin::Added),
            camera("also by hand", "4", None, Origin::Imported),
            Camera { uid: "".into(), ..camera("without UID, by hand", "7", None, Origin::Added) },
        ]);
        let fetched = vec![
            Camera { uid: "".into(), ..camera("without UID", "7", None, Origin::Account) },
            camera("new name", "2", None, Origin::Account),
            camera("in both", "3", Some("10.0.0.33"), Origin::Account),
        ];
        let odd = |name: &str, mac: &str| LeftOut { name: name.into(), mac: mac.into(), error: CloudError::WrongCode };
        replace_account(
            &mut cameras,
            CameraList { cameras: fetched, left_out: vec![odd("x", "5"), odd("odd by name", "")] },
        );
        let seen: Vec<_> = cameras.iter().map(|c| (c.name.as_str(), c.host.as_deref(), c.origin)).collect();
        assert_eq!(
            seen,
            [
                ("without UID", None, Origin::Account),
                ("new name", Some("10.0.0.2"), Origin::Account),
                ("in both", Some("10.0.0.33"), Origin::Account),
                ("odd by MAC", None, Origin::Account),
                ("odd by name", None, Origin::Account),
                ("also by hand", None, Origin::Imported),
            ]
        );
    }
}
