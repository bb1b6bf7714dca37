//! What an element tells the application runs the application's code: sync handlers of the bus, and handlers of signals.
//! It runs on a helper thread of GStreamer, in order, and never on the session thread, which others wait for.

use crate::session::lock;
use gst::prelude::*;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

/// How many announcements may wait, for an application whose handler does not return. Those that must not be lost come on
/// top.
const MAX_WAITING: usize = 1000;
/// How long the end of a run waits for the application's handler. The handler itself may wait for the change of state
/// that ends the run, so this cannot wait for ever.
const HANDLER_PATIENCE: Duration = Duration::from_millis(100);

type Announcement = Box<dyn FnOnce(&gst::Element) + Send>;

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Announcement>,
    /// The helper thread that runs announcements; `None` while there are none.
    running: Option<ThreadId>,
    /// A helper thread has been asked for, and has not begun yet.
    starting: bool,
}

/// The announcements of one element. Clones share them.
#[derive(Clone, Default)]
pub struct Announcer {
    queue: Arc<(Mutex<Queue>, Condvar)>,
}

impl Announcer {
    /// Has `announcement` run after those before it, or drops it where too many wait. Does not wait.
    pub fn announce(&self, element: &gst::Element, announcement: impl FnOnce(&gst::Element) + Send + 'static) {
        if lock(&self.queue.0).waiting.len() < MAX_WAITING {
            self.announce_always(element, announcement);
        }
    }

    /// Has `announcement` run after those before it, however many wait: for what happens a few times in a run, or as
    /// often as the application itself asks for it. Does not wait.
    pub fn announce_always(&self, element: &gst::Element, announcement: impl FnOnce(&gst::Element) + Send + 'static) {
        let mut queue = lock(&self.queue.0);
        queue.waiting.push_back(Box::new(announcement));
        if queue.running.is_none() && !std::mem::replace(&mut queue.starting, true) {
            let this = self.clone();
            element.call_async(move |element| this.run(element));
        }
    }

    /// Drops what waits. Returns when the announcement that runs is over, unless it is the one that calls this, or
    /// takes too long.
    pub fn end_run(&self) {
        let (queue, changed) = &*self.queue;
        let mut queue = lock(queue);
        // Dropping them may run code of others.
        let dropped = std::mem::take(&mut queue.waiting);
        if queue.running != Some(thread::current().id()) {
            let is_running = |queue: &mut Queue| queue.running.is_some();
            let waited = changed.wait_timeout_while(queue, HANDLER_PATIENCE, is_running);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        } else {
            drop(queue);
        }
        drop(dropped);
    }

    fn run(&self, element: &gst::Element) {
        let (queue, changed) = &*self.queue;
        loop {
            let mut queue = lock(queue);
            queue.starting = false;
            let Some(announcement) = queue.waiting.pop_front() else {
                queue.running = None;
                changed.notify_all();
                return;
            };
            queue.running = Some(thread::current().id());
            drop(queue);
            announcement(element);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_handler_that_does_not_return_loses_messages_and_nothing_that_matters() {
        gst::init().unwrap();
        let element = gst::Pipeline::new().upcast::<gst::Element>();
        let announcer = Announcer::default();
        let (done, handler) = mpsc::channel::<()>();
        announcer.announce(&element, move |_| handler.recv().unwrap());
        let (sender, ran) = mpsc::channel();
        for number in 0..2 * MAX_WAITING {
            let sender = sender.clone();
            announcer.announce(&element, move |_| sender.send(number).unwrap());
        }
        announcer.announce_always(&element, move |_| sender.send(usize::MAX).unwrap());
        done.send(()).unwrap();
        let ran: Vec<_> = ran.iter().collect();
        // The first may still have waited itself.
        assert!((MAX_WAITING..=MAX_WAITING + 1).contains(&ran.len()), "{}", ran.len());
        assert!(ran.is_sorted() && ran.last() == Some(&usize::MAX));
    }
}
