//! The two Sometimes pads. They are added one after the other when their data begin, each with a queue and a task that
//! pushes, unless the session's thread does so by itself.
//!
//! Adding a pad runs the application's code, so the [`Announcer`] does it, and never the session thread.

use super::queue::{Item, MAX_TIME, PadQueue, Popped};
use super::streams::Streams;
use super::{CAT, WyzeSrc};
use crate::element::Announcer;
use crate::protocol::medium::Medium;
use crate::session::{Deliver, lock};
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::UniqueFlowCombiner;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long an application may take to link a pad after no-more-pads.
const LINK_PATIENCE: Duration = Duration::from_secs(1);
/// How recently the other pad has to have had something for a gap to be told.
const OTHER_COMES: Duration = Duration::from_millis(500);
/// How long a pad's data wait for no-more-pads. An element such as fallbacksrc exposes its `source`'s pads only then
/// and under stream ids of its own, and ours must not come in between.
const PADS_TOGETHER: Duration = Duration::from_millis(100);

#[derive(Default)]
struct PadsState {
    pads: [Option<gst::Pad>; 2],
    combiner: UniqueFlowCombiner,
    no_more_pads: Option<Instant>,
    /// Some pad has told of the failure already.
    failed: bool,
    /// How many pads are still to be added.
    coming: u32,
    /// The run is over, and no pad is added any more.
    closed: bool,
}

/// What a pad's task needs.
#[derive(Default)]
struct Output {
    queue: PadQueue,
    /// A flush has dropped the segment, which has to be sent anew.
    needs_segment: AtomicBool,
    /// When a buffer was last pushed.
    pushed_at: Mutex<Option<Instant>>,
    /// The running time up to which the pad's data reach.
    reached: Mutex<Option<gst::ClockTime>>,
    /// The media type before the last change of caps to another one.
    changed_from: Mutex<Option<String>>,
    /// Nothing was linked; whatever is linked from now on has to start at a key frame.
    skips_delta: AtomicBool,
    /// What was last told downstream of the streams and their tags.
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    version: u64,
    collection: Option<gst::StreamCollection>,
    tags: [gst::TagList; 2],
}

impl Output {
    fn reaches(&self, pts: Option<gst::ClockTime>) {
        *lock(&self.pushed_at) = Some(Instant::now());
        let mut reached = lock(&self.reached);
        *reached = pts.max(*reached);
    }

    /// Notes that caps change to those of another media type.
    fn note_change(&self, before: Option<gst::Caps>, after: &gst::CapsRef) {
        let name = |caps: &gst::CapsRef| caps.structure(0).map(|s| s.name().to_string());
        let before = before.and_then(|caps| name(&caps));
        if before.is_some() && before != name(after) {
            *lock(&self.changed_from) = before;
        }
    }
}

/// The pads of one run of the element, from READY to READY.
pub struct Outputs {
    element: glib::WeakRef<WyzeSrc>,
    pub streams: Arc<Streams>,
    /// A URI that names the camera and has no keys in it.
    uri: Option<String>,
    latency: gst::ClockTime,
    outputs: [Output; 2],
    state: Mutex<PadsState>,
    announcer: Announcer,
}

impl Outputs {
    pub fn new(
        element: &WyzeSrc,
        announcer: Announcer,
        streams: Arc<Streams>,
        uri: Option<String>,
        latency: Duration,
    ) -> Arc<Self> {
        Arc::new(Outputs {
            element: element.downgrade(),
            streams,
            uri,
            latency: gst::ClockTime::try_from(latency).unwrap_or(gst::ClockTime::ZERO),
            outputs: Default::default(),
            state: Mutex::default(),
            announcer,
        })
    }

    pub fn queue(&self, medium: Medium) -> &PadQueue {
        &self.outputs[medium as usize].queue
    }

    /// Adds the pad, after what was announced before. Does not wait.
    pub fn add_pad(self: &Arc<Self>, element: &WyzeSrc, medium: Medium, caps: gst::Caps) {
        lock(&self.state).coming += 1;
        let this = self.clone();
        self.announce(element, move |element| {
            if let Err(e) = this.add_now(element, medium, &caps) {
                gst::element_error!(element, gst::CoreError::Pad, ("The {} pad failed", medium.name()), ["{e}"]);
            }
            lock(&this.state).coming -= 1;
        });
    }

