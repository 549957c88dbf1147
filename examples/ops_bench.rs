//! Times the operations of `titrate::ml::ops` against their composed forms, forward alone and with the backward pass.
//!
//! `CANDLE_NUM_THREADS=1 RAYON_NUM_THREADS=2 cargo run --release --example ops_bench [name part]`. Each line gives the best of several
//! runs in microseconds; GFLOP/s count the products of the forward pass, three times over for forward and backward.

use candle_core::{Device, Result, Tensor, Var};
use std::time::Instant;
use titrate::ml::ops::{self, Activation, Padding, composed};
use titrate::seed::Seed;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Function<'a> = &'a dyn Fn(&[Tensor]) -> Result<Tensor>;

fn best_us(mut f: impl FnMut() -> Result<()>) -> Result<f64> {
    let (start, mut best, mut runs) = (Instant::now(), f64::INFINITY, 0);
    while runs < 3 || start.elapsed().as_secs_f64() < 0.3 {
        let once = Instant::now();
        f()?;
        best = best.min(once.elapsed().as_secs_f64() * 1e6);
        runs += 1;
    }
    Ok(best)
}

fn times(function: Function, vars: &[Var]) -> Result<[f64; 2]> {
    let tracked: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let constant: Vec<Tensor> = tracked.iter().map(Tensor::detach).collect();
    let forward = best_us(|| function(&constant).map(drop))?;
    let both = best_us(|| function(&tracked)?.backward().map(drop))?;
    Ok([forward, both])
}

fn row(name: &str, gflop: f64, shapes: &[&[usize]], kernel: Function, composed: Function) -> Result<()> {
    if std::env::args().nth(1).is_some_and(|part| !name.contains(&part)) {
        return Ok(());
    }
    let draw = |(i, shape): (usize, &&[usize])| {
        let values = Seed::of_study(1).nth(i as u64).normals(shape.iter().product());
        Var::from_tensor(&Tensor::from_vec(values, *shape, &Device::Cpu)?)
    };
    let vars = shapes.iter().enumerate().map(draw).collect::<Result<Vec<_>>>()?;
    let ([forward, both], [old_forward, old_both]) = (times(kernel, &vars)?, times(composed, &vars)?);
    let rates = if gflop > 0.0 {
        format!("{:8.1} {:8.1}", gflop / forward * 1e6, 3.0 * gflop / both * 1e6)
    } else {
        format!("{:>8} {:>8}", "", "")
    };
    println!("{name:32} {forward:9.0} {both:9.0} {rates} {old_forward:10.0} {old_both:10.0}");
    Ok(())
}

fn conv(name: &str, [b, h, w, cin, cout, k]: [usize; 6], stride: usize) -> Result<()> {
    let padding = Padding::same(k / 2);
    let gflop = (2 * b * h.div_ceil(stride) * w.div_ceil(stride) * cin * cout * k * k) as f64 / 1e9;
    row(
        name,
        gflop,
        &[&[b, h, w, cin], &[cout, cin, k, k], &[cout]],
        &|t| ops::conv2d(&t[0], &t[1], Some(&t[2]), stride, padding),
        &|t| composed::conv2d(&t[0], &t[1], Some(&t[2]), stride, padding),
    )
}

fn attention(name: &str, [b, n, m, d, heads]: [usize; 5]) -> Result<()> {
    row(
        name,
        (4 * b * n * m * d) as f64 / 1e9,
        &[&[b, n, d], &[b, m, d], &[b, m, d]],
        &|t| ops::attention(&t[0], &t[1], &t[2], heads, false),
        &|t| composed::attention(&t[0], &t[1], &t[2], heads, false),
    )
}

fn linear(name: &str, [rows, k, n]: [usize; 3]) -> Result<()> {
    row(name, (2 * rows * k * n) as f64 / 1e9, &[&[rows, k], &[n, k], &[n]], &|t| ops::linear(&t[0], &t[1], Some(&t[2])), &|t| {
        composed::linear(&t[0], &t[1], Some(&t[2]))
    })
}

