//! Against NumPy and SciPy (tests/fixtures/quality.py), and on sets whose answers are known.

use serde::Deserialize;

use super::*;
use crate::stats::paired::tests::close;

#[derive(Deserialize)]
struct References {
    sets: Vec<Sets>,
    planes: Vec<Projected>,
    nearest: Vec<NearestCase>,
    paired: Vec<PairedCase>,
}

type Rows = Vec<Vec<f64>>;

#[derive(Deserialize)]
struct Sets {
    name: String,
    a: Rows,
    b: Rows,
    frechet: f64,
    kernel: f64,
    precision: f64,
    recall: f64,
}

#[derive(Deserialize)]
struct Projected {
    rows: Rows,
    others: Rows,
    shares: Vec<f64>,
    projected: Rows,
}

#[derive(Deserialize)]
struct NearestCase {
    images: Rows,
    real: Rows,
    nearest: Vec<usize>,
    distances: Vec<f64>,
    probability: f64,
    quantile: f64,
}

#[derive(Deserialize)]
struct PairedCase {
    real: Rows,
    images: Rows,
    own_source: Vec<usize>,
    sources: usize,
    own: f64,
    permuted: f64,
    p: f64,
    deviation: f64,
}

fn references() -> References {
    serde_json::from_str(include_str!("../../../tests/fixtures/quality.json")).unwrap()
}

fn slices(rows: &Rows) -> Vec<&[f64]> {
    rows.iter().map(Vec::as_slice).collect()
}

/// Real images named by their place, of one class, or of as many as `of_each` makes of them.
fn real(rows: &Rows, of_each: usize) -> Vec<Sample> {
    let sample = |(place, row): (usize, &Vec<f64>)| Sample {
        id: format!("real {place}"),
        class: place / of_each,
        source: None,
        features: row.clone(),
    };
    rows.iter().enumerate().map(sample).collect()
}

/// Images made for the real ones at these places.
fn made(rows: &Rows, sources: &[usize], of_each: usize) -> Vec<Sample> {
    let sample = |(place, (row, source)): (usize, (&Vec<f64>, &usize))| Sample {
        id: format!("made {place}"),
        class: source / of_each,
        source: Some(format!("real {source}")),
        features: row.clone(),
    };
    rows.iter().zip(sources).enumerate().map(sample).collect()
}

#[test]
fn distances_of_sets_agree_with_scipy() {
    for case in references().sets {
        let (a, b) = (slices(&case.a), slices(&case.b));
        let scale = case.frechet.abs().max(1.0);
        let found = [frechet(&a, &b), frechet(&b, &a)];
        close(&found, &[case.frechet; 2], 1e-6 * scale);
        assert!(found[0] >= 0.0, "{}", case.name);
        let scale = case.kernel.abs().max(1.0);
        close(&[kernel(&a, &b), kernel(&b, &a)], &[case.kernel; 2], 1e-9 * scale);
        let (precision, recall) = precision_recall(&a, &b);
        close(&[precision, recall], &[case.precision, case.recall], 1e-9);
    }
}

/// Sets whose covariances commute have the distance in closed form.
#[test]
fn a_set_that_is_stretched_and_moved_has_a_known_distance() {
    let case = &references().sets[0];
    let moved = case.a.iter().map(|row| row.iter().map(|value| 3.0 * value + 2.0).collect());
    let moved = moved.collect::<Rows>();
    let (a, b) = (slices(&case.a), slices(&moved));
    let mean = |feature: usize| a.iter().map(|row| row[feature]).sum::<f64>() / a.len() as f64;
    let shift = (0..5).map(|feature| (2.0 * mean(feature) + 2.0).powi(2)).sum::<f64>();
    let squares =
        |feature: usize| a.iter().map(|row| (row[feature] - mean(feature)).powi(2)).sum::<f64>();
    let variance = (0..5).map(squares).sum::<f64>() / (a.len() - 1) as f64;
    close(&[frechet(&a, &b)], &[shift + 4.0 * variance], 1e-9);
}

#[test]
fn planes_agree_with_numpy() {
    for case in references().planes {
        let plane = Plane::fit(&slices(&case.rows));
        close(&plane.shares, &case.shares, 1e-9);
        for (other, projected) in case.others.iter().zip(&case.projected) {
            close(&plane.project(other), projected, 1e-9);
        }
    }
}

