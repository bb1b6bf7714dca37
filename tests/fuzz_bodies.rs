//! Runs the fuzz targets of `tests/fuzz` as ordinary tests, on their seeds and on the same mutations every time.
//!
//! If `WYZE_FUZZ_CORPUS` names a folder, the seeds are also written there, for fuzzers to begin with.

#[path = "fuzz/src/lib.rs"]
mod fuzz;

use fuzz::{TARGETS, seeds};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::path::Path;

/// Runs the target on its seeds, on an empty input and on `mutations` random changes of them.
fn run(name: &str, mutations: usize) {
    let (_, body) = TARGETS.into_iter().find(|(target, _)| *target == name).unwrap();
    let mut inputs = seeds(name);
    assert!(!inputs.is_empty());
    if let Some(corpus) = std::env::var_os("WYZE_FUZZ_CORPUS") {
        write(&Path::new(&corpus).join(name), &inputs);
    }
    inputs.push(Vec::new());
    for input in &inputs {
        body(input);
    }
    let mut rng = StdRng::seed_from_u64(1);
    for _ in 0..mutations {
        let mut input = inputs[rng.random_range(0..inputs.len())].clone();
        for _ in 0..rng.random_range(1..8) {
            mutate(&mut input, &inputs, &mut rng);
        }
        body(&input);
    }
}

fn write(folder: &Path, inputs: &[Vec<u8>]) {
    std::fs::create_dir_all(folder).unwrap();
    for (i, input) in inputs.iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{i:03}")), input).unwrap();
    }
}

fn mutate(input: &mut Vec<u8>, others: &[Vec<u8>], rng: &mut StdRng) {
    let at = rng.random_range(0..=input.len());
    let end = (at + rng.random_range(0..40)).min(input.len());
    match rng.random_range(0..6) {
        0 if at < input.len() => input[at] = rng.random(),
        1 if at < input.len() => input[at] ^= 1 << rng.random_range(0..8),
        2 => drop(input.drain(at..end)),
        3 => drop(input.splice(at..at, rng.random::<[u8; 12]>())),
        4 => {
            let copy = input[at..end].to_vec();
            input.splice(end..end, copy);
        }
        5 => {
            let other = &others[rng.random_range(0..others.len())];
            let from = rng.random_range(0..=other.len());
            input.truncate(at);
            input.extend(&other[from..]);
        }
        _ => {}
    }
    input.truncate(4096);
}

macro_rules! run {
    ($($name:ident $mutations:literal)*) => {
        $(#[test]
        fn $name() {
            run(stringify!($name), $mutations);
        })*

        #[test]
        fn every_target_has_a_fuzz_program_and_a_test() {
            let names = TARGETS.map(|(name, _)| name);
            assert_eq!(names, [$(stringify!($name)),*]);
            let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
            let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
            for name in names {
                assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"targets/{name}.rs\"")), "{name}");
                let shim = std::fs::read_to_string(fuzz.join("targets").join(format!("{name}.rs"))).unwrap();
                assert!(shim.contains(&format!("wyze_fuzz::{name}(")), "{name}");
            }
        }
    };
}

run! {
    iotc 4000
    cc51 4000
    control 4000
    media 4000
    talk 4000
    auth_result 100
    record_window 1000
    reassembly 1000
    dtls 300
    client 200
    caps 1000
    timeline 1000
    uri 1000
    signalling 2000
    answer 300
    viewer 100
    relay 200
}