    /// Tells that no pad will follow, after what was announced before. Does not wait.
    pub fn no_more_pads(self: &Arc<Self>, element: &WyzeSrc) {
        let this = self.clone();
        self.announce(element, move |element| {
            lock(&this.state).no_more_pads = Some(Instant::now());
            element.no_more_pads();
            let pads = lock(&this.state).pads.clone();
            for (medium, _pad) in Medium::ALL.into_iter().zip(pads).filter(|(_, pad)| pad.is_some()) {
                this.queue(medium).open(Duration::ZERO);
            }
        });
    }

    fn announce(&self, element: &WyzeSrc, announcement: impl FnOnce(&WyzeSrc) + Send + 'static) {
        self.announcer.announce_always(element.upcast_ref(), move |element| {
            if let Some(element) = element.downcast_ref() {
                announcement(element);
            }
        });
    }

    /// Pushes EOS on every pad, after what is queued. Returns false if the pipeline cannot hear of it, as there is no
    /// pad and none is coming.
    pub fn push_eos(&self) -> bool {
        for output in &self.outputs {
            output.queue.push(Item::Eos);
        }
        let state = lock(&self.state);
        state.coming > 0 || state.pads.iter().any(Option::is_some)
    }

    /// Idles the tasks and adds no more pads, for good.
    pub fn shut_down(&self) {
        for output in &self.outputs {
            output.queue.set_flushing(true);
        }
        lock(&self.state).closed = true;
    }

    /// Removes the pads from the element, after [`Outputs::shut_down`] and their deactivation.
    pub fn remove_pads(&self, element: &WyzeSrc) {
        let pads = std::mem::take(&mut lock(&self.state).pads);
        for pad in pads.iter().flatten() {
            // Fails only for a pad that the application has removed already.
            let _ = element.remove_pad(pad);
        }
    }

    /// Sends an application's flush event on every pad.
    pub fn flush(self: &Arc<Self>, event: &gst::Event) {
        let starts = event.type_() == gst::EventType::FlushStart;
        let pads = lock(&self.state).pads.clone();
        for (medium, pad) in Medium::ALL.into_iter().zip(pads) {
            let output = &self.outputs[medium as usize];
            if starts {
                output.queue.set_flushing(true);
            }
            if let Some(pad) = &pad {
                pad.push_event(event.clone());
            }
            if !starts {
                // What was pushed comes back as flushed, and must not end what follows. Pausing fails only without a task.
                let _ = pad.as_ref().map(|pad| pad.pause_task());
                output.queue.wait_until_idle();
                output.queue.set_flushing(false);
            }
            let Some(pad) = pad else { continue };
            if !starts {
                output.needs_segment.store(true, Ordering::Release);
                *lock(&output.reached) = None;
                lock(&self.state).combiner.reset();
                if let Err(e) = self.start_task(&pad, medium) {
                    gst::error!(CAT, obj = pad, "{e}");
                }
            }
        }
    }

    fn make_pad(self: &Arc<Self>, element: &WyzeSrc, medium: Medium) -> Result<gst::Pad, glib::BoolError> {
        let template =
            element.pad_template(medium.name()).ok_or_else(|| glib::bool_error!("no template {}", medium.name()))?;
        let (for_activation, for_query) = (Arc::downgrade(self), Arc::downgrade(self));
        Ok(gst::Pad::builder_from_template(&template)
            .name(medium.name())
            // No parent here: the pad is activated before it is added.
            .activatemode_function(move |pad, _parent, _mode, active| {
                let outputs =
                    for_activation.upgrade().ok_or_else(|| gst::loggable_error!(CAT, "The element stopped"))?;
                outputs.activate(pad, medium, active)
            })
            .query_function(move |pad, parent, query| match for_query.upgrade() {
                Some(outputs) => outputs.query(pad, parent, medium, query),
                None => false,
            })
            .event_function(|pad, parent, event| match event.view() {
                gst::EventView::Latency(_) | gst::EventView::Reconfigure(_) => true,
                // A live stream has one time only. The default would say that it was done.
                gst::EventView::Seek(_) => false,
                // Straight to the implementation: gst_element_send_event() takes the element's state lock, which a
                // change of state holds while it waits for the very thread that this may run on.
                gst::EventView::CustomUpstream(_) | gst::EventView::Navigation(_) => {
                    let element = parent.and_then(|parent| parent.downcast_ref::<WyzeSrc>());
                    element.is_some_and(|element| element.imp().send_event(event))
                }
                _ => gst::Pad::event_default(pad, parent, event),
            })
            .build())
    }