#[test]
fn a_set_that_varies_in_one_direction_has_one_axis() {
    let line = [[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]];
    let plane = Plane::fit(&line.each_ref().map(|row| row.as_slice()));
    close(&plane.shares, &[1.0, 0.0], 1e-12);
    let root = 2f64.sqrt();
    close(&plane.project(&[7.0 / 3.0 + 1.0, 7.0 / 3.0 + 1.0]), &[root, 0.0], 1e-12);
    let plane = Plane::fit(&[&[3.0, 1.0]]);
    assert_eq!((plane.shares, plane.project(&[5.0, 1.0])), ([0.0; 2], [0.0; 2]));
}

#[test]
fn nearest_images_agree_with_scipy() {
    for case in references().nearest {
        let sources = vec![0; case.images.len()];
        let many = case.real.len();
        let found = nearest(&made(&case.images, &sources, many), &real(&case.real, many));
        let distances = found.iter().map(|pair| pair.distance).collect::<Vec<_>>();
        close(&distances, &case.distances, 1e-9);
        for (pair, nearest) in found.iter().zip(case.nearest) {
            assert_eq!(pair.real, format!("real {nearest}"));
            assert_eq!(pair.is_source, nearest == 0);
        }
        close(&[quantile(&ascending(&found), case.probability)], &[case.quantile], 1e-9);
        let closest = nearest::closest(&found, 3);
        let least = ascending(&found)[..3].to_vec();
        assert_eq!(closest.iter().map(|pair| pair.distance).collect::<Vec<_>>(), least);
    }
}

/// 999 permutations come within three standard errors of all permutations there are.
#[test]
fn permuted_distances_agree_with_all_permutations() {
    for case in references().paired {
        let images = made(&case.images, &case.own_source, case.sources);
        let real = real(&case.real, case.sources);
        let found = paired(&images, &real, 2, &Seed::of_study(3)).unwrap();
        close(&[found.own], &[case.own], 1e-9);
        let draws = PERMUTATIONS as f64;
        close(&[found.permuted], &[case.permuted], 3.0 * case.deviation / draws.sqrt());
        let error = (case.p * (1.0 - case.p) / draws).sqrt();
        close(&[found.p], &[case.p], 3.0 * error + 1.0 / draws);
        assert_eq!(paired(&images, &real, 2, &Seed::of_study(3)), Some(found));
    }
    let one_source_each = made(&vec![vec![0.0], vec![1.0]], &[0, 1], 1);
    let real = real(&vec![vec![0.5], vec![0.25]], 1);
    assert_eq!(paired(&one_source_each, &real, 2, &Seed::of_study(3)), None);
}

/// Two arms beside a pool on a grid: one is copies of it, the other lies elsewhere.
#[test]
fn copies_are_found_and_elsewhere_is_far() {
    let grid = |step: f64, shift: f64| {
        (0..12)
            .map(|at| vec![step * f64::from(at) + shift, f64::from(at % 3), 1.0])
            .collect::<Rows>()
    };
    let classes = ["a".to_owned(), "b".to_owned()];
    let pool = real(&grid(1.0, 0.0), 6);
    let held_out = real(&grid(1.0, 0.4), 6)
        .into_iter()
        .map(|sample| Sample { id: format!("held out {}", sample.id), ..sample });
    let sources = [0, 1, 2, 6, 7, 8];
    let rows =
        |shift: f64| sources.iter().map(|&at| grid(1.0, shift)[at].clone()).collect::<Rows>();
    let arms = [
        ("copies".to_owned(), made(&rows(0.0), &sources, 6)),
        ("elsewhere".to_owned(), made(&rows(90.0), &sources, 6)),
    ];
    let images = Images {
        classes: &classes,
        generations: 1,
        pool: &pool,
        held_out: &held_out.collect::<Vec<_>>(),
        arms: &arms,
    };
    let quality = assess(&images, &Seed::of_study(1));
    assert_eq!((quality.pool, quality.sources, quality.compared), (12, 6, 6));
    assert_eq!((quality.features, quality.held_out.images), (3, 12));
    close(&[quality.very_near], &[0.4], 1e-12);
    let shares = quality.arms.iter().map(|arm| arm.set.very_near).collect::<Vec<_>>();
    assert_eq!(shares, [1.0, 0.0]);
    assert_eq!(quality.count_nearer(), 1);
    let [copies, elsewhere] = quality.arms.as_slice() else { panic!("two arms") };
    let whole = [copies, elsewhere].map(|arm| arm.set.closeness.unwrap());
    close(&[whole[0].frechet], &[0.0], 1e-9);
    assert_eq!((whole[0].precision, whole[0].recall), (1.0, 1.0));
    assert_eq!((whole[1].precision, whole[1].recall), (0.0, 0.0));
    assert!(whole[1].frechet > 8000.0 && whole[1].kernel > whole[0].kernel);
    assert!(copies.set.closest.iter().all(|pair| pair.is_source && pair.distance == 0.0));
    assert_eq!(copies.set.closest.len(), CLOSEST);
    let paired = copies.paired.unwrap();
    assert!(paired.own == 0.0 && paired.permuted > 0.0 && paired.p < 0.1, "{paired:?}");
    assert_eq!(
        quality.count_paired(),
        (2, 1 + usize::from(elsewhere.paired.unwrap().own < elsewhere.paired.unwrap().permuted))
    );
    let json = serde_json::to_string(&quality).unwrap();
    assert_eq!(serde_json::from_str::<Quality>(&json).unwrap(), quality);
}

