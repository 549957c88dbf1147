//! The orientation in a picture's XMP packet.

/// The value of `tiff:Orientation`, as an attribute or as an element; none where there is none. As
/// in Pillow, the packet is not read as XML.
pub(super) fn orientation(xmp: &[u8]) -> Option<u8> {
    let text = String::from_utf8_lossy(xmp);
    let after = |mark: &str| {
        let (_, rest) = text.split_once(mark)?;
        rest.bytes().next().filter(u8::is_ascii_digit).map(|digit| digit - b'0')
    };
    after("tiff:Orientation=\"").or_else(|| after("tiff:Orientation>"))
}
