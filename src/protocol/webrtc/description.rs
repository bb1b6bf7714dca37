//! Descriptions in SDP, as texts: what has to be changed in them before the other side, or str0m, reads them.
//!
//! str0m makes up a mid for each medium and wants it back. Some cameras answer with 0, 1, 2 whatever was offered, others
//! with names of their own. So the offer has numbers, and in the answer the place of a medium decides.

use super::candidates::MAX_CANDIDATES;
use std::collections::HashSet;

const MID: &str = "a=mid:";
const GROUP: &str = "a=group:BUNDLE";

/// Returns the mids of a description, in the order of its media.
pub fn mids(sdp: &str) -> Vec<String> {
    sdp.lines().filter_map(|line| line.strip_prefix(MID)).map(|mid| mid.trim().to_owned()).collect()
}

/// Returns our offer with numbers for mids.
pub fn numbered(sdp: &str) -> String {
    let numbers: Vec<String> = (0..mids(sdp).len()).map(|number| number.to_string()).collect();
    with_mids(sdp, &numbers).0
}

/// What a camera's answer says.
pub struct Answer {
    /// For str0m: with its own mids, and without candidates.
    pub sdp: String,
    pub candidates: Vec<String>,
    /// Whether the camera sends lost packets of the picture again.
    pub resends: bool,
}

/// Reads an answer to an offer of str0m's that had these mids.
pub fn read_answer(sdp: &str, mids: &[String]) -> Answer {
    let (sdp, candidates) = with_mids(sdp, mids);
    let resends = sdp.lines().any(|line| line.starts_with("a=rtcp-fb:") && line.trim_end().ends_with(" nack"));
    Answer { sdp, candidates, resends }
}

/// Whether each payload type has one meaning in all media. str0m does not survive one that has two.
pub fn is_unambiguous(sdp: &str) -> bool {
    let mut meanings = HashSet::new();
    sdp.lines().all(|line| {
        let (attribute, value) = line.split_once(' ').unwrap_or((line, ""));
        let repaired = value.matches("apt=").count();
        let repairs = || attribute.strip_prefix("a=fmtp:").filter(|_| repaired > 0);
        let Some(number) = attribute.strip_prefix("a=rtpmap:").or_else(repairs) else { return true };
        let Ok(number) = number.trim().parse::<u8>() else { return true };
        repaired <= 1 && meanings.insert((repaired > 0, number))
    })
}

/// Gives the media of a description these mids, one after the other, and takes out its candidates: str0m refuses a
/// description for one that it cannot read.
fn with_mids(sdp: &str, mids: &[String]) -> (String, Vec<String>) {
    let lines: Vec<&str> = sdp.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let is_media = |line: &&str| line.starts_with("m=");
    let (session, rest) = lines.split_at(lines.iter().position(is_media).unwrap_or(lines.len()));
    let group = session.iter().find_map(|line| line.strip_prefix(GROUP));
    let media: Vec<_> = rest.chunk_by(|_, next| !is_media(next)).zip(mids).collect();
    let bundled = media.iter().filter(|(section, _)| is_bundled(section, group)).map(|(_, mid)| mid.as_str());
    let bundled = bundled.collect::<Vec<_>>().join(" ");

    let mut out = Vec::with_capacity(lines.len() + 1);
    insert(session, &format!("{GROUP} {bundled}"), &mut out);
    for (section, mid) in media {
        insert(section, &format!("{MID}{mid}"), &mut out);
    }
    let candidates = out.extract_if(.., |line| line.starts_with("a=candidate:")).take(MAX_CANDIDATES).collect();
    out.retain(|line| !line.starts_with("a=candidate:"));
    (out.join("\r\n") + "\r\n", candidates)
}

/// Whether a medium shares the transport. One with port 0 is refused, unless the group names it.
fn is_bundled(section: &[&str], group: Option<&str>) -> bool {
    let is_refused = section[0].split(' ').nth(1) == Some("0");
    let mid = section.iter().find_map(|line| line.strip_prefix(MID));
    let is_named = mid.is_some_and(|mid| group.is_some_and(|group| group.split(' ').any(|name| name == mid)));
    !is_refused || is_named
}

