//! Names made of labels: for files and for anchors.

use std::collections::BTreeSet;

/// Letters and digits of a label, in small letters with hyphens between words.
pub fn slug(label: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { ' ' };
    let words = label.to_lowercase().chars().map(plain).collect::<String>();
    words.split_whitespace().collect::<Vec<_>>().join("-")
}

/// `name`, with a number from its second use on; from then on it is among the `names`.
pub fn unused(names: &mut BTreeSet<String>, name: &str) -> String {
    let mut unused = name.to_owned();
    let mut further = 2..;
    while !names.insert(unused.clone()) {
        unused = format!("{name}-{}", further.next().expect("numbers go on"));
    }
    unused
}
