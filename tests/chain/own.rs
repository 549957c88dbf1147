//! A study of own pictures, from a folder of them to a plan, without an edit.

use std::process::Command;

fn titrate(folder: &std::path::Path, words: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_titrate"));
    let output = command.args(words).current_dir(folder).env_remove("TITRATE_WORKSPACE").output();
    let output = output.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

#[test]
fn a_folder_of_pictures_becomes_a_study_that_can_run() {
    let folder = tempfile::Builder::new().prefix("titrate-own-").tempdir().unwrap();
    let root = folder.path();
    for class in ["acne", "eczema \"hand\""] {
        std::fs::create_dir_all(root.join("pictures").join(class)).unwrap();
        for at in 0..40 {
            let path = root.join("pictures").join(class).join(format!("{}-{at}.png", &class[..4]));
            std::fs::write(path, format!("{class} {at}")).unwrap();
        }
    }
    let rows = (0..40).map(|at| format!("acne-{at}.png,{},p{}", 1 + at % 6, at / 2));
    let table = "image;fst;patient_id\n".to_owned() + &rows.collect::<Vec<_>>().join("\n");
    std::fs::write(root.join("pictures/labels.csv"), table.replace(',', ";")).unwrap();

    let (code, said) = titrate(root, &["init", "mine", "--images", "pictures"]);
    assert_eq!(code, 0, "{said}");
    for part in [
        "80 pictures of 2 classes: acne (40), eczema \"hand\" (40)",
        "the skin type of 40 pictures; 20 patients of 40 pictures",
        "11 held out, 3 for validation, 7 for the judge of synthetic images, 14 in the pool",
        "titrate reproduce mine/study.toml --store mine/store --out mine/report",
    ] {
        assert!(said.contains(part), "no {part:?} in\n{said}");
    }
    let (code, said) = titrate(root, &["plan", "mine/study.toml", "--store", "mine/store"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("decode"), "{said}");
    let (code, said) = titrate(root, &["init", "mine", "--images", "pictures"]);
    assert_eq!((code, said.contains("is there already")), (2, true), "{said}");
}
