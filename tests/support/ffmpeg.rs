//! FFmpeg's programs as a second opinion on what the program writes and serves.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::Path;
use std::process::Command;

/// Runs `ffprobe` or `ffmpeg`, and returns what it prints. Any error fails the test.
#[track_caller]
pub fn run(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new("timeout");
    // By itself it looks at a live stream for 5 s before it begins.
    command.args(["--kill-after=5", "60", program, "-v", "error", "-analyzeduration", "500000"]).args(arguments);
    let output = command.output().unwrap();
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // A client may join between two key frames.
    let errors: Vec<&str> = errors.lines().filter(|line| !line.contains("Could not find ref with POC")).collect();
    assert!(output.status.success() && errors.is_empty(), "{program} {arguments:?}: {}: {errors:?}", output.status);
    told.trim().to_owned()
}

/// Decodes a whole file. Pictures keep their times, which FFmpeg else rounds to its guess of a rate.
#[track_caller]
pub fn decode(file: &Path) {
    let file = file.to_str().unwrap();
    let output = ["-enc_time_base", "-1", "-fps_mode", "passthrough", "-f", "null", "-"];
    run("ffmpeg", &[&["-nostdin", "-i", file], &output[..]].concat());
}

/// Decodes half a second of an address. Pictures and sound are counted anew: FFmpeg gives those of RTSP other times once it
/// has learnt from RTCP how they belong together.
#[track_caller]
pub fn decode_counted(options: &[&str], url: &str) {
    let counted = ["-t", "0.5", "-vf", "setpts=N/10/TB", "-af", "asetpts=N/SR/TB", "-f", "null", "-"];
    run("ffmpeg", &[&["-nostdin"], options, &["-i", url], &counted].concat());
}

/// Returns one field of each stream, such as `codec_name`.
#[track_caller]
pub fn streams(options: &[&str], input: &str, field: &str) -> Vec<String> {
    let fields = format!("stream={field}");
    let told = run("ffprobe", &[options, &["-show_entries", &fields, "-of", "csv=p=0", input]].concat());
    told.lines().map(|line| line.trim_end_matches(',').to_owned()).collect()
}
