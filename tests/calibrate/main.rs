//! Calibration: the statistics of a study on simulated studies whose truth is known. A small
//! version runs with the suite; `cargo xtask calibrate` runs the whole and prints the table of
//! ARCHITECTURE.md.

mod arms;
mod claim_tables;
mod claims;
mod predictions;
mod simulation;

use simulation::{CONTRASTS, Counts, Scenario, Variances};
use titrate::stats::power::{Design, Power, WANTED};

/// Monte Carlo error: a share of so many simulated studies lies within this of its expectation, but
/// once in 2000 times.
fn error(share: f64, studies: usize) -> f64 {
    3.5 * (share * (1.0 - share) / studies as f64).sqrt()
}

const LEVEL: f64 = 0.05;

/// Standard deviations between replicates of an arm, in points, and of an image in an arm, on the
/// scale of [`Variances`].
const SCENARIOS: &[(&str, Variances)] = &[
    ("arms alike", Variances { reruns: [0.0; 3], interaction: false }),
    ("arms differ by image", Variances { reruns: [0.0; 3], interaction: true }),
    ("reruns vary by 1 point", Variances { reruns: [1.0; 3], interaction: false }),
    ("both", Variances { reruns: [1.0; 3], interaction: true }),
    ("reruns vary by 3 points (quick)", Variances { reruns: [3.0; 3], interaction: true }),
    ("reruns of arms vary unequally", Variances { reruns: [0.5, 1.0, 3.0], interaction: true }),
];

fn scenario(variances: Variances, replicates: usize) -> Scenario {
    Scenario { variances, replicates, images: 540, gains: Vec::new() }
}

/// The row of a scenario without effects: any rejection, single p below 5%, coverage.
fn null_row(
    name: &str,
    variances: Variances,
    replicates: usize,
    studies: usize,
) -> (String, Counts) {
    let counts = scenario(variances, replicates).simulate(studies);
    let row = format!(
        "| {name} | {replicates} | {} | {} | {} | {} |",
        percent(counts.any_rejection()),
        percent(counts.single()),
        percent(counts.coverage()),
        percent(counts.part_coverage()),
    );
    (row, counts)
}

/// Gains that a plan says are found with 80% power, alone and in the family: how often they are,
/// and how often the interval holds them. None of a gain that is larger than what accuracy leaves
/// room for.
fn power_row(
    name: &str,
    variances: Variances,
    replicates: usize,
    studies: usize,
) -> (String, [Option<f64>; 2]) {
    let null = scenario(variances, replicates);
    let design = Design {
        components: null.components(),
        replicates,
        units: null.images,
        contrasts: CONTRASTS,
        q: LEVEL,
    };
    let power = Power::of(design);
    let planted = |gain: Option<f64>| {
        let gain = gain.filter(|gain| *gain < simulation::MOST_GAIN)?;
        Some((gain, Scenario { gains: vec![gain], ..null.clone() }.simulate(studies)))
    };
    let (alone, family) = (planted(power.alone), planted(power.in_family));
    let cell = |of: &Option<(f64, Counts)>, share: fn(&Counts) -> f64| {
        of.as_ref().map_or("–".into(), |(_, of)| percent(share(of)))
    };
    let gain =
        |of: &Option<(f64, Counts)>| of.as_ref().map_or("–".into(), |(gain, _)| percent(*gain));
    let row = format!(
        "| {name} | {replicates} | {} | {} | {} | {} | {} |",
        gain(&alone),
        cell(&alone, Counts::planted_alone),
        gain(&family),
        cell(&family, Counts::planted_rejected),
        cell(&family, Counts::planted_coverage),
    );
    (row, [alone.map(|(_, of)| of.planted_alone()), family.map(|(_, of)| of.planted_rejected())])
}

fn percent(share: f64) -> String {
    format!("{:.1}", share * 100.0)
}

/// At the replicates of the quick study: false alarms, coverage and power, with few simulated
/// studies.
#[test]
fn the_primary_inference_holds_its_level() {
    let studies = 400;
    for (name, variances) in [SCENARIOS[1], SCENARIOS[4]] {
        let (_, counts) = null_row(name, variances, 6, studies);
        let any = counts.any_rejection();
        assert!(
            any <= LEVEL + error(LEVEL, studies),
            "{name}: {any} of null studies reject something"
        );
        let coverage = counts.coverage();
        assert!(
            (0.935..0.99).contains(&coverage),
            "{name}: intervals hold the truth in {coverage}"
        );
    }
    let (name, variances) = SCENARIOS[4];
    let (_, found) = power_row(name, variances, 6, studies);
    for share in found.map(|share| share.expect("a gain that fits")) {
        assert!(
            (share - WANTED).abs() < 0.05 + error(WANTED, studies),
            "{name}: {share} found of a gain with {WANTED} power"
        );
    }
}

#[test]
fn intervals_of_scores_hold_the_truth() {
    for (name, coverage) in predictions::coverage(4, 60) {
        // 240 intervals, of which four share their images.
        assert!(coverage > 0.85, "{name}: {coverage}");
    }
}

#[test]
#[ignore = "some minutes: cargo xtask calibrate"]
fn whole() {
    let studies = |replicates: usize| if replicates > 10 { 2000 } else { 4000 };
    println!(
        "| no effect | replicates | any rejection, % | single p < 0.05, % | coverage, % | on a sixth of the images, % |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    for (name, variances) in SCENARIOS {
        for replicates in [3, 5, 6, 10, 20] {
            println!("{}", null_row(name, *variances, replicates, studies(replicates)).0);
        }
    }
    println!(
        "\n| a gain with 80% power | replicates | alone, points | found, % | in the family, points | found, % | coverage, % |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (name, variances) in SCENARIOS {
        for replicates in [3, 6, 10, 20] {
            println!("{}", power_row(name, *variances, replicates, studies(replicates) / 2).0);
        }
    }
    println!("\n| interval of | replicates | coverage, % |\n| --- | ---: | ---: |");
    for replicates in [3, 6, 10] {
        for (name, coverage) in predictions::coverage(replicates, 500) {
            println!("| {name} | {replicates} | {} |", percent(coverage));
        }
    }
    claim_tables::print(2000);
}
