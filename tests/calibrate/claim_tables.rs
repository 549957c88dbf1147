//! The tables of claims about several arms, and a small version of each that runs with the suite.

use titrate::stats::dose_curve::Shape;

use crate::claims::{self, CURVES, NOISES, Pair};
use crate::{error, percent};

/// Gains of groups: the name, and by group.
fn gains() -> [(&'static str, Vec<f64>); 4] {
    let of = |first: &[f64]| [first, &[0.0; 9][first.len()..]].concat();
    [
        ("three groups gain alike", vec![0.05; 3]),
        ("nine classes gain alike", vec![0.05; 9]),
        ("two of nine classes gain most", of(&[0.2, 0.2])),
        ("one of nine classes gains most", of(&[0.3])),
    ]
}

pub fn print(studies: usize) {
    println!(
        "\n| equivalent within 5 points | replicates | claimed at the margin, % | of equals, % |"
    );
    println!("| --- | ---: | ---: | ---: |");
    for (name, noise) in NOISES {
        for replicates in [3, 6, 10] {
            let [margin, equal] = [0.05, 0.0]
                .map(|gain| percent(claims::equivalence(noise, replicates, gain, studies)));
            println!("| {name} | {replicates} | {margin} | {equal} |");
        }
    }
    println!(
        "\n| the same gain on two groups, claimed to differ | replicates | halves, % | a sixth and the rest, % | halves that patients span, % |"
    );
    println!("| --- | ---: | ---: | ---: | ---: |");
    for (name, noise) in NOISES {
        for replicates in [3, 6, 10] {
            let claimed = [Pair::Halves, Pair::Sixth, Pair::Spanned]
                .map(|pair| percent(claims::interaction(noise, replicates, pair, studies)));
            println!("| {name} | {replicates} | {} |", claimed.join(" | "));
        }
    }
    print_groups(studies / 2);
    print_curves(studies / 2);
}

fn print_groups(studies: usize) {
    println!(
        "\n| groups | noise | replicates | wrong leader, % | right leader, % | all intervals hold, % | the smallest's, % | the gap's, % |"
    );
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (groups, gains) in gains() {
        for (name, noise) in NOISES {
            for replicates in [3, 6, 10] {
                let found = claims::groups(noise, replicates, &gains, studies);
                let shares = [found.wrong, found.right, found.all, found.smallest, found.gap];
                let shares = shares.map(percent).join(" | ");
                println!("| {groups} | {name} | {replicates} | {shares} |");
            }
        }
    }
}

fn print_curves(studies: usize) {
    println!("\n| exchange rate | replicates | coverage, % | an end open, % |");
    println!("| --- | ---: | ---: | ---: |");
    for (name, noise) in NOISES {
        for replicates in [3, 6, 10] {
            let shares = claims::exchange(noise, replicates, studies).map(percent).join(" | ");
            println!("| {name} | {replicates} | {shares} |");
        }
    }
    println!(
        "\n| dose curve | noise | replicates | right shape, % | dose claimed, % | coverage of the claimed, % | by the right shape, % | no shape fits, % |"
    );
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for curve in CURVES {
        for (name, noise) in NOISES {
            for replicates in [3, 6, 10] {
                let found = claims::doses(noise, replicates, curve, studies);
                let with_plateau = [Shape::Emax, Shape::BrokenStick].contains(&curve.0);
                let coverages = [found.coverage, found.right_coverage];
                let coverage = |share| if with_plateau { percent(share) } else { "–".into() };
                let coverage = coverages.map(coverage).join(" | ");
                let [shape, claimed, none] = [found.shape, found.claimed, found.none].map(percent);
                let shown = curve.0.name();
                println!(
                    "| {shown} | {name} | {replicates} | {shape} | {claimed} | {coverage} | {none} |"
                );
            }
        }
    }
    println!("\n| rank correlation | pairs | coverage, % |\n| --- | ---: | ---: |");
    for correlation in [0.0, 0.7] {
        for pairs in [6, 12, 24] {
            let coverage = percent(claims::rank(pairs, correlation, studies));
            println!("| normal pairs, r = {correlation} | {pairs} | {coverage} |");
        }
    }
}

const LEVEL: f64 = 0.05;
const STUDIES: usize = 300;

#[test]
fn claims_of_equivalence_and_of_groups_hold_their_level() {
    let noise = NOISES[1].1;
    let most = LEVEL + error(LEVEL, STUDIES);
    for gain in [-0.05, 0.05] {
        let claimed = claims::equivalence(noise, 6, gain, STUDIES);
        assert!(claimed <= most, "{claimed} at the margin are called equivalent");
    }
    let claimed = claims::interaction(noise, 6, Pair::Spanned, STUDIES);
    assert!(claimed <= most, "{claimed} of equal gains are said to differ");
    for (name, gains) in &gains()[1..3] {
        let found = claims::groups(noise, 6, gains, STUDIES / 2);
        let most = LEVEL + error(LEVEL, STUDIES / 2);
        assert!(found.wrong <= most, "{name}: {} are wrong", found.wrong);
        for held in [found.all, found.smallest, found.gap] {
            assert!(held >= 1.0 - most, "{name}: {held} of intervals hold");
        }
    }
}

#[test]
fn exchange_rates_and_doses_are_covered() {
    let noise = NOISES[1].1;
    let most = LEVEL + error(LEVEL, STUDIES);
    let [coverage, _] = claims::exchange(noise, 5, STUDIES);
    assert!(coverage >= 1.0 - most, "{coverage} of exchange rates are covered");
    for curve in &CURVES[2..] {
        let found = claims::doses(noise, 5, *curve, STUDIES);
        let name = curve.0.name();
        assert!(found.coverage >= 1.0 - most, "{name}: {} of doses are covered", found.coverage);
        assert!(found.shape > 0.7, "{name} is told in {}", found.shape);
    }
}
