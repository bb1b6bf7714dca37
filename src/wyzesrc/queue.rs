//! The bounded queue before a pad.
//!
//! At first, the pad's task pushes what is in it. Then two threads are woken for each frame, where one does. So a pad
//! that has taken many buffers quickly goes direct: the session's thread pushes by itself, until one takes long.

use crate::session::lock;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// How far a pipeline that does not take its buffers may fall behind before the oldest are dropped.
pub const MAX_TIME: Duration = Duration::from_secs(2);
const MAX_BYTES: usize = 32 << 20;

/// A push that takes no longer is quick.
const QUICK: Duration = Duration::from_millis(1);
/// A push that takes longer ends that the pad is direct.
const SLOW: Duration = Duration::from_millis(5);
/// After how many quick pushes in a row a pad goes direct.
const QUICK_PUSHES: u32 = 50;
/// Each time that a direct pad is slow doubles that, so often at most.
const MOST_DOUBLINGS: u32 = 6;

/// How long a pad may be silent before that is told downstream.
const SILENCE: Duration = Duration::from_secs(1);

/// What there is to do for a pad's task. After an item or a silence, [`PadQueue::done`] or [`PadQueue::end`] is to be
/// called.
pub enum Popped {
    Item(Item),
    /// No item has come for a second, though some came before.
    Silence,
    /// Nothing, until the queue is no longer flushing, or for good after [`PadQueue::end`].
    Flushing,
}

pub enum Item {
    Buffer {
        buffer: gst::Buffer,
        /// Caps to push before the buffer.
        caps: Option<gst::Caps>,
    },
    Eos,
}

impl Item {
    fn bytes(&self) -> usize {
        match self {
            Item::Buffer { buffer, .. } => buffer.size(),
            Item::Eos => 0,
        }
    }

    fn pts(&self) -> Option<gst::ClockTime> {
        match self {
            Item::Buffer { buffer, .. } => buffer.pts(),
            Item::Eos => None,
        }
    }

    fn is_delta(&self) -> bool {
        matches!(self, Item::Buffer { buffer, .. } if buffer.flags().contains(gst::BufferFlags::DELTA_UNIT))
    }
}

#[derive(Default)]
struct QueueState {
    items: VecDeque<Item>,
    bytes: usize,
    /// When items may begin to leave; `None` while the application has no pad to link. Until then, only the limit in
    /// bytes holds: what comes first is not lost because the other pad is waited for.
    opens: Option<Instant>,
    /// What is left of the time that had queued up when the pad appeared. It may exceed the limit in time.
    backlog: Duration,
    flushing: bool,
    /// Nothing leaves any more until the next flush.
    ended: bool,
    /// When an item left or a silence was told of, since the last flush.
    left_at: Option<Instant>,
    /// Who pushes what left last.
    pushing: Option<ThreadId>,
    /// The session's thread pushes; the task only minds the silence.
    direct: bool,
    /// How many quick pushes there were in a row.
    quick: u32,
    /// How often the pad was direct and then slow, up to [`MOST_DOUBLINGS`].
    doublings: u32,
    /// Buffers have been dropped, and are up to the next key frame, which is marked as a discontinuity.
    await_key: bool,
    /// Caps that came with dropped buffers and go with the next one.
    caps: Option<gst::Caps>,
    dropped: u64,
}

/// A queue with a limit in time and bytes, beyond which the oldest buffers are dropped.
#[derive(Default)]
pub struct PadQueue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

impl PadQueue {
    pub fn push(&self, item: Item) {
        let mut state = lock(&self.state);
        if state.flushing {
            return;
        }
        // No frame follows, with which the session's thread would come.
        state.direct &= !matches!(item, Item::Eos);
        state.append(item);
        state.shrink();
        let is_for_task = !state.direct;
        // The task that this wakes takes the lock.
        drop(state);
        if is_for_task {
            self.changed.notify_all();
        }
    }

