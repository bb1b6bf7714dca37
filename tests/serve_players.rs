//! `wyze-cameras serve` and the clients that people have: FFmpeg, go2rtc, and many at once.

#[path = "support/cloud.rs"]
mod cloud;
#[path = "support/encoded.rs"]
mod encoded;
#[path = "support/ffmpeg.rs"]
mod ffmpeg;
#[path = "support/rtsp.rs"]
mod rtsp;
#[path = "support/user.rs"]
mod user;

use encoded::Encoder;
use gstwyze::protocol::wire::codec::CodecId;
use gstwyze::protocol::wire::hl::ChallengeStatus;
use rtsp::{Client, RawClient, Server, command, wait_until};
use std::net::{Ipv4Addr, SocketAddr};
use user::User;
use wyze_camera::{
    CameraConfig, CameraEvent, CameraServer, LiveAudio, LiveMediaConfig, LiveVideo, MediaSource, SyntheticConfig,
};

fn camera(media: MediaSource) -> CameraServer {
    CameraServer::start(CameraConfig::demo().unwrap(), SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), media).unwrap()
}

fn live(video: LiveVideo, audio: LiveAudio) -> MediaSource {
    let size = LiveMediaConfig { width: 320, height: 240, fps: 10, ..LiveMediaConfig::default() };
    MediaSource::Live(LiveMediaConfig { video, audio, ..size })
}

fn synthetic(audio: Option<CodecId>, audio_rate: u32) -> MediaSource {
    let media = SyntheticConfig { key_frame_len: 6000, frame_len: 1500, gop: 20, ..SyntheticConfig::default() };
    MediaSource::Synthetic(SyntheticConfig { audio, audio_rate, ..media })
}

fn owner(camera: &CameraServer) -> User {
    let user = User::new();
    user.add("Front Door", camera.addr().port());
    user
}

#[test]
fn ffmpeg_reads_picture_and_sound_over_tcp_and_udp() {
    for (video, audio, codecs, encodings) in [
        (LiveVideo::H264, LiveAudio::Aac, ["h264", "aac"], ["H264", "MPEG4-GENERIC"]),
        (LiveVideo::H265, LiveAudio::Mulaw, ["hevc", "pcm_mulaw"], ["H265", "PCMU"]),
    ] {
        let camera = camera(live(video, audio));
        let user = owner(&camera);
        let server = Server::start(&user, &["--all"], 1);
        for transport in ["tcp", "udp"] {
            let client = Client::play(server.url(), transport);
            encodings.iter().for_each(|encoding| client.receives(encoding, 5));
            let options = ["-rtsp_transport", transport];
            let mut found = ffmpeg::streams(&options, server.url(), "codec_name");
            found.sort();
            assert_eq!(found, if codecs[0] == "h264" { ["aac", "h264"] } else { codecs }, "{transport}");
            ffmpeg::decode_counted(&options, server.url());
        }
    }
}

/// As go2rtc does: interleaved, and with ONVIF's back channel among the media.
#[test]
fn a_client_as_go2rtc_watches_and_talks_by_one_connection() {
    let camera = camera(synthetic(Some(CodecId::MULAW), 8000));
    let user = owner(&camera);
    let server = Server::start(&user, &["--all"], 1);
    let mut client = RawClient::connect(server.url());
    let answer = client.ask("OPTIONS", "", "");
    assert!(answer.contains("DESCRIBE") && answer.contains("SETUP"), "{answer}");
    let require = "Require: www.onvif.org/ver20/backchannel\r\n";
    let description = client.describe(require);
    let media: Vec<&str> = description.split("\r\nm=").skip(1).collect();
    let talk = media.iter().position(|medium| medium.contains("a=sendonly")).expect(&description);
    assert_eq!((media.len(), talk), (3, 2), "{description}");
    let path = |medium: &&str| format!("/{}", medium.split("a=control:").nth(1).unwrap().lines().next().unwrap());
    let paths: Vec<String> = media.iter().map(path).collect();
    client.play_media(&paths.iter().map(String::as_str).collect::<Vec<_>>(), require);
    let mut counts = [0; 2];
    let mut said = 0_u16;
    while counts.iter().any(|count| *count < 20) || camera.talks().first().is_none_or(|talk| talk.bytes < 800) {
        let (channel, packet) = client.packet();
        match channel {
            0 | 2 => counts[usize::from(channel) / 2] += 1,
            _ => continue,
        }
        assert_eq!(packet[0] >> 6, 2, "the version of RTP");
        // For each packet that is heard, 20 ms of a tone are said.
        let (sequence, time) = (said.to_be_bytes(), (u32::from(said) * 160).to_be_bytes());
        let head = [&[0x80, 0][..], &sequence, &time, &[0, 0, 0, 7]].concat();
        client.send_packet(4, &[&head[..], &[0x2A; 160]].concat());
        said += 1;
    }
    assert_eq!(camera.talks()[0].codec, Some(CodecId::MULAW));
    assert_eq!(camera.stats().clients, 1);
}

