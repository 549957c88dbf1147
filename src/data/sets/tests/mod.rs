//! On small tables written here, and on the real ones where they are at hand.

use std::io::Write;
use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};

use super::*;
use crate::data::catalogue::{Catalogue, Part, Table};
use crate::data::split::{Strata, Wanted, split};
use crate::seed::Seed;
use crate::vocabulary::SkinTypeScale;

mod folders;

fn table(text: &str) -> Table {
    Table::read(text.as_bytes(), "a.csv").unwrap()
}

const HEADER: &str = "md5hash,fitzpatrick_scale,fitzpatrick_centaur,label,three_partition_label\n";
const A: &str = "5e82a45bc5d78bd24ae9202d194423f8";
const B: &str = "fa2911a9b13b6f8af79cb700937cc14f";

#[test]
fn what_is_wrong_with_a_table_is_named_with_its_line() {
    let check = |text: String, expected: Expect| {
        let error = Table::read(text.as_bytes(), "a.csv").and_then(|table| {
            fitzpatrick17k::catalogue(&table, None, None, SkinTypeScale::Scale, &[])
        });
        expected.assert_eq(&error.unwrap_err().to_string());
    };
    let row = |text: &str| format!("{HEADER}{text}\n");
    check(
        "md5hash,label\nx,y\n".into(),
        expect!["`a.csv` has no column `fitzpatrick_scale`; it has md5hash, label"],
    );
    check(HEADER.into(), expect!["`a.csv` has a header and no row"]);
    check(String::new(), expect!["`a.csv` has a header and no row"]);
    check(
        row(&format!("{A},3,3,psoriasis,non-neoplastic\n{A},3,3,psoriasis,non-neoplastic")),
        expect!["`a.csv`, line 3: `5e82a45bc5d78bd24ae9202d194423f8` is there already, on line 2"],
    );
    check(
        row(&format!("{A},7,3,psoriasis,non-neoplastic")),
        expect![[
            r#"`a.csv`, line 2: `fitzpatrick_scale` is "7"; a Fitzpatrick skin type, 1 to 6, or -1 for an unknown one, expected"#
        ]],
    );
    check(
        row(&format!("{A},0,3,psoriasis,non-neoplastic")),
        expect![[
            r#"`a.csv`, line 2: `fitzpatrick_scale` is "0"; a Fitzpatrick skin type, 1 to 6, or -1 for an unknown one, expected"#
        ]],
    );
    check(
        row("../../etc/passwd,3,3,psoriasis,non-neoplastic"),
        expect![[
            r#"`a.csv`, line 2: `md5hash` is "../../etc/passwd"; an MD5 of 32 hexadecimal digits expected"#
        ]],
    );
    check(
        row(&format!("{A},3,3,psoriasis,odd")),
        expect![[
            r#"`a.csv`, line 2: `three_partition_label` is "odd"; malignant, benign or non-neoplastic expected"#
        ]],
    );
    check(
        row(&format!("{A},3,3,psoriasis")),
        expect![
            "`a.csv` is not a CSV file: CSV error: record 1 (line: 2, byte: 74): found record with 4 fields, but the previous record has 5 fields"
        ],
    );
}

#[test]
fn lists_agree_with_the_annotations() {
    let annotations =
        table(&format!("{HEADER}{A},3,1,psoriasis,non-neoplastic\n{B},-1,2,psoriasis,malignant\n"));
    let list = |text: &str, name: &str| {
        Table::read(format!("md5hash,label\r\n{text}\r\n").as_bytes(), name).unwrap()
    };
    let of = |held_out: Option<&Table>, training: Option<&Table>| {
        fitzpatrick17k::catalogue(&annotations, held_out, training, SkinTypeScale::Centaur, &[])
    };
    let both = of(Some(&list(&format!("{A},psoriasis"), "h.csv")), None).unwrap();
    let parts = both
        .records
        .iter()
        .map(|record| (record.part, record.fst, record.malignant))
        .collect::<Vec<_>>();
    assert_eq!(parts, [(Some(Part::Test), 1, Some(false)), (Some(Part::Train), 2, Some(true))]);
    let error = |held_out: &str, training: Option<&str>| {
        let training = training.map(|text| list(text, "t.csv"));
        of(Some(&list(held_out, "h.csv")), training.as_ref()).unwrap_err().to_string()
    };
    let other = "00000000000000000000000000000000";
    assert_eq!(
        error(&format!("{other},psoriasis"), None),
        format!("`h.csv`, line 2: `{other}` is not in `a.csv`")
    );
    assert_eq!(
        error(&format!("{A},scabies"), None),
        format!("`h.csv`, line 2: `{A}` is a scabies here and a psoriasis in `a.csv`")
    );
    let twice = error(&format!("{A},psoriasis"), Some(&format!("{A},psoriasis")));
    assert_eq!(twice, format!("`t.csv`, line 2: `{A}` is in the held-out list `h.csv` too"));
}

