//! What a state dict's pickle says of the storages that lie beside it.

use candle_core::DType;

use super::pickle::{Object, Pickle, Place};

/// A pickle's reference to a storage beside it: `("storage", class, key, device, elements)`, in old
/// files followed by a view of another storage or None.
pub(super) struct Stored<'a> {
    pub key: &'a str,
    pub class: &'a str,
    /// None where its elements are not floating point.
    pub dtype: Option<DType>,
    /// Bytes of an element.
    pub width: usize,
    pub elements: usize,
}

impl<'a> Stored<'a> {
    pub fn of(pickle: &'a Pickle, identity: Place) -> Option<Self> {
        let &[kind, class, key, _, elements, ref view @ ..] = pickle.tuple(identity)? else {
            return None;
        };
        let Object::Global(class) = pickle.get(class) else { return None };
        if pickle.text(kind)? != "storage"
            || view.iter().any(|&view| *pickle.get(view) != Object::Other)
        {
            return None;
        }
        let class = class.strip_prefix("torch.")?;
        let (dtype, width) = match class {
            "FloatStorage" => (Some(DType::F32), 4),
            "DoubleStorage" => (Some(DType::F64), 8),
            "HalfStorage" => (Some(DType::F16), 2),
            "BFloat16Storage" => (Some(DType::BF16), 2),
            "LongStorage" => (None, 8),
            "IntStorage" => (None, 4),
            "ShortStorage" => (None, 2),
            "CharStorage" | "ByteStorage" | "BoolStorage" => (None, 1),
            _ => return None,
        };
        Some(Self {
            key: pickle.text(key)?,
            class,
            dtype,
            width,
            elements: pickle.count(elements)?,
        })
    }
}
