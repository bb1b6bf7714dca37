//! What a probe prints: lines as it goes, or one JSON object at its end.

use super::Losses;
use super::listener::Heard;
use super::media_meter::{Clock, MediaMeter};
use crate::Failure;
use crate::output::print;
use crate::trace::Summary;
use gstwyze::account::Camera;
use gstwyze::protocol::client::CameraInfo;
use gstwyze::protocol::error::{Error, Stage};
use gstwyze::protocol::resend_window::Resends;
use gstwyze::session::Place;
use serde_json::{Value, json};
use std::fmt::Display;
use std::time::Duration;

pub struct Report {
    is_json: bool,
    /// The first line.
    title: String,
    /// What is known once connected.
    pub info: Option<CameraInfo>,
    json: Value,
}

impl Report {
    /// `place` is that in the network; `None` is WebRTC.
    pub fn new(is_json: bool, camera: &Camera, place: Option<&Place>) -> Self {
        let at = match place {
            Some(Place { host: Some(host), port, .. }) => format!("at {host}, port {port}"),
            Some(Place { known: Some(known), port, .. }) => format!("by search, and at {known}, port {port}"),
            Some(Place { port, .. }) => format!("by search, port {port}"),
            None => "over WebRTC".into(),
        };
        let model = if camera.model.is_empty() { String::new() } else { format!(" ({})", camera.model) };
        let title = format!("{}{model} {at}", camera.name);
        let json = json!({
            "camera": camera.name,
            "port": place.map(|place| place.port),
            "host": place.and_then(|place| place.host.as_ref()),
            "program": env!("CARGO_PKG_VERSION"),
            "connected": false,
            "stages_ms": {},
        });
        Report { is_json, title, info: None, json }
    }

    /// Prints a line where lines are wanted.
    fn line(&self, line: impl Display) -> Result<(), Failure> {
        if self.is_json { Ok(()) } else { print(line) }
    }

    pub fn begin(&self) -> Result<(), Failure> {
        self.line(&self.title)
    }

    pub fn stage(&mut self, stage: Stage, took: Duration) -> Result<(), Failure> {
        let milliseconds = took.as_secs_f64() * 1000.0;
        self.json["stages_ms"][stage.name()] = tenths(milliseconds);
        self.line(format_args!("  {:<10} {milliseconds:8.1} ms", stage.name()))
    }

    pub fn connected(&mut self, info: CameraInfo, took: Duration) -> Result<(), Failure> {
        let milliseconds = took.as_secs_f64() * 1000.0;
        let known = |text: &str| if text.is_empty() { "not told".to_owned() } else { text.to_owned() };
        self.line(format_args!("  connected  {milliseconds:8.1} ms"))?;
        self.line(format_args!("address:  {}", info.address))?;
        if let Some(envelope) = info.envelope {
            self.line(format_args!("envelope: {}", envelope.name()))?;
        }
        if let Some(suite) = info.suite {
            self.line(format_args!("suite:    {}", suite.name()))?;
        }
        self.line(format_args!("model:    {}", known(&info.model)))?;
        self.line(format_args!("firmware: {}", known(&info.firmware)))?;
        self.line(format_args!("talk:     {}", yes_or_no(info.two_way_audio)))?;
        self.line(format_args!("resend:   {}", if info.resend { "granted" } else { "not granted" }))?;
        // Their names are many; JSON has them.
        self.line(format_args!("can:      0x{:08X}", info.capabilities.0))?;
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        for (name, value) in [
            ("connected", json!(true)),
            ("connected_ms", tenths(milliseconds)),
            ("address", json!(info.address)),
            ("transport", json!(info.transport.name())),
            ("envelope", json!(info.envelope.map(|envelope| envelope.name()))),
            ("suite", json!(info.suite.map(|suite| suite.name()))),
            ("model", json!(text(&info.model))),
            ("firmware", json!(text(&info.firmware))),
            ("two_way_audio", json!(info.two_way_audio)),
            ("resend", json!(info.resend)),
            ("capabilities", json!(info.capabilities.to_string())),
        ] {
            self.json[name] = value;
        }
        self.info = Some(info);
        Ok(())
    }

