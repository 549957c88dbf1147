//! A thousand pictures of random encodings: read as Pillow reads them.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use titrate::data::decode;

use crate::{lacks, python};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peer/random_pictures.py");
/// What the encodings are drawn from.
const SEED: &str = "1";
const COUNT: usize = 1000;

/// How a picture fared.
enum Read {
    /// The furthest that a level is from Pillow's.
    Within(u8),
    Refused(String),
}

fn read(path: &Path, name: &str) -> Read {
    let expected = fs::read(path.join(format!("{name}.ppm"))).unwrap();
    let image = match decode::decode(&fs::read(path.join(name)).unwrap(), name) {
        Ok(image) => image,
        Err(error) => return Read::Refused(error.to_string()),
    };
    let head = format!("P6\n{} {}\n255\n", image.width, image.height);
    let Some(pixels) = expected.strip_prefix(head.as_bytes()) else {
        panic!("{name}: {} x {} is not the size that Pillow reads", image.width, image.height)
    };
    let furthest = image.pixels.iter().zip(pixels).map(|(ours, theirs)| ours.abs_diff(*theirs));
    Read::Within(furthest.max().unwrap())
}

#[test]
fn random_encodings_are_read_as_pillow_reads_them() {
    if lacks("numpy, PIL") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let count = COUNT.to_string();
    let mut command = Command::new(python());
    let output = command.args([SCRIPT, SEED, &count]).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = fs::read_dir(folder.path()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| !name.ends_with(".ppm")).collect();
    names.sort();
    assert_eq!(names.len(), COUNT);
    let (mut rounded, mut wrong) = (0, Vec::new());
    for name in names {
        match read(folder.path(), &name) {
            Read::Within(0) => {}
            // Decoders of lossy WebP may round differently.
            Read::Within(1..=2) if name.ends_with(".lossy.webp") => rounded += 1,
            Read::Within(levels) => wrong.push(format!("{name} is off by {levels}")),
            Read::Refused(error) => wrong.push(error),
        }
    }
    let _ = writeln!(
        std::io::stderr(),
        "{COUNT} pictures: {}; {rounded} of lossy WebP are off by 2 levels at most, all others exact",
        String::from_utf8_lossy(&output.stdout).trim_end(),
    );
    assert!(wrong.is_empty(), "{} of {COUNT}:\n{}", wrong.len(), wrong.join("\n"));
}
