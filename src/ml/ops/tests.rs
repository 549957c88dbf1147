//! Each operation against finite differences in f64, its composed form in f32, its batch split in
//! two, and other thread counts.

use super::*;
use crate::seed::Seed;
use candle_core::{DType, Device, Var};

type Function<'a> = &'a (dyn Fn(&[Tensor]) -> Result<Tensor> + Sync);

/// One operation: the kernel, its oracle, and the shapes of its inputs.
struct Case<'a> {
    name: &'a str,
    kernel: Function<'a>,
    composed: Function<'a>,
    /// Few elements, odd sizes: each is perturbed for the finite differences.
    small: &'a [&'a [usize]],
    /// Enough elements for several tasks.
    large: &'a [&'a [usize]],
    /// How many of the inputs have the batch as their first dimension; 0 where items of a batch
    /// interact.
    batched: usize,
}

fn inputs(case: &Case, shapes: &[&[usize]], dtype: DType) -> Result<Vec<Var>> {
    let draw = |(i, shape): (usize, &&[usize])| {
        let values =
            Seed::of_study(1).child(case.name).nth(i as u64).normals(shape.iter().product());
        Var::from_tensor(&Tensor::from_vec(values, *shape, &Device::Cpu)?.to_dtype(dtype)?)
    };
    shapes.iter().enumerate().map(draw).collect()
}

fn tensors(vars: &[Var]) -> Vec<Tensor> {
    vars.iter().map(|v| v.as_tensor().clone()).collect()
}

/// The output's dot product with fixed weights, so that every output element has its own gradient.
fn score(output: &Tensor) -> Result<Tensor> {
    let weights = Seed::of_study(2).normals(output.elem_count());
    let weights =
        Tensor::from_vec(weights, output.shape(), &Device::Cpu)?.to_dtype(output.dtype())?;
    (output * weights)?.sum_all()
}

/// The output and the gradient of each input, flat.
fn evaluate(function: Function, vars: &[Var]) -> Result<Vec<Vec<f64>>> {
    let flat = |t: &Tensor| t.to_dtype(DType::F64)?.flatten_all()?.to_vec1();
    let output = function(&tensors(vars))?;
    let grads = score(&output)?.backward()?;
    let mut all = vec![flat(&output)?];
    for (i, var) in vars.iter().enumerate() {
        all.push(flat(grads.get(var).unwrap_or_else(|| panic!("no gradient for input {i}")))?);
    }
    Ok(all)
}

/// The largest difference relative to the largest magnitude of `b`.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let scale = b.iter().fold(1e-3, |m: f64, v| m.max(v.abs()));
    // `max` would drop a NaN.
    a.iter().zip(b).map(|(a, b)| (a - b).abs() / scale).fold(0.0, |m, d| if d <= m { m } else { d })
}

fn finite_differences(case: &Case, vars: &[Var], input: usize) -> Result<Vec<f64>> {
    const STEP: f64 = 1e-5;
    let (base, shape) = (vars[input].flatten_all()?.to_vec1::<f64>()?, vars[input].shape());
    let mut slopes = Vec::with_capacity(base.len());
    for i in 0..base.len() {
        let mut sides = [0.0; 2];
        for (side, step) in sides.iter_mut().zip([STEP, -STEP]) {
            let (mut moved, mut all) = (base.clone(), tensors(vars));
            moved[i] += step;
            all[input] = Tensor::from_vec(moved, shape, &Device::Cpu)?;
            *side = score(&(case.kernel)(&all)?)?.to_scalar::<f64>()?;
        }
        slopes.push((sides[0] - sides[1]) / (2.0 * STEP));
    }
    Ok(slopes)
}

