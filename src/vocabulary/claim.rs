//! Claims: statements of a paper with a rule that says, before there are results, what replicates
//! them.

use serde::{Deserialize, Serialize};

use super::{Arm, Design, Regime};

/// A statement that a study tests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The statement, in a sentence.
    pub statement: String,
    /// Where it was published.
    pub source: String,
    /// The published number, in words; empty: none is known.
    pub published: String,
    /// The day on which the rule was fixed, as YYYY-MM-DD.
    pub fixed: String,
    /// The experiment whose classifiers decide.
    pub experiment: String,
    /// What decides.
    pub rule: Rule,
}

/// A rule for one or more contrasts of accuracies. Differences and margins are rates from -1 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "is", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Rule {
    /// Some arm at some n is more accurate than real only, by more than the margin.
    Gains {
        /// Arms, one or more.
        arms: Vec<Arm>,
        /// Numbers of real images per class, one or more.
        n: Vec<usize>,
        /// Synthetic images per real image.
        dose: usize,
        /// Whether training images are transformed.
        transforms: bool,
        /// Which part of the classifier is trained.
        regime: Regime,
        /// 0 or more.
        margin: f64,
    },
    /// There is a gain, a mean over arms, at one n, and it is larger than at a larger n. A loss that
    /// grows is no gain that shrinks.
    Shrinks {
        /// Arms, one or more.
        arms: Vec<Arm>,
        /// Real images per class, where the gain is to be large.
        few: usize,
        /// Real images per class, where it is to be small.
        many: usize,
        /// Synthetic images per real image.
        dose: usize,
        /// Whether training images are transformed.
        transforms: bool,
        /// Which part of the classifier is trained.
        regime: Regime,
    },
    /// From one dose to each of some larger ones, accuracy stays the same within the margin.
    Saturates {
        /// The arm.
        arm: Arm,
        /// Real images per class.
        n: usize,
        /// The dose from which nothing is gained.
        from: usize,
        /// Larger doses, one or more.
        to: Vec<usize>,
        /// Whether training images are transformed.
        transforms: bool,
        /// Which part of the classifier is trained.
        regime: Regime,
        /// More than 0.
        margin: f64,
    },
    /// Real only at a larger n is more accurate than each arm at a smaller one.
    RealsGainMore {
        /// Arms, one or more.
        arms: Vec<Arm>,
        /// Real images per class of the arms.
        few: usize,
        /// Real images per class of real only.
        many: usize,
        /// Synthetic images per real image.
        dose: usize,
        /// Whether training images are transformed.
        transforms: bool,
        /// Which part of the classifier is trained.
        regime: Regime,
    },
    /// One class gains more than every other, by an arm.
    ClassGainsMost {
        /// The class.
        class: String,
        /// The arm.
        arm: Arm,
        /// Real images per class.
        n: usize,
        /// Synthetic images per real image.
        dose: usize,
        /// Whether training images are transformed.
        transforms: bool,
        /// Which part of the classifier is trained.
        regime: Regime,
    },
    /// The more real readers find a class's images by an arm, the more the class gains by it: their
    /// rank correlation over classes and arms (Spearman's rho) is above 0. It needs `ratings.path`.
    RatingsPredictGains {
        /// Arms, one or more.
        arms: Vec<Arm>,
        /// Real images per class.
        n: usize,
        /// Synthetic images per real image.
        dose: usize,
        /// Whether training images are transformed.
        transforms: bool,
        /// Which part of the classifier is trained.
        regime: Regime,
    },
    /// On the images of each pair of skin types the gain, a mean over arms, is more than 0.
    SkinTypesGain {
        /// Arms, one or more.
        arms: Vec<Arm>,
        /// Real images per class.
        n: usize,
        /// Synthetic images per real image.
        dose: usize,
        /// Whether training images are transformed.
        transforms: bool,
        /// Which part of the classifier is trained.
        regime: Regime,
    },
    /// Real only is less accurate on the images of one pair of skin types than on those of another,
    /// and the gain there, a mean over arms, is larger.
    SkinTypeGapNarrows {
        /// Arms, one or more.
        arms: Vec<Arm>,
        /// The pair that is behind: 12, 34 or 56.
        behind: String,
        /// The pair that is ahead of it.
        ahead: String,
        /// Real images per class.
        n: usize,
        /// Synthetic images per real image.
        dose: usize,
        /// Whether training images are transformed.
        transforms: bool,
        /// Which part of the classifier is trained.
        regime: Regime,
    },
}

