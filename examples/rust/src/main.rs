//! Records a camera's picture and sound, and hands each encoded frame to a closure on the way.
//!
//! ```sh
//! cargo run -- CAMERA FILE [--duration SECONDS]
//! ```
//!
//! CAMERA is a camera of the store (see wyze-cameras) or a `wyze://` URI. FILE becomes MP4 where its name ends in .mp4,
//! else Matroska. The recording ends after SECONDS, or at Ctrl-C; a second Ctrl-C does not wait for the file's end.

use gst::glib::DateTime;
use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks};
use signal_hook::{consts::SIGINT, flag};
use std::error::Error;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A frame of picture or sound as the camera encoded it.
struct Frame<'a> {
    caps: &'a gst::StructureRef,
    data: &'a [u8],
    /// When the camera took it, since 1970. Not known before the camera's clock is seen to be set and to run.
    taken: Option<gst::ClockTime>,
}

/// What is done with the frames. Picture and sound come from threads of their own.
type Hook = Arc<Mutex<dyn FnMut(Frame) + Send>>;

/// Here goes what an application does with the frames. This one prints a line each second.
fn count_frames() -> impl FnMut(Frame) + Send {
    let (mut pictures, mut bytes, mut newest, mut printed) = (0, 0, None, Instant::now());
    move |frame| {
        pictures += u32::from(frame.caps.name().starts_with("video/"));
        bytes += frame.data.len();
        newest = newest.max(frame.taken);
        if printed.elapsed() >= Duration::from_secs(1) {
            let time = newest.and_then(|time| DateTime::from_unix_utc(time.seconds() as i64).ok());
            let time = time.and_then(|time| time.format("%FT%TZ").ok());
            println!("{pictures} pictures, {bytes} bytes, taken {}", time.as_deref().unwrap_or("at an unknown time"));
            printed = Instant::now();
        }
    }
}

fn call_hook(sink: &AppSink, hook: &Hook) -> Result<gst::FlowSuccess, gst::FlowError> {
    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
    let buffer = sample.buffer().ok_or(gst::FlowError::Error)?;
    let caps = sample.caps().and_then(|caps| caps.structure(0)).ok_or(gst::FlowError::NotNegotiated)?;
    let data = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
    let taken = buffer.meta::<gst::ReferenceTimestampMeta>().map(|meta| meta.timestamp());
    hook.lock().unwrap()(Frame { caps, data: &data, taken });
    Ok(gst::FlowSuccess::Ok)
}

/// Leads a new pad of the camera to the hook and to the file. A camera without sound never adds a pad for it.
fn add_branch(pipeline: &gst::Pipeline, pad: &gst::Pad, hook: Hook) -> Result<(), Box<dyn Error>> {
    let caps = pad.current_caps().ok_or("the camera's pads have caps from the beginning")?;
    let to_file = match caps.structure(0).map_or("", |caps| caps.name()) {
        "video/x-h264" => "h264parse",
        "video/x-h265" => "h265parse",
        name if name.starts_with("video/") => "identity",
        // Both kinds of file take AAC.
        _ => "decodebin ! audioconvert ! audioresample ! avenc_aac",
    };
    let line = format!(
        "tee name=begin ! queue ! appsink name=hook sync=false async=false  begin. ! queue ! {to_file} ! queue name=end"
    );
    let branch = gst::parse::bin_from_description(&line, false)?;
    let find = |name| branch.by_name(name).expect("the line has it");
    let hook_sink = find("hook").downcast::<AppSink>().expect("it is an appsink");
    hook_sink.set_callbacks(AppSinkCallbacks::builder().new_sample(move |sink| call_hook(sink, &hook)).build());
    for end in [find("begin").static_pad("sink"), find("end").static_pad("src")] {
        branch.add_pad(&gst::GhostPad::with_target(&end.expect("its template has it"))?)?;
    }
    pipeline.add(&branch)?;
    branch.link(&pipeline.by_name("film").expect("the pipeline has it"))?;
    branch.sync_state_with_parent()?;
    pad.link(&branch.static_pad("sink").expect("it was added"))?;
    Ok(())
}

