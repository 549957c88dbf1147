//! Shards of titrate's and of others.

use super::record::record_json;
use super::*;
use crate::data::{Item, RgbImage, Synthetic};

fn item(index: u8, synthetic: Option<Synthetic>) -> Item {
    let image =
        RgbImage { width: 3, height: 2, pixels: (0..18).map(|byte| byte * 7 + index).collect() };
    Item {
        id: format!("lichen-planus-{index:05}"),
        label: "lichen planus".to_owned(),
        fst: 1 + index % 6,
        malignant: [None, Some(false), Some(true)][usize::from(index % 3)],
        patient: ["", "p 7"][usize::from(index == 3)].to_owned(),
        caption: "An image of lichen planus, a skin disease".to_owned(),
        source: "phantom".to_owned(),
        image,
        synthetic,
    }
}

fn items() -> Vec<Item> {
    let generated = Synthetic {
        name: "00007".to_owned(),
        md5hash: "lichen-planus-00001".to_owned(),
        method: "inpaint".to_owned(),
        submethod: "finetuned".to_owned(),
        generation_num: 7,
        tag: String::new(),
    };
    vec![item(1, None), item(2, Some(generated)), item(3, None)]
}

#[test]
fn items_survive_a_shard() {
    let shard = write_shard(&items()).unwrap();
    assert_eq!(read_shard(&shard, "shard-00000.tar").unwrap(), items());
    assert_eq!(shard, write_shard(&items()).unwrap());
}

