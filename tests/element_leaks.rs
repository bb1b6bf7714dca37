//! A stopped element leaves nothing behind. This is the only test in its file because it counts the threads and files
//! of its whole process.

#[path = "support/element.rs"]
mod support;

use gst::prelude::*;
use std::fs;
use support::*;

/// Names of the threads that `wyzesrc` starts: sessions, resolvers and the tasks of pads.
fn threads() -> Vec<String> {
    let names = fs::read_dir("/proc/self/task").unwrap().filter_map(|task| {
        // A thread may end while its name is read.
        fs::read_to_string(task.ok()?.path().join("comm")).ok()
    });
    names.map(|name| name.trim().to_owned()).filter(|name| name.starts_with("wyze") && name != "wyze-camera").collect()
}

fn files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn thirty_starts_and_stops_leave_nothing_behind() {
    let camera = TestCamera::new(synthetic());
    let mut baseline = 0;
    for round in 0..30 {
        let player = Player::new(&camera, Link::Both);
        // The same element twice, then another one.
        let mut pads = Vec::new();
        for _ in 0..2 {
            player.play();
            player.buffer("video");
            player.buffer("audio");
            assert!(threads().iter().any(|name| name == "wyze-session"));
            pads.extend(player.src.pads().iter().map(|pad| pad.downgrade()));
            player.stop();
            player.drain();
            assert!(player.src.pads().is_empty());
            player.remove_sinks();
        }
        wait_until("the end of the threads", || {
            // An idle thread of a pool keeps the name of its last task for some seconds.
            gst::glib::ThreadPool::stop_unused_threads();
            threads().is_empty()
        });
        assert!(pads.len() >= 3, "{} pads", pads.len());
        // A thread of a pool may still hold one for a moment.
        wait_until("the end of the pads", || pads.iter().all(|pad| pad.upgrade().is_none()));
        let src = player.src.downgrade();
        drop(player);
        wait_until("the end of the element", || src.upgrade().is_none());
        if round == 2 {
            baseline = files();
        }
        if round > 2 {
            // A pool's thread may still be about to close something of an earlier round.
            wait_until("the closing of files", || files() <= baseline);
        }
    }
}
