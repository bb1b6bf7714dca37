//! Target `timeline`: the time stamps that are made from any capture times.

use super::input::Input;
use gstwyze::protocol::medium::Medium;
use gstwyze::wyzesrc::timeline::Timeline;
use std::time::Duration;

const NOON: u32 = 1_700_000_000;

/// Stamps frames of cameras whose clocks run, jump, stand still or show nonsense.
pub fn timeline(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut timeline = Timeline::new();
    let (mut seconds, mut microseconds, mut arrival) = (NOON, 0u32, Duration::ZERO);
    let mut last = [None::<Duration>; 2];
    while !input.is_empty() {
        match input.below(8) {
            0 => seconds = input.u32(),
            1 => microseconds = input.u32(),
            2 => seconds = seconds.wrapping_add_signed((input.byte() as i8).into()),
            3 => arrival += Duration::from_secs(input.u32().into()),
            4 if input.below(16) == 0 => timeline.reset(),
            5 => timeline.lost(input.pick(&[Medium::Video, Medium::Audio])),
            _ => {}
        }
        let step = u32::from(input.byte()) * 1000;
        arrival += Duration::from_millis(input.byte().into());
        (seconds, microseconds) = match microseconds.saturating_add(step) {
            past @ 1_000_000.. if microseconds < 1_000_000 => (seconds.wrapping_add(1), past - 1_000_000),
            within => (seconds, within),
        };
        let medium = input.pick(&[Medium::Video, Medium::Audio]);
        let stamp = timeline.stamp(medium, seconds, microseconds, arrival);
        let last = &mut last[medium as usize];
        assert!(last.is_none_or(|last| stamp.pts > last), "{last:?}, then {stamp:?}");
        *last = Some(stamp.pts);
        if let Some(capture) = stamp.capture {
            let said = Duration::from_secs(seconds.into()) + Duration::from_micros(microseconds.into());
            assert_eq!(capture, said);
        }
    }
}
