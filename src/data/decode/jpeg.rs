//! The markers of a JPEG file, and what of it its decoder leaves to others.

use super::cause::{Cause, UnreadKind};

/// What stands before an XMP packet in its segment.
const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

/// What the markers of a file say, up to its end.
#[derive(Default)]
pub(super) struct Markers<'a> {
    /// The last byte of the marker of the frame (SOF), from 0xc0.
    frame: u8,
    /// Bits of a sample.
    precision: u8,
    /// Channels of the frame.
    channels: u8,
    /// Channels of a scan that has several of them and not all.
    part: Option<u8>,
    /// Width and height, as stored.
    pub size: (usize, usize),
    /// The XMP packet.
    pub xmp: Option<&'a [u8]>,
}

impl<'a> Markers<'a> {
    /// The markers of a file that is there to its end: decoders paint what is missing in grey.
    pub(super) fn of(bytes: &'a [u8]) -> Result<Self, Cause> {
        let mut markers = Self::default();
        let mut at = 2;
        while let Some(found) =
            bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xff))
        {
            at += found + 1;
            match bytes.get(at) {
                // A stuffed byte of the scan, fill, a restart or a marker without a segment.
                Some(0x00 | 0x01 | 0xd0..=0xd8) => at += 1,
                Some(0xff) => {}
                Some(0xd9) => return Ok(markers),
                Some(&marker) => {
                    let Some(&[high, low]) = bytes.get(at + 1..at + 3) else { break };
                    let length = usize::from(u16::from_be_bytes([high, low]));
                    let segment = bytes.get(at + 3..at + 1 + length.max(2)).unwrap_or_default();
                    markers.add(marker, segment);
                    at += 1 + length;
                }
                None => break,
            }
        }
        Err("it is cut off: there is no end-of-image marker".into())
    }

    fn add(&mut self, marker: u8, segment: &'a [u8]) {
        match (marker, segment) {
            // SOF; 0xc4, 0xc8 and 0xcc are others'.
            (0xc0..=0xcf, [precision, size @ ..]) if ![0xc4, 0xc8, 0xcc].contains(&marker) => {
                (self.frame, self.precision) = (marker, *precision);
                if let [high, low, wide, narrow, channels, ..] = *size {
                    self.channels = channels;
                    let of = |bytes| usize::from(u16::from_be_bytes(bytes));
                    self.size = (of([wide, narrow]), of([high, low]));
                }
            }
            (0xda, [channels, ..]) if *channels > 1 && *channels < self.channels => {
                self.part = Some(*channels);
            }
            (0xe1, segment) => self.xmp = self.xmp.or(segment.strip_prefix(XMP)),
            _ => {}
        }
    }
}

/// Refuses the kinds of JPEG that Pillow does not read, or that have not been held against it.
pub(super) fn refuse_unverified(markers: &Markers<'_>) -> Result<(), Cause> {
    let kind = match markers.frame {
        0xc0..=0xc2 | 0xc9 | 0xca => None,
        0xc3 | 0xc7 | 0xcb | 0xcf => Some("lossless"),
        0 => return Err("it has no frame".into()),
        _ => Some("hierarchical"),
    };
    let refuse = |kind: String| Err(UnreadKind(kind).into());
    if let Some(kind) = kind {
        return refuse(format!("it is {kind}"));
    }
    if markers.precision != 8 {
        return refuse(format!("it has {} bits a sample, not 8", markers.precision));
    }
    if let Some(part) = markers.part.filter(|_| ![0xc2, 0xca].contains(&markers.frame)) {
        let all = markers.channels;
        return refuse(format!(
            "a scan has {part} of its {all} channels, and it is not progressive"
        ));
    }
    Ok(())
}

/// RGB of cyan, magenta, yellow and black, which JPEG files hold inverted (255: no ink), by Pillow's
/// formula.
pub(super) fn of_inks([cyan, magenta, yellow, black]: [u8; 4]) -> [u8; 3] {
    let light = u32::from(black);
    [cyan, magenta, yellow].map(|left| {
        let product = u32::from(255 - left) * light + 128;
        (light - ((product + (product >> 8)) >> 8)) as u8
    })
}
