//! Makes of an answer that keeps to the standards one that a camera may write, and hides of an offer what the camera is
//! not to have.

use super::config::{CandidateOrder, WebCameraConfig};

/// The kinds of section that an answer has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Session,
    Video,
    Audio,
    Other,
}

/// Rewrites the answer as the camera's settings want it.
pub fn rewrite(answer: &str, config: &WebCameraConfig) -> String {
    let mids: Vec<&str> = answer.lines().filter_map(|line| line.strip_prefix("a=mid:")).collect();
    let mut section = Section::Session;
    let mut lines = String::new();
    for line in answer.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            section = match media.split(' ').next() {
                Some("video") => Section::Video,
                Some("audio") => Section::Audio,
                _ => Section::Other,
            };
        }
        if line.starts_with("a=candidate:") && config.candidates != CandidateOrder::InAnswer {
            continue;
        }
        let line = with_direction(line, section, config);
        lines += &if config.own_mids { with_own_mids(&line, &mids) } else { line };
        lines += "\r\n";
    }
    lines
}

fn with_direction(line: &str, section: Section, config: &WebCameraConfig) -> String {
    let directions = ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"];
    if !directions.contains(&line) {
        return line.to_owned();
    }
    let offers_talk = line == "a=sendrecv" || line == "a=recvonly";
    let (sends, receives) = match section {
        Section::Video => (true, config.answers_sendrecv),
        Section::Audio => (config.sends_audio, config.takes_talk && (offers_talk || config.answers_sendrecv)),
        _ => return line.to_owned(),
    };
    let direction = match (sends, receives) {
        (true, true) => 0,
        (true, false) => 1,
        (false, true) => 2,
        (false, false) => 3,
    };
    directions[direction].to_owned()
}

/// Replaces mids by their place among all.
fn with_own_mids(line: &str, mids: &[&str]) -> String {
    let own = |mid: &str| mids.iter().position(|other| *other == mid).map_or(mid.to_owned(), |at| at.to_string());
    if let Some(mid) = line.strip_prefix("a=mid:") {
        return format!("a=mid:{}", own(mid));
    }
    match line.strip_prefix("a=group:BUNDLE ") {
        Some(group) => format!("a=group:BUNDLE {}", group.split(' ').map(own).collect::<Vec<_>>().join(" ")),
        None => line.to_owned(),
    }
}

/// Removes RTX from an offer, so that it is not in the answer either.
pub fn without_rtx(offer: &str) -> String {
    let payloads: Vec<&str> = offer
        .lines()
        .filter_map(|line| line.strip_prefix("a=rtpmap:")?.split_once(' '))
        .filter(|(_, codec)| codec.starts_with("rtx/"))
        .map(|(payload, _)| payload)
        .collect();
    let is_of_rtx = |line: &str| {
        let of_payload = ["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"].iter().find_map(|name| line.strip_prefix(name));
        line.starts_with("a=ssrc-group:FID")
            || of_payload.and_then(|rest| rest.split(' ').next()).is_some_and(|payload| payloads.contains(&payload))
    };
    let lines = offer.lines().filter(|line| !is_of_rtx(line)).map(|line| match line.strip_prefix("m=") {
        // Medium, port and protocol come before the payloads.
        Some(_) => {
            let words = line.split(' ').enumerate().filter(|(at, word)| *at < 3 || !payloads.contains(word));
            words.map(|(_, word)| word).collect::<Vec<_>>().join(" ")
        }
        None => line.to_owned(),
    });
    lines.map(|line| line + "\r\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "v=0\r\na=group:BUNDLE Kx9 pQ2\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:Kx9\r\n\
a=candidate:1 1 udp 1 127.0.0.1 5000 typ host\r\na=sendonly\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:pQ2\r\n\
a=sendrecv\r\n";

    fn of(change: impl FnOnce(&mut WebCameraConfig)) -> String {
        let mut config = WebCameraConfig::default();
        change(&mut config);
        rewrite(ANSWER, &config)
    }

    #[test]
    fn an_answer_stays_as_it_is_but_for_its_candidates() {
        let without = ANSWER.replace("a=candidate:1 1 udp 1 127.0.0.1 5000 typ host\r\n", "");
        assert_eq!(of(|_| {}), without);
        assert_eq!(of(|config| config.candidates = CandidateOrder::InAnswer), ANSWER);
    }

    #[test]
    fn rtx_can_be_hidden() {
        let offer = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97 9\r\na=rtpmap:96 H264/90000\r\na=rtpmap:97 rtx/90000\r\n\
a=fmtp:97 apt=96\r\na=fmtp:96 packetization-mode=1\r\na=ssrc-group:FID 1 2\r\n";
        let without = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 9\r\na=rtpmap:96 H264/90000\r\n\
a=fmtp:96 packetization-mode=1\r\n";
        assert_eq!(without_rtx(offer), without);
        assert_eq!(without_rtx(without), without);
    }

    #[test]
    fn quirks_change_mids_and_directions() {
        let answer = of(|config| (config.own_mids, config.answers_sendrecv) = (true, true));
        assert!(answer.contains("BUNDLE 0 1\r\n") && answer.contains("a=mid:0\r\n") && answer.contains("a=mid:1\r\n"));
        assert_eq!(answer.matches("a=sendrecv").count(), 2, "{answer}");
        assert!(of(|config| config.takes_talk = false).ends_with("a=mid:pQ2\r\na=sendonly\r\n"));
        assert!(of(|config| config.sends_audio = false).ends_with("a=recvonly\r\n"));
        assert!(of(|config| (config.sends_audio, config.takes_talk) = (false, false)).ends_with("a=inactive\r\n"));
    }
}
