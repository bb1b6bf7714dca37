//! Reads and writes the keys of a `wyze://` URI that are the source's own: its properties, and go2rtc's word for one of
//! them.

use super::control_properties::{self, nicks};
use super::settings::{MAX_BITRATE, PictureSize, Settings};
use crate::identity::{self, UriError, milliseconds, parse_enum, parse_milliseconds};
use crate::protocol::commands::controls::{CONTROLS, Control};
use gst::glib;
use gst::glib::prelude::*;

/// Puts what a URI says into `settings`. What it leaves out stays as it is, but for host, port and camera. Returns the
/// keys that nobody knows.
pub fn apply(uri: &str, settings: &mut Settings) -> Result<Vec<String>, UriError> {
    let mut new = settings.clone();
    let mut identity = settings.identity.clone();
    let unknown = identity::apply(uri, &mut identity, |key, value| apply_key(key, value, &mut new))?;
    *settings = Settings { identity, ..new };
    Ok(unknown)
}

/// Returns false for a key that is not known.
fn apply_key(key: &str, value: &str, settings: &mut Settings) -> Result<bool, UriError> {
    match key {
        identity::SUBTYPE => settings.resolution = parse_subtype(value)?,
        "on-loss" => settings.on_loss = parse_enum("on-loss", value)?,
        "resend" => settings.resend = parse_enum("resend", value)?,
        "key-frame-requests" => settings.key_frame_requests = parse_enum("key-frame-requests", value)?,
        "set-clock" => settings.set_clock = parse_enum("set-clock", value)?,
        "resolution" => settings.resolution = parse_enum("resolution", value)?,
        "video" => settings.media.video = parse_bool(value).ok_or(UriError::Value("video"))?,
        "audio" => settings.media.audio = parse_bool(value).ok_or(UriError::Value("audio"))?,
        "bitrate" => {
            let bitrate = value.parse().ok().filter(|bitrate| *bitrate <= MAX_BITRATE);
            settings.bitrate = bitrate.ok_or(UriError::Value("bitrate"))?;
        }
        "navigation" => settings.navigation = parse_enum("navigation", value)?,
        "framerate" => settings.framerate = value.parse().map_err(|_| UriError::Value("framerate"))?,
        "latency" => settings.latency = parse_milliseconds(value).ok_or(UriError::Value("latency"))?,
        "stall-timeout" => {
            settings.stall_timeout = parse_milliseconds(value).ok_or(UriError::Value("stall-timeout"))?;
        }
        _ => {
            let Some(control) = Control::named(key) else { return Ok(false) };
            if !control_properties::wish(control, &value.to_ascii_lowercase(), &mut settings.wishes) {
                return Err(UriError::Choice(control.name, nicks(control)));
            }
        }
    }
    Ok(true)
}

/// Reads go2rtc's word for the resolution: hd, sd, or the number of a frame size.
fn parse_subtype(value: &str) -> Result<PictureSize, UriError> {
    match value {
        "" | "hd" => Ok(PictureSize::Auto),
        "sd" | "1" => Ok(PictureSize::R360p),
        "0" => Ok(PictureSize::R1080p),
        "2" => Ok(PictureSize::R720p),
        "3" | "4" => Ok(PictureSize::R2k),
        other => parse_enum(identity::SUBTYPE, other),
    }
}

