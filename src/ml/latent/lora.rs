//! Low-rank adaptation (Hu et al. 2021, arXiv 2106.09685): frozen weights W become W + alpha / rank
//! * B A, and A and B are trained.
//!
//! A layer's weight `[out, ...]` counts as a matrix of `out` rows, so that convolutions are adapted
//! as diffusers does: A with the layer's window, B with a window of 1.

use std::collections::HashMap;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::Init;
use candle_nn::var_builder::VarBuilder;

use crate::ml::params::{Params, StateDict};
use crate::seed::Seed;

/// Weights with low-rank products beside some of them.
pub struct Adapted {
    frozen: StateDict,
    /// Named as in PEFT: `LAYER.lora_A.weight` [rank, in..] and `LAYER.lora_B.weight` [out, rank].
    products: Params,
    layers: Vec<Layer>,
    scale: f64,
    device: Device,
}

struct Layer {
    /// Of the adapted weight.
    weight: String,
    a: Tensor,
    b: Tensor,
}

impl Adapted {
    /// Products beside each weight whose layer's name ends in one of `targets`. A is drawn from
    /// N(0, 1 / rank^2), as diffusers' training scripts do, B is 0: at first nothing is changed.
    /// All is computed in `dtype` on `device`. An error where a target names no layer.
    pub fn new(
        frozen: &StateDict,
        (rank, alpha): (usize, f64),
        targets: &[String],
        (dtype, device): (DType, &Device),
        seed: &Seed,
    ) -> Result<Self> {
        let values = frozen.iter().map(|(name, tensor)| {
            Ok((name.to_owned(), tensor.to_dtype(dtype)?.to_device(device)?))
        });
        let frozen = values.collect::<Result<StateDict>>()?;
        let products = Params::drawn(*seed, dtype, device);
        let mut layers = Vec::new();
        for target in targets {
            let end = format!(".{target}.weight");
            let found = frozen
                .iter()
                .filter(|(name, tensor)| name.ends_with(&end) && tensor.rank() >= 2)
                .collect::<Vec<_>>();
            if found.is_empty() {
                candle_core::bail!(
                    "generator.dreambooth.lora.targets: no layer of the UNet is called {target}"
                )
            }
            for (name, tensor) in found {
                let layer = products.builder().pp(name.strip_suffix(".weight").unwrap_or(name));
                let out = tensor.dim(0)?;
                let drawn = Init::Randn { mean: 0.0, stdev: 1.0 / rank as f64 };
                let a = layer.get_with_hints(
                    (rank, tensor.elem_count() / out),
                    "lora_A.weight",
                    drawn,
                )?;
                let b = layer.get_with_hints((out, rank), "lora_B.weight", Init::Const(0.0))?;
                layers.push(Layer { weight: name.to_owned(), a, b });
            }
        }
        Ok(Self { frozen, products, layers, scale: alpha / rank as f64, device: device.clone() })
    }

    /// The products, which are trained.
    pub fn products(&self) -> &Params {
        &self.products
    }

    /// The weights with the products as they are now, as a graph that leads back to them.
    pub fn weights(&self) -> Result<StateDict> {
        let mut weights = self.frozen.clone();
        for Layer { weight, a, b } in &self.layers {
            let frozen = self.frozen.get(weight).expect("an adapted weight is there");
            weights.insert(
                weight.clone(),
                (frozen + (b.matmul(a)? * self.scale)?.reshape(frozen.shape())?)?,
            );
        }
        Ok(weights)
    }

