//! Every number of a report leads to the stored results that it was computed from, and these give
//! that number again.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use titrate::id::Digest;
use titrate::store::Store;

use super::chain::Chain;

/// The texts of a list.
fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().map(|text| text.as_str().unwrap()).collect()
}

/// Whether a classifier's most probable class is the true one, in percent of its images.
fn accuracy(predictions: &Value) -> f64 {
    let images = predictions["images"].as_array().unwrap();
    let right = images.iter().filter(|image| {
        let probabilities = image["probabilities"].as_array().unwrap();
        let most = |a: &(usize, f64), b: &(usize, f64)| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0));
        let values = probabilities.iter().map(|value| value.as_f64().unwrap()).enumerate();
        values.max_by(most).unwrap().0 as u64 == image["label"].as_u64().unwrap()
    });
    100.0 * right.count() as f64 / images.len() as f64
}

#[test]
fn a_number_leads_to_what_gives_it_again() {
    let chain = Chain::new("proofs");
    chain.run(&[]);
    let file = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(chain.path("report/data").join(name)).unwrap())
            .unwrap()
    };
    let (numbers, lineage) = (file("numbers.json"), file("lineage.json"));
    let tasks = lineage["tasks"].as_array().unwrap();
    let digests = tasks.iter().map(|task| (task["label"].as_str().unwrap(), &task["digest"]));
    let digests = digests.collect::<BTreeMap<_, _>>();
    let receipts = chain.receipts();

    // Each number has an id, and tasks that are in the lineage with the digest of their receipt.
    let numbers = numbers.as_array().unwrap();
    let ids = numbers.iter().map(|number| number["id"].as_str().unwrap());
    assert_eq!(ids.collect::<BTreeSet<_>>().len(), numbers.len(), "ids are unique");
    for number in numbers {
        let by = number["task"].as_str().unwrap();
        for label in [by].into_iter().chain(texts(&number["from"])).filter(|by| *by != "report") {
            let output = &receipts[label]["output"];
            let artifact: titrate::store::Artifact =
                serde_json::from_value(output.clone()).unwrap();
            assert_eq!(digests[label], &artifact.digest().to_string(), "{label}");
        }
    }

    // The predictions behind an accuracy give that accuracy.
    let store = Store::open(chain.path("store")).unwrap();
    let mut compared = 0;
    for number in numbers.iter().filter(|it| it["id"].as_str().unwrap().starts_with("accuracy-")) {
        let of_task = |label: &str| {
            let entries = receipts[label]["output"].as_array().unwrap();
            let entry = entries.iter().find(|entry| entry["name"] == "predictions.json").unwrap();
            let digest: Digest = entry["digest"].as_str().unwrap().parse().unwrap();
            accuracy(&serde_json::from_slice(&store.objects().read(&digest).unwrap()).unwrap())
        };
        let rates = texts(&number["from"]).into_iter().map(of_task).collect::<Vec<_>>();
        let mean = rates.iter().sum::<f64>() / rates.len() as f64;
        assert_eq!(number["value"], format!("{mean:.1}"), "{number}");
        compared += 1;
    }
    assert!(compared >= 8, "{compared} accuracies");
    drop(store);
    follow(&chain);
}

/// `titrate trace` ends in what no task made, and refuses what there is not; `titrate cite` says the
/// same number.
fn follow(chain: &Chain) {
    let id = "accuracy-accuracy-table/with-transforms.2/inpaint";
    let (code, said) = chain.ask(&["trace", id]);
    assert_eq!(code, 0, "{said}");
    for part in [
        "computed by\n    analysis/sweep",
        "classifier/n=2/inpaint-x2/transforms/r1",
        "dreambooth/psoriasis/inpaint",
        "imported as autoencoder: digest ",
        "--store EMPTY",
    ] {
        assert!(said.contains(part), "no {part:?} in\n{said}");
    }
    assert!(!said.contains("classifier/n=2/real"), "only what the number is from:\n{said}");
    let (code, said) = chain.ask(&["trace", id, "--json"]);
    assert_eq!(code, 0, "{said}");
    let traced: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(traced["number"]["id"], id);
    let (code, said) = chain.ask(&["trace", "accuracy-accuracy-table/with-transforms.2/inpant"]);
    assert_eq!(code, 2);
    assert!(said.contains("/with-transforms.2/inpaint`?"), "{said}");

    std::fs::write(chain.path("text.tex"), format!("It is {{{{ {id} }}}} percent.\n")).unwrap();
    let (code, said) = chain.ask(&["cite", "text.tex"]);
    let value = traced["number"]["value"].as_str().unwrap();
    assert_eq!((code, said.as_str()), (0, format!("It is {value} percent.\n").as_str()));
    std::fs::write(chain.path("filled.tex"), said.replace(value, "99.9")).unwrap();
    let (code, said) = chain.ask(&["cite", "text.tex", "--check", "filled.tex"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(&format!("filled.tex:1: `99.9`; {id} is {value}")), "{said}");
}