    /// Answers a query as live sources do.
    fn query(&self, pad: &gst::Pad, parent: Option<&gst::Object>, medium: Medium, query: &mut gst::QueryRef) -> bool {
        let none = |format| gst::GenericFormattedValue::none_for_format(format);
        match query.view_mut() {
            gst::QueryViewMut::Latency(query) => {
                let queued = gst::ClockTime::try_from(MAX_TIME).unwrap_or(gst::ClockTime::ZERO);
                query.set(true, self.latency, self.latency + queued);
            }
            gst::QueryViewMut::Seeking(query) => query.set(false, none(query.format()), none(query.format())),
            gst::QueryViewMut::Scheduling(query) => {
                let flags = gst::SchedulingFlags::SEQUENTIAL | gst::SchedulingFlags::BANDWIDTH_LIMITED;
                query.set(flags, 1, -1, 0);
                query.add_scheduling_modes([gst::PadMode::Push]);
            }
            // There is no end.
            gst::QueryViewMut::Duration(query) if query.format() == gst::Format::Time => {
                query.set(gst::ClockTime::NONE);
            }
            gst::QueryViewMut::Position(query) if query.format() == gst::Format::Time => {
                match *lock(&self.outputs[medium as usize].reached) {
                    Some(reached) => query.set(reached),
                    None => return false,
                }
            }
            gst::QueryViewMut::Uri(query) => match &self.uri {
                Some(uri) => query.set_uri(Some(uri)),
                None => return false,
            },
            _ => return gst::Pad::query_default(pad, parent, query),
        }
        true
    }

    fn add_now(self: &Arc<Self>, element: &WyzeSrc, medium: Medium, caps: &gst::Caps) -> Result<(), glib::BoolError> {
        let pad = self.make_pad(element, medium)?;
        {
            let mut state = lock(&self.state);
            if state.closed {
                return Ok(());
            }
            state.combiner.add_pad(&pad);
            state.pads[medium as usize] = Some(pad.clone());
        }
        pad.set_active(true)?;
        for event in [self.streams.begin(medium, caps), gst::event::Caps::new(caps), segment()] {
            // Fails only on a flushing pad, which nobody uses.
            let _ = pad.store_sticky_event(&event);
        }
        element.add_pad(&pad)?;
        let (closed, complete) = {
            let state = lock(&self.state);
            (state.closed, state.no_more_pads.is_some())
        };
        if closed {
            // The run ended meanwhile, and may have looked for the pad before it was there.
            let _ = (pad.set_active(false), element.remove_pad(&pad));
            return Ok(());
        }
        self.queue(medium).open(if complete { Duration::ZERO } else { PADS_TOGETHER });
        Ok(())
    }

    fn activate(self: &Arc<Self>, pad: &gst::Pad, medium: Medium, active: bool) -> Result<(), gst::LoggableError> {
        if active {
            return self.start_task(pad, medium).map_err(|e| gst::loggable_error!(CAT, "{e}"));
        }
        self.queue(medium).set_flushing(true);
        self.queue(medium).wait_until_idle();
        pad.stop_task().map_err(|e| gst::loggable_error!(CAT, "{e}"))
    }

