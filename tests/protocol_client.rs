//! The client and the simulated camera in memory, in virtual time, over a link with seeded faults.

#[path = "support/world.rs"]
mod world;

use gstwyze::protocol::client::{Config, TransportKind};
use gstwyze::protocol::credentials::Credentials;
use gstwyze::protocol::dtls::Suite;
use gstwyze::protocol::error::{Error, Stage};
use gstwyze::protocol::medium::{MediaSet, Medium};
use gstwyze::protocol::model::{Resolution, VideoWish};
use gstwyze::protocol::transport;
use gstwyze::protocol::wire::hl::ChallengeStatus;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use world::{DISCOVERY, EPHEMERAL, FAT, World, both_envelopes, camera_config, client_config, credentials};
use wyze_camera::{
    Camera, CameraConfig, CameraEvent, DEMO_ENR, DEMO_MAC, DEMO_UID, Envelope, LinkConfig, Synthetic, SyntheticConfig,
};

#[test]
fn a_clean_link_delivers_every_frame_without_deviations() {
    for envelope in both_envelopes() {
        let mut world = World::new(client_config(), camera_config(envelope), 1);
        world.connect();
        world.stream(FAT, Duration::from_secs(30));
        world.assert_received_all_but(&BTreeSet::new());
        world.assert_no_deviation();
        let stats = world.client.stats();
        assert_eq!((stats.lost, stats.duplicates, stats.reordered, stats.malformed), (0, 0, 0, 0), "{stats:?}");
        assert_eq!(stats.video_frames as usize + stats.audio_frames as usize, world.sent.len());
    }
}

#[test]
fn connecting_is_fast_and_reports_the_camera() {
    for envelope in both_envelopes() {
        let mut world = World::new(client_config(), camera_config(envelope), 2);
        let start = world.now;
        world.connect();
        assert!(world.now - start < Duration::from_millis(20), "{:?}", world.now - start);
        let info = world.connected.clone().unwrap();
        assert_eq!(info.transport, TransportKind::Lan);
        assert_eq!(info.envelope.unwrap().name(), if envelope == Envelope::Cc51 { "cc51" } else { "transcode" });
        assert_eq!(info.suite, Some(Suite::EcdhePskChacha20Poly1305));
        assert_eq!(info.address, SocketAddr::from(EPHEMERAL));
        assert_eq!(info.model, world.camera.config().model);
        assert_eq!(info.firmware, world.camera.config().firmware);
        assert!(info.media.video && info.media.audio && info.two_way_audio);
        let stages = [Stage::Discovery, Stage::Session, Stage::Dtls, Stage::Login, Stage::Auth, Stage::Streaming];
        assert_eq!(world.stages, stages);
        assert!(matches!(
            (info.envelope.unwrap(), envelope),
            (transport::Envelope::TransCode, Envelope::Transcode) | (transport::Envelope::Cc51 { .. }, Envelope::Cc51)
        ));
    }
}

#[test]
fn every_variant_of_the_protocol_is_understood() {
    for challenge in [ChallengeStatus::SharedKey, ChallengeStatus::Enr, ChallengeStatus::LongEnr] {
        for suite in [Suite::EcdhePskChacha20Poly1305, Suite::PskAes128CbcSha256] {
            for hello_verify in [false, true] {
                let long_enr = Credentials::new(DEMO_UID, "roTRg3tiuL3TjXhmAbCdEfGh01234567", DEMO_MAC).unwrap();
                let camera = CameraConfig {
                    challenge,
                    suites: vec![suite],
                    hello_verify,
                    every_frame_type: true,
                    wrapped: challenge == ChallengeStatus::LongEnr,
                    credentials: long_enr.clone(),
                    ..camera_config(Envelope::Transcode)
                };
                let mut world = World::with_keys(long_enr, client_config(), camera, 3);
                world.connect();
                assert_eq!(world.connected.as_ref().unwrap().suite, Some(suite));
                world.stream(SyntheticConfig::default(), Duration::from_secs(3));
                world.assert_received_all_but(&BTreeSet::new());
                world.assert_no_deviation();
            }
        }
    }
}

