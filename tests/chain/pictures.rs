//! Studies of pictures from outside: real sets in their own layouts, and the released synthetic
//! set.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use expect_test::expect;
use titrate::data::phantom::{self, Condition};
use titrate::data::{Item, RgbImage, fit};
use titrate::seed::Seed;
use titrate::study::Study;

use crate::chain::Chain;

/// Classes of the small sets.
pub const CLASSES: [&str; 3] = ["basal cell carcinoma", "lichen planus", "psoriasis"];

/// A picture of a class, not square.
pub fn picture(class: &str, index: usize) -> RgbImage {
    let square =
        phantom::render(Condition::named(class).unwrap(), index, 64, Seed::of_study(7)).image;
    let width = 64 - index % 7;
    let pixels = (0..64).flat_map(|y| square.pixels[3 * 64 * y..][..3 * width].to_vec()).collect();
    RgbImage { width, height: 64, pixels }
}

pub fn write(path: PathBuf, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// The same as an item.
pub fn item(class: &str, index: usize) -> Item {
    Item {
        image: picture(class, index),
        ..phantom::render(Condition::named(class).unwrap(), index, 64, Seed::of_study(7))
    }
}

/// The name that Fitzpatrick17k would give a picture.
pub fn md5hash(class: &str, index: usize) -> String {
    blake3::hash(format!("{class} {index}").as_bytes()).to_hex()[..32].to_owned()
}

/// Fitzpatrick17k with `each` pictures of each class, the first `held_out` of them in the held-out
/// list, the others in the training list.
pub fn fitzpatrick17k(folder: &Path, each: usize, held_out: usize) {
    let header = "md5hash,fitzpatrick_scale,fitzpatrick_centaur,label,nine_partition_label,three_partition_label,qc,url,url_alphanum";
    let mut tables = [header.to_owned(), "md5hash,label".to_owned(), "md5hash,label".to_owned()];
    for class in CLASSES {
        for index in 0..each {
            let hash = md5hash(class, index);
            tables[0].push_str(&format!(
                "\r\n{hash},{},-1,{class},inflammatory,benign,,u,u",
                1 + index % 6
            ));
            tables[if index < held_out { 1 } else { 2 }].push_str(&format!("\r\n{hash},{class}"));
            write(
                folder.join(format!("{hash}.jpg")),
                &picture(class, index).to_png("picture").unwrap(),
            );
        }
    }
    for (name, table) in
        ["fitzpatrick17k.csv", "held_out.csv", "training.csv"].into_iter().zip(tables)
    {
        write(folder.join(name), table.as_bytes());
    }
}

/// A shard with the authors' names and keys: of each source, the images `numbers` by each (method,
/// submethod).
fn released_shard(
    path: PathBuf,
    sources: &[(&str, usize)],
    methods: &[(&str, &str)],
    numbers: std::ops::Range<usize>,
) {
    let mut tar = tar::Builder::new(Vec::new());
    for number in numbers {
        for &(class, index) in sources {
            for (method, submethod) in methods {
                let (label, hash) = (class.replace(' ', "-"), md5hash(class, index));
                let key = format!("{label}_{method}_{submethod}_generations1_{number:02}_{hash}");
                let image = fit::fit(
                    &picture(class, 1000 * (number + 1) + index),
                    64,
                    titrate::vocabulary::Fit::Crop,
                );
                let record = serde_json::json!({
                    "name": format!("{hash}.png"), "md5hash": hash, "label": label, "method": method, "submethod": submethod,
                    "generation_num": format!("{number:02}"), "tag": "generations1",
                });
                for (end, bytes) in [
                    ("png", image.to_png("image").unwrap()),
                    ("json", record.to_string().into_bytes()),
                ] {
                    let mut header = tar::Header::new_gnu();
                    header.set_size(bytes.len() as u64);
                    header.set_mode(0o644);
                    tar.append_data(&mut header, format!("{key}.{end}"), &bytes[..]).unwrap();
                }
            }
        }
    }
    write(path, &tar.into_inner().unwrap());
}

/// A folder of classes in the parts train, val and test, with one picture in test and four versions
/// of it in train.
fn with_duplicates(folder: &Path) {
    for class in CLASSES {
        for (part, count) in [("train", 8), ("val", 4), ("test", 8)] {
            for index in 0..count {
                let image = picture(class, index + 100 * part.len());
                write(
                    folder.join(part).join(class).join(format!("{index}.png")),
                    &image.to_png("picture").unwrap(),
                );
            }
        }
    }
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/duplicates");
    for (name, part) in [
        ("original", "test"),
        ("saved", "train"),
        ("mirrored", "train"),
        ("turned", "train"),
        ("cropped", "train"),
    ] {
        let bytes = fs::read(fixtures.join(format!("{name}.jpg"))).unwrap();
        write(folder.join(part).join("psoriasis").join(format!("{name}.jpg")), &bytes);
    }
}

/// The study of the released set, made small.
fn released_study(chain: &Chain) {
    let experiments = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    chain.write_study(&format!(
        r#"
        extends = {:?}
        [images]
        path = "real"
        held_out_list = "real/held_out.csv"
        training_list = "real/training.csv"
        size = 32
        classes = {CLASSES:?}
        pool = 4
        validation = 2
        held_out = 4
        [base]
        from = {:?}
        pretrained.backbone = ""
        backbone.architecture = "tiny"
        [generator]
        released = "released"
        sampling.generations_per_shard = 1
        [classifier]
        size = 0
        epochs = 1
        batch = 4
        batch_by_images = []
        [experiment]
        n = [2]
        doses = [1, 2]
        transforms = [true]
        replicates = 2
        "#,
        experiments.join("released-synthetic.toml"),
        experiments.join("base"),
    ));
}

/// Three shards as the authors released them, images of untuned models and of no study's sources
/// among theirs.
#[test]
fn the_released_set_is_trained_on_without_a_generator() {
    let chain = Chain::new("released");
    released_study(&chain);
    fitzpatrick17k(&chain.path("real"), 10, 4);
    let sources = CLASSES
        .into_iter()
        .flat_map(|class| (4..12).map(move |index| (class, index)))
        .collect::<Vec<_>>();
    let inpaint = [
        ("finetune_inpaint", "inpaint"),
        ("finetune_inpaint", "inpaint-outpaint"),
        ("pretrained_inpaint", "inpaint"),
    ];
    let released = |name: &str| chain.path("released").join(name);
    let text_to_image = [("finetune_text_to_image", "text-to-image")];
    released_shard(
        released("shard-finetune-text-to-image-00000.tar"),
        &sources,
        &text_to_image,
        0..3,
    );
    released_shard(released("shard-finetune-inpaint-00000.tar"), &sources, &inpaint, 0..1);
    released_shard(released("shard-finetune-inpaint-00001.tar"), &sources, &inpaint, 1..2);
    write(
        released("shard-pretrained-text-to-image-00000.tar"),
        b"not read: its name says that nothing in it is wanted",
    );

    let ran = chain.run(&[]).ran;
    let count = |start: &str| ran.iter().filter(|label| label.starts_with(start)).count();
    // 3 strategies x 3 classes x 2 generations; (1 real + 3 x 2 synthetic arms) x 2 replicates.
    assert_eq!(
        [count("unpack/"), count("released/"), count("classifier/")],
        [3, 18, 14],
        "{ran:#?}"
    );
    assert_eq!([count("dreambooth/"), count("generate/"), count("base/")], [0; 3], "{ran:#?}");
    let report = fs::read_to_string(chain.path("report/report.md")).unwrap();
    assert!(report.contains("in-then-outpaint") && report.contains("Fitzpatrick17k"), "{report}");
    // As the paper has it, training takes squares from anywhere in a picture.
    assert!(
        chain
            .run(&["classifier.crop=centre"])
            .ran
            .iter()
            .filter(|label| label.starts_with("classifier/"))
            .count()
            == 14
    );
    assert!(chain.path("report/audit.html").is_file());
    assert_eq!(chain.run(&[]).ran, [] as [String; 0], "nothing has changed");

    let refused = chain.failure(&["experiment.doses=[3]"], "report");
    assert!(
        refused.contains("released/inpaint/")
            && refused.contains("have fewer than 3 released inpaint images"),
        "{refused}"
    );
}

/// A picture of the test set that is there again in the training set, saved anew, mirrored, turned
/// and cropped, is found; a study that drops such duplicates trains on none of them, and says so.
#[test]
fn duplicates_across_sets_are_found_and_dropped() {
    let chain = Chain::new("duplicates");
    with_duplicates(&chain.path("photographs"));
    let study = format!(
        r#"{}
        [images]
        source = "folder"
        path = "photographs"
        plentiful = 0
        pool = 7
        held_out = 8
        "#,
        chain.study_text()
    );
    chain.write_study(&study);
    let audit = |sets: &[&str]| {
        let (code, said) = chain.data_check(sets);
        assert_eq!(code, 0, "{said}");
        said
    };
    let versions = ["saved", "mirrored", "turned", "cropped"];
    let kept = audit(&[]);
    let among = |said: &str, heading: &str| {
        let section = said
            .split(heading)
            .nth(1)
            .unwrap_or_default()
            .split("###")
            .next()
            .unwrap_or_default()
            .to_owned();
        versions
            .into_iter()
            .filter(|version| section.contains(&format!("train/psoriasis/{version}.jpg")))
            .count()
    };
    assert!(among(&kept, "### In two sets of the study") >= 1, "{kept}");
    assert!(
        kept.contains("Groups that differ by how they were saved, mirrored, turned or cropped: 1."),
        "{kept}"
    );

    let dropped = audit(&["images.dedupe=drop-from-train"]);
    assert!(
        dropped.contains("### Kept out of a second set")
            && !dropped.contains("### In two sets of the study"),
        "{dropped}"
    );
    // Eight other pictures are left to train on, and no more.
    assert!(dropped.contains("| psoriasis | 25 | 0 | 8 | 4 | 7 |"), "{dropped}");
    let (code, refused) = chain.data_check(&["images.dedupe=drop-from-train", "images.pool=9"]);
    assert_eq!(code, 2, "{refused}");
    let ran = chain.run(&["images.dedupe=drop-from-train"]).ran;
    assert!(ran.iter().any(|label| label == "report"), "{ran:?}");
}

/// A study whose data have not come is planned: what is missing, and how much work waits.
#[test]
fn the_paper_is_planned_without_its_data() {
    let chain = Chain::new("paper");
    let experiments = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    for (name, missing) in [
        (
            "paper",
            &[
                "FITZPATRICK17K_DIR",
                "STABLE_DIFFUSION_2_1_BASE",
                "STABLE_DIFFUSION_INPAINTING",
                "EFFICIENTNET_V2_M",
            ][..],
        ),
        ("paper-dose", &["FITZPATRICK17K_DIR", "STABLE_DIFFUSION_2_1_BASE", "EFFICIENTNET_V2_M"]),
        ("paper-ddi", &["DDI_DIR", "STABLE_DIFFUSION_INPAINTING", "EFFICIENTNET_V2_M"]),
        ("released-synthetic", &["FITZPATRICK17K_DIR", "EFFICIENTNET_V2_M", "SYNTHETIC_DERM_DIR"]),
    ] {
        chain.write_study(&format!("extends = {:?}\n", experiments.join(format!("{name}.toml"))));
        let said = chain.plan();
        let end = said.split("\nmissing:\n").nth(1).unwrap_or_default();
        let (absent, work) =
            end.split_once("to do, if nothing of it turns out to be there:\n").unwrap_or_default();
        missing.iter().for_each(|variable| {
            assert!(absent.contains(&format!("the variable {variable} is not set")), "{end}")
        });
        // A pipeline that no strategy needs is not asked for.
        assert_eq!(
            absent.contains("STABLE_DIFFUSION_2_1_BASE"),
            missing.contains(&"STABLE_DIFFUSION_2_1_BASE"),
            "{end}"
        );
        assert!(work.contains("images through a classifier, forward and back, at most"), "{end}");
        // Nothing has run: the power is that of the variances which the study assumes.
        assert!(work.contains("power") && work.contains("(analysis.assumed; no results"), "{end}");
        assert!(work.contains(":\n  With 5 replicates") || work.contains("alone  family"), "{end}");
        assert!(said.lines().count() <= 50, "more than a screen: {said}");
        assert_eq!(work.contains("evaluations of a UNet"), name != "released-synthetic", "{end}");
    }
}

/// The real tables with pictures of noise under the right names: the paper's counts, and the
/// authors' held-out rows and no others.
#[test]
fn fitzpatrick17k_is_audited_by_its_real_tables() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let lists = ["fitzpatrick17k.csv", "fitzpatrick17k_10label_clean_held_out_set.csv"]
        .map(|name| shared.join(name));
    if let Some(absent) = lists.iter().find(|path| !path.is_file()) {
        let _ = writeln!(std::io::stderr(), "skipped: {} is not there", absent.display());
        return;
    }
    let chain = Chain::new("fitzpatrick17k");
    let set = chain.path("real");
    let experiments = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    chain.write_study(&format!(
        "extends = {:?}\n[images]\npath = \"real\"\nheld_out_list = {:?}\ntraining_list = \"\"\nsize = 16\n[classifier]\nsize = 0\ncrop = \"centre\"\n",
        experiments.join("paper-sweep.toml"),
        lists[1],
    ));
    let table = fs::read(&lists[0]).unwrap();
    fs::create_dir(&set).unwrap();
    let text = String::from_utf8_lossy(&table);
    let classes =
        Study::load(&experiments.join("paper-sweep.toml"), &[]).unwrap().study.images.classes;
    for hash in
        text.lines().filter(|line| classes.iter().any(|class| line.contains(&format!(",{class},"))))
    {
        let hash = hash.split(',').next().unwrap();
        let pixels = Seed::of_study(1)
            .child(hash)
            .normals(3 * 16 * 16)
            .iter()
            .map(|x| (128.0 + 50.0 * x) as u8)
            .collect();
        fs::write(
            set.join(format!("{hash}.jpg")),
            RgbImage { width: 16, height: 16, pixels }.to_png("noise").unwrap(),
        )
        .unwrap();
    }
    fs::write(set.join("fitzpatrick17k.csv"), &table).unwrap();
    let (code, said) = chain.data_check(&[]);
    assert_eq!(code, 0, "{said}");
    let counts = said.split("## Counts").nth(1).unwrap().split("## Pictures").next().unwrap();
    expect![[r#"


        Pictures by class, and how many each of the study's sets takes.

        | class | usable | not usable | held-out | validation | pool |
        | --- | ---: | ---: | ---: | ---: | ---: |
        | allergic contact dermatitis | 430 | 0 | 40 | 40 | 228 |
        | basal cell carcinoma | 468 | 0 | 40 | 40 | 228 |
        | lichen planus | 491 | 0 | 40 | 40 | 228 |
        | lupus erythematosus | 410 | 0 | 40 | 40 | 228 |
        | neutrophilic dermatoses | 361 | 0 | 40 | 40 | 228 |
        | photodermatoses | 348 | 0 | 40 | 40 | 228 |
        | psoriasis | 653 | 0 | 40 | 40 | 228 |
        | sarcoidosis | 349 | 0 | 40 | 40 | 228 |
        | squamous cell carcinoma | 581 | 0 | 40 | 40 | 228 |

        Usable pictures by pair of Fitzpatrick skin types.

        | skin types | usable | held-out | validation | pool |
        | --- | ---: | ---: | ---: | ---: |
        | 12 | 1980 | 181 | 175 | 1004 |
        | 34 | 1446 | 123 | 129 | 719 |
        | 56 | 524 | 47 | 42 | 272 |
        | unknown | 141 | 9 | 14 | 57 |

        No picture names its patient: pictures of one patient may be in two sets.

        Formats: 4091 PNG. Shorter sides: 16 to 16 pixels, median 16.

    "#]]
    .assert_eq(counts);

    let again = chain.plan();
    assert!(
        again.contains("unknown")
            && !again.contains("stale    audit")
            && !again.contains("decode/"),
        "{again}"
    );
}
