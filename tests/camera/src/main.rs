//! A simulated Wyze camera as a program: to try gst-plugin-wyze without a camera, and to test it.

// What is written goes through `print`: `println!` would panic where that fails.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod web;

use clap::{Parser, ValueEnum};
use gstwyze::protocol::credentials::Credentials;
use gstwyze::protocol::dtls::Suite;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::{SIGINT, SIGPIPE, SIGTERM};
use signal_hook::flag::register_conditional_default;
use signal_hook::iterator::Signals;
use std::error::Error;
use std::fmt::{Display, Write as _};
use std::fs::File;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use wyze_camera::{
    CameraConfig, CameraEvent, CameraServer, DEMO_ENR, DEMO_MAC, DEMO_UID, Envelope, LinkConfig, LiveAudio,
    LiveMediaConfig, LiveVideo, MediaSource, ServerOptions, SyntheticConfig,
};

/// How often events are printed.
const STATUS_INTERVAL: Duration = Duration::from_millis(500);

/// Plays a Wyze camera on the local network, picture and sound included.
///
/// What clients set shows in the picture of h264, h265 and mjpeg: its size and flips, grey for night vision, time and
/// logo, where a model that pans looks, and a bright border while a light or the siren is on.
///
/// Without arguments it is a camera with a well-known identity on 127.0.0.1. It prints a gst-launch line that shows its
/// picture, runs until Ctrl-C or --duration, and says at the end what clients did against the protocol.
#[derive(Parser, Debug)]
#[command(version, max_term_width = 110)]
struct Arguments {
    /// The address that discovery requests go to. Answers come from another port, as with real cameras.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:32761")]
    listen: SocketAddr,
    /// The number of cameras. They are on consecutive ports, and the last two characters of UID and MAC count up.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=99))]
    cameras: u16,
    /// Ends after so many seconds.
    #[arg(long, value_name = "SECONDS")]
    duration: Option<u64>,
    /// Writes what clients did against the protocol to this file at the end.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Plays cameras that speak WebRTC instead, and as much of Wyze's cloud as leads clients there, all on this machine.
    /// Of the options for protocols, only --every-variant counts then.
    #[arg(long, conflicts_with = "log")]
    webrtc: bool,

    /// 20 letters and digits.
    #[arg(long, default_value = DEMO_UID, help_heading = "Identity")]
    uid: String,
    /// The camera's key, 16 characters or more.
    #[arg(long, default_value = DEMO_ENR, hide_default_value = true, help_heading = "Identity")]
    enr: String,
    /// 12 hexadecimal digits.
    #[arg(long, default_value = DEMO_MAC, help_heading = "Identity")]
    mac: String,
    /// Product model.
    #[arg(long, default_value = "WYZE_CAKP2JFUS", help_heading = "Identity")]
    model: String,

