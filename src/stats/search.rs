//! Search for the least value of a function of one number, and for the place where a property ends.

/// Steps of a golden section search, which leave less than a millionth of a millionth.
const SECTIONS: usize = 60;

/// Halvings of a bisection.
const HALVINGS: usize = 60;

/// Where `height` is least between two ends, of a function with one valley there, by golden
/// section. A valley is flat at its bottom, so the place is known to about 8 digits.
pub fn least(mut low: f64, mut high: f64, height: impl Fn(f64) -> f64) -> f64 {
    let ratio = (5f64.sqrt() - 1.0) / 2.0;
    for _ in 0..SECTIONS {
        let step = ratio * (high - low);
        if height(high - step) < height(low + step) { high = low + step } else { low = high - step }
    }
    0.5 * (low + high)
}

/// Where `height` is least among the places of an ascending `grid` or between those next to the
/// least.
///
/// # Panics
/// If the grid is empty.
pub fn least_on(grid: &[f64], height: impl Fn(f64) -> f64) -> f64 {
    let heights = grid.iter().map(|place| height(*place)).collect::<Vec<_>>();
    let order = |a: &usize, b: &usize| heights[*a].total_cmp(&heights[*b]);
    let place = (0..grid.len()).min_by(order).expect("a grid with places");
    let (before, after) = (place.saturating_sub(1), (place + 1).min(grid.len() - 1));
    // There may be a kink in the middle, with a valley on either side.
    let valleys = [(before, place), (place, after)];
    let valleys = valleys.map(|(low, high)| least(grid[low], grid[high], &height));
    let found = valleys.into_iter().map(|place| (place, height(place)));
    let found = found.chain([(grid[place], heights[place])]);
    let lower = |a: (f64, f64), b: (f64, f64)| if b.1 < a.1 { b } else { a };
    found.reduce(lower).expect("three places").0
}

/// The last place that has a property, on the way from one that has it to one that has not, by
/// bisection.
pub fn edge(mut kept: f64, mut out: f64, mut has: impl FnMut(f64) -> bool) -> f64 {
    for _ in 0..HALVINGS {
        let middle = 0.5 * (out + kept);
        if has(middle) { kept = middle } else { out = middle }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valleys_and_edges_are_found() {
        let found = least(-1.0, 4.0, |x| (x - 1.5).powi(2));
        assert!((found - 1.5).abs() < 1e-7, "{found}");
        assert!((edge(0.0, 3.0, |x| x * x <= 2.0) - 2f64.sqrt()).abs() < 1e-15);
        assert!((edge(3.0, 0.0, |x| x * x >= 2.0) - 2f64.sqrt()).abs() < 1e-15);
    }

    #[test]
    fn the_deeper_of_two_valleys_is_found_and_so_are_ends() {
        let grid = [0.0, 1.0, 2.0, 3.0, 4.0];
        let deep = |x: f64| ((x - 0.8).abs() - 0.3).min((x - 2.6).abs() - 0.5);
        assert!((least_on(&grid, deep) - 2.6).abs() < 1e-9);
        assert!((least_on(&grid, |x| x) - 0.0).abs() < 1e-9);
        assert!((least_on(&grid, |x| -x) - 4.0).abs() < 1e-9);
        assert_eq!(least_on(&[7.0], |x| x), 7.0);
    }
}
