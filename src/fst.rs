//! Fitzpatrick skin types.

/// The pair that a type belongs to, as DDI writes it: "12", "34" or "56". 1 to 6, or 12, 34 or 56
/// where only the pair is known; others are unknown.
pub fn bin(fst: u8) -> Option<&'static str> {
    match fst {
        1 | 2 | 12 => Some("12"),
        3 | 4 | 34 => Some("34"),
        5 | 6 | 56 => Some("56"),
        _ => None,
    }
}

/// The pairs of types.
pub const BINS: [&str; 3] = ["12", "34", "56"];
