//! Reports in a real browser: headless Chromium opens them and checks the first screen, tables,
//! figures, keys, and axe-core's rules of accessibility (`reports.py`). Needs Chromium, and a Python
//! with playwright and axe-playwright-python that TITRATE_BROWSER_PYTHON names; without them a test
//! says so and passes. TITRATE_BROWSER_REPORTS names further reports, a path after the other with
//! colons between them, TITRATE_BROWSER_SCREENSHOTS a folder for pictures of all, and
//! TITRATE_BROWSER_ALL opens those of several experiments too.

mod phantom;
// The made-up study of the report's own tests, which names this crate's modules as its own.
#[path = "../../src/report/sample.rs"]
mod sample;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use titrate::data::phantom::Condition;
use titrate::data::{RgbImage, sheet};
use titrate::report::inputs::{Inputs, Sheet};
use titrate::seed::Seed;
use titrate::{id, metrics, report, stats, vocabulary};
// `sample` says `crate::seed`, `crate::report` and so on.
use titrate::seed;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser/reports.py");

fn python() -> String {
    std::env::var("TITRATE_BROWSER_PYTHON").unwrap_or_else(|_| "python3".into())
}

/// Why no browser can be asked here.
fn absent() -> Option<String> {
    let chromium = std::env::var("TITRATE_CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".into());
    if !Path::new(&chromium).exists() {
        return Some(format!("{chromium} is not there"));
    }
    let imports = "import axe_playwright_python, playwright.sync_api";
    match Command::new(python()).args(["-c", imports]).output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Some(format!("{}: {}", python(), said.lines().last().unwrap_or("it fails")))
        }
        Err(error) => Some(format!("{}: {error}", python())),
    }
}

/// Opens the reports and expects nothing to be wrong with them.
fn open(reports: &[PathBuf]) {
    let mut command = Command::new(python());
    command.arg(SCRIPT).args(reports);
    if let Some(folder) = std::env::var_os("TITRATE_BROWSER_SCREENSHOTS") {
        command.arg("--screenshots").arg(folder);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let _ = write!(std::io::stderr(), "{said}");
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

fn skipped() -> bool {
    let why = absent();
    if let Some(why) = &why {
        let _ = writeln!(std::io::stderr(), "skipped: no browser can be asked ({why})");
    }
    why.is_some()
}

/// Rendered skin, so that there is something to enlarge.
fn picture(index: usize) -> RgbImage {
    let condition = Condition::named("psoriasis").unwrap();
    titrate::data::phantom::render(condition, index, 32, Seed::of_study(7)).image
}

/// A sheet of so many images with these labels.
fn pictures(rows: Vec<String>, columns: Vec<String>, across: usize) -> Sheet {
    let images = (0..rows.len() * columns.len() * across).map(picture).collect::<Vec<_>>();
    let images = images.iter().collect::<Vec<_>>();
    let png = sheet::contact_sheet(&images, columns.len() * across, 2).to_png("sheet").unwrap();
    Sheet { png, rows, columns, across }
}

/// The same report with real pictures in the place of single pixels.
fn with_pictures(mut inputs: Inputs) -> Inputs {
    let classes = inputs.first().classes.clone();
    let arms = ["real", "text-to-image", "inpaint", "in-then-outpaint"].map(str::to_owned).to_vec();
    let columns = ["synthetic", "made for", "mask", "nearest of the pool"];
    let quality = inputs.quality.iter().flat_map(|quality| &quality.arms);
    let pairs = quality.flat_map(|arm| arm.set.closest.iter().map(|_| arm.arm.clone())).collect();
    inputs.sheet = Some(pictures(classes.clone(), arms.clone(), 4));
    inputs.strip = Some(pictures(arms, classes, 1));
    inputs.pairs = Some(pictures(pairs, columns.map(str::to_owned).to_vec(), 1));
    inputs
}

fn write(folder: &Path, inputs: &Inputs) -> Vec<PathBuf> {
    for file in report::render(inputs).unwrap() {
        let path = folder.join(file.path.as_ref());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &file.bytes).unwrap();
    }
    let pages = ["index.html", "audit.html"].map(|page| folder.join(page));
    pages.into_iter().filter(|page| page.exists()).collect()
}

#[test]
fn reports_of_made_up_studies_are_read_in_a_browser() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let one = with_pictures(sample::inputs());
    let mut reports = write(&folder.path().join("one"), &one);
    if std::env::var_os("TITRATE_BROWSER_ALL").is_some() {
        let mut plain = phantom::inputs();
        let several = with_pictures(plain.clone());
        plain.claims.clear();
        reports.extend(write(&folder.path().join("several"), &several));
        reports.extend(write(&folder.path().join("without-claims"), &plain));
    } else {
        // Judging their accessibility takes minutes each.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: reports of several experiments (TITRATE_BROWSER_ALL opens them)"
        );
    }
    open(&reports);
}

/// A study of a folder of pictures, with every task of it run.
#[test]
fn the_report_of_a_folder_is_read_in_a_browser() {
    if skipped() {
        return;
    }
    let folder = tempfile::Builder::new().prefix("titrate-browser-").tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for class in ["basal cell carcinoma", "lichen planus", "psoriasis"] {
        fs::create_dir_all(path("set").join(class)).unwrap();
        let condition = Condition::named(class).unwrap();
        for index in 0..40 {
            let item = titrate::data::phantom::render(condition, index, 64, Seed::of_study(3));
            let png = item.image.to_png("picture").unwrap();
            fs::write(path("set").join(class).join(format!("{index}.png")), png).unwrap();
        }
    }
    let smoke = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/smoke.toml");
    let study = format!(
        "extends = {smoke:?}\ntitle = \"Own pictures\"\n[images]\nsource = \"folder\"\npath = \"set\"\n\
         [quality]\nsources = 2\n"
    );
    fs::write(path("own.toml"), study).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_titrate"));
    command.arg("reproduce").arg(path("own.toml")).arg("--quiet");
    let output = command.arg("--store").arg(path("store")).arg("--out").arg(path("own")).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(path("own/figures/closest-pairs.png").exists(), "pairs are shown");
    open(&[path("own/index.html"), path("own/audit.html")]);
}

#[test]
fn reports_that_are_named_are_read_in_a_browser() {
    let Some(named) = std::env::var_os("TITRATE_BROWSER_REPORTS") else { return };
    if skipped() {
        return;
    }
    open(&std::env::split_paths(&named).collect::<Vec<_>>());
}
