//! Files in the place of a model's weights that are something else.

/// The kind of a file that downloads leave in the place of another one.
pub fn foreign(bytes: &[u8]) -> Option<&'static str> {
    let start = bytes[..bytes.len().min(512)].trim_ascii_start();
    let lower = start.to_ascii_lowercase();
    if bytes.is_empty() {
        Some("an empty file")
    } else if start.starts_with(b"version https://git-lfs") {
        Some("a pointer of Git LFS: `git lfs pull` fetches the file that it stands for")
    } else if [&b"<!doctype"[..], b"<html", b"<?xml"].iter().any(|tag| lower.starts_with(tag)) {
        Some("a web page, such as one that asks to log in: download the file itself")
    } else {
        None
    }
}

/// The kind of a low-rank adaptation, by the `names` of its tensors; none where they are a model's.
pub fn low_rank<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Option<&'static str> {
    let kinds = [
        ("lora_unet_", "a LoRA in kohya's layout"),
        ("lora_te", "a LoRA in kohya's layout"),
        ("base_model.model.", "a LoRA of PEFT"),
        (".lora_A.", "a LoRA of diffusers or PEFT"),
        (".lora.down.", "a LoRA of diffusers"),
        ("_lora.down.", "a LoRA of diffusers"),
        (".lora_down.", "a LoRA in kohya's layout"),
    ];
    let found = kinds.iter().find(|(part, _)| names.clone().any(|name| name.contains(part)));
    found.map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_downloads_leave_in_the_place_of_weights_is_named() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n";
        for (bytes, expected) in [
            (&pointer[..], "git lfs pull"),
            (b"\n<!DOCTYPE html><html>", "a web page"),
            (b"<HTML>", "a web page"),
            (b"", "an empty file"),
        ] {
            let what = foreign(bytes).unwrap();
            assert!(what.contains(expected), "{what}");
        }
        assert_eq!(foreign(b"{\"a\": 1}"), None);
    }

    #[test]
    fn low_rank_adaptations_are_known_by_their_names() {
        let of = |name: &str| low_rank([name].into_iter());
        for (name, kind) in [
            ("unet.down_blocks.0.attentions.0.to_q.lora_A.weight", "a LoRA of diffusers or PEFT"),
            ("base_model.model.to_q.lora_A.weight", "a LoRA of PEFT"),
            ("unet.mid_block.attn1.processor.to_q_lora.down.weight", "a LoRA of diffusers"),
            ("lora_unet_mid_block_attentions_0.lora_down.weight", "a LoRA in kohya's layout"),
        ] {
            assert_eq!(of(name), Some(kind), "{name}");
        }
        assert_eq!(of("down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight"), None);
    }
}