fn check(case: &Case) -> Result<()> {
    let name = case.name;
    let vars = inputs(case, case.small, DType::F64)?;
    let kernel = evaluate(case.kernel, &vars)?;
    for input in 0..vars.len() {
        let error = distance(&kernel[input + 1], &finite_differences(case, &vars, input)?);
        assert!(
            error < 1e-6,
            "{name}: f64 gradient of input {input} is {error:e} off finite differences"
        );
    }
    let dot = distance(&kernel[0], &evaluate(case.composed, &vars)?[0]);
    assert!(dot < 1e-12, "{name}: f64 output is {dot:e} off the composed operation");

    let vars = inputs(case, case.large, DType::F32)?;
    let threads = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().expect("threads");
    let kernel = threads(1).install(|| evaluate(case.kernel, &vars))?;
    for (part, (kernel, composed)) in kernel.iter().zip(evaluate(case.composed, &vars)?).enumerate()
    {
        let error = distance(kernel, &composed);
        assert!(
            error < 1e-4,
            "{name}: f32 part {part} (output, then gradients) is {error:e} off the composed operation"
        );
    }
    assert!(
        threads(3).install(|| evaluate(case.kernel, &vars))? == kernel,
        "{name}: the number of threads shows"
    );

    if case.batched > 0 {
        let whole = (case.kernel)(&tensors(&vars))?;
        let half = whole.dim(0)? / 2;
        for start in [0, half] {
            let cut = |(i, t): (usize, Tensor)| {
                if i < case.batched { t.narrow(0, start, half) } else { Ok(t) }
            };
            let part =
                tensors(&vars).into_iter().enumerate().map(cut).collect::<Result<Vec<_>>>()?;
            let bits = |t: Tensor| t.flatten_all()?.to_vec1::<f32>();
            let equal = bits((case.kernel)(&part)?)? == bits(whole.narrow(0, start, half)?)?;
            assert!(equal, "{name}: an item depends on its batch");
        }
    }
    Ok(())
}

#[test]
fn conv2d_with_strides_and_uneven_padding() -> Result<()> {
    let uneven = Padding { top: 0, left: 0, bottom: 1, right: 1 };
    let mixed = Padding { top: 2, left: 0, bottom: 0, right: 1 };
    let table: &[(&str, usize, usize, Padding)] = &[
        ("conv 3x3", 3, 1, Padding::same(1)),
        ("conv 3x3 stride 2", 3, 2, uneven),
        ("conv 3x3 stride 2 same", 3, 2, Padding::same(1)),
        ("conv 1x1", 1, 1, Padding::same(0)),
        ("conv 1x1 stride 2", 1, 2, Padding::same(0)),
        ("conv 2x2 stride 3", 2, 3, mixed),
        ("conv 4x4 unpadded", 4, 1, Padding::same(0)),
    ];
    for &(name, k, stride, padding) in table {
        check(&Case {
            name,
            kernel: &|t| conv2d(&t[0], &t[1], Some(&t[2]), stride, padding),
            composed: &|t| composed::conv2d(&t[0], &t[1], Some(&t[2]), stride, padding),
            small: &[&[2, 5, 4, 3], &[4, 3, k, k], &[4]],
            large: &[&[6, 15, 12, 21], &[35, 21, k, k], &[35]],
            batched: 1,
        })?;
    }
    check(&Case {
        name: "conv whose weights' gradients take several tasks",
        kernel: &|t| conv2d(&t[0], &t[1], None, 1, Padding::same(1)),
        composed: &|t| composed::conv2d(&t[0], &t[1], None, 1, Padding::same(1)),
        small: &[&[1, 2, 2, 1], &[1, 1, 3, 3]],
        large: &[&[2, 6, 6, 100], &[400, 100, 3, 3]],
        batched: 1,
    })?;
    check(&Case {
        name: "conv without bias",
        kernel: &|t| conv2d(&t[0], &t[1], None, 1, mixed),
        composed: &|t| composed::conv2d(&t[0], &t[1], None, 1, mixed),
        small: &[&[2, 3, 4, 2], &[19, 2, 3, 3]],
        large: &[&[4, 16, 16, 32], &[32, 32, 3, 3]],
        batched: 1,
    })
}

