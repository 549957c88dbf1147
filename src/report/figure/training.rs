//! The losses of the tuned models, a panel for each kind of UNet and a line for each model.

use super::svg::{Anchor, Canvas, ticks};
use crate::report::block::Drawn;
use crate::report::inputs::Training;

const WIDTH: f64 = 440.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 34.0;
const PLOT: f64 = 180.0;
const BELOW: f64 = 44.0;
const LEGEND_ROW: f64 = 16.0;
const LEGEND_COLUMNS: usize = 2;
/// Of more models in a panel, lines are not told apart by a legend: each says its model where it is
/// pointed at.
const NAMED: usize = 18;
/// Lines of one colour differ in their dashes.
const COLOURS: usize = 6;

/// The curves of all `trainings`.
pub struct Curves {
    /// A panel for each kind of UNet, as SVG.
    pub apart: Vec<String>,
    /// The panels in a row.
    pub together: Drawn,
}

/// The curves of all `trainings`, or nothing where there are none.
pub fn draw(trainings: &[Training]) -> Option<Curves> {
    let mut groups = Vec::<&str>::new();
    for training in trainings {
        if !groups.contains(&training.group.as_str()) {
            groups.push(&training.group);
        }
    }
    let losses = || trainings.iter().flat_map(|training| training.losses.iter().copied());
    let (low, high) = (losses().fold(f64::INFINITY, f64::min), losses().fold(0.0, f64::max));
    if groups.is_empty() || !low.is_finite() {
        return None;
    }
    let ticks = ticks(low, high, 6);
    let legend = |group: &&str| match of(trainings, group).len() {
        models if models > NAMED => 1,
        models => models.div_ceil(LEGEND_COLUMNS),
    };
    let rows = groups.iter().map(legend).max().unwrap_or(0);
    let height = TOP + PLOT + BELOW + LEGEND_ROW * rows as f64;
    let draw = |canvas: &mut Canvas, group: &str| {
        panel(canvas, group, &of(trainings, group), &ticks);
    };
    let summarise = |models: usize, of: &str| {
        format!("The denoising loss over the training of {models} models: {of}.")
    };
    let alone = |group: &&str| {
        let mut canvas = Canvas::default();
        draw(&mut canvas, group);
        canvas.document(WIDTH, height, &summarise(of(trainings, group).len(), group)).svg
    };
    let mut canvas = Canvas::default();
    for (place, group) in groups.iter().enumerate() {
        canvas.moved(place as f64 * WIDTH, 0.0, |canvas| draw(canvas, group));
    }
    let summary = summarise(trainings.len(), &groups.join(", "));
    Some(Curves {
        apart: groups.iter().map(alone).collect(),
        together: canvas.document(WIDTH * groups.len() as f64, height, &summary),
    })
}

fn of<'a>(trainings: &'a [Training], group: &str) -> Vec<&'a Training> {
    trainings.iter().filter(|training| training.group == group).collect()
}

fn panel(canvas: &mut Canvas, group: &str, trainings: &[&Training], ticks: &[f64]) {
    let (first, last) = (ticks[0], ticks[ticks.len() - 1]);
    let y = |loss: f64| TOP + PLOT * (1.0 - (loss - first) / (last - first));
    let bottom = TOP + PLOT;
    canvas.bold((LEFT, 20.0), Anchor::Start, group);
    for &tick in ticks {
        canvas.rule((LEFT, y(tick)), (WIDTH - RIGHT, y(tick)), 0.14, false);
        canvas.faint((LEFT - 7.0, y(tick) + 4.0), Anchor::End, &format!("{tick:.2}"));
    }
    canvas.rule((LEFT, bottom), (WIDTH - RIGHT, bottom), 0.6, false);
    let most = trainings.iter().map(|training| training.steps).max().unwrap_or(1) as f64;
    let x = |step: f64| LEFT + (WIDTH - RIGHT - LEFT) * step / most;
    for share in [0.0, 0.5, 1.0] {
        canvas.faint(
            (x(share * most), bottom + 17.0),
            Anchor::Middle,
            &format!("{:.0}", share * most),
        );
    }
    canvas.faint((x(0.5 * most), bottom + 33.0), Anchor::Middle, "steps");
    let column = (WIDTH - LEFT - RIGHT) / LEGEND_COLUMNS as f64;
    let is_named = trainings.len() <= NAMED;
    if !is_named {
        let text = format!("{} models, a line each", trainings.len());
        canvas.faint((LEFT, bottom + BELOW + 4.0), Anchor::Start, &text);
    }
    for (place, training) in trainings.iter().enumerate() {
        // Each point is a mean over its stretch and stands in its middle.
        let stretch = training.steps as f64 / training.losses.len().max(1) as f64;
        let point = |(at, &loss): (usize, &f64)| (x((at as f64 + 0.5) * stretch), y(loss));
        let points = training.losses.iter().enumerate().map(point).collect::<Vec<_>>();
        let left = LEFT + column * (place % LEGEND_COLUMNS) as f64;
        let row = bottom + BELOW + LEGEND_ROW * (place / LEGEND_COLUMNS) as f64;
        canvas.colour(place % COLOURS, |canvas| {
            canvas.saying(&say(training), |canvas| canvas.polyline(&points, place / COLOURS));
            if is_named {
                canvas.polyline(&[(left, row), (left + 24.0, row)], place / COLOURS);
            }
        });
        if is_named {
            canvas.text((left + 30.0, row + 4.0), Anchor::Start, &training.model);
        }
    }
}

/// "psoriasis: from 0.90 over the first 10 steps to 0.52 over the last of 200".
fn say(training: &Training) -> String {
    let (Some(first), Some(last)) = (training.losses.first(), training.losses.last()) else {
        return training.model.clone();
    };
    let stretch = training.steps / training.losses.len();
    format!(
        "{}: from {first:.2} over the first {stretch} steps to {last:.2} over the last of {}",
        training.model, training.steps
    )
}
