//! What a stopped element leaves behind: nothing. The only test of its process, which it counts threads and files of.

#[path = "support/element.rs"]
mod support;

use gst::prelude::*;
use std::fs;
use support::*;

/// The process's threads that a `wyzesrc` starts: its sessions, its resolvers and the tasks of its pads.
fn threads() -> Vec<String> {
    let names = fs::read_dir("/proc/self/task").unwrap().filter_map(|task| {
        // A thread may end while it is looked at.
        fs::read_to_string(task.ok()?.path().join("comm")).ok()
    });
    names.map(|name| name.trim().to_owned()).filter(|name| name.starts_with("wyze") && name != "wyze-camera").collect()
}

fn files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn thirty_starts_and_stops_leave_nothing() {
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
            // A pool's idle thread keeps the name of the task that it did last, for some seconds.
            gst::glib::ThreadPool::stop_unused_threads();
            threads().is_empty()
        });
        assert!(pads.len() >= 3, "{} pads", pads.len());
        // A thread of a pool may be about to let go of one.
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