#[test]
fn while_frames_come_no_timer_is_due_between_them() {
    for envelope in both_envelopes() {
        let mut world = World::new(client_config(), camera_config(envelope), 1);
        world.connect();
        let media = SyntheticConfig { fps: 24, audio: None, ..FAT };
        world.stream(media.clone(), Duration::from_secs(4));
        let start = world.now;
        world.source = Some((start, Synthetic::new(media)));
        let mut timers = 0;
        while world.now - start < Duration::from_secs(5) {
            world.now = world.next_event().unwrap();
            let frame = world.source.as_ref().and_then(|(start, source)| Some(*start + source.next_due()?));
            timers += u32::from(world.client.poll_timeout() == Some(world.now) && frame > Some(world.now));
            world.tick();
        }
        world.assert_no_deviation();
        // The camera's silence is looked for now and then.
        assert!(timers <= 2, "{timers} timers in 5 s");
    }
}

#[test]
fn reordering_and_duplication_lose_nothing() {
    for envelope in both_envelopes() {
        for seed in 0..5 {
            let mut world = World::new(client_config(), camera_config(envelope), seed);
            world.connect();
            let reorder_delay = Duration::from_millis(20);
            world.set_link(LinkConfig { reorder: 0.1, reorder_delay, duplicate: 0.05, ..LinkConfig::default() });
            world.stream(FAT, Duration::from_secs(20));
            world.assert_received_all_but(&BTreeSet::new());
            let stats = world.client.stats();
            assert_eq!(stats.lost, 0, "{stats:?}");
            assert!(stats.reordered > 100 && stats.duplicates > 100, "{stats:?}");
        }
    }
}

#[test]
fn loss_costs_only_the_frames_that_lost_a_packet() {
    for envelope in both_envelopes() {
        for seed in 0..5 {
            let mut world = World::new(client_config(), camera_config(envelope), seed);
            world.connect();
            world.media_loss = 0.02;
            world.stream(FAT, Duration::from_secs(20));
            assert!(world.hit.len() > 50, "{}", world.hit.len());
            let hit = world.hit.clone();
            world.assert_received_all_but(&hit);
            let gaps = world.received.iter().filter(|frame| frame.after_gap).count();
            assert!(gaps > 0 && gaps <= hit.len(), "{gaps} gaps for {} frames", hit.len());
        }
    }
}

#[test]
fn a_lost_frame_of_one_medium_marks_no_gap_in_the_other() {
    // One packet per frame, so that only numbers and times show what is missing.
    let media = SyntheticConfig { key_frame_len: 900, frame_len: 500, ..SyntheticConfig::default() };
    for seed in 0..5 {
        let mut world = World::new(client_config(), camera_config(Envelope::Transcode), seed);
        world.connect();
        world.media_loss = 0.02;
        world.stream(media.clone(), Duration::from_secs(60));
        let mut wrong = 0;
        for medium in [Medium::Video, Medium::Audio] {
            let sent: Vec<_> =
                world.sent.iter().filter(|frame| frame.is_audio() == (medium == Medium::Audio)).collect();
            let position = |data: &[u8]| sent.iter().position(|frame| frame.data == data).unwrap();
            let received: Vec<_> = world.received.iter().filter(|frame| frame.medium == medium).collect();
            for pair in received.windows(2) {
                let is_gap = position(&pair[1].data) != position(&pair[0].data) + 1;
                assert!(pair[1].after_gap || !is_gap, "{medium:?}: a gap that is not marked");
                wrong += usize::from(pair[1].after_gap && !is_gap);
            }
        }
        // If several frames are lost in a row, a gap may be marked where there is none.
        let lost = world.hit.len();
        assert!(lost > 30 && wrong <= lost / 10, "{wrong} gaps marked that were none, with {lost} frames lost");
    }
}

#[test]
fn corruption_costs_only_the_records_it_hits() {
    for envelope in both_envelopes() {
        let mut world = World::new(client_config(), camera_config(envelope), 4);
        world.connect();
        world.down.set_config(LinkConfig { corrupt: 0.01, ..LinkConfig::default() });
        world.stream(FAT, Duration::from_secs(20));
        assert_eq!(world.ended, None);
        let corrupted = world.down.stats().corrupted as usize;
        let lost = world.sent.len() - world.received.len();
        assert!(corrupted > 50 && lost > 0 && lost <= corrupted, "{lost} frames lost to {corrupted} datagrams");
        let sent: BTreeSet<_> = world.sent.iter().map(|frame| &frame.data).collect();
        assert!(world.received.iter().all(|frame| sent.contains(&frame.data)));
    }
}