    /// The same as `dtype` for the layers of a model.
    pub fn builder(&self, dtype: DType) -> Result<VarBuilder<'static>> {
        let weights = self.weights()?;
        let weights =
            weights.iter().map(|(name, tensor)| Ok((name.to_owned(), tensor.to_dtype(dtype)?)));
        Ok(VarBuilder::from_tensors(
            weights.collect::<Result<HashMap<_, _>>>()?,
            dtype,
            &self.device,
        ))
    }

    /// The products alone, under the names by which diffusers' `load_lora_weights` knows them,
    /// scaled for its alpha = rank.
    pub fn exported(&self) -> Result<StateDict> {
        let mut exported = StateDict::default();
        for Layer { weight, a, b } in &self.layers {
            let (layer, frozen) = (
                weight.strip_suffix(".weight").unwrap_or(weight),
                self.frozen.get(weight).expect("it is there"),
            );
            let (mut shape_a, mut shape_b) = (frozen.dims().to_vec(), b.dims().to_vec());
            shape_a[0] = a.dim(0)?;
            shape_b.resize(frozen.rank(), 1);
            exported.insert(format!("unet.{layer}.lora_A.weight"), a.detach().reshape(shape_a)?);
            exported.insert(
                format!("unet.{layer}.lora_B.weight"),
                (b.detach() * self.scale)?.reshape(shape_b)?,
            );
        }
        Ok(exported)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::gradcheck::check_gradients;

    fn frozen() -> StateDict {
        let seed = Seed::of_study(2);
        let draw = |name: &str, shape: &[usize]| {
            Tensor::from_vec(seed.child(name).normals(shape.iter().product()), shape, &Device::Cpu)
        };
        let shapes: [(&str, &[usize]); 4] = [
            ("a.to_q.weight", &[4, 6]),
            ("a.to_q.bias", &[4]),
            ("b.conv.weight", &[4, 3, 3, 3]),
            ("b.to_qq.weight", &[2, 2]),
        ];
        shapes
            .into_iter()
            .map(|(name, shape)| Ok((name.to_owned(), draw(name, shape)?)))
            .collect::<Result<StateDict>>()
            .unwrap()
    }

    #[test]
    fn products_start_at_nothing_and_are_trained_alone() {
        let frozen = frozen();
        let adapted = Adapted::new(
            &frozen,
            (2, 6.0),
            &["to_q".into(), "conv".into()],
            (DType::F32, &Device::Cpu),
            &Seed::of_study(1),
        )
        .unwrap();
        assert_eq!(adapted.weights().unwrap().largest_difference(&frozen).unwrap(), Some(0.0));
        let names =
            adapted.products().trainable().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(
            names,
            [
                "a.to_q.lora_A.weight",
                "a.to_q.lora_B.weight",
                "b.conv.lora_A.weight",
                "b.conv.lora_B.weight"
            ]
        );
        for (_, variable) in adapted.products().trainable() {
            variable.set(&(variable.as_tensor().ones_like().unwrap() * 0.5).unwrap()).unwrap();
        }
        // Each entry of B A is 2 * 0.5 * 0.5, scaled by 6 / 2.
        let (now, before) = (adapted.weights().unwrap(), frozen.get("b.conv.weight").unwrap());
        let moved = (now.get("b.conv.weight").unwrap() - before)
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap();
        assert!(moved.iter().all(|by| (by - 1.5).abs() < 1e-6), "{moved:?}");
        assert_eq!(
            adapted.exported().unwrap().get("unet.b.conv.lora_A.weight").unwrap().dims(),
            [2, 3, 3, 3]
        );
        let missing = Adapted::new(
            &frozen,
            (2, 2.0),
            &["to_v".into()],
            (DType::F32, &Device::Cpu),
            &Seed::of_study(1),
        )
        .err()
        .unwrap();
        assert!(
            missing.to_string().starts_with(
                "generator.dreambooth.lora.targets: no layer of the UNet is called to_v"
            ),
            "{missing}"
        );
    }

    #[test]
    fn gradients_reach_both_factors() {
        let adapted = Adapted::new(
            &frozen(),
            (2, 2.0),
            &["to_q".into()],
            (DType::F64, &Device::Cpu),
            &Seed::of_study(1),
        )
        .unwrap();
        for (name, variable) in adapted.products().trainable() {
            let values = Tensor::from_vec(
                Seed::of_study(3).child(&name).normals(variable.elem_count()),
                variable.shape(),
                &Device::Cpu,
            );
            variable.set(&values.unwrap().to_dtype(DType::F64).unwrap()).unwrap();
        }
        let loss = || adapted.weights().unwrap().get("a.to_q.weight").unwrap().sqr()?.mean_all();
        check_gradients(adapted.products(), 2, loss);
    }
}
