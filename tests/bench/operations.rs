//! The transforms of training images, and single operations at the models' shapes, forward or, with
//! `+` after the kind, forward and backward.

use anyhow::Result;
use candle_core::{Tensor, Var};
use rand::Rng;
use titrate::ml::backward::gradients;
use titrate::ml::classify::examples::Inputs;
use titrate::ml::classify::frames::{Frames, Photographs};
use titrate::ml::classify::transforms;
use titrate::ml::ops::{self, Activation, Padding, Stride};
use titrate::seed::Seed;

use crate::models::normal;
use crate::{Case, repeated};

const GROUPS: usize = 8;
const HEADS: usize = 4;

/// The case of this kind, if it is one of single operations.
pub fn case(kind: &str, numbers: &[usize]) -> Result<Option<Case>> {
    let (name, differentiated) = kind.strip_suffix('+').map_or((kind, false), |name| (name, true));
    let inputs = |shapes: &[&[usize]]| -> Result<Vec<Tensor>> {
        let input = |shape: &&[usize]| {
            let values = normal(shape)?;
            Ok(if differentiated { Var::from_tensor(&values)?.into_inner() } else { values })
        };
        shapes.iter().map(input).collect()
    };
    let run = |inputs: Vec<Tensor>, operation: fn(&[Tensor]) -> candle_core::Result<Tensor>| {
        repeated(move || {
            let y = operation(&inputs)?;
            if differentiated { gradients(&y).map(drop) } else { Ok(()) }
        })
    };
    Ok(Some(match (name, numbers) {
        ("conv", &[side, batch, from, to]) => {
            run(inputs(&[&[batch, side, side, from], &[to, from, 3, 3], &[to]])?, |x| {
                ops::conv2d(&x[0], &x[1], Some(&x[2]), 1, Padding::same(1))
            })
        }
        ("depthwise", &[side, batch, channels]) => {
            run(inputs(&[&[batch, side, side, channels], &[channels, 1, 3, 3]])?, |x| {
                ops::depthwise_conv2d(&x[0], &x[1], None, 1, Padding::same(1))
            })
        }
        ("depthwise-norm", &[side, batch, channels]) => {
            let shapes: [&[usize]; 4] =
                [&[batch, side, side, channels], &[channels, 1, 3, 3], &[channels], &[channels]];
            run(inputs(&shapes)?, |x| {
                let stride = Stride { stride: 1, padding: Padding::same(1), depthwise: true };
                Ok(ops::conv_norm_train(
                    &x[0],
                    &x[1],
                    stride,
                    [&x[2], &x[3]],
                    1e-3,
                    Activation::Silu,
                )?
                .0)
            })
        }
        ("norm-silu", &[side, batch, channels]) => {
            run(inputs(&[&[batch, side, side, channels], &[channels], &[channels]])?, |x| {
                ops::group_norm(&x[0], GROUPS, &x[1], &x[2], 1e-5, Activation::Silu)
            })
        }
        ("attention", &[queries, keys, batch, channels]) => {
            let (q, k) = ([batch, queries, channels], [batch, keys, channels]);
            run(inputs(&[&q, &k, &k])?, |x| ops::attention(&x[0], &x[1], &x[2], HEADS, false))
        }
        ("linear", &[rows, from, to]) => run(inputs(&[&[rows, from], &[to, from], &[to]])?, |x| {
            ops::linear(&x[0], &x[1], Some(&x[2]))
        }),
        ("transforms", &[size, batch]) => transformed(size, batch),
        ("silu", &[count]) => run(inputs(&[&[count]])?, |x| ops::silu(&x[0])),
        _ => return Ok(None),
    }))
}

/// A batch of 8-bit images through fastai's `aug_transforms`, as a training step gets it.
fn transformed(size: usize, batch: usize) -> Case {
    let mut rng = Seed::of_study(1).rng();
    let mut frames = Frames::new(size);
    (0..batch).for_each(|_| {
        frames.push(size, size, &(0..size * size * 3).map(|_| rng.random()).collect::<Vec<_>>())
    });
    let (items, passes) = ((0..batch).collect::<Vec<_>>(), vec![0; batch]);
    let mut seeds = (0..).map(|step| Seed::of_study(2).nth(step));
    repeated(move || {
        let seed = seeds.next().expect("without end");
        let photographs =
            Photographs { frames: &frames, transforms: Some(&transforms::Config::FASTAI) };
        photographs.shown(&items, &passes, &seed).map(drop)
    })
}