/// Both sides' DTLS timers run on the real clock, so this test does too.
#[test]
fn the_handshake_completes_under_heavy_loss() {
    for seed in 0..6 {
        let client = Config {
            dtls_first_resend: Duration::from_millis(30),
            connect_timeout: Duration::from_secs(60),
            ..client_config()
        };
        let envelope = if seed % 2 == 0 { Envelope::Transcode } else { Envelope::Cc51 };
        let mut world = World::new(client, camera_config(envelope), seed);
        world.set_link(LinkConfig { loss: 0.3, ..LinkConfig::default() });
        let start = Instant::now();
        world.exchange();
        while !world.stages.contains(&Stage::Login) && start.elapsed() < Duration::from_secs(30) {
            let next = world.next_event().expect("something is always due");
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            world.now = Instant::now();
            world.tick();
        }
        // From here on no timer of OpenSSL's runs, and time is virtual again.
        world.connect();
    }
}

#[test]
fn each_model_gets_its_own_resolution_command() {
    for (model, size) in [("WYZEDB3", 0), ("HL_CAM4", 3), ("HL_CFL2", 4), ("WYZE_CAKP2JFUS", 0)] {
        let camera = CameraConfig { model: model.into(), ..camera_config(Envelope::Transcode) };
        let mut world = World::new(client_config(), camera, 5);
        world.connect();
        world.run_until(Duration::from_secs(1), |_| false);
        let wish = VideoWish { resolution: Resolution::R360p, bitrate: 0, framerate: 15 };
        world.client.set_video_wish(wish, world.now);
        world.run_until(Duration::from_secs(1), |_| false);
        let asked: Vec<_> = world
            .camera_events
            .iter()
            .filter_map(|event| match event {
                CameraEvent::VideoParameters { parameters, .. } => {
                    Some((parameters.frame_size, parameters.bitrate, parameters.fps))
                }
                _ => None,
            })
            .collect();
        assert_eq!(asked, [(size, 240, 0), (1, 60, 15)], "{model}");
        world.assert_no_deviation();
    }
}

#[test]
fn a_medium_that_is_off_is_switched_off_at_the_camera() {
    for (video, audio) in [(true, false), (false, true)] {
        let mut world = World::new(
            Config { media: MediaSet { video, audio }, ..client_config() },
            camera_config(Envelope::Cc51),
            6,
        );
        world.connect();
        world.stream(SyntheticConfig::default(), Duration::from_secs(2));
        assert!(!world.received.is_empty());
        assert!(world.received.iter().all(|frame| (frame.medium == Medium::Video) == video));
        let streams = |event: &CameraEvent| matches!(event, CameraEvent::Streaming { video: v, audio: a, .. } if (*v, *a) == (video, audio));
        assert!(world.camera_events.iter().any(streams), "{:?}", world.camera_events);
        world.assert_no_deviation();
    }
}

#[test]
fn closing_says_goodbye() {
    for envelope in both_envelopes() {
        let mut world = World::new(client_config(), camera_config(envelope), 7);
        world.connect();
        world.stream(SyntheticConfig::default(), Duration::from_secs(1));
        world.client.close();
        world.exchange();
        assert_eq!(world.camera.clients(), 0, "{:?}", world.camera_events);
        assert_eq!(world.client.poll_timeout(), None);
        assert_eq!(world.ended, None, "closing is not a failure");
        world.assert_no_deviation();
    }
}