/// Pairs of skin types.
const PAIRS: [&str; 3] = ["12", "34", "56"];

/// Held-out images that an accuracy is measured on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Among {
    /// All of them.
    All,
    /// Those of a class.
    Class(String),
    /// Those of a pair of skin types: 12, 34 or 56.
    SkinTypes(String),
}

/// An accuracy of a design in a contrast, with its weight.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// Factor of the accuracy.
    pub weight: f64,
    /// The classifiers.
    pub design: Design,
    /// The images.
    pub among: Among,
}

/// A weighted sum of accuracies.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearContrast {
    /// In words, e.g. "inpaint less real only, n = 8".
    pub name: String,
    /// The accuracies.
    pub terms: Vec<Term>,
}

/// How many of the contrasts have to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantifier {
    /// At least one.
    Any,
    /// Each.
    All,
}

/// What a contrast has to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// More than this.
    Above(f64),
    /// Between minus this and this.
    Within(f64),
}

/// What a rule tests.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// The contrasts, one or more.
    pub contrasts: Vec<LinearContrast>,
    /// How many have to hold.
    pub quantifier: Quantifier,
    /// What each has to be.
    pub bound: Bound,
}

/// The setting that the arms of a rule have in common.
#[derive(Clone, Copy)]
struct At {
    dose: usize,
    transforms: bool,
    regime: Regime,
}

impl At {
    fn design(self, arm: &Arm, n: usize) -> Design {
        let dose = if arm.has_dose() { self.dose } else { 0 };
        let (transforms, regime) = (self.transforms, self.regime);
        Design { n, arm: arm.clone(), dose, transforms, regime }
    }

    /// The accuracy of an arm less that of real only, on some images.
    fn gain(self, weight: f64, arm: &Arm, n: usize, among: &Among) -> [Term; 2] {
        [(weight, arm), (-weight, &Arm::Real)].map(|(weight, arm)| Term {
            weight,
            design: self.design(arm, n),
            among: among.clone(),
        })
    }

    fn mean_gain(self, weight: f64, arms: &[Arm], n: usize, among: &Among) -> Vec<Term> {
        let weight = weight / arms.len() as f64;
        arms.iter().flat_map(|arm| self.gain(weight, arm, n, among)).collect()
    }
}

/// The name of a class's gain by an arm, which is that of its rating too.
pub fn rated(arm: &Arm, class: &str) -> String {
    format!("{class} by {arm}")
}

/// "n = 4 or 8".
fn counts(n: &[usize]) -> String {
    let n = n.iter().map(usize::to_string).collect::<Vec<_>>();
    format!("n = {}", n.join(" or "))
}

/// "5 and 6" of a pair of skin types, 56.
fn types(pair: &str) -> String {
    let (first, second) = pair.split_at_checked(1).unwrap_or((pair, ""));
    format!("{first} and {second}")
}

fn names(arms: &[Arm]) -> String {
    arms.iter().map(Arm::to_string).collect::<Vec<_>>().join(", ")
}

