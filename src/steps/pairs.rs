//! The closest pairs of a synthetic image and one of the pool, as pictures: each with the real image
//! that it was made for and the mask that it was painted in.

use super::context::{Context, json_output};
use super::sheets::Legend;
use super::{Outputs, StepError};
use crate::data::sheet::laid_out;
use crate::data::{Item, RgbImage};
use crate::ml::latent::mask::Mask;
use crate::stats::quality::{Pair, Quality};
use crate::vocabulary::{Arm, Strategy};

/// The pairs that the quality check names, and those of their images that were found so far.
pub struct Pairs {
    wanted: Vec<(Arm, Pair)>,
    found: Vec<Option<Item>>,
}

impl Pairs {
    /// Those of the input `quality`; none without it.
    pub fn read(context: &Context) -> Result<Self, StepError> {
        let mut wanted = Vec::new();
        if context.has_input("quality") {
            let quality: Quality = context.json("quality", "quality.json")?;
            for arm in quality.arms {
                let name = arm.arm.parse::<Arm>().map_err(|error| error.to_string())?;
                wanted.extend(arm.set.closest.into_iter().map(|pair| (name.clone(), pair)));
            }
        }
        let found = vec![None; wanted.len()];
        Ok(Self { wanted, found })
    }

    /// Keeps those of an arm's images that are of a pair.
    pub fn keep(&mut self, arm: Option<&Arm>, made: Vec<Item>) {
        for item in made {
            let is_of = |(of, pair): &(Arm, Pair)| Some(of) == arm && pair.image == item.id;
            if let Some(place) = self.wanted.iter().position(is_of) {
                self.found[place] = Some(item);
            }
        }
    }

    /// pairs.png, a row a pair, and pairs.json; nothing without pairs.
    pub fn write(self, pool: &[Item]) -> Result<Outputs, StepError> {
        if self.wanted.is_empty() {
            return Ok(Vec::new());
        }
        let real = |id: &str| {
            let found = pool.iter().find(|item| item.id == id);
            found.ok_or_else(|| format!("the pool has no image `{id}`"))
        };
        let (mut images, mut rows) = (Vec::new(), Vec::new());
        for ((arm, pair), made) in self.wanted.iter().zip(self.found) {
            let made = made.ok_or_else(|| format!("no shard of {arm} has `{}`", pair.image))?;
            let source = made.synthetic.as_ref().map_or("", |made| made.md5hash.as_str());
            let source = &real(source)?.image;
            images.extend([
                made.image.clone(),
                source.clone(),
                painted(arm, source),
                real(&pair.real)?.image.clone(),
            ]);
            rows.push(arm.to_string());
        }
        let columns = ["synthetic", "made for", "mask", "nearest of the pool"];
        let columns = columns.map(str::to_owned).to_vec();
        let sheet = laid_out(&images, columns.len());
        Ok(vec![
            ("pairs.png".into(), sheet.to_png("closest pairs")?),
            json_output("pairs.json", &Legend { rows, columns, across: 1 }),
        ])
    }
}

/// White where an arm paints, black where it keeps the image; white wholly by a prompt alone.
fn painted(arm: &Arm, source: &RgbImage) -> RgbImage {
    let size = source.width.min(source.height);
    let masks = match arm.synthetic().map(|made| made.strategy) {
        Some(Strategy::Inpaint) => vec![Mask::centre(size)],
        // Two passes, the second around the first.
        Some(Strategy::InThenOutpaint) => vec![Mask::centre(size), Mask::surroundings(size)],
        Some(Strategy::TextToImage) | None => Vec::new(),
    };
    let mut image = RgbImage::new(size, size);
    for (y, x) in (0..size).flat_map(|y| (0..size).map(move |x| (y, x))) {
        if masks.is_empty() || masks.iter().any(|mask| mask.is_painted(y, x)) {
            image.set_pixel(x, y, [255; 3]);
        }
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The share of a mask that is painted.
    fn share(arm: &str) -> f64 {
        let image = painted(&arm.parse().unwrap(), &RgbImage::new(32, 32));
        let painted = image.pixels.iter().filter(|level| **level == 255).count();
        painted as f64 / image.pixels.len() as f64
    }

    #[test]
    fn a_mask_is_what_its_strategy_paints() {
        assert_eq!(share("text-to-image"), 1.0);
        assert_eq!(share("inpaint"), 0.25);
        assert!(share("in-then-outpaint") > 0.85 && share("in-then-outpaint") < 1.0);
    }
}
