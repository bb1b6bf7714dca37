//! What clients have said through the camera's speaker, talk by talk.

use crate::camera_event::ClientId;
use gstwyze::protocol::dtls::Suite;
use gstwyze::protocol::wire::codec::{AudioFlags, CodecId};
use std::collections::VecDeque;

/// How many bytes of audio are kept over all talks; further ones are only counted.
const KEPT_AUDIO: usize = 16 << 20;
/// How many talks are kept; each further one replaces the oldest.
const KEPT_TALKS: usize = 1000;

/// Why a talk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TalkEnd {
    /// The client switched it off.
    SwitchedOff,
    /// The client closed the back channel.
    ClientClosed,
    /// The camera hung up.
    HungUp,
    /// The back channel's handshake or login failed.
    Failed,
    /// The client's whole session ended or began anew.
    SessionOver,
}

/// One talk, from switching on to switching off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Talk {
    pub client: ClientId,
    /// The back channel's suite, once its handshake is done.
    pub suite: Option<Suite>,
    /// Codec of the newest frame.
    pub codec: Option<CodecId>,
    /// Flags of the newest frame.
    pub flags: Option<AudioFlags>,
    pub login_answers: u32,
    pub frames: u64,
    /// Bytes of audio that came, including those not kept.
    pub bytes: u64,
    /// The kept audio, in the order of frame numbers, whatever order the frames came in.
    pub audio: Vec<u8>,
    /// Number and length of each frame in `audio`.
    kept: Vec<(u32, usize)>,
    pub end: Option<TalkEnd>,
}

impl Talk {
    fn new(client: ClientId) -> Self {
        Talk {
            client,
            suite: None,
            codec: None,
            flags: None,
            login_answers: 0,
            frames: 0,
            bytes: 0,
            audio: Vec::new(),
            kept: Vec::new(),
            end: None,
        }
    }

    /// The kept frames with their numbers.
    pub fn numbered_frames(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let mut rest = &self.audio[..];
        self.kept.iter().map(move |&(number, len)| {
            let (frame, tail) = rest.split_at_checked(len).unwrap_or((rest, &[]));
            rest = tail;
            (number, frame)
        })
    }

    fn keep(&mut self, number: u32, audio: &[u8]) {
        let later = self.kept.iter().rev().take_while(|(kept, _)| *kept > number).count();
        let at = self.kept.len() - later;
        let offset = self.audio.len() - self.kept[at..].iter().map(|(_, len)| len).sum::<usize>();
        self.audio.splice(offset..offset, audio.iter().copied());
        self.kept.insert(at, (number, audio.len()));
    }
}

/// Names a talk of a [`TalkBook`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TalkId(u64);

/// The talks of a camera, oldest first.
#[derive(Debug, Default)]
pub struct TalkBook {
    talks: VecDeque<Talk>,
    forgotten: u64,
    audio_len: usize,
}

impl TalkBook {
    pub fn begin(&mut self, client: ClientId) -> TalkId {
        if self.talks.len() == KEPT_TALKS
            && let Some(oldest) = self.talks.pop_front()
        {
            self.audio_len -= oldest.audio.len();
            self.forgotten += 1;
        }
        self.talks.push_back(Talk::new(client));
        TalkId(self.forgotten + self.talks.len() as u64 - 1)
    }

    /// Returns `None` for a talk that was replaced by a newer one.
    pub fn get_mut(&mut self, id: TalkId) -> Option<&mut Talk> {
        self.talks.get_mut(usize::try_from(id.0.checked_sub(self.forgotten)?).ok()?)
    }

    pub fn add_audio(&mut self, id: TalkId, number: u32, audio: &[u8]) {
        let has_room = self.audio_len + audio.len() <= KEPT_AUDIO;
        let Some(talk) = self.get_mut(id) else { return };
        talk.frames += 1;
        talk.bytes += audio.len() as u64;
        if has_room {
            talk.keep(number, audio);
            self.audio_len += audio.len();
        }
    }

    pub fn talks(&self) -> impl Iterator<Item = &Talk> {
        self.talks.iter()
    }

    /// The kept audio of all talks, concatenated.
    pub fn audio(&self) -> Vec<u8> {
        self.talks.iter().flat_map(|talk| &talk.audio).copied().collect()
    }

    /// Like [`TalkBook::audio`], and forgets the audio to make room for more.
    pub fn take_audio(&mut self) -> Vec<u8> {
        let audio = self.audio();
        for talk in &mut self.talks {
            talk.audio.clear();
            talk.kept.clear();
        }
        self.audio_len = 0;
        audio
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_frames_are_put_in_order() {
        let mut book = TalkBook::default();
        let id = book.begin(ClientId(1));
        for (number, audio) in [(2, "bb"), (4, "d"), (1, "a"), (3, "ccc")] {
            book.add_audio(id, number, audio.as_bytes());
        }
        assert_eq!(book.audio(), b"abbcccd");
        let talk = book.talks().next().expect("a talk");
        assert_eq!((talk.frames, talk.bytes), (4, 7));
        assert!(talk.numbered_frames().eq([(1, &b"a"[..]), (2, b"bb"), (3, b"ccc"), (4, b"d")]));
    }

    #[test]
    fn kept_talks_and_audio_are_bounded() {
        let mut book = TalkBook::default();
        let first = book.begin(ClientId(1));
        for number in 0..17 {
            book.add_audio(first, number, &vec![1; 1 << 20]);
        }
        assert_eq!(book.get_mut(first).map(|talk| (talk.bytes, talk.audio.len())), Some((17 << 20, KEPT_AUDIO)));
        assert_eq!(book.take_audio().len(), KEPT_AUDIO);
        book.add_audio(first, 18, b"more");
        assert_eq!(book.audio(), b"more");
        for _ in 0..KEPT_TALKS {
            book.begin(ClientId(2));
        }
        assert!(book.get_mut(first).is_none() && book.audio().is_empty());
        let last = book.begin(ClientId(3));
        assert_eq!(book.get_mut(last).map(|talk| talk.client), Some(ClientId(3)));
    }
}
