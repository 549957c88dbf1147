//! What torch.save wrote (tests/fixtures/checkpoint/), and what nobody should have.

use std::path::Path;

use super::*;

fn file(name: &str) -> Vec<u8> {
    std::fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoint").join(name),
    )
    .unwrap()
}

#[test]
fn both_formats_hold_what_pytorch_put_in() {
    let expected = read(&file("expected.safetensors")).unwrap();
    for name in ["archive.pth", "legacy.pth"] {
        let read = read(&file(name)).unwrap();
        assert_eq!(
            read.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            expected.iter().map(|(name, _)| name).collect::<Vec<_>>()
        );
        for (tensor, value) in expected.iter() {
            let ours = read.get(tensor).unwrap();
            assert_eq!(
                (ours.dtype(), ours.dims()),
                (value.dtype(), value.dims()),
                "{name}: {tensor}"
            );
            let values = |tensor: &Tensor| {
                tensor
                    .to_dtype(DType::F64)
                    .unwrap()
                    .flatten_all()
                    .unwrap()
                    .to_vec1::<f64>()
                    .unwrap()
            };
            assert_eq!(values(ours), values(value), "{name}: {tensor}");
        }
    }
}

#[test]
fn a_file_cut_short_is_an_error_and_a_changed_byte_is_no_panic() {
    for name in ["archive.pth", "legacy.pth"] {
        let mut bytes = file(name);
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "{name}: cut to {length} bytes");
        }
        for at in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                bytes[at] ^= flip;
                drop(read(&bytes));
                bytes[at] ^= flip;
            }
        }
    }
}

/// A file of the old format whose state dict is the pickle `state`, with one storage "7" of as many
/// f32 of 1.5.
fn legacy(state: &[u8], elements: usize) -> Vec<u8> {
    let keys = b"\x80\x02]X\x01\0\0\x007a.".as_slice();
    let (count, values) = ((elements as u64).to_le_bytes(), 1.5_f32.to_le_bytes().repeat(elements));
    [archive::LEGACY, b"\x80\x02M\xe9\x03.", b"\x80\x02}.", state, keys, &count, &values].concat()
}

/// A pickled tensor in storage "7" of `class` and as many elements; `view` are its offset, shape
/// and stride.
fn tensor(class: &str, elements: u16, view: &[u8]) -> Vec<u8> {
    let head = b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\n".as_slice();
    let storage =
        [b"\nX\x01\0\0\x007X\x03\0\0\0cpuM".as_slice(), &elements.to_le_bytes(), b"NtQ"].concat();
    [head, class.as_bytes(), &storage, view, b"\x89NtR"].concat()
}

#[test]
fn what_is_wrong_is_named() {
    let one = |class: &str, view: &[u8]| {
        legacy(&[b"\x80\x02}X\x01\0\0\0a", tensor(class, 2, view).as_slice(), b"s."].concat(), 2)
    };
    let good = one("FloatStorage", b"K\x00K\x02\x85K\x01\x85");
    assert_eq!(read(&good).unwrap().get("a").unwrap().to_vec1::<f32>().unwrap(), [1.5, 1.5]);
    let pickle = |state: &[u8]| legacy(&[b"\x80\x02", state].concat(), 2);
    let deep = [b"N".as_slice(), &b"\x85".repeat(1_000_000), b"."].concat();
    // Each of 100 tuples holds the one before twice: 2^100 references, if they were followed.
    let doubled: Vec<u8> = (0..100_u8).flat_map(|at| [b'q', at, b'h', at, 0x86]).collect();
    let doubled = [b")".as_slice(), &doubled, b"."].concat();
    let huge =
        [b"J\xff\xff\xff\x7f".as_slice(), b"J\xff\xff\xff\x7f", b"J\xff\xff\xff\x7f"].concat();
    let huge = [b"K\x00".as_slice(), &huge, b"\x87", &huge, b"\x87"].concat();
    for (bytes, expected) in [
        (b"no weights".to_vec(), "not a safetensors file"),
        (b"version https://git-lfs.github.com/spec/v1\n".to_vec(), "`git lfs pull` fetches"),
        (b"<!DOCTYPE html>".to_vec(), "not weights but a web page"),
        (b"PK\x03\x04 and no archive".to_vec(), "not a PyTorch archive"),
        (file("module.pth"), "holds a pickled module or other object and not a state dict"),
        (pickle(b"X\xff\xff\xff\xffabc"), "the pickle of the state dict: it ends in the middle"),
        (pickle(b"cos\nsystem\nX\x02\0\0\0ls\x85R."), "holds a pickled module or other object"),
        (pickle(b"\x91."), "is operation 0x91"),
        (pickle(b"NN\x93."), "takes what is not there"),
        (pickle(b"\x87."), "takes what is not there"),
        (pickle(b"(t(R."), "takes what is not there"),
        (pickle(&deep), "holds plain data"),
        (pickle(&doubled), "holds plain data"),
        (pickle(b"}K\x01Ns."), "a dict whose keys are not names"),
        (pickle(b"}X\x01\0\0\0aNs."), "tensor a: it is no tensor"),
        (pickle(b"}X\x01\0\0\0acos\nsystem\n)Rs."), "tensor a: it is made by os.system"),
        (
            pickle(b"}X\x01\0\0\0actorch._utils\n_rebuild_tensor_v2\n)Rs."),
            "tensor a: it is made by",
        ),
        (one("FloatStorage", b"K\x00K\x02\x85)"), "stride is garbled"),
        (one("FloatStorage", b"J\xff\xff\xff\xffK\x02\x85K\x01\x85"), "stride is garbled"),
        (one("FloatStorage", b"K\x01K\x02\x85K\x01\x85"), "leave its storage"),
        (one("FloatStorage", b"K\x00J\xff\xff\xff\x7f\x85K\x00\x85"), "leave its storage"),
        (one("FloatStorage", &huge), "leave its storage"),
        (one("IntStorage", b"K\x00K\x02\x85K\x01\x85"), "its values are a IntStorage"),
        (one("DoubleStorage", b"K\x00K\x02\x85K\x01\x85"), "storage 7: the file ends within it"),
        (
            one("QUInt8Storage", b"K\x00K\x02\x85K\x01\x85"),
            "tensor a: its storage, offset, shape or stride is garbled",
        ),
    ] {
        let error = read(&bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} has no {expected:?}");
    }
}