/// Copies a section with this attribute as its first, in the place of what it said itself.
fn insert(section: &[&str], attribute: &str, out: &mut Vec<String>) {
    let attributes = section.iter().position(|line| line.starts_with("a=")).unwrap_or(section.len());
    let own = |line: &&&str| !line.starts_with(MID) && !line.starts_with(GROUP);
    out.extend(section[..attributes].iter().map(|&line| line.to_owned()));
    out.push(attribute.to_owned());
    out.extend(section[attributes..].iter().filter(own).map(|&line| line.to_owned()));
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";
    const VIDEO: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\n";
    const AUDIO: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\n";

    fn ours() -> Vec<String> {
        vec!["abc".into(), "xyz".into()]
    }

    #[test]
    fn an_offer_has_numbers_for_mids() {
        let offer = format!("{SESSION}a=group:BUNDLE q w\r\n{VIDEO}a=mid:q\r\na=recvonly\r\n{AUDIO}a=mid:w\r\n");
        let numbered = numbered(&offer);
        let expected = format!("{SESSION}a=group:BUNDLE 0 1\r\n{VIDEO}a=mid:0\r\na=recvonly\r\n{AUDIO}a=mid:1\r\n");
        assert_eq!(numbered, expected);
        assert_eq!(mids(&numbered), ["0", "1"]);
    }

    #[test]
    fn in_an_answer_the_place_of_a_medium_decides_whatever_its_mid() {
        let expected =
            format!("{SESSION}a=group:BUNDLE abc xyz\r\n{VIDEO}a=mid:abc\r\na=sendrecv\r\n{AUDIO}a=mid:xyz\r\n");
        for (group, first, second) in [
            ("a=group:BUNDLE 0 1\r\n", "a=mid:0\r\n", "a=mid:1\r\n"),
            ("a=group:BUNDLE v a\r\n", "a=mid:v\r\n", "a=mid:a\r\n"),
            ("", "", ""),
        ] {
            let answer = format!("{SESSION}{group}{VIDEO}a=sendrecv\r\n{first}{AUDIO}{second}");
            assert_eq!(read_answer(&answer, &ours()).sdp, expected);
            assert_eq!(read_answer(&answer.replace("\r\n", "\n"), &ours()).sdp, expected);
        }
    }

    #[test]
    fn a_refused_medium_is_not_in_the_group() {
        let refused = AUDIO.replace("audio 9", "audio 0");
        let answer = format!("{SESSION}a=group:BUNDLE 0\r\n{VIDEO}a=mid:0\r\n{refused}a=mid:1\r\n");
        assert!(read_answer(&answer, &ours()).sdp.contains("a=group:BUNDLE abc\r\n"));
        let bundled = answer.replace("BUNDLE 0", "BUNDLE 0 1");
        assert!(read_answer(&bundled, &ours()).sdp.contains("a=group:BUNDLE abc xyz\r\n"));
    }

    #[test]
    fn candidates_are_taken_out_and_not_without_end() {
        let answer = format!("{SESSION}{VIDEO}") + &"a=candidate:1 1 udp 1 2b8a1b9e.local 9 typ host\r\n".repeat(100);
        let answer = read_answer(&answer, &ours());
        assert_eq!(answer.candidates.len(), MAX_CANDIDATES);
        assert!(!answer.sdp.contains("candidate"));
    }

    #[test]
    fn a_payload_type_has_one_meaning() {
        let base = format!("{SESSION}{VIDEO}a=rtpmap:96 H264/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n");
        assert!(is_unambiguous(&base));
        assert!(is_unambiguous(&(base.clone() + "a=fmtp:96 packetization-mode=1\r\n")));
        for second in ["a=rtpmap:096 H265/90000\r\n", "a=fmtp:97 apt=98\r\n", "a=fmtp:98 apt=96;apt=125\r\n"] {
            assert!(!is_unambiguous(&(base.clone() + second)), "{second}");
        }
    }

    #[test]
    fn nack_tells_that_a_camera_resends() {
        let answer = |attribute: &str| read_answer(&format!("{SESSION}{VIDEO}{attribute}\r\n"), &ours()).resends;
        assert!(answer("a=rtcp-fb:96 nack") && !answer("a=rtcp-fb:96 nack pli"));
    }
}