impl Rule {
    /// The rule in words, without the setting.
    pub fn describe(&self) -> String {
        let points = |margin: &f64| format!("{} points", margin * 100.0);
        match self {
            Self::Gains { arms, n, dose, margin, .. } => format!(
                "at {}, dose {dose}, one of {} gains more than {} over real only",
                counts(n),
                names(arms),
                points(margin)
            ),
            Self::Shrinks { arms, few, many, dose, .. } => format!(
                "the mean gain of {} at dose {dose} is above 0 at n = {few}, and larger there than at \
                 n = {many}",
                names(arms)
            ),
            Self::Saturates { arm, n, from, to, margin, .. } => {
                let to = to.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
                format!(
                    "by {arm} at n = {n}, accuracy at dose {to} is within {} of dose {from}",
                    points(margin)
                )
            }
            Self::RealsGainMore { arms, few, many, dose, .. } => format!(
                "real only at n = {many} is more accurate than each of {} at n = {few}, dose {dose}",
                names(arms)
            ),
            Self::ClassGainsMost { class, arm, n, dose, .. } => {
                format!(
                    "by {arm} at n = {n}, dose {dose}, {class} gains more than each other class"
                )
            }
            Self::RatingsPredictGains { arms, n, dose, .. } => format!(
                "at n = {n}, dose {dose}, Spearman's rho of readers' ratings and gains by {}, over \
                 classes and arms, is above 0",
                names(arms)
            ),
            Self::SkinTypesGain { arms, n, dose, .. } => format!(
                "at n = {n}, dose {dose}, the mean gain of {} is more than 0 on each pair of skin \
                 types",
                names(arms)
            ),
            Self::SkinTypeGapNarrows { arms, behind, ahead, n, dose, .. } => format!(
                "at n = {n}, real only is less accurate on skin types {} than on {}, and the mean gain \
                 of {} at dose {dose} is larger there",
                types(behind),
                types(ahead),
                names(arms)
            ),
        }
    }

    /// What is wrong with the rule itself, whatever the experiment: it asks nothing.
    pub fn flaw(&self, classes: &[String]) -> Option<String> {
        let empty = match self {
            Self::Gains { arms, n, .. } => arms.is_empty() || n.is_empty(),
            Self::Saturates { to, .. } => to.is_empty(),
            Self::Shrinks { arms, .. }
            | Self::RealsGainMore { arms, .. }
            | Self::RatingsPredictGains { arms, .. }
            | Self::SkinTypesGain { arms, .. }
            | Self::SkinTypeGapNarrows { arms, .. } => arms.is_empty(),
            Self::ClassGainsMost { .. } => false,
        };
        match self {
            _ if empty => Some("an empty list, which needs one value or more".to_owned()),
            Self::ClassGainsMost { class, .. } if !classes.contains(class) => {
                Some(format!("{class:?}, which is none of images.classes"))
            }
            Self::SkinTypeGapNarrows { behind, ahead, .. } => {
                let unknown = [behind, ahead].into_iter().find(|of| !PAIRS.contains(&of.as_str()));
                match unknown {
                    Some(pair) => Some(format!("{pair:?}, which is none of {}", PAIRS.join(", "))),
                    None => (behind == ahead).then(|| format!("{behind:?} twice")),
                }
            }
            _ => None,
        }
    }

    /// How many of its contrasts have to hold.
    pub fn quantifier(&self) -> Quantifier {
        match self {
            Self::Gains { .. } => Quantifier::Any,
            _ => Quantifier::All,
        }
    }

    /// What each of its contrasts has to be.
    pub fn bound(&self) -> Bound {
        match self {
            Self::Gains { margin, .. } => Bound::Above(*margin),
            Self::Saturates { margin, .. } => Bound::Within(*margin),
            _ => Bound::Above(0.0),
        }
    }

    /// What the rule tests in a study of these classes.
    pub fn test(&self, classes: &[String]) -> Test {
        let contrasts = self.contrasts(classes);
        Test { contrasts, quantifier: self.quantifier(), bound: self.bound() }
    }

    /// The setting that its arms have in common; of doses the first.
    fn at(&self) -> At {
        match *self {
            Self::Gains { dose, transforms, regime, .. }
            | Self::Shrinks { dose, transforms, regime, .. }
            | Self::Saturates { from: dose, transforms, regime, .. }
            | Self::RealsGainMore { dose, transforms, regime, .. }
            | Self::ClassGainsMost { dose, transforms, regime, .. }
            | Self::RatingsPredictGains { dose, transforms, regime, .. }
            | Self::SkinTypesGain { dose, transforms, regime, .. }
            | Self::SkinTypeGapNarrows { dose, transforms, regime, .. } => {
                At { dose, transforms, regime }
            }
        }
    }

