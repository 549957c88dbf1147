//! Which items of an image set a study takes: seeded, class by class.

use std::ops::Range;

use rand::seq::SliceRandom;

use super::Item;
use crate::seed::Seed;

/// A class with fewer images than a study asks for.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{key}` asks for {count} images of `{class}` after the first {start}, which other sets take, but the image set has \
     {available} of that class: ask for fewer"
)]
pub struct TooFew {
    /// The key of the study file.
    pub key: String,
    /// The class that has too few; from [`of_all`], all classes joined by commas.
    pub class: String,
    /// Images of the class before those asked for, which other sets take.
    pub start: usize,
    /// Images asked for.
    pub count: usize,
    /// Images of the class in the set.
    pub available: usize,
}

/// Places `range` of each class's shuffled items, class by class. Ranges that don't overlap share
/// no item.
///
/// A class's order depends on the seed, its name and its items, not on other classes.
pub fn of_each(
    items: Vec<Item>,
    classes: &[String],
    range: Range<usize>,
    key: &str,
    seed: Seed,
) -> Result<Vec<Item>, TooFew> {
    let mut taken = Vec::new();
    for class in classes {
        let mut members = items.iter().filter(|item| item.label == *class).collect::<Vec<_>>();
        if members.len() < range.end {
            let (start, count, available) = (range.start, range.len(), members.len());
            return Err(TooFew {
                key: key.to_owned(),
                class: class.clone(),
                start,
                count,
                available,
            });
        }
        members.shuffle(&mut seed.child("selection").child(class).rng());
        taken.extend(members[range.clone()].iter().copied().cloned());
    }
    Ok(taken)
}

/// `count` shuffled items of `classes`, whatever their shares.
pub fn of_all(
    items: Vec<Item>,
    classes: &[String],
    count: usize,
    key: &str,
    seed: Seed,
) -> Result<Vec<Item>, TooFew> {
    let mut members =
        items.into_iter().filter(|item| classes.contains(&item.label)).collect::<Vec<_>>();
    if members.len() < count {
        let (class, available) = (classes.join(", "), members.len());
        return Err(TooFew { key: key.to_owned(), class, start: 0, count, available });
    }
    members.shuffle(&mut seed.child("selection").rng());
    members.truncate(count);
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::RgbImage;

    fn items(each: usize) -> Vec<Item> {
        let item = |index: usize| Item {
            id: format!("{index}"),
            label: ["even", "odd"][index % 2].to_owned(),
            fst: 0,
            malignant: None,
            patient: String::new(),
            caption: String::new(),
            source: String::new(),
            image: RgbImage::new(1, 1),
            synthetic: None,
        };
        (0..2 * each).map(item).collect()
    }

    fn ids(items: &[Item]) -> Vec<&str> {
        items.iter().map(|item| item.id.as_str()).collect()
    }

    #[test]
    fn ranges_are_disjoint_and_stable() {
        let classes = ["even".to_owned(), "odd".to_owned()];
        let seed = Seed::of_study(1);
        let take = |range| of_each(items(10), &classes, range, "images.pool", seed).unwrap();
        let (first, second, both) = (take(0..4), take(4..10), take(0..10));
        assert_eq!((first.len(), second.len()), (8, 12));
        assert!(ids(&first).iter().all(|id| !ids(&second).contains(id)));
        assert_eq!(ids(&both)[..4], ids(&first)[..4], "a longer range begins with the same items");
    }

    #[test]
    fn too_few_names_class_and_counts() {
        let error = of_each(items(3), &["odd".to_owned()], 2..5, "images.pool", Seed::of_study(1))
            .unwrap_err();
        assert_eq!((error.available, error.count, error.start), (3, 3, 2));
        assert!(error.to_string().contains("`images.pool` asks for 3 images of `odd`"), "{error}");
    }
}
