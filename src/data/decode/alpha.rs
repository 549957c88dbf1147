//! What shows of pictures that are transparent in places.

/// White shows through: that is what pictures are looked at on. What lies below full transparency
/// is not for looking at, and dropping alpha would show it.
pub(super) fn over_white(rgba: &[u8]) -> Vec<u8> {
    let texel =
        |&[red, green, blue, alpha]: &[u8; 4]| [red, green, blue].map(|level| blend(level, alpha));
    rgba.as_chunks().0.iter().flat_map(texel).collect()
}

/// A level as it shows over white.
pub(super) fn blend(level: u8, alpha: u8) -> u8 {
    let (level, alpha) = (u32::from(level), u32::from(alpha));
    ((level * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}