#[test]
fn too_few_images_are_not_compared_as_wholes() {
    let classes = ["a".to_owned()];
    let rows = vec![vec![0.0, 1.0], vec![2.0, 3.0], vec![5.0, 1.0]];
    let (pool, arms) = (real(&rows, 3), [("x".to_owned(), made(&rows, &[0, 1, 2], 3))]);
    let images =
        Images { classes: &classes, generations: 1, pool: &pool, held_out: &pool, arms: &arms };
    let quality = assess(&images, &Seed::of_study(1));
    assert_eq!((quality.compared, quality.arms[0].set.closeness), (3, None));
}

/// Against scikit-learn (tests/fixtures/tsne.py): as small a divergence from the same
/// probabilities, the same in each run.
#[test]
fn t_sne_descends_as_far_as_scikit_learns() {
    #[derive(Deserialize)]
    struct Reference {
        perplexity: f64,
        rows: Rows,
        probabilities: Rows,
        divergence: f64,
    }
    let reference: Reference =
        serde_json::from_str(include_str!("../../../tests/fixtures/tsne.json")).unwrap();
    let rows = reference.rows.iter().map(Vec::as_slice).collect::<Vec<_>>();
    let points = tsne::descend(&rows, reference.perplexity);
    assert_eq!(points, tsne::descend(&rows, reference.perplexity));
    let near = |i: usize, j: usize| 1.0 / (1.0 + distance(&points[i], &points[j]).powi(2));
    let pairs = || (0..rows.len()).flat_map(|i| (0..rows.len()).map(move |j| (i, j)));
    let pairs = || pairs().filter(|(i, j)| i != j);
    let all = pairs().map(|(i, j)| near(i, j)).sum::<f64>();
    let divergence = pairs().map(|(i, j)| {
        let p = reference.probabilities[i][j];
        if p > 0.0 { p * (p * all / near(i, j)).ln() } else { 0.0 }
    });
    let divergence = divergence.sum::<f64>();
    let ratio = divergence / reference.divergence;
    assert!((0.9..1.02).contains(&ratio), "{divergence}, scikit-learn {}", reference.divergence);
}

/// Images of one cloud mix, those of two do not; of too few nothing is said.
#[test]
fn the_share_of_real_neighbours_tells_sets_apart() {
    let classes = ["a", "b"].map(String::from);
    let cloud = |seed: u64, count: usize, shift: f64| {
        let values = Seed::of_study(seed).normals(count * 4);
        let sample = |(at, values): (usize, &[f32])| Sample {
            id: at.to_string(),
            class: at % 2,
            source: None,
            features: values.iter().map(|value| f64::from(*value) + shift).collect(),
        };
        values.chunks_exact(4).enumerate().map(sample).collect::<Vec<_>>()
    };
    let (pool, held_out) = (cloud(1, 60, 0.0), cloud(2, 60, 0.0));
    let arms = [("same".to_owned(), cloud(3, 60, 0.0)), ("apart".to_owned(), cloud(4, 60, 9.0))];
    let images =
        |held_out| Images { classes: &classes, generations: 1, pool: &pool, held_out, arms: &arms };
    let embedded = embed(&images(&held_out), 40, 10.0).unwrap();
    assert_eq!(
        (embedded.each, embedded.held_out.len(), embedded.arms[1].points.len()),
        (40, 40, 40)
    );
    let [same, apart] = [0, 1].map(|arm| embedded.arms[arm].real);
    assert!((same - embedded.mixed()).abs() < 0.08 && apart == 0.0, "{same}, {apart}");
    let spread = |points: &[[f64; 2]]| {
        let mean = [0, 1].map(|axis| points.iter().map(|point| point[axis]).sum::<f64>() / 40.0);
        (mean, points.iter().map(|point| distance(point, &mean)).fold(0.0, f64::max))
    };
    let (real, width) = spread(&embedded.held_out);
    let (other, _) = spread(&embedded.arms[1].points);
    assert!(distance(&real, &other) > width, "two clouds stay two");
    assert_eq!(embed(&images(&held_out[..8]), 40, 10.0), None);
}
