//! What a camera's speaker plays: a pipeline from a source of sound to `wyzesink`.

use super::Failure;
use super::output::tell;
use super::player::{self, Player};
use gst::prelude::*;

/// Where sound comes from.
pub enum Sound {
    /// A microphone, or another element that gives raw sound.
    Raw(gst::Element),
    /// An element that gives a file's bytes, in any format that GStreamer knows.
    Encoded(gst::Element),
}

/// Makes the element that records, from its description as in a launch line.
pub fn microphone(description: &str) -> Result<Sound, Failure> {
    player::described(description).map(Sound::Raw)
}

/// Somebody who talks; dropping it ends that at once.
pub struct Voice {
    player: Player,
    speaker: gst::Element,
}

impl Voice {
    /// Begins to play a sound by the camera of this URI.
    pub fn start(uri: &str, sound: &Sound) -> Result<Self, Failure> {
        let player = Player::new();
        let names = ["queue", "audioconvert", "audioresample", "wyzesink"];
        let chain = names.into_iter().map(player::make).collect::<Result<Vec<_>, _>>()?;
        let speaker = chain[3].clone();
        speaker.set_property("uri", uri);
        player.add(&chain)?;
        match sound {
            Sound::Raw(source) => {
                player.add(std::slice::from_ref(source))?;
                source.link(&chain[0]).map_err(Failure::other)?;
            }
            Sound::Encoded(source) => {
                let decoder = player::make("decodebin")?;
                // Of a film, the sound alone is decoded.
                decoder.set_property("caps", gst::Caps::new_empty_simple("audio/x-raw"));
                decoder.set_property("expose-all-streams", false);
                player.add(&[source.clone(), decoder.clone()])?;
                player::link_when_added(&decoder, &chain[0]);
            }
        }
        player.play()?;
        Ok(Voice { player, speaker })
    }

    /// Whether all has been played. Fails where the source or the camera did.
    pub fn is_over(&self) -> Result<bool, Failure> {
        while let Some(message) = self.player.message() {
            match message.view() {
                gst::MessageView::Eos(_) => return Ok(true),
                gst::MessageView::Error(error) => {
                    let failure = player::failure(error);
                    let is_camera = message.src() == Some(self.speaker.upcast_ref());
                    return Err(if is_camera {
                        failure
                    } else {
                        Failure::Other(format!("no sound can be had: {failure}"))
                    });
                }
                // It would give silence instead.
                gst::MessageView::Warning(warning) if warning.error().matches(gst::ResourceError::NotFound) => {
                    return Err(Failure::other("no microphone can be opened"));
                }
                gst::MessageView::Warning(warning) => tell(format_args!("wyze-cameras: {}", warning.error().message())),
                _ => {}
            }
        }
        Ok(false)
    }

    /// Ends the sound. What is on its way is still played.
    pub fn finish(&self) {
        self.player.pipeline.send_event(gst::event::Eos::new());
    }
}