#[test]
fn linear_of_any_rank() -> Result<()> {
    check(&Case {
        name: "linear",
        kernel: &|t| linear(&t[0], &t[1], Some(&t[2])),
        composed: &|t| composed::linear(&t[0], &t[1], Some(&t[2])),
        small: &[&[2, 3, 5], &[7, 5], &[7]],
        large: &[&[8, 77, 64], &[100, 64], &[100]],
        batched: 1,
    })?;
    check(&Case {
        name: "linear whose weights' gradients take several tasks",
        kernel: &|t| linear(&t[0], &t[1], None),
        composed: &|t| composed::linear(&t[0], &t[1], None),
        small: &[&[2, 2], &[3, 2]],
        large: &[&[300, 650], &[100, 650]],
        batched: 1,
    })?;
    check(&Case {
        name: "linear without bias",
        kernel: &|t| linear(&t[0], &t[1], None),
        composed: &|t| composed::linear(&t[0], &t[1], None),
        small: &[&[3, 2], &[1, 2]],
        large: &[&[2000, 33], &[17, 33]],
        batched: 1,
    })
}

#[test]
fn strided_inputs_are_read_as_they_look() -> Result<()> {
    let x = Tensor::from_vec(Seed::of_study(3).normals(2 * 5 * 6), (2, 5, 6), &Device::Cpu)?;
    let weight = Tensor::from_vec(Seed::of_study(4).normals(35), (5, 7), &Device::Cpu)?;
    let transposed = linear(&x.transpose(1, 2)?, &weight.t()?, None)?;
    let copied = linear(&x.transpose(1, 2)?.contiguous()?, &weight.t()?.contiguous()?, None)?;
    assert_eq!(
        transposed.flatten_all()?.to_vec1::<f32>()?,
        copied.flatten_all()?.to_vec1::<f32>()?
    );
    Ok(())
}

#[test]
fn depthwise_with_strides_and_uneven_padding() -> Result<()> {
    let uneven = Padding { top: 0, left: 0, bottom: 1, right: 1 };
    for (name, k, stride, padding) in [
        ("depthwise 3x3", 3, 1, Padding::same(1)),
        ("depthwise stride 2", 3, 2, uneven),
        ("depthwise 5x5", 5, 2, Padding::same(2)),
        ("depthwise 3x3 of few columns", 3, 1, Padding { top: 2, left: 0, bottom: 1, right: 2 }),
    ] {
        check(&Case {
            name,
            kernel: &|t| depthwise_conv2d(&t[0], &t[1], Some(&t[2]), stride, padding),
            composed: &|t| composed::depthwise_conv2d(&t[0], &t[1], Some(&t[2]), stride, padding),
            small: &[&[2, 5, 4, 3], &[3, 1, k, k], &[3]],
            large: &[&[20, 15, 12, 37], &[37, 1, k, k], &[37]],
            batched: 1,
        })?;
    }
    Ok(())
}

