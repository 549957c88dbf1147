//! Sets of pictures with something wrong in them: what `titrate data check` says, and with which
//! exit code.

use std::fs;
use std::io::Write;
use std::path::Path;

use expect_test::expect;
use titrate::data::webdataset::write_shard;

use crate::chain::Chain;
use crate::pictures::{CLASSES, fitzpatrick17k, item, md5hash, picture, write};

/// A study of a set at `set`, of the classes of the small sets.
fn study(chain: &Chain, source: &str, more: &str) {
    let text = chain.study_text();
    let extends = text.lines().next().unwrap();
    chain.write_study(&format!(
        "{extends}\n[images]\nsource = {source:?}\npath = \"set\"\nplentiful = 0\npool = 4\nvalidation = 2\nheld_out = 4\n{more}"
    ));
}

/// A folder of 12 pictures a class.
fn folder(chain: &Chain) {
    study(chain, "folder", "");
    for class in CLASSES {
        for index in 0..12 {
            write(
                chain.path("set").join(class).join(format!("{index}.png")),
                &picture(class, index).to_png("picture").unwrap(),
            );
        }
    }
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pictures").join(name))
        .unwrap()
}

/// A PNG of nothing but a gradient, of any depth.
fn png(width: u32, height: u32, depth: png::BitDepth) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(depth);
    let row = (width as usize * depth as usize).div_ceil(8);
    let levels = (0..row * height as usize).map(|at| (at / row) as u8).collect::<Vec<_>>();
    encoder.write_header().unwrap().write_image_data(&levels).unwrap();
    bytes
}

/// A PNG that says it has this size, with next to nothing behind it.
fn bomb(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = png(8, 8, png::BitDepth::Eight);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let mut crc = flate2::Crc::new();
    crc.update(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    bytes
}

/// One more picture in a folder of good ones: refused by name, and left out where the study says
/// so.
#[test]
fn a_picture_that_cannot_be_used_is_named_and_can_be_left_out() {
    let chain = Chain::new("unusable");
    folder(&chain);
    let half = |name: &str| fixture(name)[..fixture(name).len() / 2].to_vec();
    let cases = [
        ("zero.jpg", Vec::new(), "is empty: its file has no byte"),
        ("half.jpg", half("rgb.jpg"), "is a damaged JPEG: it is cut off"),
        ("half.webp", half("lossy.webp"), "is a damaged WebP"),
        ("dot.png", png(1, 1, png::BitDepth::Eight), "has 1 x 1 pixels: a side of 4 at least"),
        ("page.jpg", b"<html>404</html>".to_vec(), "is a web page or another text of tags"),
        ("bomb.png", bomb(60_000, 60_000), "has 60000 x 60000 pixels: 178956970 at most"),
    ];
    for (name, bytes, why) in cases {
        let path = chain.path("set").join("psoriasis").join(name);
        write(path.clone(), &bytes);
        let (code, said) = chain.data_check(&[]);
        assert_eq!(code, 2, "{said}");
        let said = said.replace('\\', "");
        assert!(
            said.contains(&format!("`psoriasis/{name}` {why}"))
                && said.contains("images.unusable = \"drop\""),
            "{said}"
        );
        let refused = chain.failure(&[], "cohort/pool");
        assert!(
            refused.starts_with("1: ") && refused.contains("1 of 37 pictures can't be used"),
            "{refused}"
        );
        let (code, said) = chain.data_check(&["images.unusable=drop"]);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("| psoriasis | 12 | 1 |"), "{said}");
        fs::remove_file(path).unwrap();
    }
}

