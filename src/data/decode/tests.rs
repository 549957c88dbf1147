use std::path::{Path, PathBuf};

use expect_test::expect;

use super::*;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pictures")
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(fixtures().join(name)).unwrap()
}

/// Every picture of tests/fixtures/pictures, and what Pillow reads in it: decoders of lossy WebP may
/// round differently.
#[test]
fn every_format_is_read_as_pillow_reads_it() {
    let mut names = std::fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names = names
        .by_ref()
        .filter_map(|name| Some(name.strip_suffix(".expected")?.to_owned()))
        .collect::<Vec<_>>();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        let read = decode(&fixture(&name), &name).unwrap_or_else(|error| panic!("{error}"));
        let expected = RgbImage::from_png(&fixture(&format!("{name}.expected")), &name).unwrap();
        assert_eq!((read.width, read.height), (expected.width, expected.height), "{name}");
        let furthest =
            read.pixels.iter().zip(&expected.pixels).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        let allowed = if name == "lossy.webp" { 3 } else { 0 };
        assert!(furthest <= allowed, "{name} is off by {furthest}");
    }
}

fn png(
    width: u32,
    height: u32,
    colour: png::ColorType,
    depth: png::BitDepth,
    data: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    encoder.set_compression(png::Compression::Fastest);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(data).unwrap();
    writer.finish().unwrap();
    bytes
}