/// Without a patient, the bytes that every store has of the sets that know of none.
#[test]
fn a_record_has_a_patient_only_where_one_is_known() {
    let caption = "An image of lichen planus, a skin disease";
    let known = [r#""malignant":false,"#, r#""patient":"p 7","#];
    for (index, [malignant, patient]) in [(0, ["", ""]), (1, [known[0], ""]), (3, ["", known[1]])] {
        let expected = format!(
            r#"{{"caption":"{caption}","fst":{},"id":"lichen-planus-{index:05}","label":"lichen planus",{malignant}{patient}"source":"phantom"}}"#,
            1 + index,
        );
        assert_eq!(String::from_utf8(record_json(&item(index, None)).unwrap()).unwrap(), expected);
    }
}

#[test]
fn patients_come_by_name_or_number() {
    for (written, expected) in [
        ("", Ok("")),
        (r#","patient":null"#, Ok("")),
        (r#","patient":" IP_0042 ""#, Ok("IP_0042")),
        (r#","patient":42"#, Ok("42")),
        (r#","patient":["a"]"#, Err(r#"`patient` is ["a"]; text or a number expected"#)),
    ] {
        let json = format!(r#"{{"label":"psoriasis"{written}}}"#);
        let record = Fields::read(json.as_bytes()).and_then(|fields| fields.record());
        let found = record.map(|record| record.patient).map_err(|error| error.to_string());
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{written}");
    }
}

#[test]
fn a_shard_cut_anywhere_is_refused_by_name() {
    let shard = write_shard(&items()).unwrap();
    for cut in (0..shard.len()).step_by(64) {
        let error = read_shard(&shard[..cut], "shard-00042.tar")
            .expect_err(&format!("cut at {cut} of {}", shard.len()));
        assert!(error.to_string().contains("shard-00042.tar"), "{error}");
    }
}

type Members<'a> = &'a [(&'a str, &'a [u8])];

/// A shard of the given members as another program might have written it.
fn foreign(members: Members) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (member, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        tar.append_data(&mut header, member, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

#[test]
fn a_released_record_is_read_and_bad_members_are_named() {
    let png = items()[0].image.to_png("x").unwrap();
    let json =
        br#"{"name":"a","md5hash":"ff","label":"psoriasis","method":"t2i","submethod":"more","generation_num":3,"tag":""}"#;
    let read =
        read_shard(&foreign(&[("train/000.png", &png), ("train/000.json", json)]), "released.tar")
            .unwrap();
    assert_eq!(
        (read[0].id.as_str(), read[0].label.as_str(), read[0].fst),
        ("train/000", "psoriasis", 0)
    );
    assert_eq!(read[0].synthetic.as_ref().unwrap().generation_num, 3);

    let short = &png[..png.len() / 2];
    let cases: [(Members, &str); 4] = [
        (&[("a.png", &png)], "`released.tar`: sample `a` has no .json or .cls member"),
        (
            &[("a.json", json), ("b.png", &png), ("b.json", json)],
            "`released.tar`: sample `a` has no picture (png",
        ),
        (&[("a.png", short), ("a.json", json)], "member `a.png`: image `a` is not a readable PNG"),
        (
            &[("a.png", &png), ("a.json", br#"{"label":3}"#)],
            "member `a.json`: the record can't be read: invalid type",
        ),
    ];
    for (members, expected) in cases {
        let error = read_shard(&foreign(members), "released.tar").unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn an_id_that_would_split_wrongly_is_refused() {
    let mut dotted = items();
    dotted[0].id = "a.b".to_owned();
    assert!(write_shard(&dotted).unwrap_err().to_string().contains("`a.b`"));
}

/// What samples of others' shards are called, which member is the picture and what the others say.
fn samples_of(bytes: &[u8]) -> String {
    let mut lines = Vec::new();
    let read = for_each_sample(bytes, "s.tar", |sample| {
        let cells = sample.fields.cells();
        let cells = cells.iter().map(|(field, cell)| format!("{field}={cell}"));
        lines.push(format!(
            "{} {} {}",
            sample.id(),
            sample.member,
            cells.collect::<Vec<_>>().join(" ")
        ));
        Ok::<_, ShardError>(())
    });
    match read {
        Err(error) => lines.push(error.to_string()),
        Ok(unused) if unused.is_empty() => {}
        Ok(unused) => lines.push(format!("unused: {unused:?}")),
    }
    lines.join("\n")
}

#[test]
fn shards_of_others_are_read() {
    let check = |members: Members, expected: expect_test::Expect| {
        expected.assert_eq(&samples_of(&foreign(members)));
    };
    let (png, label) = (&b"picture"[..], &br#"{"label":"a"}"#[..]);
    // A folder belongs to the key, and capitals count as small letters.
    check(
        &[("a/0.PNG", png), ("a/0.JSON", label), ("b/0.Jpg", png), ("b/0.json", label)],
        expect_test::expect![[r#"
            a/0 a/0.PNG label=a
            b/0 b/0.Jpg label=a"#]],
    );
    // Beside a photograph a PNG is a mask, whichever comes first.
    check(
        &[("0.png", png), ("0.jpg", png), ("0.json", label), ("0.mask.png", png)],
        expect_test::expect![[r#"
            0 0.jpg label=a
            unused: {"mask.png": 1, "png": 1}"#]],
    );
    check(
        &[("0.jpg", png), ("0.cls", b"3\n"), ("0.txt", b"a photo"), ("__index__.txt", b"x")],
        expect_test::expect![[r#"
            0 0.jpg caption=a photo label=3
            unused: {"txt": 1}"#]],
    );
    check(
        &[("0.jpg", png), ("0.json", b"\xef\xbb\xbf{\"label\": 1, \"fst\": null, \"age\": 2.5}")],
        expect_test::expect!["0 0.jpg age=2.5 fst= label=1"],
    );
    check(
        &[("a.0.png", png), ("a.0.json", label)],
        expect_test::expect![
            "shard `s.tar` has no picture: its members are called as `a.0.json`, and WebDataset takes `0.json`, all after the first dot, for what the member is; png, jpg, jpeg, webp, gif and bmp are pictures, json and cls say what they show"
        ],
    );
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut zipped, &foreign(&[("0.png", png), ("0.json", label)])).unwrap();
    assert_eq!(samples_of(&zipped.finish().unwrap()), "0 0.png label=a");
}

/// A member's header of `kind` that says `size` bytes, which need not follow.
fn header(name: &str, kind: tar::EntryType, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name).unwrap();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// An endless file is read as far as is needed to see what it is.
fn refused(head: Vec<u8>) -> String {
    let source = std::io::Read::chain(std::io::Cursor::new(head), std::io::repeat(b'7'));
    for_each_sample(source, "a.tar", |_| Ok::<_, ShardError>(())).unwrap_err().to_string()
}

#[test]
fn what_a_shard_makes_titrate_hold_is_bounded() {
    let pax = refused(header("pax", tar::EntryType::XHeader, 1_500_000_000));
    assert!(pax.contains("its headers are too long"), "{pax}");
    let name = refused(header("name", tar::EntryType::GNULongName, 1_500_000_000));
    assert!(name.contains("its headers are too long"), "{name}");
    let member = refused(header("a.png", tar::EntryType::Regular, 1_500_000_000));
    assert!(member.contains("has 1500000000 bytes"), "{member}");
    let mut many = Vec::new();
    for part in 0..3 {
        many.extend(header(&format!("a.{part}"), tar::EntryType::Regular, 200 << 20));
        many.resize(many.len() + (200 << 20), 0);
    }
    let sample = refused(many);
    assert!(sample.contains("sample `a`: its members have more than"), "{sample}");
}