fn main() -> Result<()> {
    println!("{} threads; us: forward, forward + backward; GFLOP/s of each; composed us of each", rayon::current_num_threads());
    conv("conv 3x3 32x8x8x64->64", [32, 8, 8, 64, 64, 3], 1)?;
    conv("conv 3x3 32x32x32x32->32", [32, 32, 32, 32, 32, 3], 1)?;
    conv("conv 3x3 16x8x8x96->96", [16, 8, 8, 96, 96, 3], 1)?;
    conv("conv 3x3 /2 32x32x32x32->64", [32, 32, 32, 32, 64, 3], 2)?;
    conv("conv 3x3 32x32x32x3->32", [32, 32, 32, 3, 32, 3], 1)?;
    conv("conv 1x1 32x8x8x64->64", [32, 8, 8, 64, 64, 1], 1)?;
    linear("linear 2048x64->64", [2048, 64, 64])?;
    linear("linear 2048x64->512", [2048, 64, 512])?;
    linear("linear 16x64->256", [16, 64, 256])?;
    attention("attention 32x64x64 d64 h4", [32, 64, 64, 64, 4])?;
    attention("attention 16x256x256 d64 h4", [16, 256, 256, 64, 4])?;
    attention("attention 32x64x16 d64 h4", [32, 64, 16, 64, 4])?;
    for (name, image) in [("32x8x8x64", &[32, 8, 8, 64][..]), ("32x32x32x32", &[32, 32, 32, 32])] {
        let c = image[3];
        row(
            &format!("group norm + silu {name}"),
            0.0,
            &[image, &[c], &[c]],
            &|t| ops::group_norm(&t[0], 8, &t[1], &t[2], 1e-5, Activation::Silu),
            &|t| composed::group_norm(&t[0], 8, &t[1], &t[2], 1e-5, Activation::Silu),
        )?;
        row(
            &format!("batch norm + silu {name}"),
            0.0,
            &[image, &[c], &[c]],
            &|t| Ok(ops::batch_norm_train(&t[0], &t[1], &t[2], 1e-3, Activation::Silu)?.0),
            &|t| Ok(composed::batch_norm_train(&t[0], &t[1], &t[2], 1e-3, Activation::Silu)?.0),
        )?;
        row(&format!("layer norm {name}"), 0.0, &[image, &[c], &[c]], &|t| ops::layer_norm(&t[0], &t[1], &t[2], 1e-5), &|t| {
            composed::layer_norm(&t[0], &t[1], &t[2], 1e-5)
        })?;
        row(&format!("silu {name}"), 0.0, &[image], &|t| ops::silu(&t[0]), &|t| composed::silu(&t[0]))?;
        row(&format!("gelu {name}"), 0.0, &[image], &|t| ops::gelu(&t[0]), &|t| composed::gelu(&t[0]))?;
        row(&format!("geglu {name}"), 0.0, &[image], &|t| ops::geglu(&t[0]), &|t| composed::geglu(&t[0]))?;
        row(
            &format!("depthwise 3x3 {name}"),
            (2 * 9 * image.iter().product::<usize>()) as f64 / 1e9,
            &[image, &[c, 1, 3, 3]],
            &|t| ops::depthwise_conv2d(&t[0], &t[1], None, 1, Padding::same(1)),
            &|t| composed::depthwise_conv2d(&t[0], &t[1], None, 1, Padding::same(1)),
        )?;
        row(&format!("upsample {name}"), 0.0, &[image], &|t| ops::upsample_nearest_2x(&t[0]), &|t| {
            composed::upsample_nearest_2x(&t[0])
        })?;
        row(&format!("global average {name}"), 0.0, &[image], &|t| ops::avg_pool_global(&t[0]), &|t| {
            composed::avg_pool_global(&t[0])
        })?;
        row(&format!("concat {name}"), 0.0, &[image, image], &|t| ops::concat_channels(&[&t[0], &t[1]]), &|t| {
            composed::concat_channels(&[&t[0], &t[1]])
        })?;
        row(&format!("add (candle) {name}"), 0.0, &[image, image], &|t| &t[0] + &t[1], &|t| &t[0] + &t[1])?;
    }
    Ok(())
}