/// What can't be drawn is refused before anything is decoded, all of it at once; `data check` counts
/// all the same.
#[test]
fn sets_that_ask_for_more_than_there_is_are_refused_at_once() {
    let chain = Chain::new("too-much");
    folder(&chain);
    let much = ["images.held_out=8", "images.pool=20"];
    expect!["2: error: study study: --set images.pool=20: `images.pool` asks for 20 pictures of `basal cell carcinoma`; 2 are left once the sets before it have theirs"].assert_eq(&chain.failure(&much, "cohort/pool"));
    let (code, said) = chain.data_check(&much);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("| psoriasis | 12 | 0 |"), "{said}");
    assert!(
        said.contains("the largest split of this kind that fits: images.held_out = "),
        "{said}"
    );

    // As well where the pictures lie in shards, of which only the records are read.
    let chain = Chain::new("too-much-packed");
    study(&chain, "webdataset", "");
    let of = |class: &'static str| (0..12).map(move |index| item(class, index));
    for (at, class) in CLASSES.into_iter().enumerate() {
        let shard = write_shard(&of(class).collect::<Vec<_>>()).unwrap();
        let name = format!("{at}.tar{}", ["", ".gz"][at % 2]);
        write(chain.path("set").join(name), &if at % 2 == 1 { gzip(&shard) } else { shard });
    }
    expect!["2: error: study study: --set images.pool=20: `images.pool` asks for 20 pictures of `basal cell carcinoma`; 2 are left once the sets before it have theirs"].assert_eq(&chain.failure(&much, "cohort/pool"));
    expect!["2: error: study study: images.exclude: 1 of its ids are of no picture of the set: `x`. An id is the path from the set's folder without its ending, `-` for each `/` and `.`, or the key of a shard's members"].assert_eq(&chain.failure(&["images.exclude=[\"x\"]"], "cohort/pool"));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Pictures as cameras, phones and browsers leave them are read; README says how.
#[test]
fn unusual_pictures_are_read() {
    let chain = Chain::new("unusual");
    folder(&chain);
    for (name, bytes) in [
        ("cmyk.jpg", fixture("cmyk.jpg")),
        ("turned.jpg", fixture("exif-6.jpg")),
        ("animated.gif", fixture("animated.gif")),
        ("moving.webp", fixture("animated.webp")),
        ("palette.bmp", fixture("palette.bmp")),
        ("deep.png", png(40, 30, png::BitDepth::Sixteen)),
        ("wide.png", png(12_000, 600, png::BitDepth::One)),
    ] {
        write(chain.path("set").join("psoriasis").join(name), &bytes);
    }
    std::os::unix::fs::symlink(
        chain.path("set"),
        chain.path("set").join("psoriasis").join("round"),
    )
    .unwrap();
    let (code, said) = chain.data_check(&[]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("| psoriasis | 19 | 0 |") && said.contains("Shorter sides: 24 to 600 pixels"),
        "{said}"
    );
}

/// What is wrong with a table is said with its file, line and value before anything runs.
#[test]
fn a_table_that_is_wrong_is_refused_with_its_line() {
    let chain = Chain::new("tables");
    study(&chain, "fitzpatrick17k", "held_out_list = \"set/held_out.csv\"\n");
    let set = chain.path("set");
    fitzpatrick17k(&set, 12, 4);
    assert_eq!(chain.data_check(&[]).0, 0);
    let table = fs::read_to_string(set.join("fitzpatrick17k.csv")).unwrap();
    let first = md5hash(CLASSES[0], 0);
    let second = table.lines().nth(2).unwrap();
    let cases = [
        (
            "a column is missing",
            table.replace("fitzpatrick_scale", "scale"),
            "has no column `fitzpatrick_scale`; it has md5hash, scale",
        ),
        ("an id comes twice", format!("{table}\n{second}\n"), "line 38: `"),
        (
            "a skin type is 7",
            table.replacen(",1,-1,", ",7,-1,", 1),
            "line 2: `fitzpatrick_scale` is \"7\"; a Fitzpatrick skin type, 1 to 6",
        ),
        (
            "a path climbs",
            table.replacen(&first, "../../etc/passwd", 1),
            "line 2: `md5hash` is \"../../etc/passwd\"; an MD5 of 32",
        ),
        (
            "a class is unknown",
            table.replace("psoriasis", "psoriasys"),
            "has `psoriasis`, and no picture is of that class (the nearest is `psoriasys`)",
        ),
        ("no row", table.lines().next().unwrap().to_owned(), "has a header and no row"),
        ("not UTF-8", table.replacen("inflammatory", "\u{1}", 1), ""),
    ];
    for (what, text, expected) in cases {
        if expected.is_empty() {
            let bytes =
                text.bytes().map(|byte| if byte == 1 { 0xff } else { byte }).collect::<Vec<_>>();
            fs::write(set.join("fitzpatrick17k.csv"), bytes).unwrap();
        } else {
            fs::write(set.join("fitzpatrick17k.csv"), text).unwrap();
        }
        // A label that one table has and the other has not is the same mistake in both.
        let lists = if what == "a class is unknown" { &["images.held_out_list="][..] } else { &[] };
        let (code, said) = chain.data_check(lists);
        assert_eq!(code, 2, "{what}: {said}");
        assert!(
            said.contains("fitzpatrick17k.csv") || what == "a class is unknown",
            "{what}: {said}"
        );
        assert!(said.contains(expected), "{what}: {said}");
    }
    fs::write(set.join("fitzpatrick17k.csv"), &table).unwrap();

    for index in 2..9 {
        fs::remove_file(set.join(format!("{}.jpg", md5hash(CLASSES[1], index)))).unwrap();
    }
    let (code, said) = chain.data_check(&[]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("7 of 36 pictures are not in") && said.contains(" and 2 more"), "{said}");
    assert!(said.contains("images.unusable = \"drop\" to go on without them"), "{said}");
    assert_eq!(said.matches(".jpg").count(), 5, "{said}");
}

