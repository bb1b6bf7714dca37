//! Writes the inputs that fuzzing begins with, a folder for each target: `seeds FOLDER`.

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).expect("a folder"));
    for (name, _) in wyze_fuzz::TARGETS {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder)?;
        for (i, seed) in wyze_fuzz::seeds(name).iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{i:03}")), seed)?;
        }
    }
    Ok(())
}
