//! Each operation against finite differences in f64, its composed form in f32, its batch split in two, and other thread counts.

use super::*;
use crate::seed::Seed;
use candle_core::{DType, Device, Var};

type Function<'a> = &'a dyn Fn(&[Tensor]) -> Result<Tensor>;

/// One operation: the kernel, its oracle, and the shapes of its inputs.
struct Case<'a> {
    name: &'a str,
    kernel: Function<'a>,
    composed: Function<'a>,
    /// Few elements, odd sizes: each is perturbed for the finite differences.
    small: &'a [&'a [usize]],
    /// Enough elements for several tasks.
    large: &'a [&'a [usize]],
    /// How many of the inputs have the batch as their first dimension; 0 where items of a batch interact.
    batched: usize,
}

fn inputs(case: &Case, shapes: &[&[usize]], dtype: DType) -> Result<Vec<Var>> {
    let draw = |(i, shape): (usize, &&[usize])| {
        let values = Seed::of_study(1).child(case.name).nth(i as u64).normals(shape.iter().product());
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
    let weights = Tensor::from_vec(weights, output.shape(), &Device::Cpu)?.to_dtype(output.dtype())?;
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
        assert!(error < 1e-6, "{name}: f64 gradient of input {input} is {error:e} off finite differences");
    }
    let dot = distance(&kernel[0], &evaluate(case.composed, &vars)?[0]);
    assert!(dot < 1e-12, "{name}: f64 output is {dot:e} off the composed operation");

    let vars = inputs(case, case.large, DType::F32)?;
    let threads = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().expect("threads");
    let kernel = threads(1).install(|| evaluate(case.kernel, &vars))?;
    for (part, (kernel, composed)) in kernel.iter().zip(evaluate(case.composed, &vars)?).enumerate() {
        let error = distance(kernel, &composed);
        assert!(error < 1e-4, "{name}: f32 part {part} (output, then gradients) is {error:e} off the composed operation");
    }
    assert!(threads(3).install(|| evaluate(case.kernel, &vars))? == kernel, "{name}: the number of threads shows");

    if case.batched > 0 {
        let whole = (case.kernel)(&tensors(&vars))?;
        let half = whole.dim(0)? / 2;
        for start in [0, half] {
            let cut = |(i, t): (usize, Tensor)| if i < case.batched { t.narrow(0, start, half) } else { Ok(t) };
            let part = tensors(&vars).into_iter().enumerate().map(cut).collect::<Result<Vec<_>>>()?;
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
    assert_eq!(transposed.flatten_all()?.to_vec1::<f32>()?, copied.flatten_all()?.to_vec1::<f32>()?);
    Ok(())
}
