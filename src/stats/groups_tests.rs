//! Simultaneous intervals against an independent implementation, and claims about the largest.

use serde::Deserialize;

use super::*;
use crate::seed::Seed;
use crate::stats::linear::Term;
use crate::stats::linear::tests::{references, sample};
use crate::stats::paired::tests::close;

#[derive(Deserialize)]
struct Case {
    name: String,
    scores: [Vec<Vec<f64>>; 2],
    classes: Vec<usize>,
    images: Vec<Vec<usize>>,
    confidence: f64,
    expected: Expected,
}

#[derive(Deserialize)]
struct Expected {
    means: Vec<f64>,
    halves: Vec<f64>,
    adjusted: Option<Vec<f64>>,
}

#[test]
fn intervals_that_hold_together_agree_with_the_reference() {
    for case in references::<Case>("groups") {
        let sample = sample(&case.classes, None);
        let [control, arm] = &case.scores;
        let gain = |images: &Vec<usize>| {
            let terms = [Term::on(images, 1.0, arm), Term::on(images, -1.0, control)];
            Statistic::of(&terms, &sample).unwrap()
        };
        let groups = case.images.iter().map(gain).collect::<Vec<_>>();
        let found = Simultaneous::of(&groups, case.confidence).unwrap().groups;
        let Expected { means, halves, adjusted } = case.expected;
        close(&found.iter().map(|group| group.mean).collect::<Vec<_>>(), &means, 1e-12);
        let half = |group: &Group| group.interval.map(|i| (i.high - i.low) / 2.0);
        let half = found.iter().filter_map(half).collect::<Vec<_>>();
        let relative = half.iter().zip(&halves).map(|(found, expected)| found / expected);
        let relative = relative.collect::<Vec<_>>();
        // The largest of correlated statistics is simulated.
        let tolerance = if adjusted.is_some() { 1e-9 } else { 0.01 };
        close(&relative, &vec![1.0; halves.len()], tolerance);
        if let Some(adjusted) = adjusted {
            let p = found.iter().filter_map(|group| group.p_adjusted).collect::<Vec<_>>();
            close(&p, &adjusted, 1e-9);
        }
        assert!(found.iter().all(|group| group.ranked), "{}", case.name);
    }
}

/// Groups with these means on 40 units each, which vary little between `replicates`.
fn groups(means: &[f64], replicates: usize) -> Vec<Statistic> {
    let units = 40 * means.len();
    let group = |(place, centre): (usize, &f64)| {
        let mut draws = Seed::of_study(9).nth(place as u64).normal_draws();
        let mut draw = |scale: f64| scale * draws.next().unwrap();
        let values = (0..replicates).map(|_| centre + draw(0.005)).collect::<Vec<_>>();
        let influence = |_| {
            let mut influence = vec![0.0; units];
            influence[40 * place..][..40].iter_mut().for_each(|one| *one = draw(0.001));
            influence
        };
        let influence = (0..replicates).map(influence).collect();
        // The mean is exactly what the test is about.
        let shift = centre - values.iter().sum::<f64>() / replicates as f64;
        let values = values.into_iter().map(|value| value + shift).collect();
        Statistic { values, influence, units: 40 }
    };
    means.iter().enumerate().map(group).collect()
}

fn leader(groups: &[Statistic], end: End) -> Leader {
    Leader::of(groups, end, 0.95).unwrap()
}

#[test]
fn the_largest_is_claimed_where_it_stands_apart() {
    for replicates in [3, 8] {
        let apart = groups(&[0.1, 0.3, 0.101, 0.15], replicates);
        let Leader::Shown { group, differences } = leader(&apart, End::Largest) else { panic!() };
        assert_eq!((group, differences.others), (1, vec![0, 2, 3]));
        assert!(matches!(leader(&apart, End::Smallest), Leader::NotShown { group: 0, .. }));
        let close = groups(&[0.1, 0.3, 0.299, 0.15], replicates);
        let Leader::NotShown { group, rivals, .. } = leader(&close, End::Largest) else { panic!() };
        assert_eq!((group, rivals), (1, vec![2]));
        let written = serde_json::to_value(leader(&close, End::Largest)).unwrap();
        assert_eq!(written["leader"], "not-shown");
        let read = serde_json::from_value::<Leader>(written).unwrap();
        assert_eq!(read, leader(&close, End::Largest));
    }
}

#[test]
fn what_cannot_be_claimed_is_told_apart() {
    let mut two = groups(&[0.1, 0.1], 4);
    two[1].values = two[0].values.clone();
    assert_eq!(leader(&two, End::Largest), Leader::Tied { groups: vec![0, 1] });
    two[0].units = RANKED_FROM - 1;
    assert_eq!(leader(&two, End::Largest), Leader::TooFewGroups);
    assert_eq!(Gap::of(&two, 0.95), Ok(None));
    let one = groups(&[0.1, 0.3], 1);
    assert_eq!(leader(&one, End::Smallest), Leader::NotOverReruns { group: 0 });
    assert_eq!(Leader::of(&[], End::Largest, 0.95), Err(LinearError::Empty));
}

#[test]
fn the_ends_and_the_gap_follow_from_all_intervals() {
    let apart = groups(&[0.1, 0.3, 0.25, 0.15], 8);
    let all = Simultaneous::of(&apart, 0.95).unwrap();
    let ends = all.groups.iter().map(|group| group.interval.unwrap()).collect::<Vec<_>>();
    assert_eq!(all.smallest(), Some(ends[0]));
    assert_eq!(all.largest(), Some(ends[1]));
    let gap = Gap::of(&apart, 0.95).unwrap().unwrap();
    assert_eq!((gap.largest, gap.smallest, gap.basis), (1, 0, Basis::Reruns));
    let interval = gap.interval.unwrap();
    assert!(interval.low < 0.2 && 0.2 < interval.high && interval.low > 0.17, "{gap:?}");
    let alike = Gap::of(&groups(&[0.1, 0.1001], 8), 0.95).unwrap().unwrap();
    assert_eq!(alike.interval.unwrap().low, 0.0, "{alike:?}");
    let mut small = apart;
    small[0].units = RANKED_FROM - 1;
    let all = Simultaneous::of(&small, 0.95).unwrap();
    assert!(!all.groups[0].ranked);
    assert_eq!(all.smallest(), all.groups[3].interval, "a small group is no end");
}