/// Returns a pipeline whose branches come with the camera's pads, and the camera in it.
fn make_pipeline(camera: &str, file: &str, hook: Hook) -> Result<(gst::Pipeline, gst::Element), Box<dyn Error>> {
    let source = match camera.starts_with("wyze://") {
        true => gst::Element::make_from_uri(gst::URIType::Src, camera, None)?,
        false => gst::ElementFactory::make("wyzesrc").property("camera", camera).build()?,
    };
    let mux = if file.ends_with(".mp4") { "mp4mux" } else { "matroskamux" };
    let line = format!("{mux} name=film ! filesink name=file");
    let pipeline = gst::parse::launch(&line)?.downcast::<gst::Pipeline>().expect("two elements make a pipeline");
    pipeline.by_name("file").expect("the line has it").set_property("location", file);
    pipeline.add(&source)?;
    // A file has to know of all its streams when it begins, so picture waits for sound.
    let held = Arc::new(Mutex::new(Vec::new()));
    let hold = held.clone();
    source.connect_pad_added(move |_, pad| {
        let probe = pad.add_probe(gst::PadProbeType::BLOCK_DOWNSTREAM, |_, _| gst::PadProbeReturn::Ok);
        hold.lock().unwrap().push((pad.clone(), probe.expect("it blocks")));
    });
    let weak = pipeline.downgrade();
    source.connect_no_more_pads(move |source| {
        let (Some(pipeline), held) = (weak.upgrade(), std::mem::take(&mut *held.lock().unwrap())) else { return };
        if let Err(error) = held.iter().try_for_each(|(pad, _)| add_branch(&pipeline, pad, hook.clone())) {
            gst::element_error!(source, gst::CoreError::Pad, ("{error}"));
        }
        held.into_iter().for_each(|(pad, probe)| pad.remove_probe(probe));
    });
    Ok((pipeline, source))
}

/// Plays the pipeline to its end, which comes at Ctrl-C or after the duration.
fn run(pipeline: &gst::Pipeline, source: &gst::Element, duration: Duration) -> Result<(), Box<dyn Error>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    flag::register_conditional_default(SIGINT, interrupted.clone())?;
    flag::register(SIGINT, interrupted.clone())?;
    let (begin, mut is_ending) = (Instant::now(), false);
    let bus = pipeline.bus().expect("each pipeline has one");
    // Why it failed, if it did, comes by the bus.
    let _ = pipeline.set_state(gst::State::Playing);
    loop {
        let ends = [gst::MessageType::Eos, gst::MessageType::Error];
        let message = bus.timed_pop_filtered(gst::ClockTime::from_mseconds(100), &ends);
        match message.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => {
                // The camera's errors say in one word each which stage of the connection failed, and why.
                let word = |name| error.details().and_then(|details| details.get::<String>(name).ok());
                let words = word("stage").zip(word("reason")).map(|(stage, reason)| format!(" ({stage}: {reason})"));
                return Err(format!("{}{}", error.error(), words.unwrap_or_default()).into());
            }
            Some(_) => return Ok(()),
            None => {}
        }
        if !is_ending && (interrupted.load(Ordering::Relaxed) || begin.elapsed() >= duration) {
            is_ending = true;
            // The end of the stream finishes the file. It cannot pass where no stream has begun.
            if pipeline.by_name("film").is_none_or(|film| film.sink_pads().is_empty()) {
                return Err("the camera had sent nothing yet".into());
            }
            source.send_event(gst::event::Eos::new());
        }
    }
}

fn record(camera: &str, file: &str, duration: Duration) -> Result<(), Box<dyn Error>> {
    gst::init()?;
    let (pipeline, source) = make_pipeline(camera, file, Arc::new(Mutex::new(count_frames())))?;
    let result = run(&pipeline, &source, duration);
    pipeline.set_state(gst::State::Null)?;
    result
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let seconds = match &arguments[..] {
        [_, _] => Some(u64::MAX),
        [_, _, option, seconds] if option == "--duration" => seconds.parse().ok(),
        _ => None,
    };
    let Some(seconds) = seconds else {
        eprintln!("usage: recorder CAMERA FILE [--duration SECONDS]");
        return ExitCode::from(2);
    };
    let result = record(&arguments[0], &arguments[1], Duration::from_secs(seconds));
    // SAFETY: everything of GStreamer is gone by now.
    unsafe { gst::deinit() };
    if let Err(error) = &result {
        eprintln!("recorder: {error}");
    }
    ExitCode::from(u8::from(result.is_err()))
}