    fn start_task(self: &Arc<Self>, pad: &gst::Pad, medium: Medium) -> Result<(), glib::BoolError> {
        let (outputs, weak_pad) = (Arc::downgrade(self), pad.downgrade());
        pad.start_task(move || {
            let (Some(outputs), Some(pad)) = (outputs.upgrade(), weak_pad.upgrade()) else { return };
            if !outputs.push_next(&pad, medium) {
                // Fails only if the task is stopped already.
                let _ = pad.pause_task();
            }
        })
    }

    /// Does one turn of a pad's task. Returns whether another follows.
    fn push_next(&self, pad: &gst::Pad, medium: Medium) -> bool {
        let output = &self.outputs[medium as usize];
        match output.queue.pop() {
            Popped::Item(item) => self.push_timed(pad, medium, item),
            Popped::Silence => {
                self.push_gap(pad, output);
                output.queue.done(None);
            }
            Popped::Flushing => return false,
        }
        true
    }

    fn push_timed(&self, pad: &gst::Pad, medium: Medium, item: Item) {
        let start = Instant::now();
        if self.push(pad, medium, item) {
            self.queue(medium).done(Some(start.elapsed()));
        } else {
            self.queue(medium).end();
        }
    }

    /// Returns whether more may follow.
    fn push(&self, pad: &gst::Pad, medium: Medium, item: Item) -> bool {
        let output = &self.outputs[medium as usize];
        if output.needs_segment.swap(false, Ordering::AcqRel) {
            pad.push_event(segment());
        }
        let Item::Buffer { buffer, caps } = item else {
            pad.push_event(gst::event::Eos::new());
            return false;
        };
        if let Some(caps) = caps {
            gst::info!(CAT, obj = pad, "New caps {caps}");
            output.note_change(pad.current_caps(), &caps);
            self.streams.set_caps(medium, &caps);
            pad.push_event(gst::event::Caps::new(&caps));
        }
        self.tell_of_streams(pad, medium);
        if output.skips_delta.load(Ordering::Relaxed) && buffer.flags().contains(gst::BufferFlags::DELTA_UNIT) {
            return true;
        }
        gst::log!(CAT, obj = pad, "Pushing {buffer:?}");
        output.reaches(buffer.pts());
        let result = pad.push(buffer);
        output.skips_delta.store(result == Err(gst::FlowError::NotLinked), Ordering::Relaxed);
        self.judge(pad, result, output)
    }

    /// Tells downstream which streams there are and what their tags are, where it does not know yet.
    fn tell_of_streams(&self, pad: &gst::Pad, medium: Medium) {
        let mut told = lock(&self.outputs[medium as usize].told);
        let version = self.streams.version();
        if told.version == version {
            return;
        }
        let ((collection, is_new), tags) = (self.streams.collection(), self.streams.tags(medium));
        let mut events = Vec::new();
        if told.collection.as_ref() != Some(&collection) {
            events.push(gst::event::StreamCollection::new(&collection));
        }
        let changed = tags.iter().zip(&told.tags).filter(|(tags, told)| tags != told);
        events.extend(changed.map(|(tags, _)| gst::event::Tag::new(tags.clone())));
        *told = Told { version, collection: Some(collection.clone()), tags };
        drop(told);
        if let Some(element) = self.element.upgrade().filter(|_| is_new) {
            self.announcer.announce_always(element.upcast_ref(), move |element| {
                let message = gst::message::StreamCollection::builder(&collection).src(element).build();
                // Fails only without a bus, when nobody listens.
                let _ = element.post_message(message);
            });
        }
        for event in events {
            pad.push_event(event);
        }
    }

    /// Tells downstream that nothing comes, so that it need not wait for it, while the other pad goes on. Where neither
    /// has anything, a gap would hide from elements such as fallbackswitch that the camera is away.
    fn push_gap(&self, pad: &gst::Pad, output: &Output) {
        let is_recent = |other: &Output| lock(&other.pushed_at).is_some_and(|at| at.elapsed() < OTHER_COMES);
        if !self.outputs.iter().any(is_recent) {
            return;
        }
        let now = self.element.upgrade().and_then(|element| element.current_running_time());
        let Some(until) = now.and_then(|now| now.checked_sub(self.latency)) else { return };
        let mut reached = lock(&output.reached);
        let Some(from) = reached.filter(|from| *from < until) else { return };
        *reached = Some(until);
        drop(reached);
        gst::debug!(CAT, obj = pad, "Nothing came from {from} to {until}");
        pad.push_event(gst::event::Gap::builder(from).duration(until - from).build());
    }