#[test]
fn normalisation_with_and_without_activation() -> Result<()> {
    for activation in [Activation::None, Activation::Silu, Activation::Relu6] {
        // So that both ends of ReLU6 are reached.
        let gain = if activation == Activation::Relu6 { 8.0 } else { 1.0 };
        let weight = |t: &Tensor| t * gain;
        check(&Case {
            name: "group norm",
            kernel: &|t| group_norm(&t[0], 3, &weight(&t[1])?, &t[2], 1e-5, activation),
            composed: &|t| composed::group_norm(&t[0], 3, &weight(&t[1])?, &t[2], 1e-5, activation),
            small: &[&[2, 3, 2, 6], &[6], &[6]],
            large: &[&[6, 20, 17, 48], &[48], &[48]],
            batched: 1,
        })?;
        check(&Case {
            name: "batch norm, training",
            kernel: &|t| Ok(batch_norm_train(&t[0], &weight(&t[1])?, &t[2], 1e-3, activation)?.0),
            composed: &|t| {
                Ok(composed::batch_norm_train(&t[0], &weight(&t[1])?, &t[2], 1e-3, activation)?.0)
            },
            small: &[&[2, 3, 2, 5], &[5], &[5]],
            large: &[&[6, 20, 17, 45], &[45], &[45]],
            batched: 0,
        })?;
        let running = |n: usize| -> Result<[Tensor; 2]> {
            let mean = Tensor::from_vec(Seed::of_study(5).normals(n), n, &Device::Cpu)?
                .to_dtype(DType::F64)?;
            Ok([mean.clone(), (mean.sqr()? + 0.1)?])
        };
        let statistics = |t: &Tensor| -> Result<[Tensor; 2]> {
            let [mean, variance] = running(t.elem_count())?;
            Ok([mean.to_dtype(t.dtype())?, variance.to_dtype(t.dtype())?])
        };
        check(&Case {
            name: "batch norm, evaluation",
            kernel: &|t| {
                let [mean, variance] = statistics(&t[1])?;
                batch_norm_eval(&t[0], &weight(&t[1])?, &t[2], &mean, &variance, 1e-3, activation)
            },
            composed: &|t| {
                let [mean, variance] = statistics(&t[1])?;
                composed::batch_norm_eval(
                    &t[0],
                    &weight(&t[1])?,
                    &t[2],
                    &mean,
                    &variance,
                    1e-3,
                    activation,
                )
            },
            small: &[&[2, 3, 2, 5], &[5], &[5]],
            large: &[&[6, 20, 17, 45], &[45], &[45]],
            batched: 1,
        })?;
    }
    check(&Case {
        name: "layer norm",
        kernel: &|t| layer_norm(&t[0], &t[1], &t[2], 1e-5),
        composed: &|t| composed::layer_norm(&t[0], &t[1], &t[2], 1e-5),
        small: &[&[2, 3, 19], &[19], &[19]],
        large: &[&[8, 77, 100], &[100], &[100]],
        batched: 1,
    })
}

#[test]
fn a_convolution_and_its_normalisation_as_one() -> Result<()> {
    let composed = |t: &[Tensor], Stride { stride, padding, depthwise }: Stride, activation| {
        let convolve = if depthwise { composed::depthwise_conv2d } else { composed::conv2d };
        Ok(composed::batch_norm_train(
            &convolve(&t[0], &t[1], None, stride, padding)?,
            &t[2],
            &t[3],
            1e-3,
            activation,
        )?
        .0)
    };
    for (name, depthwise, k, stride, activation) in [
        ("conv and norm", false, 3, 2, Activation::Silu),
        ("conv 1x1 and norm", false, 1, 1, Activation::None),
        ("depthwise and norm", true, 3, 1, Activation::Relu6),
    ] {
        let stride = Stride { stride, padding: Padding::same(k / 2), depthwise };
        check(&Case {
            name,
            kernel: &|t| {
                Ok(conv_norm_train(&t[0], &t[1], stride, [&t[2], &t[3]], 1e-3, activation)?.0)
            },
            composed: &|t| composed(t, stride, activation),
            small: &[&[2, 4, 3, 5], &[5, if depthwise { 1 } else { 5 }, k, k], &[5], &[5]],
            large: &[&[6, 20, 17, 45], &[45, if depthwise { 1 } else { 45 }, k, k], &[45], &[45]],
            batched: 0,
        })?;
    }
    Ok(())
}