#[test]
fn each_failure_has_an_error_of_its_own() {
    let ended_with = |keys: Credentials, camera: CameraConfig| {
        let mut world = World::with_keys(keys, client_config(), camera, 8);
        world.run_until(Duration::from_secs(60), |_| false);
        world.ended.unwrap_or_else(|| panic!("connected: {:?}", world.connected))
    };
    let ended = |camera: CameraConfig| ended_with(credentials(), camera);
    let camera = || camera_config(Envelope::Transcode);
    let other = |uid, enr, mac| Credentials::new(uid, enr, mac).unwrap();
    let wrong_uid = other("AAAAAAAAAAAAAAAAAAAA", DEMO_ENR, DEMO_MAC);
    let probed = vec![SocketAddr::from(DISCOVERY)];
    assert_eq!(ended_with(wrong_uid, camera()), Error::NoAnswer { probed: probed.clone() });
    let wrong_mac = || other(DEMO_UID, DEMO_ENR, "000000000000");
    assert_eq!(ended_with(wrong_mac(), camera()), Error::NoAnswer { probed: probed.clone() });
    assert_eq!(ended_with(wrong_mac(), camera_config(Envelope::Cc51)), Error::NoAnswer { probed });
    for status in [ChallengeStatus::Updating, ChallengeStatus::Checking, ChallengeStatus::Off] {
        let error = ended(CameraConfig { challenge: status, ..camera() });
        assert_eq!(error, Error::Challenge(status));
    }
    let refused = ended(CameraConfig { refuse_answer: true, ..camera() });
    assert_eq!(refused, Error::StaleEnr);
    let login = ended(CameraConfig { refuse_login: true, ..camera() });
    assert!(matches!(login, Error::LoginRefused(_)), "{login}");
    for envelope in both_envelopes() {
        assert_eq!(ended(CameraConfig { max_clients: 0, ..camera_config(envelope) }), Error::Full);
    }
}

/// Makes a world in which the client has just reached `stage`.
fn world_at(stage: Stage, config: Config, envelope: Envelope) -> World {
    let mut world = World::new(config, camera_config(envelope), 8);
    world.set_link(LinkConfig { latency: Duration::from_millis(5), ..LinkConfig::default() });
    world.run_until(Duration::from_secs(10), |world| world.stages.contains(&stage));
    assert_eq!(world.stages.last(), Some(&stage));
    world
}

#[test]
fn a_camera_that_hangs_up_while_connecting_is_reported() {
    for stage in [Stage::Login, Stage::Auth] {
        let mut world = world_at(stage, client_config(), Envelope::Cc51);
        world.camera.close();
        world.run_until(Duration::from_secs(60), |_| false);
        assert_eq!(world.ended, Some(Error::HungUp(stage)));
    }
}

#[test]
fn a_camera_that_restarts_while_connecting_is_searched_for_again() {
    for envelope in both_envelopes() {
        for stage in [Stage::Session, Stage::Login, Stage::Auth] {
            let mut world = world_at(stage, client_config(), envelope);
            // The new camera knows nothing of the session that was begun.
            world.camera = Camera::new(camera_config(envelope), 77);
            let before = world.now;
            world.connect();
            assert!(world.now - before < Duration::from_secs(6), "{stage:?}: {:?}", world.now - before);
        }
    }
}

#[test]
fn a_failed_search_reports_the_error_of_the_attempt_before() {
    let mut world = world_at(Stage::Login, client_config(), Envelope::Transcode);
    world.set_link(LinkConfig { loss: 1.0, ..LinkConfig::default() });
    world.run_until(Duration::from_secs(60), |_| false);
    assert_eq!(world.stages.last(), Some(&Stage::Discovery));
    assert_eq!(world.ended, Some(Error::LoginTimeout));
}

#[test]
fn port_unreachable_ends_a_search_and_a_session_that_hears_no_more() {
    let mut world = World::new(client_config(), camera_config(Envelope::Transcode), 8);
    world.set_link(LinkConfig { loss: 1.0, ..LinkConfig::default() });
    let target = SocketAddr::from(DISCOVERY);
    world.client.handle_unreachable(world.now, SocketAddr::from(([10, 0, 0, 9], 1)));
    world.client.handle_unreachable(world.now, target);
    world.run_until(Duration::from_secs(60), |_| false);
    assert_eq!(world.ended, Some(Error::PortUnreachable { from: target }));

    for disproves in [true, false] {
        let mut world = World::new(client_config(), camera_config(Envelope::Transcode), 8);
        world.connect();
        world.source = Some((world.now, Synthetic::new(SyntheticConfig::default())));
        world.run_until(Duration::from_secs(2), |_| false);
        if !disproves {
            world.set_link(LinkConfig { loss: 1.0, ..LinkConfig::default() });
        }
        let at = world.now;
        world.client.handle_unreachable(at, SocketAddr::from(EPHEMERAL));
        world.run_until(Duration::from_secs(5), |_| false);
        if disproves {
            assert_eq!(world.ended, None);
        } else {
            assert_eq!(world.ended, Some(Error::PortClosed));
            assert_eq!(world.now - at, Duration::from_secs(1));
        }
    }
}