    /// Tells what came in `time`.
    pub fn streamed(&mut self, time: Duration, meter: MediaMeter, losses: Losses) -> Result<(), Failure> {
        for (name, line) in meter.lines() {
            self.line(format_args!("{:<9} {}", format!("{name}:"), line.as_deref().unwrap_or("nothing came")))?;
        }
        let Losses { records, frames, reordered, datagrams, resends } = losses;
        self.line(format_args!("clock:    {}", clock_text(meter.clock())))?;
        self.line(format_args!(
            "loss:     {records} records and {frames} frames of {datagrams} datagrams in {} s, {reordered} in disorder",
            time.as_secs()
        ))?;
        if self.info.as_ref().is_some_and(|info| info.resend) {
            let Resends { asked, filled, given_up } = resends;
            self.line(format_args!("resends:  {asked} packets asked for, {filled} came, {given_up} given up"))?;
            self.json["resends"] = json!({"asked": asked, "filled": filled, "given_up": given_up});
        }
        self.json["media"] = meter.json();
        self.json["seconds"] = json!(time.as_secs());
        self.json["clock"] = match meter.clock() {
            Some(Clock::Ahead(seconds)) => json!({"ahead_seconds": (seconds * 1000.0).round() / 1000.0}),
            Some(Clock::NeverSet) => json!("never-set"),
            Some(Clock::Still) => json!("still"),
            None => Value::Null,
        };
        self.json["loss"] =
            json!({"records": records, "frames": frames, "reordered": reordered, "datagrams": datagrams});
        Ok(())
    }

    /// Tells why there is no connection. `after` is how long its stage has taken, where that ended it.
    pub fn failed(&mut self, error: &Error, after: Option<Duration>) -> Result<(), Failure> {
        let stage = error.stage().name();
        self.json["error"] = json!({"stage": stage, "reason": error.reason(), "text": error.to_string()});
        match after {
            Some(after) => self.line(format_args!("  {stage:<10} failed after {:.1} s", after.as_secs_f64())),
            None => Ok(()),
        }
    }

    /// Tells what was heard besides: the versions of a camera that was connected, otherwise who answered at all.
    pub fn end(&mut self, heard: &Heard) -> Result<(), Failure> {
        self.json["versions"] = json!({
            "marker": heard.marker.map(|marker| format!("{marker:02X}")),
            "sdk": heard.sdk_text(),
            "av": heard.av.map(|version| format!("{version:04X}")),
        });
        self.json["answers"] = heard.hosts_json();
        if self.info.is_some() {
            let told = |value: Option<String>| value.unwrap_or_else(|| "not seen".into());
            return self.line(format_args!(
                "versions: SDK {}, IOTC marker {}, AV {}",
                told(heard.sdk_text()),
                told(heard.marker.map(|marker| format!("{marker:02X}"))),
                told(heard.av.map(|version| format!("{version:04X}")))
            ));
        }
        let hosts = heard.hosts();
        if hosts.is_empty() {
            return self.line("answered: nobody");
        }
        self.line("answered:")?;
        hosts.iter().try_for_each(|host| self.line(format_args!("  {host}")))
    }

    /// Tells what a trace file has in it.
    pub fn trace(&mut self, summary: &Summary) -> Result<(), Failure> {
        self.json["trace"] = json!({
            "file": summary.path,
            "datagrams": summary.datagrams,
            "av_packets": summary.av_packets,
            "cut": summary.cut,
            "full": summary.full,
            "replaced": summary.replaced.iter().copied().collect::<std::collections::BTreeMap<_, _>>(),
        });
        self.line(summary)
    }

    pub fn finish(&self) -> Result<(), Failure> {
        if self.is_json { print(format_args!("{:#}", self.json)) } else { Ok(()) }
    }
}

fn tenths(value: f64) -> Value {
    json!((value * 10.0).round() / 10.0)
}

fn yes_or_no(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

fn clock_text(clock: Option<Clock>) -> String {
    match clock {
        Some(Clock::Ahead(seconds)) if seconds >= 0.0 => format!("{seconds:.1} s ahead of this machine's"),
        Some(Clock::Ahead(seconds)) => format!("{:.1} s behind this machine's", -seconds),
        Some(Clock::NeverSet) => "was never set".into(),
        Some(Clock::Still) => "its seconds stand still".into(),
        None => "not seen".into(),
    }
}
