//! The option `--webrtc`: cameras that speak WebRTC, and a cloud that knows them.

use crate::{Arguments, AudioArgument, Running, count_up, link, media, print, wait};
use gstwyze::protocol::wire::codec::CodecId;
use serde_json::json;
use std::error::Error;
use std::fs::File;
use std::net::SocketAddr;
use wyze_camera::webrtc::{CloudCamera, DemoCloud, WebCameraConfig, WebCameraServer, WebServerOptions};
use wyze_camera::{CameraEvent, LiveMediaConfig, MediaSource, SyntheticConfig};

impl Running for WebCameraServer {
    fn take_talk_audio(&self) -> Vec<u8> {
        WebCameraServer::take_talk_audio(self)
    }

    fn take_events(&self) -> Vec<CameraEvent> {
        WebCameraServer::take_events(self)
    }
}

pub fn run(arguments: &Arguments, talk_files: &mut [File]) -> Result<(), Box<dyn Error>> {
    let cameras = (0..arguments.cameras).map(|index| start_camera(arguments, index)).collect::<Result<Vec<_>, _>>()?;
    let known = (0..).zip(&cameras).map(|(index, (name, server))| CloudCamera {
        name: name.clone(),
        model: arguments.model.clone(),
        mac: count_up(&arguments.mac, index),
        url: server.url(),
        ice_servers: json!([]),
    });
    let cloud = DemoCloud::start(known.collect())?;
    print_invitation(&cloud, &cameras)?;
    wait(arguments, &cameras, talk_files)?;
    for (name, server) in &cameras {
        let stats = server.stats();
        print(format_args!(
            "{name}: {} viewers, {} video and {} audio frames, {} requests for key frames, {} frames of talk",
            stats.connections, stats.video_frames, stats.audio_frames, stats.key_frame_requests, stats.talk_frames
        ))?;
        stats.problems.iter().try_for_each(|problem| print(format_args!("  {problem}")))?;
    }
    Ok(())
}

fn start_camera(arguments: &Arguments, index: u16) -> Result<(String, WebCameraServer), Box<dyn Error>> {
    let (video, audio) = codecs(arguments)?;
    let config = WebCameraConfig {
        video,
        audio: audio.unwrap_or(CodecId::MULAW),
        sends_audio: audio.is_some(),
        takes_talk: !arguments.no_two_way,
        ..WebCameraConfig::default()
    };
    let config = if arguments.every_variant { config.with_every_quirk() } else { config };
    let options = WebServerOptions {
        seed: arguments.seed.wrapping_add(u64::from(index)),
        outgoing: link(arguments)?,
        ..WebServerOptions::default()
    };
    let port = arguments.listen.port();
    let port = if port == 0 { 0 } else { port.checked_add(index).ok_or("the ports go past 65535")? };
    let (name, listen) = (format!("camera {}", index + 1), SocketAddr::new(arguments.listen.ip(), port));
    if !listen.ip().is_loopback() {
        return Err("--webrtc is for 127.0.0.1 only: elsewhere, signalling has to have TLS".into());
    }
    let server = WebCameraServer::start(config, listen, media_of_rate(arguments, &name), options)
        .map_err(|error| format!("{name} on {listen}: {error}"))?;
    print(format_args!("{name} signals at {}", server.url()))?;
    Ok((name, server))
}

/// Returns the codecs that the arguments ask for, or says which ones WebRTC has.
fn codecs(arguments: &Arguments) -> Result<(CodecId, Option<CodecId>), &'static str> {
    let video = match arguments.video.as_str() {
        "mjpeg" => return Err("--webrtc has no --video mjpeg: take h264, h265, none, synthetic or a file"),
        "h265" => CodecId::H265,
        file if [".h265", ".265", ".hevc"].iter().any(|end| file.ends_with(end)) => CodecId::H265,
        _ => CodecId::H264,
    };
    let audio = match arguments.audio {
        AudioArgument::None => None,
        AudioArgument::Mulaw => Some(CodecId::MULAW),
        AudioArgument::Alaw => Some(CodecId::ALAW),
        AudioArgument::Opus => Some(CodecId::OPUS),
        AudioArgument::Pcm | AudioArgument::Aac => {
            return Err("--webrtc has no such --audio: take mulaw, alaw, opus or none");
        }
    };
    Ok((video, audio))
}

/// Returns media of the rate that WebRTC has for their sound.
fn media_of_rate(arguments: &Arguments, name: &str) -> MediaSource {
    let rate = if matches!(arguments.audio, AudioArgument::Opus) { 48000 } else { 8000 };
    match media(arguments, name) {
        MediaSource::Live(config) => MediaSource::Live(LiveMediaConfig { audio_rate: Some(rate), ..config }),
        MediaSource::Synthetic(config) => MediaSource::Synthetic(SyntheticConfig { audio_rate: rate, ..config }),
        MediaSource::None => MediaSource::None,
    }
}

/// Prints how to see the cameras.
fn print_invitation(cloud: &DemoCloud, cameras: &[(String, WebCameraServer)]) -> Result<(), Box<dyn Error>> {
    let variables = cloud.environment().map(|(name, value)| format!("{name}={value}")).join(" ");
    print("To watch, lead wyze-cameras and the plugin here, with a store of their own:")?;
    print(format_args!("  export XDG_CONFIG_HOME=$(mktemp -d) {variables}"))?;
    print("  WYZE_EMAIL=demo WYZE_PASSWORD=demo WYZE_KEY_ID=demo WYZE_API_KEY=demo wyze-cameras login")?;
    cameras.iter().try_for_each(|(name, _)| {
        print(format_args!("  gst-launch-1.0 wyzesrc camera=\"{name}\" ! decodebin ! autovideosink"))
    })
}