/// In one operation and in two, to the bit: statistics and gradients too, of what is trained alone
/// where something is frozen.
#[test]
fn a_frozen_convolution_leaves_its_normalisation_the_gradients() -> Result<()> {
    let draw = |i, shape: &[usize]| {
        let values = Seed::of_study(6).nth(i).normals(shape.iter().product());
        Tensor::from_vec(values, shape, &Device::Cpu)
    };
    let (x, filters) = (Var::from_tensor(&draw(0, &[4, 6, 6, 20])?)?, draw(1, &[33, 20, 1, 1])?);
    let (weight, bias) = (Var::from_tensor(&draw(2, &[33])?)?, Var::from_tensor(&draw(3, &[33])?)?);
    let padding = Padding::same(0);
    let stride = Stride { stride: 1, padding, depthwise: false };
    let one = conv_norm_train(&x, &filters, stride, [&weight, &bias], 1e-3, Activation::Silu)?;
    let convolved = conv2d(&x, &filters, None, 1, padding)?;
    let two = batch_norm_train(&convolved, &weight, &bias, 1e-3, Activation::Silu)?;
    let bits = |t: &Tensor| t.flatten_all()?.to_vec1::<f32>();
    let (of_one, of_two) = (score(&one.0)?.backward()?, score(&two.0)?.backward()?);
    for (one, two) in [(&one.0, &two.0), (&one.1, &two.1), (&one.2, &two.2)] {
        assert_eq!(bits(one)?, bits(two)?);
    }
    for var in [&x, &weight, &bias] {
        assert_eq!(
            bits(of_one.get(var).expect("a gradient"))?,
            bits(of_two.get(var).expect("a gradient"))?
        );
    }
    assert!(of_one.get(&filters).is_none());
    Ok(())
}

/// What tf.nn.conv2d pads with padding="SAME", worked out from TensorFlow's definition.
#[test]
fn padding_is_tensorflows_same() {
    for (size, kernel, stride, [before, after]) in [
        (224, 3, 2, [0, 1]),
        (7, 3, 2, [1, 1]),
        (112, 5, 2, [1, 2]),
        (14, 5, 1, [2, 2]),
        (8, 1, 2, [0, 0]),
        (1, 5, 2, [2, 2]),
    ] {
        let expected = Padding { top: before, left: before, bottom: after, right: after };
        assert_eq!(
            Padding::tensorflow_same((size, size), kernel, stride),
            expected,
            "{size} {kernel} {stride}"
        );
    }
}

#[test]
fn batch_statistics_are_the_mean_and_biased_variance() -> Result<()> {
    let x = Tensor::new(&[[1f32, 10.0], [3.0, 10.0], [5.0, 40.0]], &Device::Cpu)?;
    let (one, zero) =
        (Tensor::ones(2, DType::F32, &Device::Cpu)?, Tensor::zeros(2, DType::F32, &Device::Cpu)?);
    let (_, mean, variance) = batch_norm_train(&x, &one, &zero, 1e-5, Activation::None)?;
    assert_eq!(
        (mean.to_vec1::<f32>()?, variance.to_vec1::<f32>()?),
        (vec![3.0, 20.0], vec![8.0 / 3.0, 200.0])
    );
    Ok(())
}

#[test]
fn pointwise_functions() -> Result<()> {
    type Pointwise = fn(&Tensor) -> Result<Tensor>;
    let table: [(&str, Pointwise, Pointwise); 5] = [
        ("silu", silu, composed::silu),
        ("gelu", gelu, composed::gelu),
        ("quick gelu", quick_gelu, composed::quick_gelu),
        ("geglu", geglu, composed::geglu),
        ("sigmoid", sigmoid, composed::sigmoid),
    ];
    for (name, kernel, composed) in table {
        let (kernel, composed): (Function, Function) =
            (&|t| kernel(&(&t[0] * 3.0)?), &|t| composed(&(&t[0] * 3.0)?));
        check(&Case {
            name,
            kernel,
            composed,
            small: &[&[2, 3, 6]],
            large: &[&[10, 500, 26]],
            batched: 1,
        })?;
    }
    Ok(())
}