/// A shard from elsewhere can neither write nor read beside itself, and one that is cut off is
/// named.
#[test]
fn a_shard_that_is_wrong_is_named_with_its_member() {
    let chain = Chain::new("shards");
    study(&chain, "webdataset", "");
    let items = CLASSES
        .into_iter()
        .flat_map(|class| (0..12).map(move |index| item(class, index)))
        .collect::<Vec<_>>();
    let whole = write_shard(&items).unwrap();
    let set = chain.path("set");
    let check = |bytes: &[u8]| {
        write(set.join("a-00000.tar"), bytes);
        chain.data_check(&[])
    };
    let (code, said) = check(&whole);
    assert_eq!(code, 0, "{said}");

    let (code, said) = check(&whole[..whole.len() / 2]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("shard `a-00000.tar`") && said.contains("cut off"), "{said}");

    let png = items[0].image.to_png("picture").unwrap();
    let json = br#"{"label":"psoriasis"}"#;
    let mut climbing = tar::Builder::new(Vec::new());
    for item in &items {
        let record = serde_json::json!({ "label": item.label }).to_string();
        member(&mut climbing, &format!("{}.png", item.id), &item.image.to_png("picture").unwrap());
        member(&mut climbing, &format!("{}.json", item.id), record.as_bytes());
    }
    for name in ["../../climbs", "/tmp/absolute"] {
        member(&mut climbing, &format!("{name}.png"), &png);
        member(&mut climbing, &format!("{name}.json"), json);
    }
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    climbing.append_link(&mut link, "link.png", "/etc/passwd").unwrap();
    let (code, said) = check(&climbing.into_inner().unwrap());
    assert_eq!(code, 0, "{said}");
    // Samples like others, called by their last names; the link is no sample.
    assert!(said.contains("| psoriasis | 14 | 0 |"), "{said}");

    let cases: [(&str, Members, &str); 4] = [
        ("no record", &[("a.png", &png)], "sample `a` has no .json or .cls member"),
        (
            "a record without a label",
            &[("a.png", &png), ("a.json", b"{}")],
            "`a-00000.tar/a.png`: there is no label",
        ),
        ("no picture", &[("a.json", json)], "sample `a` has no picture"),
        ("no tar file", &[], "shard `a-00000.tar`"),
    ];
    for (what, members, expected) in cases {
        let mut shard = tar::Builder::new(Vec::new());
        members.iter().for_each(|(name, bytes)| member(&mut shard, name, bytes));
        let bytes = if members.is_empty() {
            b"no tar file at all".repeat(60)
        } else {
            shard.into_inner().unwrap()
        };
        let (code, said) = check(&bytes);
        assert_eq!(code, 1, "{what}: {said}");
        assert!(said.contains(expected), "{what}: {said}");
    }
}

/// Names and contents of a shard's members.
type Members<'a> = &'a [(&'a str, &'a [u8])];

/// Adds a member under any name, also one that the tar crate would refuse.
fn member(shard: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    shard.append(&header, bytes).unwrap();
}
