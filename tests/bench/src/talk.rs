//! Measures how long talk takes from a buffer at the sink's pad to its frame at the camera.

use super::Error;
use gst::prelude::*;
use gstwyze::protocol::wire::codec::CodecId;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use wyze_camera::{CameraConfig, CameraServer, DEMO_ENR, DEMO_MAC, DEMO_UID, MediaSource, SyntheticConfig};

const FRAMES: usize = 250;
/// Samples in each buffer and in each frame.
const SAMPLES: usize = 160;

/// Prints the delay of audio that is passed on unchanged (µ-law) and of audio that goes through the sink's encoder
/// (S16LE).
pub fn measure() -> Result<(), Error> {
    let mulaw = "audio/x-mulaw,rate=8000,channels=1";
    let pcm = "audio/x-raw,format=S16LE,rate=16000,channels=1,layout=interleaved";
    for (name, codec, rate, caps, frame_len) in
        [("µ-law", CodecId::MULAW, 8000, mulaw, SAMPLES), ("S16LE", CodecId::PCM, 16_000, pcm, 2 * SAMPLES)]
    {
        let frame = Duration::from_secs(1) * SAMPLES as u32 / rate;
        let mut delays = delays(codec, rate, caps, frame_len, frame)?;
        delays.sort();
        let (Some(median), Some(last)) = (delays.get(delays.len() / 2), delays.last()) else {
            return Err("the camera heard nothing".into());
        };
        println!(
            "talk, {name}: buffer in to frame at the camera: median {median:?}, max {last:?} (a frame is {frame:?})"
        );
    }
    Ok(())
}

/// Sends numbered buffers in real time, as a microphone makes them, looks for the numbers in what the camera heard, and
/// returns the delay of each.
fn delays(codec: CodecId, rate: u32, caps: &str, frame_len: usize, frame: Duration) -> Result<Vec<Duration>, Error> {
    let media = SyntheticConfig { audio: Some(codec), audio_rate: rate, ..SyntheticConfig::default() };
    let camera = CameraServer::start(CameraConfig::demo()?, "127.0.0.1:0".parse()?, MediaSource::Synthetic(media))?;
    let port = camera.addr().port();
    let line = format!(
        "appsrc name=in is-live=true do-timestamp=true format=time caps={caps} ! \
         wyzesink name=talk uri=wyze://127.0.0.1:{port}?uid={DEMO_UID}&enr={DEMO_ENR}&mac={DEMO_MAC}"
    );
    let pipeline = gst::parse::launch(&line)?.downcast::<gst::Pipeline>().map_err(|_| "not a pipeline")?;
    let (source, sink) = (pipeline.by_name("in").ok_or("no source")?, pipeline.by_name("talk").ok_or("no sink")?);
    let arrivals: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let for_probe = arrivals.clone();
    sink.static_pad("sink").ok_or("no sink pad")?.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        for_probe.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        gst::PadProbeReturn::Ok
    });
    pipeline.set_state(gst::State::Playing)?;
    let (start, mut pushed, mut delays) = (Instant::now(), 0u32, Vec::new());
    let mut heard = Vec::new();
    while delays.len() < FRAMES && start.elapsed() < Duration::from_secs(30) {
        if start.elapsed() >= frame * pushed {
            let mut data = vec![0; frame_len];
            data[..4].copy_from_slice(&pushed.to_le_bytes());
            source
                .emit_by_name::<gst::FlowReturn>("push-buffer", &[&gst::Buffer::from_mut_slice(data)])
                .into_result()?;
            pushed += 1;
        }
        std::thread::sleep(Duration::from_micros(200));
        heard.extend(camera.take_talk_audio());
        let now = Instant::now();
        let whole = heard.len() / frame_len * frame_len;
        for frame in heard.drain(..whole).collect::<Vec<_>>().chunks(frame_len) {
            let number = u32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]) as usize;
            let arrivals = arrivals.lock().unwrap_or_else(PoisonError::into_inner);
            delays.extend(arrivals.get(number).map(|&arrival| now - arrival));
        }
    }
    pipeline.set_state(gst::State::Null)?;
    Ok(delays)
}