fn parse_bool(value: &str) -> Option<bool> {
    match value {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// Returns the URI of these settings; `None` if nothing names a camera. Values at their defaults are left out.
pub fn format(settings: &Settings) -> Option<String> {
    let default = Settings::default();
    let nick = |value: glib::Value| glib::EnumValue::from_value(&value).map(|(_, v)| v.nick().into());
    let differing = |differs: bool, text: String| differs.then_some(text);
    let keys = [
        ("video", differing(settings.media.video != default.media.video, settings.media.video.to_string())),
        ("audio", differing(settings.media.audio != default.media.audio, settings.media.audio.to_string())),
        ("resolution", nick(settings.resolution.to_value()).filter(|_| settings.resolution != default.resolution)),
        ("bitrate", differing(settings.bitrate != default.bitrate, settings.bitrate.to_string())),
        ("framerate", differing(settings.framerate != default.framerate, settings.framerate.to_string())),
        ("latency", differing(settings.latency != default.latency, milliseconds(settings.latency).to_string())),
        (
            "stall-timeout",
            differing(
                settings.stall_timeout != default.stall_timeout,
                milliseconds(settings.stall_timeout).to_string(),
            ),
        ),
        ("on-loss", nick(settings.on_loss.to_value()).filter(|_| settings.on_loss != default.on_loss)),
        ("resend", nick(settings.resend.to_value()).filter(|_| settings.resend != default.resend)),
        (
            "key-frame-requests",
            nick(settings.key_frame_requests.to_value())
                .filter(|_| settings.key_frame_requests != default.key_frame_requests),
        ),
        ("set-clock", nick(settings.set_clock.to_value()).filter(|_| settings.set_clock != default.set_clock)),
        ("navigation", nick(settings.navigation.to_value()).filter(|_| settings.navigation != default.navigation)),
    ];
    let wishes = CONTROLS.iter().map(|c| (c.name, settings.wishes.get(c.name).map(|wish| (*wish).to_owned())));
    identity::format(&settings.identity, keys.into_iter().chain(wishes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{DEFAULT_PORT, Identity, Transport};
    use crate::protocol::credentials::CredentialError;
    use crate::protocol::medium::MediaSet;
    use crate::wyzesrc::control_properties::Wishes;
    use crate::wyzesrc::settings::{KeyFrameRequests, Navigation, OnLoss, Resend, SetClock};
    use std::time::Duration;

    const IDENTITY: &str = "uid=HSBJYB5HSETGCDWD111A&enr=roTRg3tiuL3TjXhm&mac=AABBCCDDEEFF";

    fn applied(uri: &str) -> Result<Settings, UriError> {
        let mut settings = Settings::default();
        apply(uri, &mut settings).map(|_| settings)
    }

    #[test]
    fn a_url_of_go2rtc_works_unchanged() {
        let uri = "wyze://192.168.1.123?dtls=true&enr=ZQdg2W3LL9TZQL8%2Bi1%2BN2f%2BV&mac=AABBCCDDEEFF\
                   &model=HL_CAM4&subtype=sd&uid=HSBJYB5HSETGCDWD111A";
        let mut settings = Settings::default();
        assert_eq!(apply(uri, &mut settings), Ok(vec![]));
        assert_eq!(settings.identity.host.as_deref(), Some("192.168.1.123"));
        assert_eq!(settings.identity.port, DEFAULT_PORT);
        assert_eq!(settings.identity.enr.as_deref(), Some("ZQdg2W3LL9TZQL8+i1+N2f+V"));
        assert_eq!(settings.identity.model.as_deref(), Some("HL_CAM4"));
        assert_eq!(settings.resolution, PictureSize::R360p);
    }

    #[test]
    fn a_url_as_go2rtc_s_pages_show_it_works_too() {
        let shown =
            r"wyze://cam?dtls=true\u0026enr=roTRg3tiuL3TjXhm\u0026mac=AABBCCDDEEFF\u0026uid=HSBJYB5HSETGCDWD111A";
        // gst-launch-1.0 takes backslashes for its own.
        for uri in [format!(r"{shown}\u0026subtype=sd"), format!("{shown}u0026subtype=sd").replace('\\', "")] {
            let settings = applied(&uri).unwrap();
            assert_eq!(settings.identity.enr.as_deref(), Some("roTRg3tiuL3TjXhm"));
            assert_eq!(settings.identity.uid.as_deref(), Some("HSBJYB5HSETGCDWD111A"));
            assert_eq!(settings.identity.mac.as_deref(), Some("AABBCCDDEEFF"));
            assert_eq!(settings.resolution, PictureSize::R360p);
        }
        // The same letters within a key are the key's.
        assert_eq!(
            applied("wyze://cam?enr=aau0026bbbbbbbbbb").unwrap().identity.enr.as_deref(),
            Some("aau0026bbbbbbbbbb")
        );
        assert_eq!(
            applied("wyze://cam?enr=bbbbbbbbbbbu0026").unwrap().identity.enr.as_deref(),
            Some("bbbbbbbbbbbu0026")
        );
    }

    #[test]
    fn an_empty_host_means_the_whole_network_and_unknown_keys_are_told() {
        let identity = Identity { host: Some("old".into()), port: 1, ..Identity::default() };
        let mut settings = Settings { identity, ..Settings::default() };
        assert_eq!(apply(&format!("WYZE://?{IDENTITY}&backchannel=0"), &mut settings), Ok(vec!["backchannel".into()]));
        assert_eq!((settings.identity.host, settings.identity.port), (None, DEFAULT_PORT));
    }

    #[test]
    fn a_path_is_a_camera_of_the_store_and_another_uri_forgets_it() {
        let mut settings = applied("wyze:///Front%20Door?subtype=sd").unwrap();
        assert_eq!(settings.identity.camera.as_deref(), Some("Front Door"));
        assert_eq!(settings.identity.host, None);
        apply("wyze://cam?uid=HSBJYB5HSETGCDWD111A", &mut settings).unwrap();
        assert_eq!(settings.identity.camera, None);
        assert_eq!(applied("wyze://cam?camera=Front%20Door").unwrap().identity.camera.as_deref(), Some("Front Door"));
    }

    #[test]
    fn a_plus_in_an_enr_need_not_be_encoded() {
        let settings = applied("wyze://cam?enr=a+b/c=dddddddddddd").unwrap();
        assert_eq!(settings.identity.enr.as_deref(), Some("a+b/c=dddddddddddd"));
    }

    #[test]
    fn what_is_written_reads_back() {
        let identity = Identity {
            camera: Some("Front Door".into()),
            uid: Some("HSBJYB5HSETGCDWD111A".into()),
            enr: Some("ZN1kiR0gShYL5SN3PkZjLi+4Ufh1ReOS/=".into()),
            mac: Some("AABBCCDDEEFF".into()),
            host: Some("front-door.lan".into()),
            interface: Some("wlan0".into()),
            port: 4000,
            model: Some("HL_CAM4".into()),
            transport: Transport::Lan,
            known: None,
            name: None,
            from_uri: true,
            refused_uri: None,
            connect_timeout: Duration::from_secs(3),
            reconnect_attempts: 7,
        };
        let settings = Settings {
            identity,
            media: MediaSet::AUDIO,
            resolution: PictureSize::R2k,
            bitrate: 120,
            framerate: 15,
            latency: Duration::from_millis(500),
            stall_timeout: Duration::from_secs(9),
            on_loss: OnLoss::UntilKeyFrame,
            resend: Resend::On,
            key_frame_requests: KeyFrameRequests::Off,
            set_clock: SetClock::Off,
            navigation: Navigation::Off,
            wishes: Wishes::from([("flip", "180"), ("night-vision", "auto"), ("siren", "off")]),
        };
        assert!(applied(&format(&settings).unwrap()).unwrap() == settings);
        assert_eq!(format(&Settings::default()), None);
        let identity = Identity { camera: Some("Büro 1/2?".into()), from_uri: true, ..Identity::default() };
        let settings = Settings { identity, ..Settings::default() };
        assert_eq!(format(&settings).as_deref(), Some("wyze:///B%C3%BCro%201%2F2%3F"));
        assert!(applied(&format(&settings).unwrap()).unwrap() == settings);
        let identity = Identity { uid: Some("x".into()), ..Identity::default() };
        assert!(format(&Settings { identity, ..Settings::default() }).unwrap().starts_with("wyze://?uid="));
    }

    #[test]
    fn what_is_wrong_is_told_and_changes_nothing() {
        let choice = |key, choices: &str| UriError::Choice(key, choices.to_owned());
        for (uri, error) in [
            ("rtsp://cam", UriError::Scheme),
            ("wyze:cam", UriError::Scheme),
            ("wyze://cam:0", UriError::Port),
            ("wyze://cam:99999", UriError::Port),
            ("wyze://user:pw@cam", UriError::UserInfo),
            ("wyze://[::1]:32761", UriError::Ipv6),
            ("wyze://fe80::1", UriError::Ipv6),
            ("wyze://a b", UriError::Authority),
            ("wyze://cam/path", UriError::Path),
            ("wyze://cam?uid=short", UriError::Credential(CredentialError::UidLength(5))),
            ("wyze://cam?enr=short", UriError::Credential(CredentialError::EnrLength(5))),
            ("wyze://cam?mac=xyz", UriError::Credential(CredentialError::Mac)),
            ("wyze://cam?subtype=9", choice("subtype", "auto, 360p, 720p, 1080p, 2k")),
            ("wyze://cam?resolution=4k", choice("resolution", "auto, 360p, 720p, 1080p, 2k")),
            ("wyze://cam?reconnect-attempts=-2", UriError::Value("reconnect-attempts")),
            ("wyze://cam?stall-timeout=x", UriError::Value("stall-timeout")),
            ("wyze://cam?on-loss=never", choice("on-loss", "until-key-frame, pass")),
            ("wyze://cam?transport=tcp", choice("transport", "auto, lan, webrtc")),
            ("wyze://cam?resend=1", choice("resend", "auto, on, off")),
            ("wyze://cam?key-frame-requests=on", choice("key-frame-requests", "auto, off")),
            ("wyze://cam?set-clock=on", choice("set-clock", "auto, off")),
            ("wyze://cam?latency=-1", UriError::Value("latency")),
            ("wyze://cam?bitrate=524281", UriError::Value("bitrate")),
            ("wyze://cam?night-vision=dusk", choice("night-vision", "unchanged, on, off, auto")),
            ("wyze://cam?navigation=1", choice("navigation", "auto, on, off")),
            ("wyze://cam?dtls=false", UriError::NoDtls),
            ("wyze:///%FF", UriError::Value("the camera's name")),
            ("wyze:///Front%00Door", UriError::Value("the camera's name")),
            ("wyze://cam?subtype=%00", UriError::Value("a value's encoding")),
            ("wyze://cam?model=HL%00", UriError::Value("a value's encoding")),
            ("wyze://cam?model=%FF", UriError::Value("a value's encoding")),
        ] {
            let mut settings = Settings::default();
            assert_eq!(apply(uri, &mut settings), Err(error), "{uri}");
            assert!(settings == Settings::default(), "{uri}");
        }
    }
}