#[test]
fn a_loss_requests_a_key_frame_but_not_too_often() {
    for envelope in both_envelopes() {
        let mut world = World::new(client_config(), camera_config(envelope), 3);
        world.connect();
        let asked = |world: &World| {
            let is_request = |event: &&CameraEvent| matches!(event, CameraEvent::VideoParameters { .. });
            world.camera_events.iter().filter(is_request).count()
        };
        world.stream(FAT, Duration::from_secs(5));
        assert_eq!((asked(&world), world.client.stats().key_frame_requests), (1, 0), "the resolution, at the start");
        world.client.request_key_frame(world.now);
        world.client.request_key_frame(world.now);
        world.run_until(Duration::from_secs(1), |_| false);
        assert_eq!(asked(&world), 2);
        world.media_loss = 0.05;
        world.stream(FAT, Duration::from_secs(20));
        let requests = world.client.stats().key_frame_requests as usize;
        assert_eq!(asked(&world), 1 + requests);
        assert!((2..=6).contains(&requests), "{requests} requests in 21 s");
        world.assert_no_deviation();
    }
}

#[test]
fn one_key_frame_is_asked_for_in_a_burst_of_losses_and_none_if_that_is_off() {
    // The camera takes no notice of requests, and has no key frame of its own within the time.
    let rare = SyntheticConfig { gop: 100_000, ..FAT };
    for (requests_on, seconds, expected) in [(true, 9, 1), (true, 30, 3), (false, 9, 0)] {
        let mut world = World::new(client_config(), camera_config(Envelope::Transcode), 3);
        world.client.set_key_frame_requests(requests_on);
        world.connect();
        world.stream(rare.clone(), Duration::from_secs(1));
        world.media_loss = 0.05;
        world.stream(SyntheticConfig { key_frame_len: FAT.frame_len, ..rare.clone() }, Duration::from_secs(seconds));
        assert_eq!(world.client.stats().key_frame_requests, expected, "{seconds} s");
    }
}

#[test]
fn a_camera_without_media_or_keepalives_is_lost_after_its_timeout() {
    let stall = Duration::from_secs(3);
    let stalling = |stall_timeout, video| {
        let config = Config { stall_timeout, media: MediaSet { video, audio: false }, ..client_config() };
        let mut world = World::new(config, camera_config(Envelope::Transcode), 9);
        world.connect();
        world.run_until(Duration::from_secs(60), |_| false);
        world.ended
    };
    assert_eq!(stalling(Some(stall), true), Some(Error::Stalled(stall)));
    assert_eq!(stalling(Some(stall), false), None, "no medium is wanted");
    assert_eq!(stalling(None, true), None, "no limit");

    for (stall, silence) in [(Duration::from_secs(3), 3), (Duration::from_secs(20), 20)] {
        let config = Config { stall_timeout: Some(stall), ..client_config() };
        let mut world = World::new(config, camera_config(Envelope::Cc51), 9);
        world.connect();
        world.set_link(LinkConfig { loss: 1.0, ..LinkConfig::default() });
        world.run_until(Duration::from_secs(60), |_| false);
        assert_eq!(world.ended, Some(Error::Silent(Duration::from_secs(silence))));
    }
}

#[test]
fn a_silent_or_closing_camera_ends_the_session() {
    let mut world = World::new(client_config(), camera_config(Envelope::Transcode), 9);
    world.connect();
    world.set_link(LinkConfig { loss: 1.0, ..LinkConfig::default() });
    world.run_until(Duration::from_secs(60), |_| false);
    assert_eq!(world.ended, Some(Error::Silent(Duration::from_secs(10))));

    let mut world = World::new(client_config(), camera_config(Envelope::Cc51), 9);
    world.connect();
    world.camera.close();
    world.run_until(Duration::from_secs(60), |_| false);
    assert_eq!(world.ended, Some(Error::Closed));
}
