//! The same camera over WebRTC and over the local network.

use crate::{Arguments, SETTLING};
use gstwyze::account::cloud::{ApiKey, Hosts, Login};
use gstwyze::account::{Access, Camera, Store, StoreError};
use gstwyze::protocol::wire::codec::CodecId;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use wyze_bench::camera::{CameraArguments, Cameras};
use wyze_bench::viewer::Viewer;
use wyze_bench::{Error, Usage, median};
use wyze_camera::MediaSource;
use wyze_camera::webrtc::{CloudCamera, DemoCloud, WebCameraConfig, WebCameraServer, WebServerOptions};

const NAME: &str = "cost";
const MODEL: &str = "GW_DBD";
const MAC: &str = "GW_DBD_000000000001";

/// Runs a camera and a cloud, and prints the variables that lead there, until standard input ends.
pub fn be_camera(arguments: &CameraArguments) -> Result<(), Error> {
    let config =
        WebCameraConfig { audio: CodecId::MULAW, sends_audio: !arguments.silent, ..WebCameraConfig::default() };
    let media = MediaSource::Synthetic(arguments.media());
    let server = WebCameraServer::start(config, "127.0.0.1:0".parse()?, media, WebServerOptions::default())?;
    let (name, model, mac) = (NAME.into(), MODEL.into(), MAC.into());
    let cloud = DemoCloud::start(vec![CloudCamera {
        name,
        model,
        mac,
        url: server.url(),
        ice_servers: Vec::<String>::new().into(),
    }])?;
    for (name, value) in cloud.environment() {
        println!("{name}={value}");
    }
    std::io::stdout().flush()?;
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

/// A camera that is reached over WebRTC, in a process of its own; dropping it ends it.
pub struct WebCamera {
    child: Child,
    _store: TempDir,
}

impl WebCamera {
    /// Starts one, and leads this process there. Is to be called before there are other threads.
    pub fn start(arguments: &CameraArguments) -> Result<Self, Error> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--be-web-camera")
            .args(arguments.options_of_a_child())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let folder = tempfile::tempdir()?;
        // SAFETY: nothing else reads the environment yet.
        unsafe { std::env::set_var("XDG_CONFIG_HOME", folder.path()) };
        for line in BufReader::new(child.stdout.take().ok_or("no standard output")?).lines().take(3) {
            let line = line?;
            let (name, value) = line.split_once('=').ok_or("the camera did not start")?;
            // SAFETY: as above.
            unsafe { std::env::set_var(name, value) };
        }
        let store = Store::open_default();
        let api_key = Some(ApiKey { id: "demo".into(), key: "demo".into() });
        let login = Login { email: "demo".into(), password: "demo".into(), api_key, totp_secret: None };
        Access::new(&store, Hosts::from_environment())?.login(&login, &mut |_| None)?;
        let (name, mac, model) = (NAME.into(), MAC.into(), MODEL.into());
        store.update(|cameras| {
            cameras.push(Camera { name, mac, model, updated: Camera::now(), ..Camera::default() });
            Ok::<_, StoreError>(())
        })?;
        Ok(WebCamera { child, _store: folder })
    }
}

impl Drop for WebCamera {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Watches the camera over both ways, in turn.
pub fn compare(arguments: &Arguments) -> Result<(), Error> {
    let time = Duration::from_secs(arguments.seconds);
    let mut shares: [Vec<f64>; 3] = Default::default();
    let mut delays: [Vec<f64>; 2] = Default::default();
    for _ in 0..arguments.rounds {
        let cameras = Cameras::start(&arguments.camera, 1)?;
        let (lan, _) = share(&cameras.uris[0], time)?;
        let (web, viewer) = share(&format!("wyze:///{NAME}?transport=webrtc"), time)?;
        shares.iter_mut().zip([lan, web, web / lan]).for_each(|(shares, share)| shares.push(share));
        let cloud = Duration::from_nanos(viewer.counter("cloud-time-ns"));
        let from_play = viewer.first_buffer;
        let from_offer = from_play.saturating_sub(cloud);
        delays.iter_mut().zip([from_play, from_offer]).for_each(|(all, one)| all.push(one.as_secs_f64() * 1e3));
    }
    let [lan, web, ratio] = shares.map(|shares| median(&shares).unwrap_or_default());
    println!("CPU, % of a core: {lan:.2} over the local network, {web:.2} over WebRTC, {ratio:.2} times as much");
    let most = delays[1].iter().copied().fold(0.0, f64::max);
    let [from_play, from_offer] = delays.map(|delays| median(&delays).unwrap_or_default());
    println!(
        "First picture over WebRTC: {from_play:.0} ms after PLAYING, {from_offer:.0} ms after the ticket ({most:.0} at most)"
    );
    Ok(())
}

/// Returns what watching takes of a core, in percent.
fn share(uri: &str, time: Duration) -> Result<(f64, Viewer), Error> {
    let viewer = Viewer::start(uri)?;
    std::thread::sleep(SETTLING);
    let usage = Usage::now();
    std::thread::sleep(time);
    let cpu = Usage::now().since(usage).cpu;
    match viewer.counter("lost") {
        0 => Ok((cpu.as_secs_f64() / time.as_secs_f64() * 100.0, viewer)),
        lost => Err(format!("{lost} packets were lost").into()),
    }
}