    /// Packet format: cc51 is that of new firmware.
    #[arg(long, value_enum, default_value_t = EnvelopeArgument::Transcode, help_heading = "Protocol")]
    envelope: EnvelopeArgument,
    /// How the login challenge has to be answered: 1 with the well-known key, 3 with the ENR, 6 with both halves of an
    /// ENR of 32 characters. 2, 4 and 5 turn clients away.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=6), help_heading = "Protocol")]
    challenge: u8,
    /// DTLS cipher suites: ECDHE-PSK-CHACHA20-POLY1305 (ccac), PSK-AES128-CBC-SHA256 (00ae), or both.
    #[arg(long, value_enum, default_value_t = SuiteArgument::Both, help_heading = "Protocol")]
    suite: SuiteArgument,
    /// Asks each DTLS client for a cookie first.
    #[arg(long, help_heading = "Protocol")]
    hello_verify: bool,
    /// Sends lost packets again to clients that ask for it, and does the rest that goes with it.
    #[arg(long, help_heading = "Protocol")]
    resend: bool,
    /// Uses all frame types of media packets that mean the same.
    #[arg(long, help_heading = "Protocol")]
    every_frame_type: bool,
    /// Differs from the usual in all ways in which cameras are known to differ, all at once.
    #[arg(long, help_heading = "Protocol")]
    every_variant: bool,
    /// What the camera's clock is off by, in seconds, until a client sets it.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, allow_negative_numbers = true, help_heading = "Protocol")]
    clock_error: i64,
    /// Stays silent to this K-command, after authentication. May be repeated, as may be the next two.
    #[arg(long, value_name = "CODE", help_heading = "Protocol")]
    silent: Vec<u16>,
    /// Agrees to this K-command and does nothing.
    #[arg(long, value_name = "CODE", help_heading = "Protocol")]
    ignores: Vec<u16>,
    /// Refuses this K-command.
    #[arg(long, value_name = "CODE", help_heading = "Protocol")]
    refuses: Vec<u16>,
    /// Answers K10050 with the battery's level instead of the picture's size and rates.
    #[arg(
        long,
        value_name = "PERCENT",
        value_parser = clap::value_parser!(u8).range(0..=100),
        help_heading = "Protocol"
    )]
    battery: Option<u8>,
    /// How many video frames at the start of a session give the size of the session before, as real cameras do.
    #[arg(long, value_name = "N", default_value_t = 10, help_heading = "Protocol")]
    stale_frames: u32,

    /// h264, h265, mjpeg, none, synthetic (H.264 without a picture, which costs next to nothing), or an Annex B file.
    #[arg(long, value_name = "WHAT", default_value = "h264", help_heading = "Media")]
    video: String,
    /// The best picture. Clients that ask for a smaller one get that: 1920x1080, 1280x720 or 640x360.
    #[arg(
        long,
        value_name = "WIDTHxHEIGHT",
        default_value = "1280x720",
        value_parser = parse_size,
        help_heading = "Media"
    )]
    size: (u32, u32),
    /// Frames a second.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..=60), help_heading = "Media")]
    fps: u8,
    /// Video bitrate in kbit/s. Without it, the client's wish counts.
    #[arg(long, value_name = "KBPS", help_heading = "Media")]
    bitrate: Option<u32>,
    /// A tone of 440 Hz.
    #[arg(long, value_enum, default_value_t = AudioArgument::Mulaw, help_heading = "Media")]
    audio: AudioArgument,
    /// Sample rate in Hz, from 8000 to 48000. Without it, the one that cameras use with the codec.
    #[arg(long, value_name = "HZ", help_heading = "Media")]
    rate: Option<u32>,

    /// Writes the sound that clients send to this file, encoded as it came. The second camera's file is FILE.2, and so
    /// on.
    #[arg(long, value_name = "FILE", help_heading = "Talk")]
    talk_output: Option<PathBuf>,
    /// The DTLS cipher suites that the camera offers on the back channel.
    #[arg(long, value_enum, default_value_t = SuiteArgument::Aes, help_heading = "Talk")]
    talk_suite: SuiteArgument,
    /// Agrees to talk, but never opens the back channel.
    #[arg(long, help_heading = "Talk")]
    talk_stall: bool,
    /// Plays a camera without a speaker.
    #[arg(long, help_heading = "Talk")]
    no_two_way: bool,

    /// Percentage of packets to the client that are lost.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, help_heading = "Bad network")]
    loss: f64,
    /// Percentage of packets that later ones overtake.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, help_heading = "Bad network")]
    reorder: f64,
    /// Percentage of packets that arrive twice.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, help_heading = "Bad network")]
    duplicate: f64,
    /// Percentage of packets that have a bit flipped.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, help_heading = "Bad network")]
    corrupt: f64,
    /// Seed of the random numbers: the same seed gives the same mishaps.
    #[arg(long, default_value_t = 1, help_heading = "Bad network")]
    seed: u64,
}

#[derive(ValueEnum, Debug, Clone, Copy)]
enum EnvelopeArgument {
    Transcode,
    Cc51,
}

#[derive(ValueEnum, Debug, Clone, Copy)]
enum SuiteArgument {
    Ccac,
    #[value(name = "00ae")]
    Aes,
    Both,
}

impl SuiteArgument {
    fn suites(self) -> Vec<Suite> {
        match self {
            SuiteArgument::Ccac => vec![Suite::EcdhePskChacha20Poly1305],
            SuiteArgument::Aes => vec![Suite::PskAes128CbcSha256],
            SuiteArgument::Both => vec![Suite::EcdhePskChacha20Poly1305, Suite::PskAes128CbcSha256],
        }
    }
}

#[derive(ValueEnum, Debug, Clone, Copy)]
enum AudioArgument {
    Mulaw,
    Alaw,
    Pcm,
    Aac,
    Opus,
    None,
}

fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let (width, height) = text.split_once('x').ok_or("write it as 1280x720")?;
    match (width.parse(), height.parse()) {
        (Ok(width @ 16..=4096), Ok(height @ 16..=4096)) if width % 2 == 0 && height % 2 == 0 => Ok((width, height)),
        _ => Err("two even numbers from 16 to 4096 are needed".into()),
    }
}

