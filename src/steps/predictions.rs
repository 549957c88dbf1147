//! What every classifier said of every held-out image, as a table for other programs.

use csv::Writer;
use flate2::{Compression, GzBuilder};

use super::context::Context;
use super::{Outputs, StepError};
use crate::metrics::{Prediction, Predictions};
use crate::plan::kinds::{self, PREDICTIONS, Tabulated};

/// The columns before the classes' probabilities.
const COLUMNS: [&str; 19] = [
    "classifier",
    "experiments",
    "regime",
    "transforms",
    "n",
    "arm",
    "dose",
    "rare_class",
    "rare_n",
    "replicate",
    "image",
    "source",
    "patient",
    "fst",
    "malignant",
    "class",
    "predicted",
    "correct",
    "confidence",
];

/// Output: predictions.csv.gz, a row a classifier and held-out image, in the order of the
/// classifiers' labels and the images' names. What is not known is empty.
pub fn run(params: kinds::Predictions, context: &mut Context) -> Result<Outputs, StepError> {
    // No name and no time in the head: equal tables are equal files.
    let packed = GzBuilder::new().write(Vec::new(), Compression::default());
    let mut table = Writer::from_writer(packed);
    let mut classes = Vec::new();
    for (done, (role, tabulated)) in params.classifiers.iter().enumerate() {
        let predictions: Predictions = context.json(role, "predictions.json")?;
        if done == 0 {
            classes = predictions.classes().to_vec();
            let probabilities = classes.iter().map(|class| format!("p {class}"));
            let head = COLUMNS.iter().map(ToString::to_string).chain(probabilities);
            table.write_record(head)?;
        }
        if predictions.classes() != classes {
            return Err(format!("{role} has other classes than the classifiers before it").into());
        }
        for image in predictions.images() {
            table.write_record(row(role, tabulated, image, &classes))?;
        }
    }
    let packed = table.into_inner().map_err(|error| error.into_error())?;
    Ok(vec![(PREDICTIONS.to_owned(), packed.finish()?)])
}

fn row(role: &str, tabulated: &Tabulated, image: &Prediction, classes: &[String]) -> Vec<String> {
    let Tabulated { cell, experiments } = tabulated;
    let rare = cell.rare.as_ref();
    let known = |value: Option<String>| value.unwrap_or_default();
    let mut row = vec![
        role.to_owned(),
        experiments.join(";"),
        cell.regime.name().to_owned(),
        cell.transforms.to_string(),
        cell.n.to_string(),
        cell.arm.to_string(),
        cell.dose.to_string(),
        known(rare.map(|rare| rare.class.clone())),
        known(rare.map(|rare| rare.n.to_string())),
        cell.replicate.to_string(),
        image.id.clone(),
        image.source.clone(),
        image.patient.clone(),
        known(image.fst.map(|fst| fst.to_string())),
        known(image.malignant.map(|malignant| malignant.to_string())),
        classes[image.label].clone(),
        classes[image.predicted()].clone(),
        image.correct().to_string(),
        image.confidence().to_string(),
    ];
    row.extend(image.probabilities.iter().map(ToString::to_string));
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::Cell;
    use crate::vocabulary::Regime;

    #[test]
    fn a_row_says_who_said_what_of_which_image() {
        let cell = Cell {
            n: 8,
            arm: "inpaint".parse().unwrap(),
            dose: 10,
            transforms: true,
            regime: Regime::Full,
            replicate: 2,
            rare: None,
        };
        let tabulated = Tabulated { cell, experiments: vec!["sweep".into(), "doses".into()] };
        let image = Prediction {
            id: "7".into(),
            label: 1,
            probabilities: vec![0.625, 0.375],
            fst: Some(34),
            malignant: None,
            patient: String::new(),
            source: "a set".into(),
        };
        let classes = ["acne", "wart"].map(str::to_owned);
        let row = row("a", &tabulated, &image, &classes);
        assert_eq!(
            row.join(","),
            "a,sweep;doses,full,true,8,inpaint,10,,,2,7,a set,,34,,wart,acne,false,0.625,0.625,0.375"
        );
        assert_eq!(row.len(), COLUMNS.len() + classes.len());
    }
}