#[test]
fn a_class_that_no_picture_has_is_named_with_the_nearest() {
    let annotations = table(&format!("{HEADER}{A},3,1,psoriasis,non-neoplastic\n"));
    let catalogue =
        fitzpatrick17k::catalogue(&annotations, None, None, SkinTypeScale::Scale, &[]).unwrap();
    let error = catalogue.of(&["psoriasys".to_owned()]).unwrap_err().to_string();
    assert_eq!(
        error,
        "images.classes has `psoriasys`, and no picture is of that class (the nearest is `psoriasis`); the set has psoriasis"
    );
}

/// A file beside the project that is not the project's own.
fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    if !path.is_file() {
        writeln!(std::io::stderr(), "skipped: {} is not there", path.display()).unwrap();
        return None;
    }
    Some(path)
}

fn shared_table(name: &str) -> Option<Table> {
    let path = shared(name)?;
    Some(Table::read(&std::fs::read(path).unwrap(), name).unwrap())
}

fn classes() -> Vec<String> {
    let nine = fitzpatrick17k::COUNTS
        .iter()
        .map(|count| count.0.to_owned())
        .filter(|label| label != "folliculitis");
    nine.collect()
}

/// Sagers et al.: 9/70/111/70/53/22/25 held-out pictures of the nine classes by skin type, by
/// Centaur 18/139/77/46/38/17/25.
#[test]
fn fitzpatrick17k_is_the_papers() {
    let (Some(annotations), Some(held_out)) = (
        shared_table("fitzpatrick17k.csv"),
        shared_table("fitzpatrick17k_10label_clean_held_out_set.csv"),
    ) else {
        return;
    };
    let all =
        fitzpatrick17k::catalogue(&annotations, None, None, SkinTypeScale::Scale, &[]).unwrap();
    assert_eq!(all.records.len(), 16_577);
    assert_eq!(all.notes, Vec::<String>::new(), "every count is the paper's");
    let counts = all.counts();
    for (label, original, _) in fitzpatrick17k::COUNTS {
        assert_eq!(counts[label], original, "{label}");
    }
    for (skin_type, expected) in [
        (SkinTypeScale::Scale, [9, 70, 111, 70, 53, 22, 25]),
        (SkinTypeScale::Centaur, [18, 139, 77, 46, 38, 17, 25]),
    ] {
        let set = fitzpatrick17k::catalogue(&annotations, Some(&held_out), None, skin_type, &[])
            .unwrap()
            .of(&classes())
            .unwrap();
        let test =
            set.records.iter().filter(|record| record.part == Some(Part::Test)).collect::<Vec<_>>();
        assert_eq!(test.len(), 360);
        let found = (0..=6)
            .map(|fst| test.iter().filter(|record| record.fst == fst).count())
            .collect::<Vec<_>>();
        assert_eq!(found, expected);
    }
    // The authors' clean training table is not at hand: one of the same counts, drawn from what is
    // not held out.
    let set =
        fitzpatrick17k::catalogue(&annotations, Some(&held_out), None, SkinTypeScale::Scale, &[])
            .unwrap();
    let mut clean = String::from("md5hash,label\n");
    for (label, _, cleaned) in fitzpatrick17k::COUNTS {
        let of_class = set
            .records
            .iter()
            .filter(|record| record.label == label && record.part == Some(Part::Train));
        of_class
            .take(cleaned - fitzpatrick17k::HELD_OUT)
            .for_each(|record| clean.push_str(&format!("{},{label}\n", record.id)));
    }
    let clean = fitzpatrick17k::catalogue(
        &annotations,
        Some(&held_out),
        Some(&table(&clean)),
        SkinTypeScale::Scale,
        &[],
    )
    .unwrap();
    assert_eq!((clean.records.len(), clean.notes), (3_930, Vec::new()));

    let ids = |set: &Catalogue, at: &[usize]| {
        at.iter().map(|&at| set.records[at].id.clone()).collect::<Vec<_>>()
    };
    let (set, alone) =
        (set.of(&classes()).unwrap(), |set: &Catalogue| (0..set.records.len()).collect::<Vec<_>>());
    let wanted = |key, count, part| Wanted { key, count, strata: Strata::Classes, part };
    let sets = [
        wanted("held_out".into(), 40, Part::Test),
        wanted("validation".into(), 40, Part::Validation),
        wanted("pool".into(), 228, Part::Train),
    ];
    let taken =
        split(&set.records, &alone(&set), &classes(), &sets, Seed::of_study(111_108)).unwrap();
    let mut test = ids(&set, &taken[0]);
    test.sort();
    let mut rows = held_out_ids(&held_out, &classes());
    rows.sort();
    assert_eq!(test, rows, "the held-out set is the authors', row by row");
    let digest = blake3::hash(ids(&set, &taken.concat()).concat().as_bytes()).to_hex();
    expect!["28152819"].assert_eq(&digest[..8]);
}