    /// Waits for the task's next work.
    pub fn pop(&self) -> Popped {
        let mut state = lock(&self.state);
        loop {
            if state.flushing || state.ended {
                return Popped::Flushing;
            }
            if !state.direct
                && let Some(item) = state.take()
            {
                return Popped::Item(item);
            }
            let silence = state.left_at.map(|at| (at + SILENCE).saturating_duration_since(Instant::now()));
            if silence == Some(Duration::ZERO) && state.pushing.is_none() {
                state.leaves();
                return Popped::Silence;
            }
            // A push that lasts says itself when it is done.
            let silence = silence.map(|silence| if silence.is_zero() { SILENCE } else { silence });
            let closed = state.opens.map(|opens| opens.saturating_duration_since(Instant::now()));
            state = match closed.filter(|closed| !closed.is_zero()).or(silence) {
                Some(wait) => self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Whether [`PadQueue::pop_direct`] has an item.
    pub fn is_direct_due(&self) -> bool {
        let state = lock(&self.state);
        state.direct && state.may_leave()
    }

    /// Returns the next item if the pad is direct, and nobody pushes yet. The same is to be called after it as after
    /// [`PadQueue::pop`].
    pub fn pop_direct(&self) -> Option<Item> {
        let mut state = lock(&self.state);
        if state.direct { state.take() } else { None }
    }

    /// What left has been pushed; a buffer has taken so long.
    pub fn done(&self, took: Option<Duration>) {
        let mut state = lock(&self.state);
        state.pushing = None;
        if let Some(took) = took {
            state.judge(took);
        }
        // Who may wait then: a flush for the end of the push, or the task for its turn.
        let is_awaited = state.flushing || !state.direct && !state.items.is_empty();
        drop(state);
        if is_awaited {
            self.changed.notify_all();
        }
    }

    /// What left was the last, until the next flush.
    pub fn end(&self) {
        let mut state = lock(&self.state);
        (state.pushing, state.ended, state.direct) = (None, true, false);
        self.changed.notify_all();
    }

    /// Waits until nobody pushes, unless it is this thread that does.
    pub fn wait_until_idle(&self) {
        let is_pushing = |state: &mut QueueState| state.pushing.is_some_and(|by| by != thread::current().id());
        drop(self.changed.wait_while(lock(&self.state), is_pushing).unwrap_or_else(PoisonError::into_inner));
    }

    /// Lets items leave after `delay`.
    pub fn open(&self, delay: Duration) {
        let mut state = lock(&self.state);
        if state.opens.replace(Instant::now() + delay).is_none() {
            state.backlog = state.time();
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Empties the queue, and keeps it empty while `flushing`. What comes after starts at a key frame.
    pub fn set_flushing(&self, flushing: bool) {
        let mut state = lock(&self.state);
        (state.flushing, state.ended) = (flushing, false);
        (state.direct, state.quick, state.left_at) = (false, 0, None);
        state.clear();
        self.changed.notify_all();
    }

    /// Empties the queue without flushing it.
    pub fn clear(&self) {
        lock(&self.state).clear();
    }

    /// Returns how many buffers were dropped because the pipeline did not take them in time.
    pub fn dropped(&self) -> u64 {
        lock(&self.state).dropped
    }
}

impl QueueState {
    /// Whether the first item may leave now, and nobody pushes.
    fn may_leave(&self) -> bool {
        let is_open = self.opens.is_some_and(|opens| opens <= Instant::now());
        self.pushing.is_none() && is_open && !self.flushing && !self.items.is_empty()
    }

    /// Lets the first item leave, if it may.
    fn take(&mut self) -> Option<Item> {
        if !self.may_leave() {
            return None;
        }
        let item = self.items.pop_front()?;
        self.bytes -= item.bytes();
        self.backlog = self.backlog.min(self.time());
        self.leaves();
        Some(item)
    }

    fn leaves(&mut self) {
        (self.left_at, self.pushing) = (Some(Instant::now()), Some(thread::current().id()));
    }

    /// Decides by the time that a push took whether the pad is direct from now on.
    fn judge(&mut self, took: Duration) {
        if took <= QUICK {
            self.quick = self.quick.saturating_add(1);
            // What is there would wait for the next frame.
            self.direct |= self.quick >= QUICK_PUSHES << self.doublings && self.items.is_empty();
        } else if !self.direct {
            self.quick = 0;
        } else if took > SLOW {
            self.doublings = (self.doublings + 1).min(MOST_DOUBLINGS);
            (self.direct, self.quick) = (false, 0);
        }
    }

    fn append(&mut self, mut item: Item) {
        if let Item::Buffer { buffer, caps } = &mut item {
            if self.await_key {
                if buffer.flags().contains(gst::BufferFlags::DELTA_UNIT) {
                    self.dropped += 1;
                    self.caps = caps.take().or(self.caps.take());
                    return;
                }
                self.await_key = false;
                buffer.make_mut().set_flags(gst::BufferFlags::DISCONT);
            }
            if caps.is_none() {
                *caps = self.caps.take();
            }
            self.caps = None;
        }
        self.bytes += item.bytes();
        self.items.push_back(item);
    }

    /// Drops from the front, to the next key frame, while the queue is over its limits.
    fn shrink(&mut self) {
        while self.is_over_limit() {
            self.drop_front();
            while self.items.front().is_some_and(Item::is_delta) {
                self.drop_front();
            }
            match self.items.front_mut() {
                Some(Item::Buffer { buffer, caps }) => {
                    buffer.make_mut().set_flags(gst::BufferFlags::DISCONT);
                    if caps.is_none() {
                        *caps = self.caps.take();
                    }
                    self.caps = None;
                }
                _ => self.await_key = true,
            }
        }
    }

    fn is_over_limit(&self) -> bool {
        self.bytes > MAX_BYTES || self.opens.is_some() && self.time() > MAX_TIME.max(self.backlog)
    }

    /// Returns the time from the oldest buffer to the newest.
    fn time(&self) -> Duration {
        // The last item may be EOS, which has no time stamp.
        let newest = self.items.iter().rev().find_map(Item::pts);
        let oldest = self.items.front().and_then(Item::pts);
        oldest.zip(newest).map_or(Duration::ZERO, |(first, last)| last.saturating_sub(first).into())
    }

    fn drop_front(&mut self) {
        if let Some(item) = self.items.pop_front() {
            self.bytes -= item.bytes();
            self.dropped += 1;
            if let Item::Buffer { caps: Some(caps), .. } = item {
                self.caps = Some(caps);
            }
        }
    }

    fn clear(&mut self) {
        while let Some(item) = self.items.pop_front() {
            if let Item::Buffer { caps: Some(caps), .. } = item {
                self.caps = Some(caps);
            }
        }
        self.bytes = 0;
        self.await_key = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(ms: u64, key: bool) -> Item {
        gst::init().unwrap();
        let mut buffer = gst::Buffer::with_size(10).unwrap();
        let buffer_mut = buffer.get_mut().unwrap();
        buffer_mut.set_pts(gst::ClockTime::from_mseconds(ms));
        if !key {
            buffer_mut.set_flags(gst::BufferFlags::DELTA_UNIT);
        }
        Item::Buffer { buffer, caps: None }
    }

    fn with_caps(item: Item, name: &str) -> Item {
        match item {
            Item::Buffer { buffer, .. } => Item::Buffer { buffer, caps: Some(gst::Caps::new_empty_simple(name)) },
            Item::Eos => Item::Eos,
        }
    }

    fn popped(queue: &PadQueue) -> (u64, bool, Option<String>) {
        let popped = queue.pop();
        queue.done(None);
        match popped {
            Popped::Item(Item::Buffer { buffer, caps }) => (
                buffer.pts().unwrap().mseconds(),
                buffer.flags().contains(gst::BufferFlags::DISCONT),
                caps.map(|caps| caps.to_string()),
            ),
            _ => panic!("a buffer was expected"),
        }
    }

    #[test]
    fn a_pipeline_that_stands_still_loses_whole_groups_from_the_front_and_no_caps() {
        let queue = PadQueue::default();
        queue.open(Duration::ZERO);
        queue.push(with_caps(buffer(0, true), "a/b"));
        for ms in (100..=2000).step_by(100) {
            queue.push(buffer(ms, ms == 1000));
        }
        assert_eq!(queue.dropped(), 0);
        queue.push(buffer(2100, false));
        assert_eq!(queue.dropped(), 10);
        assert_eq!(popped(&queue), (1000, true, Some("a/b".into())));
        assert_eq!(popped(&queue), (1100, false, None));
    }

    #[test]
    fn a_quick_pad_is_direct_until_it_is_slow_and_has_to_be_quick_for_longer_then() {
        let queue = PadQueue::default();
        queue.open(Duration::ZERO);
        for round in 0..10 {
            let needed = QUICK_PUSHES << round.min(MOST_DOUBLINGS);
            for number in 0..needed {
                assert!(queue.pop_direct().is_none());
                queue.push(buffer(u64::from(number), true));
                assert!(matches!(queue.pop(), Popped::Item(_)), "the task's");
                queue.done(Some(QUICK));
            }
            for took in [QUICK, SLOW, SLOW + Duration::from_nanos(1)] {
                queue.push(buffer(1, true));
                assert!(queue.pop_direct().is_some());
                queue.push(buffer(2, true));
                assert!(queue.pop_direct().is_none(), "one at a time");
                queue.clear();
                queue.done(Some(took));
            }
        }
        for _ in 0..QUICK_PUSHES << MOST_DOUBLINGS {
            queue.push(buffer(0, true));
            assert!(matches!(queue.pop(), Popped::Item(_)));
            queue.done(Some(QUICK));
        }
        queue.push(Item::Eos);
        assert!(queue.pop_direct().is_none(), "no frame follows with which it would leave");
        assert!(matches!(queue.pop(), Popped::Item(Item::Eos)));
    }

    #[test]
    fn without_a_key_frame_in_the_queue_the_next_one_is_awaited() {
        let queue = PadQueue::default();
        queue.open(Duration::ZERO);
        for ms in [0, 1000, 2001] {
            queue.push(buffer(ms, ms == 0));
        }
        queue.push(with_caps(buffer(2100, false), "a/b"));
        queue.push(buffer(2200, true));
        assert_eq!(queue.dropped(), 4);
        assert_eq!(popped(&queue), (2200, true, Some("a/b".into())));
    }

    #[test]
    fn what_comes_before_the_pad_is_kept_and_is_no_excuse_for_later() {
        let queue = PadQueue::default();
        for ms in (0..=5000).step_by(500) {
            queue.push(buffer(ms, true));
        }
        queue.open(Duration::ZERO);
        assert_eq!(popped(&queue).0, 0);
        queue.push(buffer(5500, true));
        assert_eq!((queue.dropped(), popped(&queue).0), (1, 1000), "the pipeline is as far behind as it was");
        for ms in (1500..=5000).step_by(500) {
            assert_eq!(popped(&queue).0, ms);
        }
        for ms in (6000..=8000).step_by(500) {
            queue.push(buffer(ms, true));
        }
        assert_eq!((queue.dropped(), popped(&queue).0), (2, 6000));
    }

    #[test]
    fn flushing_wakes_and_empties_and_the_end_of_stream_is_last() {
        let queue = PadQueue::default();
        queue.push(buffer(0, true));
        queue.set_flushing(true);
        queue.push(buffer(1, true));
        assert!(matches!(queue.pop(), Popped::Flushing));
        queue.set_flushing(false);
        queue.open(Duration::ZERO);
        queue.push(buffer(2, false));
        queue.push(buffer(3, true));
        queue.push(Item::Eos);
        assert_eq!(popped(&queue).0, 3);
        assert!(matches!(queue.pop(), Popped::Item(Item::Eos)));
    }
}