/// Reads until ten packets of picture and sound each have come.
fn watch(url: &str) -> RawClient {
    let mut client = RawClient::connect(url);
    client.play_media(&["/stream=0", "/stream=1"], "");
    let mut counts = [0; 4];
    while counts[0] < 10 || counts[2] < 10 {
        counts[usize::from(client.packet().0)] += 1;
    }
    client
}

#[test]
fn fifty_clients_get_the_picture_of_one_session() {
    let camera = camera(synthetic(Some(CodecId::MULAW), 8000));
    let user = owner(&camera);
    let server = Server::start(&user, &["--all"], 1);
    let url = server.url();
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..50).map(|_| scope.spawn(|| watch(url))).collect();
        // All are connected until the last one has what it waits for.
        let clients: Vec<RawClient> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        assert_eq!((clients.len(), camera.stats().clients), (50, 1));
    });
    let (status, errors) = server.end(libc::SIGTERM);
    assert!(status.success() && errors.is_empty(), "{status}: {errors}");
    wait_until("the end of the session", || camera.stats().clients == 0);
}

#[test]
fn codecs_of_old_cameras_are_passed_on() {
    let picture = |encoder: &str| {
        let size = "video/x-raw,format=I420,width=176,height=144,framerate=10/1";
        format!("videotestsrc is-live=true ! {size} ! {encoder}")
    };
    for (codec, line, encoding, name) in [
        (CodecId::MJPEG, "jpegenc", "JPEG", "mjpeg"),
        (CodecId::MPEG4, "avenc_mpeg4 gop-size=5 ! mpeg4videoparse config-interval=-1", "MP4V-ES", "mpeg4"),
        (CodecId::H263, "avenc_h263 gop-size=5", "H263-1998", "h263"),
    ] {
        let camera = camera(MediaSource::None);
        let _picture = Encoder::feed(&camera, codec, &picture(line));
        let sound = "audiotestsrc is-live=true ! audio/x-raw,rate=16000,channels=1 ! lamemp3enc ! mpegaudioparse";
        let _sound = Encoder::feed(&camera, CodecId::MP3, sound);
        let user = owner(&camera);
        let server = Server::start(&user, &["--all"], 1);
        let client = Client::play(server.url(), "tcp");
        [encoding, "MPA"].iter().for_each(|encoding| client.receives(encoding, 5));
        let mut found = ffmpeg::streams(&["-rtsp_transport", "tcp"], server.url(), "codec_name");
        found.sort_by_key(|name| name == "mp2");
        // FFmpeg takes the RTP payload of all MPEG audio for that of layer 2.
        assert_eq!(found, [name, "mp2"]);
    }
}

#[test]
fn sound_becomes_opus_where_nothing_makes_aac() {
    let camera = camera(synthetic(Some(CodecId::ALAW), 16_000));
    let user = owner(&camera);
    let mut command = command(&user, &["--all"]);
    // The encoders of AAC are in none of these.
    command.env("GST_PLUGIN_LOADING_WHITELIST", "gstreamer:gst-plugins-base:gst-plugins-good");
    command.env("GST_REGISTRY", user.home.path().join("registry"));
    let server = Server::spawn(command, 1);
    let client = Client::play(server.url(), "tcp");
    ["H264", "OPUS"].iter().for_each(|encoding| client.receives(encoding, 5));
}

#[test]
fn a_camera_that_fails_again_and_again_is_told_of_once() {
    let camera = camera(synthetic(None, 8000));
    camera.configure(|config| config.refuse_login = true);
    let user = owner(&camera);
    let file = user.home.path().join("status.json");
    let file = file.to_str().unwrap();
    let server = Server::start(&user, &["--all", "--always-on", "--retry", "1", "--status-file", file], 1);
    wait_until("an error", || std::fs::read_to_string(file).is_ok_and(|status| status.contains("login: ")));
    camera.configure(|config| (config.refuse_login, config.challenge) = (false, ChallengeStatus::Unknown(9)));
    camera.take_events();
    let mut attempts = 0;
    wait_until("four attempts", || {
        let events = camera.take_events();
        attempts += events.iter().filter(|event| matches!(event, CameraEvent::ClientConnected { .. })).count();
        attempts >= 4
    });
    let (_, errors) = server.end(libc::SIGTERM);
    let errors: Vec<&str> = errors.lines().collect();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].contains("Front Door: login: ") && errors[1].contains("Front Door: auth: "), "{errors:?}");
}