fn held_out_ids(list: &Table, classes: &[String]) -> Vec<String> {
    let (hash, label) = (list.column("md5hash").unwrap(), list.column("label").unwrap());
    let rows = list.rows().filter(|row| classes.iter().any(|class| class == row.cell(label)));
    rows.map(|row| row.cell(hash).to_owned()).collect()
}

/// Rows as the published table has them: columns that say nothing here, a patient, an unknown skin
/// type, and pictures in folders of their own.
#[test]
fn pad_ufes_20_is_found_in_any_folder() {
    let header = "patient_id,lesion_id,smoke,drink,background_father,background_mother,age,pesticide,gender,skin_cancer_history,cancer_history,has_piped_water,has_sewage_system,fitspatrick,region,diameter_1,diameter_2,diagnostic,itch,grew,hurt,changed,bleed,elevation,img_id,biopsed";
    let row = |patient: &str, fst: &str, class: &str, image: &str| {
        format!(
            "\n{patient},881,,,,,8,,,,,,,{fst},ARM,,,{class},False,False,False,False,False,False,{image},False"
        )
    };
    let rows = [
        row("PAT_1", "3.0", "NEV", "PAT_1_881_939.png"),
        row("PAT_2", "", "MEL", "PAT_2_881_7.png"),
        row("PAT_2", "2.0", "ACK", "PAT_2_882_8.png"),
    ];
    let files = ["imgs_part_1/PAT_1_881_939.png", "imgs_part_3/PAT_2_881_7.png"].map(String::from);
    let read =
        |rows: &str| pad_ufes_20::SET.read(&table(&format!("{header}{rows}\n")), &files, &[]);
    let set = read(&rows.concat()).unwrap();
    let shown = set.records.iter().map(|record| {
        let Record { id, file, label, fst, malignant, patient, .. } = record;
        format!("{id} {file} {label} {fst} {malignant:?} {patient}")
    });
    expect![[r#"
        PAT_1_881_939 imgs_part_1/PAT_1_881_939.png nevus 3 Some(false) PAT_1
        PAT_2_881_7 imgs_part_3/PAT_2_881_7.png melanoma 0 Some(true) PAT_2
        PAT_2_882_8 PAT_2_882_8.png actinic keratosis 2 Some(false) PAT_2"#]]
    .assert_eq(&shown.collect::<Vec<_>>().join("\n"));
    assert_eq!(set.notes.len(), 6, "{:?}", set.notes);
    let error = |rows: &str| read(rows).unwrap_err().to_string();
    expect![[
        r#"`a.csv`, line 2: `diagnostic` is "nevus"; ACK, BCC, MEL, NEV, SCC or SEK expected"#
    ]]
    .assert_eq(&error(&row("PAT_1", "3.0", "nevus", "a.png")));
    expect![[
        r#"`a.csv`, line 2: `img_id` is "../a.png"; the name of a picture, without a folder, expected"#
    ]]
    .assert_eq(&error(&row("PAT_1", "3.0", "NEV", "../a.png")));
}

/// Rows as the published table has them, of either version.
#[test]
fn ham10000_is_found_by_names_without_endings() {
    let files =
        ["part_1/ISIC_0000001.jpg", "part_2/ISIC_0000002.jpg", "masks/ISIC_0000001_mask.png"]
            .map(String::from);
    let read = |rows: &str| {
        let header = "lesion_id,image_id,dx,dx_type,age,sex,localization,dataset";
        ham10000::SET.read(&table(&format!("{header}{rows}\n")), &files, &[])
    };
    let set = read(
        "\nHAM_1,ISIC_0000002,nv,histo,45.0,male,back,rosendahl\nHAM_1,ISIC_0000001,nv,histo,45.0,male,back,rosendahl\n\
         HAM_2,ISIC_0000003,akiec,histo,,female,face,vidir_molemax",
    )
    .unwrap();
    let shown = set.records.iter().map(|record| {
        let Record { id, file, label, fst, malignant, patient, .. } = record;
        format!("{id} {file} {label} {fst} {malignant:?} {patient}")
    });
    expect![[r#"
        ISIC_0000001 part_1/ISIC_0000001.jpg nevus 0 Some(false) HAM_1
        ISIC_0000002 part_2/ISIC_0000002.jpg nevus 0 Some(false) HAM_1
        ISIC_0000003 ISIC_0000003.jpg actinic keratosis 0 None HAM_2"#]]
    .assert_eq(&shown.collect::<Vec<_>>().join("\n"));
    assert_eq!(set.notes.len(), 7, "{:?}", set.notes);
    let error = read("\nHAM_1,ISIC_0000001,melanoma,histo,45.0,male,back,rosendahl").unwrap_err();
    expect![[
        r#"`a.csv`, line 2: `dx` is "melanoma"; akiec, bcc, bkl, df, mel, nv or vasc expected"#
    ]]
    .assert_eq(&error.to_string());
}

/// 656 rows as the published table has them, by counts.
fn ddi_rows() -> String {
    let mut text = String::from(",DDI_ID,DDI_file,skin_tone,malignant,disease\n");
    let mut row = 0;
    for (pair, count) in ddi::COUNTS {
        for at in 0..count {
            row += 1;
            let malignant = if at < 57 { "True" } else { "False" };
            text.push_str(&format!("{},{row},{row:06}.png,{pair},{malignant},melanoma\n", row - 1));
        }
    }
    text
}

#[test]
fn ddi_is_held_out_by_skin_type() {
    let set = ddi::catalogue(&table(&ddi_rows()), &[]).unwrap();
    assert_eq!((set.records.len(), set.counts()["malignant"], set.notes.len()), (656, 171, 0));
    let classes = ddi::CLASSES.map(str::to_owned);
    let by_type = |key, part| Wanted { key, count: 32, strata: Strata::SkinTypes, part };
    let pool =
        Wanted { key: "pool".into(), count: 100, strata: Strata::Classes, part: Part::Train };
    let alone = (0..set.records.len()).collect::<Vec<_>>();
    let sets = [
        by_type("held_out".into(), Part::Test),
        by_type("validation".into(), Part::Validation),
        pool,
    ];
    let taken = split(&set.records, &alone, &classes, &sets, Seed::of_study(94_894)).unwrap();
    for (at, set_of) in taken[..2].iter().enumerate() {
        let found =
            [12, 34, 56].map(|fst| set_of.iter().filter(|&&at| set.records[at].fst == fst).count());
        assert_eq!(found, [32; 3], "set {at}");
    }
    let ids =
        taken.concat().iter().map(|&at| set.records[at].id.as_str()).collect::<Vec<_>>().concat();
    expect!["2b171298"].assert_eq(&blake3::hash(ids.as_bytes()).to_hex()[..8]);
    let error = |row: &str| {
        ddi::catalogue(&table(&format!("{}{row}\n", ddi_rows())), &[]).unwrap_err().to_string()
    };
    assert_eq!(
        error("0,1,000001.png,12,True,x"),
        "`a.csv`, line 658: `000001` is there already, on line 2"
    );
    assert_eq!(
        error("0,9,../9.png,12,True,x"),
        "`a.csv`, line 658: `DDI_file` is \"../9.png\"; the name of a picture, without a folder, expected"
    );
    assert_eq!(
        error("0,9,9.png,3,True,x"),
        "`a.csv`, line 658: `skin_tone` is \"3\"; 12, 34 or 56 expected"
    );
}
