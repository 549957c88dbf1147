//! How much there is to do, in units that mean the same on every machine.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use super::graph::Task;
use super::kind;
use crate::study::Classifier;

/// What tasks of one kind do together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    pub tasks: usize,
    /// Counts of what takes long, by name.
    pub units: BTreeMap<&'static str, u64>,
}

impl Work {
    /// Adds a task's.
    pub fn add(&mut self, task: &Task) {
        self.tasks += 1;
        for (unit, count) in units(task) {
            *self.units.entry(unit).or_default() += count;
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.units.iter().map(|(unit, count)| format!("{} {unit}", grouped(*count)));
        write!(f, "{}", counts.collect::<Vec<_>>().join(", "))
    }
}

fn units(task: &Task) -> Vec<(&'static str, u64)> {
    let params = &task.params;
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let of = |name: &str| number(&params[name]);
    let evaluations =
        |images: u64| images * of("steps") * if params["guidance"] == 1.0 { 1 } else { 2 };
    let trained = |settings: &Value, steps: u64| steps * number(&settings["batch"]);
    if task.kind == kind::AUTOENCODER.name {
        let settings = &params["autoencoder"];
        vec![(
            "images through an autoencoder, forward and back",
            trained(settings, number(&settings["steps"])),
        )]
    } else if task.kind == kind::UNET.name {
        vec![(
            "images through a UNet, forward and back",
            trained(&params["unet"], number(&params["unet"]["steps"])),
        )]
    } else if task.kind == kind::INPAINTING.name {
        vec![("images through a UNet, forward and back", trained(&params["unet"], of("steps")))]
    } else if task.kind == kind::DREAMBOOTH.name {
        vec![(
            "images through a UNet, forward and back",
            of("steps") * of("batch") * of("accumulate"),
        )]
    } else if task.kind == kind::GENERATE.name {
        let images = params["sources"].as_array().map_or(0, |sources| sources.len() as u64)
            * of("generations");
        vec![("images", images), ("evaluations of a UNet", evaluations(images))]
    } else if task.kind == kind::PRIOR.name {
        vec![("images", of("images")), ("evaluations of a UNet", evaluations(of("images")))]
    } else if task.kind == kind::CLASSIFIER.name {
        let sources =
            params["sources"].as_object().into_iter().flat_map(|sources| sources.values());
        let reals =
            sources.map(|sources| sources.as_array().map_or(0, Vec::len) as u64).sum::<u64>();
        let training = Classifier::deserialize(&params["training"])
            .expect("the parameters of a classifier have a training");
        vec![(
            "training images shown at most",
            training.shown((reals * (1 + of("dose"))) as usize) as u64,
        )]
    } else {
        Vec::new()
    }
}

/// `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let groups = digits.as_bytes()[first..]
        .chunks(3)
        .map(|group| String::from_utf8_lossy(group).into_owned());
    let head = (first > 0).then(|| digits[..first].to_owned());
    head.into_iter().chain(groups).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::kind::Kind;
    use super::*;

    fn task(kind: &Kind, params: Value) -> Task {
        Task {
            label: kind.name.into(),
            kind: kind.name,
            version: 1,
            params,
            inputs: Vec::new(),
            seed: None,
            cost: 0.0,
        }
    }

    fn training(epochs: usize, steps_per_epoch: usize) -> Value {
        json!({"epochs": epochs, "steps_per_epoch": steps_per_epoch, "batch": 8, "batch_by_images": [[100, 32]], "learning_rate": 1e-3,
               "weight_decay": 0.01, "patience": 3, "label_smoothing": 0.0})
    }

    #[test]
    fn work_is_counted_in_what_takes_long() {
        let cases = [
            (
                &kind::DREAMBOOTH,
                json!({"steps": 1000, "batch": 4, "accumulate": 2}),
                "8,000 images through a UNet, forward and back",
            ),
            (
                &kind::AUTOENCODER,
                json!({"autoencoder": {"steps": 100, "batch": 16}}),
                "1,600 images through an autoencoder, forward and back",
            ),
            (
                &kind::UNET,
                json!({"unet": {"steps": 10, "batch": 8}}),
                "80 images through a UNet, forward and back",
            ),
            (
                &kind::INPAINTING,
                json!({"unet": {"steps": 10, "batch": 8}, "steps": 5}),
                "40 images through a UNet, forward and back",
            ),
            (
                &kind::GENERATE,
                json!({"sources": [1, 2], "generations": 5, "steps": 50, "guidance": 3.0}),
                "1,000 evaluations of a UNet, 10 images",
            ),
            (
                &kind::GENERATE,
                json!({"sources": [1], "generations": 5, "steps": 50, "guidance": 1.0}),
                "250 evaluations of a UNet, 5 images",
            ),
            (
                &kind::CLASSIFIER,
                json!({"sources": {"a": [0, 1], "b": [3, 4]}, "dose": 10, "training": training(50, 0)}),
                "2,200 training images shown at most",
            ),
            (
                &kind::CLASSIFIER,
                json!({"sources": {"a": [0]}, "dose": 0, "training": training(3, 4)}),
                "96 training images shown at most",
            ),
            (&kind::REPORT, json!({}), ""),
        ];
        for (kind, params, expected) in cases {
            let mut work = Work::default();
            work.add(&task(kind, params));
            assert_eq!(work.to_string(), expected, "{}", kind.name);
        }
    }
}