/// A PNG whose header says this size, with next to nothing behind it.
fn bomb(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = png(8, 8, png::ColorType::Grayscale, png::BitDepth::Eight, &[7; 64]);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let mut crc = flate2::Crc::new();
    crc.update(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    bytes
}

#[test]
fn of_sixteen_bits_the_upper_eight_are_kept() {
    let levels = [0x12ff_u16, 0xff00, 0x0080]
        .iter()
        .flat_map(|level| level.to_be_bytes())
        .collect::<Vec<_>>();
    let colours = png(4, 4, png::ColorType::Rgb, png::BitDepth::Sixteen, &levels.repeat(16));
    assert_eq!(decode(&colours, "deep").unwrap().pixel(3, 3), [0x12, 0xff, 0]);
    let greys =
        png(4, 4, png::ColorType::Grayscale, png::BitDepth::Sixteen, &levels[..2].repeat(16));
    assert_eq!(decode(&greys, "deep grey").unwrap().pixel(0, 0), [0x12; 3]);
}

#[test]
fn what_is_no_picture_is_named() {
    let jpeg = fixture("rgb.jpg");
    let cut = |name: &str, part: usize| {
        let bytes = fixture(name);
        bytes[..bytes.len() * part / 8].to_vec()
    };
    let dot = png(1, 1, png::ColorType::Grayscale, png::BitDepth::Eight, &[3]);
    let cases = [
        ("empty.jpg", vec![]),
        ("dot.png", dot),
        ("page.jpg", b"\n<!DOCTYPE html><html>404</html>".to_vec()),
        ("scan.tif", b"II*\0more".to_vec()),
        ("phone.heic", b"\0\0\0\x18ftypheic".to_vec()),
        ("notes.jpg", b"notes".to_vec()),
        ("half.jpg", cut("rgb.jpg", 7)),
        ("progressive.jpg", cut("progressive.jpg", 7)),
        ("header.jpg", jpeg[..20].to_vec()),
        ("half.png", cut("alpha.png", 4)),
        ("half.webp", cut("lossy.webp", 4)),
        ("half.gif", cut("animated.gif", 2)),
        ("half.bmp", cut("rgb.bmp", 4)),
        ("bomb.png", bomb(60_000, 60_000)),
        ("overflow.png", bomb(0x7fff_ffff, 0x7fff_ffff)),
        ("lie.png", bomb(12_000, 12_000)),
    ];
    let said = cases.map(|(name, bytes)| match decode(&bytes, name) {
        Err(error) => error.to_string(),
        Ok(image) => format!("`{name}` was read: {} x {}", image.width, image.height),
    });
    expect![[r#"
        picture `empty.jpg` is empty: its file has no byte
        picture `dot.png` has 1 x 1 pixels: a side of 4 at least (smaller files stand in for pictures)
        picture `page.jpg` is a web page or another text of tags (a download that failed leaves such): JPEG, PNG, WebP, GIF and BMP are read
        picture `scan.tif` is a TIFF or a camera's raw file: JPEG, PNG, WebP, GIF and BMP are read
        picture `phone.heic` is an HEIC, an AVIF or a video: JPEG, PNG, WebP, GIF and BMP are read
        picture `notes.jpg` is no picture of a known format: JPEG, PNG, WebP, GIF and BMP are read
        picture `half.jpg` is a damaged JPEG: it is cut off: there is no end-of-image marker
        picture `progressive.jpg` is a damaged JPEG: it is cut off: there is no end-of-image marker
        picture `header.jpg` is a damaged JPEG: it is cut off: there is no end-of-image marker
        picture `half.png` is a damaged PNG: unexpected end of file
        picture `half.webp` is a damaged WebP: Corrupt bitstream
        picture `half.gif` is a damaged GIF: Unexpected End of File
        picture `half.bmp` is a damaged BMP: it is cut off: rows are missing
        picture `bomb.png` has 60000 x 60000 pixels: 178956970 at most (decompression bombs have more)
        picture `overflow.png` is a damaged PNG: limits are exceeded
        picture `lie.png` is a damaged PNG: IDAT or fDAT chunk does not have enough data for image."#]].assert_eq(&said.join("\n"));
}

/// Whatever is cut off or flipped, a picture is read or refused by name; no decoder takes the task
/// with it.
#[test]
fn damage_anywhere_is_survived() {
    for name in [
        "rgb.jpg",
        "progressive.jpg",
        "cmyk.jpg",
        "palette.png",
        "alpha.webp",
        "lossy.webp",
        "animated.gif",
        "grey.bmp",
    ] {
        let whole = fixture(name);
        for at in (0..whole.len()).step_by(whole.len() / 40 + 1) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x55;
            for bytes in [&whole[..at], &flipped] {
                if let Err(error) = decode(bytes, name) {
                    assert!(error.to_string().contains(name), "{error}");
                }
            }
        }
    }
}

#[test]
fn a_picture_of_twelve_thousand_pixels_is_made_small() {
    let wide = png(12_000, 600, png::ColorType::Grayscale, png::BitDepth::One, &[0xf0; 1500 * 600]);
    assert_eq!(header(&wide, "wide").unwrap().memory(), 6 * 12_000 * 600);
    let small =
        crate::data::fit::fit(&decode(&wide, "wide").unwrap(), 32, crate::vocabulary::Fit::Squish);
    assert!(
        small.pixels.iter().all(|level| (126..=129).contains(level)),
        "{:?}",
        &small.pixels[..9]
    );
}

/// Every picture of encodings.tar.gz and what Pillow reads in it.
#[test]
fn encodings_are_read_as_pillow_reads_them_or_refused() {
    let packed = std::fs::File::open(fixtures().join("encodings.tar.gz")).unwrap();
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(packed));
    let mut files = std::collections::BTreeMap::new();
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        files.insert(name, bytes);
    }
    let pictures = files.keys().filter(|name| !name.ends_with(".ppm")).collect::<Vec<_>>();
    assert!(pictures.len() > 150, "{}", pictures.len());
    let (mut wrong, mut refused) = (Vec::new(), Vec::new());
    for name in pictures {
        let expected = files.get(&format!("{name}.ppm"));
        let (read, expected) = match (decode(&files[name], name), expected) {
            (Err(error), _) => {
                refused.push(error.to_string());
                continue;
            }
            (Ok(_), None) => {
                wrong.push(format!("{name}: Pillow refuses it"));
                continue;
            }
            (Ok(read), Some(expected)) => (read, expected),
        };
        let size = format!("P6\n{} {}\n255\n", read.width, read.height);
        let Some(expected) = expected.strip_prefix(size.as_bytes()) else {
            wrong.push(format!("{name}: {} x {}", read.width, read.height));
            continue;
        };
        let furthest = read.pixels.iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).max();
        if furthest.is_none_or(|furthest| furthest > 0) {
            wrong.push(format!("{name}: off by {}", furthest.unwrap_or(0)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    expect![[r#"
        picture `bmp-half.bmp` is a damaged BMP: it is cut off: rows are missing
        picture `half.jpg` is a damaged JPEG: it is cut off: there is no end-of-image marker
        picture `no-end.jpg` is a damaged JPEG: it is cut off: there is no end-of-image marker
        picture `scans-two-1x1.jpg` is a JPEG of a kind that is not read: a scan has 2 of its 3 channels, and it is not progressive. Save it again as an ordinary one or as PNG
        picture `scans-two-2x2.jpg` is a JPEG of a kind that is not read: a scan has 2 of its 3 channels, and it is not progressive. Save it again as an ordinary one or as PNG"#]].assert_eq(&refused.join("\n"));
}
