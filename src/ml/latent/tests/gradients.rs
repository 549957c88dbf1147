//! Every variable of every model gets a gradient, and it is the right one.

use candle_core::{DType, Result, Tensor, Var};

use super::{normal, tiny_unet, tiny_vae, unet_inputs, unet_of, vae_of};
use crate::ml::params::Params;

type Loss = Box<dyn Fn() -> Result<Tensor>>;

/// A scalar that depends on all of `output`, on each entry differently.
fn weighted(output: &Tensor) -> Result<Tensor> {
    (output * normal("weights", output.dims(), output.dtype()))?.sum_all()
}

fn unet_loss(in_channels: usize, linear_projection: bool, dtype: DType) -> (Params, Loss) {
    let config = tiny_unet(in_channels, linear_projection);
    let (params, unet) = unet_of(&config, dtype);
    let (x, timesteps, context) = unet_inputs(&config, 2, dtype);
    (params, Box::new(move || weighted(&unet.forward(&x, &timesteps, &context)?)))
}

fn vae_loss(dtype: DType) -> (Params, Loss) {
    let (params, vae) = vae_of(&tiny_vae(), dtype);
    let images = normal("images", &[2, 8, 8, 3], dtype);
    let noise = normal("noise", &[2, 4, 4, 2], dtype);
    let loss = move || {
        let moments = vae.encode(&images)?;
        weighted(&vae.decode(&moments.sample(&noise)?)?)? + moments.kl()?.sum_all()?
    };
    (params, Box::new(loss))
}

fn models(dtype: DType) -> [(&'static str, (Params, Loss)); 3] {
    [
        ("unet", unet_loss(4, false, dtype)),
        ("inpainting unet", unet_loss(9, true, dtype)),
        ("autoencoder", vae_loss(dtype)),
    ]
}

/// Whether the gradient is zero by construction: a constant added to all keys leaves their softmax
/// as it is.
fn vanishes(name: &str) -> bool {
    name.ends_with("to_k.bias")
}

fn gradients(params: &Params, loss: &Loss) -> Vec<(String, Var, Vec<f64>)> {
    let gradients = loss().unwrap().backward().unwrap();
    let of = |(name, variable): (String, Var)| {
        let gradient =
            gradients.get(&variable).unwrap_or_else(|| panic!("{name} gets no gradient"));
        let values =
            gradient.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        (name, variable, values)
    };
    params.trainable().into_iter().map(of).collect()
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// The derivative of `loss` as `variable` moves along `direction`, from values at -2h, -h, h and 2h
/// (error of order h^4).
fn difference(loss: &Loss, variable: &Var, direction: &[f64]) -> f64 {
    const H: f64 = 1e-3;
    let start: Vec<f64> = variable.flatten_all().unwrap().to_vec1().unwrap();
    let at = |steps: f64| {
        let moved: Vec<f64> = start.iter().zip(direction).map(|(x, d)| x + steps * H * d).collect();
        variable
            .set(&Tensor::from_vec(moved, variable.shape(), variable.device()).unwrap())
            .unwrap();
        loss().unwrap().to_scalar::<f64>().unwrap()
    };
    let slope = (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / (12.0 * H);
    at(0.0);
    slope
}

/// A unit vector without a preferred direction.
fn direction(name: &str, entries: usize) -> Vec<f64> {
    let drawn: Vec<f64> = normal(name, &[entries], DType::F64).to_vec1().unwrap();
    let length = norm(&drawn);
    drawn.into_iter().map(|d| d / length).collect()
}

#[test]
fn agree_with_finite_differences() {
    for (model, (params, loss)) in models(DType::F64) {
        let gradients = gradients(&params, &loss);
        assert!(!gradients.is_empty());
        for (name, variable, gradient) in &gradients {
            let length = norm(gradient);
            assert!(vanishes(name) || length > 1e-5, "{model}: the gradient of {name} is {length}");
            let direction = direction(name, gradient.len());
            let given: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
            let slope = difference(&loss, variable, &direction);
            let tolerance = 1e-5 * given.abs() + 1e-8 * length + 1e-10;
            assert!(
                (slope - given).abs() <= tolerance,
                "{model}: {name} has slope {given}, by differences {slope}"
            );
        }
    }
}

#[test]
fn in_f32_are_those_in_f64() {
    for ((model, (params, loss)), (_, (exact_params, exact_loss))) in
        models(DType::F32).into_iter().zip(models(DType::F64))
    {
        let exact = gradients(&exact_params, &exact_loss);
        for ((name, _, rounded), (_, _, exact)) in gradients(&params, &loss).into_iter().zip(exact)
        {
            let error = norm(&rounded.iter().zip(&exact).map(|(a, b)| a - b).collect::<Vec<_>>());
            let tolerance = if vanishes(&name) { 1e-3 } else { 1e-4 * norm(&exact) };
            assert!(error <= tolerance, "{model}: {name} differs by {error} of {}", norm(&exact));
        }
    }
}