    /// Whether the task goes on after this result, given the other pad's last one.
    fn judge(&self, pad: &gst::Pad, result: Result<gst::FlowSuccess, gst::FlowError>, output: &Output) -> bool {
        let mut state = lock(&self.state);
        let error = match state.combiner.update_pad_flow(pad, result) {
            Ok(_) => return true,
            // The pad that will be linked may not have been added yet, or another thread may be linking it right now.
            Err(gst::FlowError::NotLinked) if state.no_more_pads.is_none_or(|at| at.elapsed() < LINK_PATIENCE) => {
                return true;
            }
            // If one pad is not linked, the combiner says so too as long as the other pad is not active.
            Err(gst::FlowError::Flushing) => return result != Err(gst::FlowError::Flushing),
            Err(error) => error,
        };
        let first = !std::mem::replace(&mut state.failed, true);
        drop(state);
        if error != gst::FlowError::Eos
            && first
            && let Some(element) = self.element.upgrade()
        {
            post_flow_error(&element, pad, error, lock(&output.changed_from).as_deref());
        }
        pad.push_event(gst::event::Eos::new());
        false
    }
}

impl Deliver for Outputs {
    fn is_due(&self) -> bool {
        self.outputs.iter().any(|output| output.queue.is_direct_due())
    }

    /// Pushes what is there for pads that are direct.
    fn deliver(&self) {
        for medium in Medium::ALL {
            while let Some(item) = self.queue(medium).pop_direct() {
                let pad = lock(&self.state).pads[medium as usize].clone();
                match pad {
                    Some(pad) => self.push_timed(&pad, medium, item),
                    // The run is over.
                    None => self.queue(medium).end(),
                }
            }
        }
    }
}

fn segment() -> gst::Event {
    gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new())
}

/// `changed_from` is the media type that the pad had before, if it has changed.
fn post_flow_error(element: &WyzeSrc, pad: &gst::Pad, error: gst::FlowError, changed_from: Option<&str>) {
    if let Some(before) = changed_from.filter(|_| error == gst::FlowError::NotNegotiated) {
        let now =
            pad.current_caps().and_then(|caps| caps.structure(0).map(|s| s.name().to_string())).unwrap_or_default();
        gst::element_error!(
            element,
            gst::StreamError::WrongType,
            (
                "The camera now sends {now} instead of {before}, which what is linked to the {} pad does not take: \
                 link decodebin, or start the pipeline anew",
                pad.name()
            )
        );
        return;
    }
    let text = match error {
        gst::FlowError::NotLinked => "No pad is linked: link video or audio, or switch one off at the element",
        _ => "Internal data stream error",
    };
    gst::element_error!(element, gst::StreamError::Failed, ("{text}"), ["streaming stopped, reason {error}"]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pad_that_is_not_linked_goes_on_while_the_other_is_not_active_yet() {
        gst::init().unwrap();
        let streams = Arc::new(Streams::new("id".into(), None));
        let element = glib::Object::new::<WyzeSrc>();
        let outputs = Outputs::new(&element, Announcer::default(), streams, None, Duration::ZERO);
        let [video, audio] = [gst::Pad::new(gst::PadDirection::Src), gst::Pad::new(gst::PadDirection::Src)];
        video.set_active(true).unwrap();
        for pad in [&video, &audio] {
            lock(&outputs.state).combiner.add_pad(pad);
        }
        let output = &outputs.outputs[0];
        assert!(outputs.judge(&video, Err(gst::FlowError::NotLinked), output));
        assert!(outputs.judge(&video, Ok(gst::FlowSuccess::Ok), output));
        assert!(!outputs.judge(&video, Err(gst::FlowError::Flushing), output), "its own flush is an end");
    }
}
