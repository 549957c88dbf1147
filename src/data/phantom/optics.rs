//! The colour of skin from its pigments.
//!
//! Light crosses the epidermis, where melanin absorbs it, is scattered back by the dermis, where
//! haemoglobin absorbs it, and crosses the epidermis again; a little returns from the epidermis
//! itself. Each absorption is Beer-Lambert's law in three bands. Because the light that has seen
//! blood is weakened twice by melanin and joined by light that has not, the same erythema has less
//! contrast on darker skin. The absorptions are rounded from the spectra's shapes (melanin falling
//! steadily from blue to red; haemoglobin high in blue and green and low in red, deoxygenated less
//! so) and set by eye to photographs' colours: plausible, not measured.

use super::numeric::exp;

/// Absorption of melanin in red, green and blue, for the way in and out, a unit of concentration.
const MELANIN: [f32; 3] = [0.92, 1.3, 1.75];
/// Absorption of oxygenated haemoglobin.
const OXYGENATED: [f32; 3] = [0.10, 1.0, 0.80];
/// Absorption of deoxygenated haemoglobin: less red returns and more blue, which makes lesions
/// violaceous.
const DEOXYGENATED: [f32; 3] = [0.45, 1.0, 0.42];
/// What a dermis without blood scatters back.
const DERMIS: [f32; 3] = [0.88, 0.74, 0.62];
/// What the epidermis and its surface return without having seen blood.
const SURFACE: f32 = 0.03;

/// Concentrations in the column under one point of skin, in units in which 1 is a strong
/// pigmentation or flush.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pigments {
    /// Melanin, in the epidermis.
    pub melanin: f32,
    /// Oxygenated haemoglobin, in the dermis.
    pub oxygenated: f32,
    /// Deoxygenated haemoglobin, in the dermis.
    pub deoxygenated: f32,
}

/// Linear RGB reflectance of skin with these pigments; negative concentrations count as none.
pub fn reflectance(pigments: Pigments) -> [f32; 3] {
    let melanin = pigments.melanin.max(0.);
    let (oxygenated, deoxygenated) = (pigments.oxygenated.max(0.), pigments.deoxygenated.max(0.));
    std::array::from_fn(|band| {
        let optical_depth = melanin * MELANIN[band]
            + oxygenated * OXYGENATED[band]
            + deoxygenated * DEOXYGENATED[band];
        SURFACE + (1. - SURFACE) * DERMIS[band] * exp(-optical_depth)
    })
}

/// The melanin of unlit, unaffected skin of Fitzpatrick type 1 to 6.
pub fn melanin_of(fst: u8) -> f32 {
    [0.06, 0.17, 0.36, 0.72, 1.25, 1.95][usize::from(fst.clamp(1, 6)) - 1]
}

/// The sRGB tone curve, 0 to 1, from linear light: an approximation by roots, within 0.003, after
/// I. Taylor (2012).
pub fn srgb(linear: f32) -> f32 {
    let half = linear.clamp(0., 1.).sqrt();
    let quarter = half.sqrt();
    let eighth = quarter.sqrt();
    (0.662_002_7 * half + 0.684_122_1 * quarter
        - 0.323_583_6 * eighth
        - 0.022_541_147 * linear.clamp(0., 1.))
    .clamp(0., 1.)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erythema_fades_on_darker_skin() {
        let contrast = |fst: u8| {
            let green = |flush: f32| {
                let skin = Pigments {
                    melanin: melanin_of(fst),
                    oxygenated: 0.15 + flush,
                    deoxygenated: 0.05,
                };
                srgb(reflectance(skin)[1])
            };
            green(0.) - green(0.5)
        };
        let contrasts: Vec<f32> = (1..=6).map(contrast).collect();
        assert!(contrasts.windows(2).all(|pair| pair[0] > pair[1]), "{contrasts:?}");
        assert!(contrasts[5] < 0.5 * contrasts[0], "{contrasts:?}");
    }

    #[test]
    fn blood_reddens_and_venous_blood_is_bluer() {
        let [red, green, _] =
            reflectance(Pigments { melanin: 0.2, oxygenated: 0.9, deoxygenated: 0. });
        assert!(red > 1.8 * green);
        let venous = reflectance(Pigments { melanin: 0.2, oxygenated: 0., deoxygenated: 0.9 });
        assert!(venous[2] / venous[0] > green / red);
    }
}