/// The same tensor in what trainings and later protocols of pickle make of it.
#[test]
fn wrapped_state_dicts_and_later_protocols_are_read() {
    let whole = tensor("FloatStorage", 2, b"K\x00K\x02\x85K\x01\x85");
    let text = |text: &str| {
        [b"X".as_slice(), &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
    };
    let dict = |entries: &[(&str, &[u8])]| {
        let items = entries.iter().flat_map(|(name, value)| [&text(name), *value, b"s"].concat());
        [b"}".to_vec(), items.collect()].concat()
    };
    let plain = dict(&[("a.weight", &whole)]);
    let parallel = dict(&[("module._orig_mod.a.weight", &whole)]);
    let lightning =
        dict(&[("epoch", b"K\x03"), ("state_dict", &dict(&[("model.a.weight", &whole)]))]);
    let trainer = dict(&[("model", &plain), ("optimizer", &dict(&[("lr", b"G\0\0\0\0\0\0\0\0")]))]);
    // Protocol 4: a frame, short texts, a class by its two names, a memo that counts itself.
    let mut fourth = b"\x80\x04\x95\0\0\0\0\0\0\0\0}\x94\x8c\x08a.weight\x94".to_vec();
    fourth.extend(b"\x8c\x0ctorch._utils\x94\x8c\x12_rebuild_tensor_v2\x94\x93\x94(");
    fourth.extend(b"(\x8c\x07storage\x94\x8c\x05torch\x94\x8c\x0cFloatStorage\x94\x93\x94");
    fourth.extend(
        b"\x8c\x017\x94\x8c\x03cpu\x94K\x02t\x94QK\0K\x02\x85\x94K\x01\x85\x94\x89Nt\x94R\x94s.",
    );
    let second = |state: &[u8]| legacy(&[b"\x80\x02", state, b"."].concat(), 2);
    for (what, bytes) in [
        ("plain", second(&plain)),
        ("parallel and compiled", second(&parallel)),
        ("of Lightning", second(&lightning)),
        ("of a training", second(&trainer)),
        ("protocol 4", legacy(&fourth, 2)),
    ] {
        let read = read(&bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
        let names = read.iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names, ["a.weight"], "{what}");
        let values = read.get("a.weight").unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(values, [1.5, 1.5], "{what}");
    }
    let averaged = dict(&[("model", &plain), ("model_ema", &plain)]);
    let error = read(&second(&averaged)).unwrap_err().to_string();
    assert!(error.contains("several state dicts, `model` and `model_ema`"), "{error}");
}

/// Names that share a storage cost at most twice the file.
#[test]
fn shared_values_are_not_copied_without_end() {
    let whole = b"K\x00M\xe8\x03\x85K\x01\x85";
    let entry = &tensor("FloatStorage", 1000, whole);
    let sharing = |names: &[u8]| {
        let entries: Vec<u8> = names
            .iter()
            .flat_map(|name| [b"X\x01\0\0\0", [*name].as_slice(), entry, b"s"].concat())
            .collect();
        read(&legacy(&[b"\x80\x02}", entries.as_slice(), b"."].concat(), 1000))
    };
    assert_eq!(sharing(b"ab").unwrap().iter().count(), 2);
    assert!(matches!(sharing(b"abc"), Err(CheckpointError::Inflated)));
}