    fn contrasts(&self, classes: &[String]) -> Vec<LinearContrast> {
        let at = self.at();
        match self {
            Self::Gains { arms, n, .. } => gains(at, arms, n),
            Self::Shrinks { arms, few, many, .. } => {
                let gain = at.mean_gain(1.0, arms, *few, &Among::All);
                let mut shrunk = gain.clone();
                shrunk.extend(at.mean_gain(-1.0, arms, *many, &Among::All));
                let contrast = |name, terms| LinearContrast { name, terms };
                vec![
                    contrast(format!("gain at n = {few}"), gain),
                    contrast(format!("gain at n = {few} less gain at n = {many}"), shrunk),
                ]
            }
            Self::Saturates { arm, n, from, to, .. } => {
                let step = |to: &usize| LinearContrast {
                    name: format!("dose {to} less dose {from}, {arm}, n = {n}"),
                    terms: difference(At { dose: *to, ..at }.design(arm, *n), at.design(arm, *n)),
                };
                to.iter().map(step).collect()
            }
            Self::RealsGainMore { arms, few, many, .. } => {
                let step = |arm: &Arm| LinearContrast {
                    name: format!("real only at n = {many} less {arm} at n = {few}"),
                    terms: difference(at.design(&Arm::Real, *many), at.design(arm, *few)),
                };
                arms.iter().map(step).collect()
            }
            Self::ClassGainsMost { class, arm, n, .. } => {
                let step = |other: &String| {
                    let mut terms = at.gain(1.0, arm, *n, &Among::Class(class.clone())).to_vec();
                    terms.extend(at.gain(-1.0, arm, *n, &Among::Class(other.clone())));
                    LinearContrast { name: format!("gain of {class} less gain of {other}"), terms }
                };
                classes.iter().filter(|other| *other != class).map(step).collect()
            }
            Self::RatingsPredictGains { arms, n, .. } => {
                let step = |(arm, class): (&Arm, &String)| LinearContrast {
                    name: rated(arm, class),
                    terms: at.gain(1.0, arm, *n, &Among::Class(class.clone())).to_vec(),
                };
                let cells = arms.iter().flat_map(|arm| classes.iter().map(move |of| (arm, of)));
                cells.map(step).collect()
            }
            Self::SkinTypesGain { arms, n, .. } => {
                let step = |pair: &str| LinearContrast {
                    name: format!("gain on skin types {}", types(pair)),
                    terms: at.mean_gain(1.0, arms, *n, &Among::SkinTypes(pair.to_owned())),
                };
                PAIRS.map(step).to_vec()
            }
            Self::SkinTypeGapNarrows { arms, behind, ahead, n, .. } => {
                gap(at, arms, *n, (behind, ahead))
            }
        }
    }
}

/// The gain of each arm at each n.
fn gains(at: At, arms: &[Arm], n: &[usize]) -> Vec<LinearContrast> {
    let mut contrasts = Vec::new();
    for &n in n {
        contrasts.extend(arms.iter().map(|arm| LinearContrast {
            name: format!("{arm} less real only, n = {n}"),
            terms: at.gain(1.0, arm, n, &Among::All).to_vec(),
        }));
    }
    contrasts
}

/// How far real only is behind on one of two pairs of skin types, and how much more is gained there.
fn gap(at: At, arms: &[Arm], n: usize, (behind, ahead): (&str, &str)) -> Vec<LinearContrast> {
    let among = |pair: &str| Among::SkinTypes(pair.to_owned());
    let real =
        |(weight, pair)| Term { weight, design: at.design(&Arm::Real, n), among: among(pair) };
    let mut narrowed = at.mean_gain(1.0, arms, n, &among(behind));
    narrowed.extend(at.mean_gain(-1.0, arms, n, &among(ahead)));
    let [low, high] = [behind, ahead].map(types);
    vec![
        LinearContrast {
            name: format!("real only on skin types {high} less on {low}"),
            terms: [(1.0, ahead), (-1.0, behind)].map(real).to_vec(),
        },
        LinearContrast {
            name: format!("gain on skin types {low} less gain on {high}"),
            terms: narrowed,
        },
    ]
}

fn difference(one: Design, other: Design) -> Vec<Term> {
    let term = |(weight, design)| Term { weight, design, among: Among::All };
    [(1.0, one), (-1.0, other)].map(term).to_vec()
}