#[test]
fn f32_approximations_hold_over_their_range_and_keep_nan() {
    use super::element::Element;
    for i in -9_000..=9_000 {
        let x = i as f32 * 0.01;
        let (exp, erf) = (Element::exp(x), Element::erf(x));
        let exact = f64::from(x.clamp(-87.3, 88.3)).exp();
        assert!((f64::from(exp) / exact - 1.0).abs() < 3e-7, "exp({x}) = {exp}");
        assert!((f64::from(erf) - Element::erf(f64::from(x))).abs() < 4e-7, "erf({x}) = {erf}");
    }
    assert!(Element::exp(f32::NAN).is_nan() && Element::erf(f32::NAN).is_nan());
}

#[test]
fn attention_with_several_heads() -> Result<()> {
    for (name, heads, m, large_m, causal) in [
        ("self-attention", 2, 5, 130, false),
        ("causal attention", 3, 5, 130, true),
        ("cross-attention", 1, 3, 17, false),
    ] {
        check(&Case {
            name,
            kernel: &|t| attention(&t[0], &t[1], &t[2], heads, causal),
            composed: &|t| composed::attention(&t[0], &t[1], &t[2], heads, causal),
            small: &[&[2, 5, 6], &[2, m, 6], &[2, m, 6]],
            large: &[&[4, 130, 48], &[4, large_m, 48], &[4, large_m, 48]],
            batched: 3,
        })?;
    }
    Ok(())
}

/// What a GPU's memory has no room for at once is the same in turns.
#[test]
fn composed_attention_of_a_few_items_at_a_time() -> Result<()> {
    for dtype in [DType::F32, DType::BF16] {
        let draw = |i, tokens: usize| {
            let values = Seed::of_study(3).nth(i).normals(5 * tokens * 12);
            Tensor::from_vec(values, (5, tokens, 12), &Device::Cpu)?.to_dtype(dtype)
        };
        let qkv = [draw(0, 7)?, draw(1, 9)?, draw(2, 9)?];
        let values = |at_once| {
            let attended = composed::attention_in_turns(at_once, qkv.each_ref(), 3, false)?;
            attended.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()
        };
        assert!(values(5)? == values(2)? && values(5)? == values(1)?, "{dtype:?}");
    }
    Ok(())
}

#[test]
fn resampling_scaling_and_concatenation() -> Result<()> {
    check(&Case {
        name: "upsample",
        // A second use of the input, which candle's own backward loses.
        kernel: &|t| upsample_nearest_2x(&t[0])? + upsample_nearest_2x(&t[0].sqr()?)?,
        composed: &|t| {
            composed::upsample_nearest_2x(&t[0])? + composed::upsample_nearest_2x(&t[0].sqr()?)?
        },
        small: &[&[2, 3, 2, 3]],
        large: &[&[6, 9, 8, 20]],
        batched: 1,
    })?;
    check(&Case {
        name: "global average",
        kernel: &|t| avg_pool_global(&t[0]),
        composed: &|t| composed::avg_pool_global(&t[0]),
        small: &[&[2, 3, 2, 3]],
        large: &[&[6, 9, 8, 20]],
        batched: 1,
    })?;
    check(&Case {
        name: "scaling of channels",
        kernel: &|t| scale_channels(&t[0], &t[1]),
        composed: &|t| composed::scale_channels(&t[0], &t[1]),
        small: &[&[2, 3, 2, 3], &[2, 3]],
        large: &[&[6, 9, 8, 20], &[6, 20]],
        batched: 2,
    })?;
    check(&Case {
        name: "concatenation",
        kernel: &|t| concat_channels(&[&t[0], &t[1]]),
        composed: &|t| composed::concat_channels(&[&t[0], &t[1]]),
        small: &[&[2, 3, 2, 3], &[2, 3, 2, 2]],
        large: &[&[6, 9, 8, 20], &[6, 9, 8, 7]],
        batched: 2,
    })
}
