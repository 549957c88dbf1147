//! Folders, their tables, and what both have in common with shards.

use std::path::Path;

use expect_test::{Expect, expect};

use super::table;
use crate::data::catalogue::{Catalogue, CatalogueError, Record, Table};
use crate::data::sets::*;
use crate::vocabulary::ImageSource;

/// A folder with empty files of these names.
fn folder_of(files: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for file in files {
        let path = root.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    root
}

/// What the folder set makes of a folder, or why it refuses it.
fn read_folder(
    root: &Path,
    table: Option<&Table>,
    classes: &[&str],
) -> Result<Catalogue, CatalogueError> {
    let ImageSet::Pictures(set) = of(ImageSource::Folder) else { panic!() };
    let Listing { pictures, others } = set.files(root)?;
    let classes = classes.iter().map(|class| (*class).to_owned()).collect::<Vec<_>>();
    let whole = Folder { root, others: &others };
    folder::catalogue(&pictures, Some(whole), table, &classes, &[])
}

/// The files of a folder's pictures, their classes and parts, and the sentences about it.
fn said_of(root: &Path, table: Option<&Table>, classes: &[&str]) -> String {
    let read = match read_folder(root, table, classes) {
        Err(error) => return error.to_string().replace(&root.display().to_string(), "ROOT"),
        Ok(read) => read,
    };
    let record = |record: &Record| {
        let Record { id, file, label, fst, malignant, patient, part } = record;
        let mut line = format!("{id} = {file} {label}");
        line.extend(part.map(|part| format!(" {part:?}")));
        line.extend((*fst > 0).then(|| format!(" fst {fst}")));
        line.extend(malignant.map(|flag| format!(" malignant {flag}")));
        line.extend((!patient.is_empty()).then(|| format!(" of {patient}")));
        line
    };
    read.records.iter().map(record).chain(read.listing).collect::<Vec<_>>().join("\n")
}

/// Excluded pictures are counted, and an id that the set lacks is refused: a slip would let one in.
#[test]
fn excluded_pictures_are_left_out_by_id() {
    let root = folder_of(&["train/a/1.x.png", "train/a/2.png", "train/b/1.png"]);
    let read = read_folder(root.path(), None, &["a", "b"]).unwrap();
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let exclude = ids(&["train-a-1-x", "train-b-1"]);
    read.has_all(&exclude).unwrap();
    let left = read.clone().without(&exclude);
    assert_eq!(left.records.iter().map(|record| &record.id).collect::<Vec<_>>(), ["train-a-2"]);
    assert_eq!(left.listing, ["2 pictures are excluded by images.exclude and not used"]);
    assert_eq!(read.clone().without(&[]), read);
    let refused = read.has_all(&ids(&["train-a-2", "train-a-3", "a\u{1b}"])).unwrap_err();
    expect!["images.exclude: 2 of its ids are of no picture of the set: `train-a-3`, `a\\u{1b}`. An id is the path from the set's folder without its ending, `-` for each `/` and `.`, or the key of a shard's members"].assert_eq(&refused.to_string());
}

#[test]
fn folders_are_classes_with_or_without_parts() {
    let plain = folder_of(&[
        "nevus/b.PNG",
        "nevus/a.jpg",
        "melanoma/a.jpg",
        "melanoma/notes.txt",
        ".hidden/a.jpg",
        "nevus/.DS_Store",
        "flat.jpg",
        "archive/2019/old.jpg",
    ]);
    // Links to folders above lead nowhere; one whose target is missing is a picture that is missing.
    std::os::unix::fs::symlink(plain.path(), plain.path().join("nevus/loop")).unwrap();
    std::os::unix::fs::symlink(plain.path(), plain.path().join("round")).unwrap();
    std::os::unix::fs::symlink("../gone.png", plain.path().join("melanoma/gone.png")).unwrap();
    expect![[r#"
        melanoma-a = melanoma/a.jpg melanoma
        melanoma-gone = melanoma/gone.png melanoma
        nevus-a = nevus/a.jpg nevus
        nevus-b = nevus/b.PNG nevus
        1 picture in no folder of a class is not used: flat.jpg
        1 picture deeper than in a folder for each class is not used: archive/2019/old.jpg
        3 files beside the pictures are not used: melanoma/notes.txt, nevus/loop, round"#]]
    .assert_eq(&said_of(plain.path(), None, &["nevus", "melanoma"]));
    let unread = folder_of(&[
        "a/1.TIF", "a/2.tiff", "a/3.heic", "a/4.heif", "a/5.avif", "a/6.jp2", "a/7.jxl",
    ]);
    let read = read_folder(unread.path(), None, &["a"]).unwrap();
    assert_eq!(read.records.len(), 7, "they are refused by name when they are decoded");
    let parted = folder_of(&[
        "Training/nevus/a.jpg",
        "dev/nevus/b.jpg",
        "testing/nevus/c.jpg",
        "testing/melanoma/d.jpg",
        "testing/e.jpg",
    ]);
    expect![[r#"
        Training-nevus-a = Training/nevus/a.jpg nevus Train
        dev-nevus-b = dev/nevus/b.jpg nevus Validation
        testing-melanoma-d = testing/melanoma/d.jpg melanoma Test
        testing-nevus-c = testing/nevus/c.jpg nevus Test
        1 picture in no folder of a class is not used: testing/e.jpg"#]]
    .assert_eq(&said_of(parted.path(), None, &["nevus", "melanoma"]));
    let missing = read_folder(Path::new("/no/such/folder"), None, &[]).unwrap_err().to_string();
    assert!(missing.contains("`/no/such/folder` can't be read"), "{missing}");
}

/// A folder that may be read in two ways is refused with the way on.
#[test]
fn folders_in_doubt_are_refused() {
    let check = |files: &[&str], expected: Expect| {
        expected.assert_eq(&said_of(folder_of(files).path(), None, &["nevus"]));
    };
    check(
        &["a.jpg", "metadata.csv"],
        expect![
            "`ROOT` has no folder of pictures: one for each class expected, or train, val and test with those, or a table in images.annotations that has the columns file and label (`metadata.csv` is there)"
        ],
    );
    check(
        &["train/nevus/a.jpg", "nevus/a.jpg", "nevus/b.jpg", "holdout/nevus/c.jpg"],
        expect![
            "`ROOT` has the parts train and pictures beside them: holdout (1), nevus (2). Move them into the parts or out of the folder, or name all pictures in a table with the columns file, label and part (images.annotations)"
        ],
    );
    check(
        &["nevus/p1/a.jpg", "nevus/p2/b.jpg"],
        expect![
            "2 pictures lie deeper than in a folder for each class, such as `nevus/p1/a.jpg`: move them up, or name them in a table with the columns file, label and patient (images.annotations)"
        ],
    );
    check(
        &["nevus/a.b.jpg", "nevus/a-b.jpg"],
        expect![
            "`nevus/a-b.jpg` and `nevus/a.b.jpg` would have the one id `nevus-a-b`: rename one"
        ],
    );
}

#[test]
fn a_folders_table_says_more_of_its_pictures() {
    let root = folder_of(&["train/nevus/a.jpg", "test/nevus/c.jpg"]);
    let of = |text: &str| said_of(root.path(), Some(&table(text)), &["nevus"]);
    expect![[r#"
        test-nevus-c = test/nevus/c.jpg nevus Test
        train-nevus-a = train/nevus/a.jpg nevus Train fst 5 malignant false of p1
        `a.csv`: rows that name a picture that is there: 1 of 1"#]]
    .assert_eq(&of("file,fst,patient,malignant\ntrain/nevus/a.jpg,5,p1,no\n"));
    expect![[r#"
        test-nevus-c = test/nevus/c.jpg nevus Test malignant true
        train-nevus-a = train/nevus/a.jpg nevus Train
        `a.csv`: rows that name a picture that is there: 2 of 2"#]]
    .assert_eq(&of("file,malignant\ntrain/nevus/a.jpg,\n.\\test\\nevus\\c.jpg,yes\n"));
    // A row whose picture is not there is a picture that is missing.
    expect![[r#"
        nevus-x = nevus/x.jpg nevus fst 2
        test-nevus-c = test/nevus/c.jpg nevus Test
        train-nevus-a = train/nevus/a.jpg nevus Train
        `a.csv`: rows that name a picture that is there: 0 of 1; not there: nevus/x.jpg"#]]
    .assert_eq(&of("file,fst\nnevus/x.jpg,2\n"));
    expect![
        "`a.csv`, line 2: there is no picture `x.jpg` in the folder, and nothing says its class"
    ]
    .assert_eq(&of("file\nx.jpg\n"));
    expect![[r#"`a.csv`, line 2: `file` is "../x.jpg"; a path within the set's folder expected"#]]
        .assert_eq(&of("file\n../x.jpg\n"));
    expect!["patient `p1` has pictures in more than one part, such as `test/nevus/c.jpg` and `train/nevus/a.jpg`: a patient may be in one only"].assert_eq(&of("file,patient\ntrain/nevus/a.jpg,p1\ntest/nevus/c.jpg,p1\n"));
}

/// Tables as HAM10000, ISIC and Hugging Face's image folders have them: one flat folder, and the
/// class beside the file.
#[test]
fn a_table_with_labels_is_the_set() {
    let root = folder_of(&["images/ISIC_1.jpg", "images/ISIC_2.jpg", "images/ISIC_3.jpg"]);
    let of = |text: &str, ignored: &[&str]| {
        let table = match Table::read(text.as_bytes(), "a.csv") {
            Ok(table) => table,
            Err(error) => return error.to_string(),
        };
        let ignored = ignored.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let ImageSet::Pictures(set) = of(ImageSource::Folder) else { panic!() };
        let Listing { pictures, others } = set.files(root.path()).unwrap();
        let whole = Folder { root: root.path(), others: &others };
        match folder::catalogue(&pictures, Some(whole), Some(&table), &[], &ignored) {
            Err(error) => error.to_string(),
            Ok(read) => {
                let record = |record: &Record| {
                    format!(
                        "{} {} {:?} of {}",
                        record.file, record.label, record.malignant, record.patient
                    )
                };
                read.records.iter().map(record).chain(read.listing).collect::<Vec<_>>().join("\n")
            }
        }
    };
    let ham = "lesion_id,image_id,dx,dx_type,age,sex,localization\nHAM_1,ISIC_1,mel,histo,80.0,male,scalp\nHAM_1,ISIC_2,mel,histo,80.0,male,scalp\n";
    expect![[r#"columns of `a.csv` are not read: `dx_type`, `age`, `sex`, `localization`. Rename them, or leave them out with images.ignored_columns = ["dx_type", "age", "sex", "localization"]"#]]
    .assert_eq(&of(ham, &[]));
    expect![[r#"
        images/ISIC_1.jpg mel None of HAM_1
        images/ISIC_2.jpg mel None of HAM_1
        `a.csv`: rows that name a picture that is there: 2 of 2
        1 picture in no row of the table is not used: images/ISIC_3.jpg"#]]
    .assert_eq(&of(ham, &["dx_type", "age", "sex", "localization"]));
    let isic = "image_name;patient_id;lesion_id;diagnosis;benign_malignant\nISIC_1;IP_1;IL_1;nevus;benign\nISIC_2;;IL_2;melanoma;malignant\nISIC_9;NaN;NaN;nevus;\n";
    expect![[r#"
        ISIC_9 nevus None of 
        images/ISIC_1.jpg nevus Some(false) of IP_1
        images/ISIC_2.jpg melanoma Some(true) of IL_2
        `a.csv`: rows that name a picture that is there: 2 of 3; not there: ISIC_9
        1 picture in no row of the table is not used: images/ISIC_3.jpg"#]]
    .assert_eq(&of(isic, &[]));
    let lines = "{\"file_name\": \"images/ISIC_1.jpg\", \"label\": 0, \"patient\": 7.0}\n{\"file_name\": \"images/ISIC_2.jpg\", \"label\": 1, \"patient\": null}\n";
    expect![[r#"
        images/ISIC_1.jpg 0 None of 7
        images/ISIC_2.jpg 1 None of 
        `a.csv`: rows that name a picture that is there: 2 of 2
        1 picture in no row of the table is not used: images/ISIC_3.jpg"#]]
    .assert_eq(&of(lines, &[]));
    expect![[r#"columns of `a.csv` are not read: `patiend` (the nearest that is read: `patient`). Rename them, or leave them out with images.ignored_columns = ["patiend"]"#]].assert_eq(&of("file,label,patiend\nISIC_1,a,1\n", &[]));
    expect!["`a.csv` has the columns `patient` and `subject_id`, which both say the patient: list the one that does not count in images.ignored_columns"].assert_eq(&of("file,label,patient,subject_id\nISIC_1,a,1,1\n", &[]));
    expect!["`a.csv` has two columns called `file`: rename one"]
        .assert_eq(&of("file,label,file\nISIC_1,a,1\n", &[]));
}

/// The patient under every spelling keeps pictures together, in each kind of set; a misspelt one is
/// refused.
#[test]
fn patients_are_read_under_every_spelling() {
    for name in ["patient", "Patient ID", "patient_id", "PATIENTID", "subject", "Subject-Id"] {
        let files = ["a/1.png".to_owned()];
        let of_folder = table(&format!("file,{name}\na/1.png, P7 \n"));
        let of_folder = folder::catalogue(&files, None, Some(&of_folder), &[], &[]).unwrap();
        let of_ddi = format!("DDI_file,skin_tone,malignant,{name}\n1.png,12,True,P7\n");
        let of_ddi = ddi::catalogue(&table(&of_ddi), &[]).unwrap();
        let (id, file) = ("1".to_owned(), "s.tar/1.png".to_owned());
        let fields = [("label", "a"), (name, "P7")];
        let fields = fields.map(|(name, cell)| (name.to_owned(), cell.to_owned())).into();
        let of_shards = webdataset::catalogue(&[Packed { id, file, fields }], &[]).unwrap();
        for set in [of_folder, of_ddi, of_shards] {
            assert_eq!(set.records[0].patient, "P7", "{name}");
        }
    }
}

/// One table, however it was saved.
#[test]
fn tables_are_read_in_every_encoding() {
    let text = "file,label\r\na.png,\u{e9}ruption\r\n";
    let utf16 = |unit: fn(u16) -> [u8; 2], text: &str| {
        text.encode_utf16().chain([]).flat_map(unit).collect::<Vec<_>>()
    };
    let with_mark = format!("\u{feff}{text}");
    for (bytes, what) in [
        (text.as_bytes().to_vec(), "UTF-8"),
        (with_mark.as_bytes().to_vec(), "UTF-8 with a mark"),
        (utf16(u16::to_le_bytes, &with_mark), "UTF-16, little end first"),
        (utf16(u16::to_be_bytes, &with_mark), "UTF-16, big end first"),
        (text.replace(',', ";").into_bytes(), "semicolons"),
        (text.replace(',', "\t").into_bytes(), "tabs"),
        (text.replace('\u{e9}', "e\u{301}").into_bytes(), "accents apart"),
        ("{\"file\": \"a.png\", \"label\": \"\u{e9}ruption\"}\n".as_bytes().to_vec(), "JSON lines"),
    ] {
        let table = Table::read(&bytes, "a.csv").unwrap_or_else(|error| panic!("{what}: {error}"));
        let set = folder::catalogue(&["a.png".to_owned()], None, Some(&table), &[], &[]).unwrap();
        let set = set.of(&["\u{e9}ruption".to_owned()]).unwrap();
        assert_eq!(set.records[0].label, "\u{e9}ruption", "{what}");
    }
    let latin1 = Table::read(b"file,label\na.png,\xe9ruption\n", "a.csv").err().unwrap();
    assert_eq!(
        latin1.to_string(),
        "`a.csv` is not text in UTF-8 or UTF-16: save it as CSV in UTF-8"
    );
}
