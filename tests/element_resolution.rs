//! Changes of the picture's size while it plays: decoders follow, and recordings split.

#[path = "support/element.rs"]
mod support;

use gst::prelude::*;
use std::path::PathBuf;
use support::*;
use wyze_camera::{LiveAudio, LiveMediaConfig, LiveVideo, MediaSource, ServerOptions};

const CHANGES: usize = 20;

fn height(pad: &gst::Pad) -> Option<i32> {
    pad.current_caps()?.structure(0)?.get("height").ok()
}

#[test]
fn twenty_changes_of_size_lose_nothing() {
    let media = LiveMediaConfig {
        video: LiveVideo::H264,
        audio: LiveAudio::None,
        width: 1920,
        height: 1080,
        fps: 10,
        ..LiveMediaConfig::default()
    };
    let options = ServerOptions { record_frames: true, ..ServerOptions::default() };
    let camera = TestCamera::start(|_| {}, MediaSource::Live(media), options, Tolerance::Nothing);
    let folder = tempfile::tempdir().unwrap();
    let line = format!(
        "wyzesrc name=camera audio=false {} ! tee name=both ! queue ! decodebin ! fakesink name=decoded sync=false \
         both. ! queue max-size-time=10000000000 max-size-bytes=0 max-size-buffers=0 ! h264parse ! splitmuxsink muxer-factory=mp4mux max-size-time=2000000000 location={}/%03d.mp4",
        settings(&camera),
        folder.path().display()
    );
    let player = Player::launch(&line);
    player.play();
    player.buffers("video", 5);
    let sink = player.pipeline.by_name("decoded").unwrap().static_pad("sink").unwrap();
    for change in 0..CHANGES {
        let (resolution, expected) = if change % 2 == 0 { ("360p", 360) } else { ("1080p", 1080) };
        player.src.set_property_from_str("resolution", resolution);
        let caps = player.new_caps("video");
        assert_eq!(caps.structure(0).unwrap().get::<i32>("height"), Ok(expected));
        assert!(is_key(&player.buffer("video")), "the new size begins at a key frame");
        wait_until("the decoder's new size", || height(&sink) == Some(expected));
        player.buffers("video", 3);
    }
    for seen in player.end() {
        assert!(seen.warning().is_none(), "{seen:?}");
    }
    let stats = player.src.property::<gst::Structure>("stats");
    for counter in ["reconnects", "lost", "incomplete", "skipped-frames", "video-queue-drops", "key-frame-requests"] {
        assert_eq!(stats.get::<u64>(counter), Ok(0), "{stats}");
    }
    let (came, sent) = (stats.get::<u64>("video-frames").unwrap(), camera.sent(true).len() as u64);
    // The last ones may have been on their way when the session ended.
    assert!(came <= sent && came + 3 >= sent, "{came} of {sent}");
    player.stop();

    let mut files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 3, "{files:?}");
    // A file may have both sizes in it: MP4 has a description for each.
    let play = |file: &PathBuf| format!("filesrc location={} ! qtdemux ! h264parse ! avdec_h264", file.display());
    let decoded: Vec<usize> = files.iter().map(|file| encode(&play(file)).len()).collect();
    assert_eq!(decoded.iter().sum::<usize>() as u64, came, "{decoded:?}");
}
