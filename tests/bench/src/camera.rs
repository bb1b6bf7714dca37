//! Simulated cameras in a process of their own, so that their CPU time does not count.

use crate::Error;
use clap::Args;
use gstwyze::protocol::credentials::Credentials;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use wyze_camera::{CameraConfig, CameraServer, Envelope, MediaSource, ServerOptions, SyntheticConfig};

/// Frames of sound a second.
pub const SOUNDS_A_SECOND: u32 = 25;

/// What the cameras are like.
#[derive(Args, Debug, Clone)]
pub struct CameraArguments {
    /// Video bit rate in kbit/s
    #[arg(long, default_value_t = 8000)]
    pub bitrate: u32,
    /// Pictures a second
    #[arg(long, default_value_t = 20)]
    pub fps: u8,
    /// The camera's envelope: transcode or cc51
    #[arg(long, default_value = "transcode")]
    pub envelope: String,
    /// Ask the camera to send lost packets again
    #[arg(long)]
    pub resend: bool,
    /// Time between two datagrams in microseconds; with 0 they come in bursts
    #[arg(long, default_value_t = 0)]
    pub pace: u64,
    /// Send no sound
    #[arg(long)]
    pub silent: bool,
    /// Be so many cameras: the program starts itself a second time with this
    #[arg(long, hide = true)]
    pub be_cameras: Option<usize>,
}

impl CameraArguments {
    /// The lengths of a key frame and of any other, in bytes.
    ///
    /// A key frame comes every two seconds, and is as large as six other frames: with 20 pictures a second, these two
    /// seconds have 39 frames and a key frame, 45 frame lengths.
    pub fn frame_lengths(&self) -> (usize, usize) {
        let frame_len = self.bitrate as usize * 1000 / 8 * 2 / (2 * usize::from(self.fps) + 5);
        (frame_len * 6, frame_len)
    }

    /// Pictures, and frames of sound.
    pub fn frames_a_second(&self) -> u32 {
        u32::from(self.fps) + if self.silent { 0 } else { SOUNDS_A_SECOND }
    }

    /// The options that give a child process the same cameras.
    pub fn options_of_a_child(&self) -> Vec<String> {
        let options = [
            format!("--bitrate={}", self.bitrate),
            format!("--fps={}", self.fps),
            format!("--envelope={}", self.envelope),
            format!("--pace={}", self.pace),
        ];
        let flags = [(self.resend, "--resend"), (self.silent, "--silent")];
        let flags = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag.to_owned());
        options.into_iter().chain(flags).collect()
    }

    pub fn media(&self) -> SyntheticConfig {
        let (key_frame_len, frame_len) = self.frame_lengths();
        let gop = 2 * u32::from(self.fps);
        let media = SyntheticConfig { fps: self.fps, gop, key_frame_len, frame_len, ..SyntheticConfig::default() };
        if self.silent { SyntheticConfig { audio: None, ..media } } else { media }
    }

    pub fn options(&self) -> ServerOptions {
        ServerOptions { pace: Duration::from_micros(self.pace), ..ServerOptions::default() }
    }

    /// The settings of a camera, and the URI of one of this number that listens at `port`.
    pub fn config(&self, number: usize) -> Result<(CameraConfig, impl Fn(u16) -> String + use<>), Error> {
        let [uid, enr, mac] = identity(number);
        let mut config = CameraConfig::new(Credentials::new(&uid, &enr, &mac)?);
        config.envelope = if self.envelope == "cc51" { Envelope::Cc51 } else { Envelope::Transcode };
        let config = if self.resend { config.with_resends() } else { config };
        let resend = if self.resend { "on" } else { "off" };
        let uri = move |port| format!("wyze://127.0.0.1:{port}?uid={uid}&enr={enr}&mac={mac}&resend={resend}");
        Ok((config, uri))
    }

    /// Runs `count` cameras and prints their URIs, until standard input ends: when the process that started this one
    /// ends or closes it.
    pub fn be_cameras(&self, count: usize) -> Result<(), Error> {
        let mut servers = Vec::new();
        for number in 0..count {
            let (config, uri) = self.config(number)?;
            let media = MediaSource::Synthetic(self.media());
            let server = CameraServer::start_with(config, "127.0.0.1:0".parse()?, media, self.options())?;
            println!("{}", uri(server.addr().port()));
            servers.push(server);
        }
        std::io::stdout().flush()?;
        std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
        Ok(())
    }
}

/// UID, ENR and MAC of the camera of this number.
pub fn identity(number: usize) -> [String; 3] {
    [format!("COST{number:016}"), format!("cost-enr-{number:016}"), format!("{number:012}")]
}

/// The process of the cameras; dropping it ends them.
pub struct Cameras {
    child: Child,
    pub uris: Vec<String>,
}

impl Cameras {
    pub fn start(arguments: &CameraArguments, count: usize) -> Result<Self, Error> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--be-cameras", &count.to_string()])
            .args(arguments.options_of_a_child())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().ok_or("no standard output")?).lines();
        let uris = lines.take(count).collect::<Result<Vec<_>, _>>()?;
        if uris.len() < count {
            return Err("the cameras did not start".into());
        }
        Ok(Cameras { child, uris })
    }

    /// The port of the camera of this number.
    pub fn port(&self, number: usize) -> Result<u16, Error> {
        let port = self.uris.get(number).and_then(|uri| uri.rsplit_once(':')?.1.split('?').next()?.parse().ok());
        port.ok_or_else(|| "a camera without a port".into())
    }
}

impl Drop for Cameras {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