fn main() -> ExitCode {
    // Rust ignores SIGPIPE, so that printing fails once a reader such as head is gone. By default, the signal ends the
    // program quietly, as it does others.
    register_conditional_default(SIGPIPE, Arc::new(AtomicBool::new(true))).expect("SIGPIPE can be handled");
    let result = match Arguments::try_parse() {
        Ok(arguments) => run(&arguments),
        // Help and the version are errors too, of exit code 0.
        Err(answer) => match answer.print() {
            Err(e) if !answer.use_stderr() => Err(unwritten(e).into()),
            _ => return u8::try_from(answer.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from),
        },
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    // Where this fails, there is nowhere left to say so.
    let _ = writeln!(io::stderr(), "wyze-camera: {error}");
    ExitCode::FAILURE
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut talk_files = open_talk_files(arguments)?;
    if arguments.webrtc {
        return web::run(arguments, &mut talk_files);
    }
    let cameras = (0..arguments.cameras).map(|index| start_camera(arguments, index)).collect::<Result<Vec<_>, _>>()?;
    wait(arguments, &cameras, &mut talk_files)?;
    if let Some(path) = &arguments.log {
        write_log(path, &cameras).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    cameras.iter().try_for_each(|(name, server)| print_summary(name, server))
}

fn unwritten(error: io::Error) -> String {
    format!("standard output cannot be written ({error})")
}

/// Prints a line to standard output.
fn print(line: impl Display) -> Result<(), Box<dyn Error>> {
    Ok(writeln!(io::stdout(), "{line}").map_err(unwritten)?)
}

/// Writes down what clients did against the protocol.
fn write_log(path: &Path, cameras: &[(String, CameraServer)]) -> io::Result<()> {
    let mut text = String::new();
    for (name, log) in cameras.iter().map(|(name, server)| (name, server.log())).filter(|(_, log)| !log.is_empty()) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{name}\n{log}");
    }
    std::fs::write(path, text)
}

fn print_summary(name: &str, server: &CameraServer) -> Result<(), Box<dyn Error>> {
    let (stats, log) = (server.stats(), server.log());
    for talk in server.talks() {
        print(format_args!("{name}: client {} talked, {} frames, {} bytes", talk.client.0, talk.frames, talk.bytes))?;
    }
    print(format_args!(
        "{name}: {} video and {} audio frames, {} datagrams out and {} in, {} deviations",
        stats.video_frames,
        stats.audio_frames,
        stats.datagrams_sent,
        stats.datagrams_received,
        log.count()
    ))?;
    if log.is_empty() { Ok(()) } else { print(log.to_string().trim_end()) }
}

/// Starts a camera and prints how to see it. Returns it with its name.
fn start_camera(arguments: &Arguments, index: u16) -> Result<(String, CameraServer), Box<dyn Error>> {
    let (uid, mac) = (count_up(&arguments.uid, index), count_up(&arguments.mac, index));
    let port = arguments.listen.port();
    let port = if port == 0 { 0 } else { port.checked_add(index).ok_or("the ports go past 65535")? };
    let config = CameraConfig {
        envelope: match arguments.envelope {
            EnvelopeArgument::Transcode => Envelope::Transcode,
            EnvelopeArgument::Cc51 => Envelope::Cc51,
        },
        model: arguments.model.clone(),
        hello_verify: arguments.hello_verify,
        suites: arguments.suite.suites(),
        challenge: arguments.challenge.into(),
        every_frame_type: arguments.every_frame_type,
        clock_error: arguments.clock_error,
        silent: arguments.silent.clone(),
        ignores: arguments.ignores.clone(),
        refuses: arguments.refuses.clone(),
        battery: arguments.battery,
        stale_frames: arguments.stale_frames,
        two_way_audio: !arguments.no_two_way,
        stall_talk: arguments.talk_stall,
        talk_suites: arguments.talk_suite.suites(),
        ..CameraConfig::new(Credentials::new(&uid, &arguments.enr, &mac)?)
    };
    let config = if arguments.resend { config.with_resends() } else { config };
    let config = if arguments.every_variant { config.with_every_variant() } else { config };
    let options = ServerOptions {
        seed: arguments.seed.wrapping_add(u64::from(index)),
        outgoing: link(arguments)?,
        ..ServerOptions::default()
    };
    let name = format!("camera {}", index + 1);
    let listen = SocketAddr::new(arguments.listen.ip(), port);
    let server = CameraServer::start_with(config, listen, media(arguments, &name), options)
        .map_err(|error| format!("{name} on {listen}: {error}"))?;
    print_invitation(arguments, &name, &uid, &mac, server.addr())?;
    Ok((name, server))
}

/// Prints where a camera is and how to see it.
fn print_invitation(
    arguments: &Arguments,
    name: &str,
    uid: &str,
    mac: &str,
    address: SocketAddr,
) -> Result<(), Box<dyn Error>> {
    let host = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let (enr, port) = (&arguments.enr, address.port());
    print(format_args!("{name} on {address}"))?;
    print(format_args!(
        "  gst-launch-1.0 wyzesrc uid={uid} enr='{enr}' mac={mac} host={host} port={port} ! decodebin ! autovideosink"
    ))?;
    let authority = SocketAddr::new(host, port);
    let [uid, enr, mac] = [uid, enr, mac].map(percent_encoded);
    print(format_args!("  wyze://{authority}?uid={uid}&enr={enr}&mac={mac}"))
}

/// Opens one file for each camera, or none where no talk is to be written.
fn open_talk_files(arguments: &Arguments) -> Result<Vec<File>, String> {
    let Some(path) = &arguments.talk_output else { return Ok(Vec::new()) };
    let open = |index: u16| {
        let mut path = path.clone();
        if index > 0 {
            path.as_mut_os_string().push(format!(".{}", index + 1));
        }
        File::create(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    (0..arguments.cameras).map(open).collect()
}

/// A camera that runs.
trait Running {
    fn take_talk_audio(&self) -> Vec<u8>;
    fn take_events(&self) -> Vec<CameraEvent>;
}

impl Running for CameraServer {
    fn take_talk_audio(&self) -> Vec<u8> {
        CameraServer::take_talk_audio(self)
    }

    fn take_events(&self) -> Vec<CameraEvent> {
        CameraServer::take_events(self)
    }
}

/// Runs until a signal, the end of --duration, or the end of whatever reads the output. Says who comes and goes, and
/// writes down what they say.
fn wait(
    arguments: &Arguments,
    cameras: &[(String, impl Running)],
    talk_files: &mut [File],
) -> Result<(), Box<dyn Error>> {
    let (signalled, signal) = mpsc::channel();
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::spawn(move || {
        signals.forever().next();
        signalled.send(())
    });
    let end = arguments.duration.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    loop {
        let left = end.map_or(STATUS_INTERVAL, |end| end.saturating_duration_since(Instant::now()));
        let is_over = left.is_zero() || signal.recv_timeout(left.min(STATUS_INTERVAL)).is_ok();
        for (file, (_, server)) in talk_files.iter_mut().zip(cameras) {
            file.write_all(&server.take_talk_audio())?;
        }
        if is_over || is_unread()? {
            return Ok(());
        }
        for (name, server) in cameras {
            for event in server.take_events() {
                print(format_args!("{name}: {}", describe(&event)))?;
            }
        }
    }
}

/// Whether standard output is a pipe whose reader is gone. A camera that nobody visits has nothing to print, and would
/// not notice otherwise.
fn is_unread() -> io::Result<bool> {
    let stdout = io::stdout();
    let mut outputs = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    poll(&mut outputs, PollTimeout::ZERO)?;
    Ok(outputs[0].revents().is_some_and(|seen| seen.contains(PollFlags::POLLERR)))
}

fn describe(event: &CameraEvent) -> String {
    match event {
        CameraEvent::ClientConnected { client, address, suite } => {
            let suite = suite.map_or("an unknown suite", Suite::name);
            format!("client {} connected from {address} with {suite}", client.0)
        }
        CameraEvent::Streaming { client, video, audio } => {
            let switch = |on: &bool| if *on { "on" } else { "off" };
            format!("client {}: video {}, audio {}", client.0, switch(video), switch(audio))
        }
        CameraEvent::KeyFrameWanted { client } => format!("client {} asks for a key frame", client.0),
        CameraEvent::VideoParameters { client, parameters: p } => {
            format!("client {} asks for frame size {}, {} KB/s, {} frames/s", client.0, p.frame_size, p.bitrate, p.fps)
        }
        CameraEvent::Setting { client, command, payload } => {
            let bytes: Vec<String> = payload.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("client {} sets K{command}: {}", client.0, bytes.join(" "))
        }
        CameraEvent::Talk { client, on } => format!("client {}: talk {}", client.0, if *on { "on" } else { "off" }),
        CameraEvent::TalkOpened { client, suite } => {
            format!("client {}: back channel open with {}", client.0, suite.map_or("an unknown suite", Suite::name))
        }
        CameraEvent::TalkEnded { client, end } => format!("client {}: back channel closed: {end:?}", client.0),
        CameraEvent::ClientGone { client, reason } => format!("client {} is gone: {reason:?}", client.0),
    }
}

fn link(arguments: &Arguments) -> Result<LinkConfig, String> {
    let odds = |name: &str, percent: f64| match percent {
        0.0..=100.0 => Ok(percent / 100.0),
        _ => Err(format!("--{name}: {percent} is not a percentage")),
    };
    Ok(LinkConfig {
        loss: odds("loss", arguments.loss)?,
        reorder: odds("reorder", arguments.reorder)?,
        duplicate: odds("duplicate", arguments.duplicate)?,
        corrupt: odds("corrupt", arguments.corrupt)?,
        ..LinkConfig::default()
    })
}

fn media(arguments: &Arguments, name: &str) -> MediaSource {
    let audio = match arguments.audio {
        AudioArgument::None => LiveAudio::None,
        AudioArgument::Mulaw => LiveAudio::Mulaw,
        AudioArgument::Alaw => LiveAudio::Alaw,
        AudioArgument::Pcm => LiveAudio::Pcm,
        AudioArgument::Aac => LiveAudio::Aac,
        AudioArgument::Opus => LiveAudio::Opus,
    };
    let video = match arguments.video.as_str() {
        "synthetic" => return MediaSource::Synthetic(synthetic(arguments, audio)),
        "none" => LiveVideo::None,
        "h264" => LiveVideo::H264,
        "h265" => LiveVideo::H265,
        "mjpeg" => LiveVideo::Mjpeg,
        file => LiveVideo::File(file.into()),
    };
    MediaSource::Live(LiveMediaConfig {
        video,
        width: arguments.size.0,
        height: arguments.size.1,
        fps: arguments.fps,
        bitrate: arguments.bitrate,
        audio,
        audio_rate: arguments.rate,
        name: name.into(),
    })
}

/// Returns a stream of the wanted bitrate, with a key frame of four times the size every two seconds.
fn synthetic(arguments: &Arguments, audio: LiveAudio) -> SyntheticConfig {
    let (fps, gop) = (usize::from(arguments.fps), 2 * usize::from(arguments.fps));
    let bytes = arguments.bitrate.unwrap_or(1000) as usize * 1000 / 8;
    let frame_len = (bytes * gop / fps / (gop + 3)).max(100);
    SyntheticConfig {
        fps: arguments.fps,
        gop: gop as u32,
        key_frame_len: frame_len * 4,
        frame_len,
        audio: audio.codec(),
        audio_rate: arguments.rate.unwrap_or(audio.usual_rate()),
        seed: arguments.seed,
        ..SyntheticConfig::default()
    }
}

/// Replaces the last two characters of a text with `index`, unless that is 0.
fn count_up(text: &str, index: u16) -> String {
    match text.len().checked_sub(2).and_then(|end| text.get(..end)) {
        Some(head) if index > 0 => format!("{head}{index:02}"),
        _ => text.to_owned(),
    }
}

/// Encodes a value of a URI's query.
fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() {
            out.push(byte.into());
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn arguments_are_consistent() {
        Arguments::command().debug_assert();
        assert_eq!(parse_size("1280x720"), Ok((1280, 720)));
        assert!(["", "x", "1280", "0x0", "641x360", "99999x2"].iter().all(|text| parse_size(text).is_err()));
    }

    #[test]
    fn settings_are_told_in_bytes() {
        let event = CameraEvent::Setting { client: wyze_camera::ClientId(3), command: 10630, payload: vec![1, 1] };
        assert_eq!(describe(&event), "client 3 sets K10630: 01 01");
    }

    #[test]
    fn identities_count_up_and_fit_a_uri() {
        assert_eq!((count_up(DEMO_UID, 0), count_up(DEMO_UID, 7)), (DEMO_UID.into(), "HSBJYB5HSETGCDWD1107".into()));
        assert_eq!(percent_encoded("a+b/c=d"), "a%2Bb%2Fc%3Dd");
    }
}
