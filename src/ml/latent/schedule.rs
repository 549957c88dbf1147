//! The forward noising process of latent diffusion and what a UNet is asked to predict.

use candle_core::{Device, Result, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::config::ConfigError;
use crate::vocabulary::PredictionType;

/// Whose scheduler_config.json describes a noise schedule as [`Config`] does; which solver walks it
/// is the study's choice.
const CLASSES: &[&str] = &[
    "DDIMScheduler",
    "DDPMScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "UniPCMultistepScheduler",
];
/// Keys that change the schedule or its use where they say anything.
const REFUSED: &[&str] = &[
    "trained_betas",
    "rescale_betas_zero_snr",
    "thresholding",
    "use_beta_sigmas",
    "use_exponential_sigmas",
    "use_flow_sigmas",
    "use_karras_sigmas",
    "use_lu_lambdas",
];

/// diffusers' scheduler_config.json, the keys that decide the noise: "scaled_linear" betas.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Timesteps from image to noise.
    pub num_train_timesteps: usize,
    /// Beta of the first timestep.
    pub beta_start: f64,
    /// Beta of the last timestep, below 1.
    pub beta_end: f64,
    /// Course of beta between them; only "scaled_linear" is known.
    pub beta_schedule: String,
    /// The UNet's target.
    #[serde(default = "epsilon", with = "prediction_type")]
    pub prediction_type: PredictionType,
}

/// diffusers' names of the targets, which have underscores.
mod prediction_type {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::vocabulary::PredictionType;

    const NAMES: [(&str, PredictionType); 2] =
        [("epsilon", PredictionType::Epsilon), ("v_prediction", PredictionType::VPrediction)];

    pub fn serialize<S: Serializer>(target: &PredictionType, to: S) -> Result<S::Ok, S::Error> {
        let name = NAMES.iter().find(|(_, known)| known == target).map_or("", |(name, _)| *name);
        name.serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PredictionType, D::Error> {
        let found = String::deserialize(from)?;
        let known = NAMES.iter().find(|(name, _)| *name == found).map(|(_, target)| *target);
        known.ok_or_else(|| D::Error::unknown_variant(&found, &["epsilon", "v_prediction"]))
    }
}

/// The target of files that were written before the key existed.
fn epsilon() -> PredictionType {
    PredictionType::Epsilon
}

impl Config {
    /// diffusers' scheduler_config.json of a DPM-Solver++ (2M) that walks as
    /// [`crate::vocabulary::Solver::DpmSolver`] does.
    pub fn to_json(&self) -> String {
        let mut keys = json!({
            "_class_name": "DPMSolverMultistepScheduler",
            "algorithm_type": "dpmsolver++",
            "final_sigmas_type": "sigma_min",
            "lower_order_final": true,
            "solver_order": 2,
            "solver_type": "midpoint",
            "steps_offset": 1,
            "timestep_spacing": "linspace",
        });
        if let (Value::Object(keys), Ok(Value::Object(own))) =
            (&mut keys, serde_json::to_value(self))
        {
            keys.extend(own);
        }
        format!("{keys:#}\n")
    }

    /// Reads diffusers' scheduler_config.json, which may hold the bare `-Infinity` and `NaN` of
    /// Python's json.
    ///
    /// # Errors
    /// If it is not a scheduler's configuration, or says something that is not supported.
    pub fn from_json(text: &str) -> std::result::Result<Self, ConfigError> {
        let keys: Map<String, Value> =
            json5::from_str(text).map_err(|error| ConfigError::Scheduler(error.to_string()))?;
        let class = keys.get("_class_name").and_then(Value::as_str);
        if let Some(class) = class.filter(|class| !CLASSES.contains(class)) {
            return Err(ConfigError::UnknownScheduler {
                found: class.to_owned(),
                known: CLASSES.join(", "),
            });
        }
        let says = |key: &&&str| {
            keys.get(**key).filter(|value| !value.is_null() && **value != Value::Bool(false))
        };
        if let Some((key, value)) = REFUSED.iter().find_map(|key| Some((key, says(&key)?))) {
            return Err(ConfigError::Unsupported { key: (*key).to_owned(), value: value.clone() });
        }
        let config: Self = serde_json::from_value(Value::Object(keys))
            .map_err(|error| ConfigError::Scheduler(error.to_string()))?;
        let steps = config.num_train_timesteps;
        if !(1..=MOST_TIMESTEPS).contains(&steps) {
            let cause = format!("num_train_timesteps is {steps}: 1 to {MOST_TIMESTEPS} expected");
            return Err(ConfigError::Scheduler(cause));
        }
        Ok(config)
    }
}

/// Steps that a noise schedule may have; Stable Diffusion's has 1000.
const MOST_TIMESTEPS: usize = 100_000;

/// The noise schedule: x_t = alpha_t * x_0 + sigma_t * noise with alpha_t^2 + sigma_t^2 = 1.
#[derive(Clone, Debug)]
pub struct Schedule {
    alphas: Vec<f64>,
    sigmas: Vec<f64>,
    prediction: PredictionType,
}

impl Schedule {
    /// Betas run linearly in their square root from `beta_start` to `beta_end` ("scaled_linear").
    ///
    /// # Errors
    /// If the betas are out of range or rise in another way.
    pub fn new(config: &Config) -> Result<Self> {
        if config.beta_schedule != "scaled_linear" {
            candle_core::bail!(
                "unknown beta_schedule {:?}: scaled_linear is what Stable Diffusion uses",
                config.beta_schedule
            )
        }
        let (first, last) = (config.beta_start.sqrt(), config.beta_end.sqrt());
        let intervals = config.num_train_timesteps.saturating_sub(1).max(1) as f64;
        let mut product = 1.0;
        let products = (0..config.num_train_timesteps).map(|step| {
            let beta = (first + (last - first) * step as f64 / intervals).powi(2);
            product *= 1.0 - beta;
            product
        });
        let products = products.collect::<Vec<f64>>();
        Ok(Self {
            alphas: products.iter().map(|product| product.sqrt()).collect(),
            sigmas: products.iter().map(|product| (1.0 - product).sqrt()).collect(),
            prediction: config.prediction_type,
        })
    }

    /// Number of timesteps.
    pub fn timesteps(&self) -> usize {
        self.alphas.len()
    }

    /// Factor of the image at a timestep: the square root of the product of all 1 - beta so far.
    pub fn alpha(&self, timestep: usize) -> f64 {
        self.alphas[timestep]
    }

    /// Factor of the noise at a timestep: `sqrt(1 - alpha^2)`.
    pub fn sigma(&self, timestep: usize) -> f64 {
        self.sigmas[timestep]
    }

    /// Half the log signal-to-noise ratio, ln(alpha / sigma): the time that DPM-Solver integrates
    /// over.
    pub fn lambda(&self, timestep: usize) -> f64 {
        (self.alphas[timestep] / self.sigmas[timestep]).ln()
    }

    /// The weight that min-SNR gives the error of an answer at `timestep` (Hang et al. 2023;
    /// diffusers' `snr_gamma`).
    pub fn min_snr_weight(&self, timestep: usize, gamma: f64) -> f64 {
        let snr = (self.alphas[timestep] / self.sigmas[timestep]).powi(2);
        match self.prediction {
            PredictionType::Epsilon => snr.min(gamma) / snr,
            PredictionType::VPrediction => snr.min(gamma) / (snr + 1.0),
        }
    }

    /// alpha and sigma of each item as [B, 1, 1, 1].
    fn coefficients(&self, timesteps: &[usize]) -> Result<(Tensor, Tensor)> {
        let column = |values: &[f64]| {
            let picked =
                timesteps.iter().map(|&timestep| values[timestep] as f32).collect::<Vec<_>>();
            Tensor::from_vec(picked, (timesteps.len(), 1, 1, 1), &Device::Cpu)
        };
        Ok((column(&self.alphas)?, column(&self.sigmas)?))
    }

    /// x_t of each item [B, h, w, C] at its own timestep.
    pub fn add_noise(&self, clean: &Tensor, noise: &Tensor, timesteps: &[usize]) -> Result<Tensor> {
        let (alpha, sigma) = self.coefficients(timesteps)?;
        clean.broadcast_mul(&alpha)? + noise.broadcast_mul(&sigma)?
    }

    /// The target of the UNet for x_t.
    pub fn target(&self, clean: &Tensor, noise: &Tensor, timesteps: &[usize]) -> Result<Tensor> {
        match self.prediction {
            PredictionType::Epsilon => Ok(noise.clone()),
            PredictionType::VPrediction => {
                let (alpha, sigma) = self.coefficients(timesteps)?;
                noise.broadcast_mul(&alpha)? - clean.broadcast_mul(&sigma)?
            }
        }
    }

    /// The clean latents that an answer of the UNet stands for; all items are at one `timestep`.
    pub fn predicted_clean(
        &self,
        noisy: &Tensor,
        answer: &Tensor,
        timestep: usize,
    ) -> Result<Tensor> {
        let (alpha, sigma) = (self.alpha(timestep), self.sigma(timestep));
        match self.prediction {
            PredictionType::Epsilon => (noisy - (answer * sigma)?)? / alpha,
            PredictionType::VPrediction => (noisy * alpha)? - (answer * sigma)?,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn stable_diffusion(prediction_type: PredictionType) -> Schedule {
        let config = Config {
            num_train_timesteps: 1000,
            beta_start: 0.00085,
            beta_end: 0.012,
            beta_schedule: "scaled_linear".into(),
            prediction_type,
        };
        Schedule::new(&config).unwrap()
    }

    #[test]
    fn the_schedule_is_stable_diffusions() {
        let schedule = stable_diffusion(PredictionType::Epsilon);
        // alphas_cumprod[0] and [999] of runwayml/stable-diffusion-v1-5.
        assert!((schedule.alpha(0).powi(2) - 0.99915).abs() < 1e-9);
        assert!((schedule.alpha(999).powi(2) - 0.004660).abs() < 1e-6);
    }

    /// diffusers' `compute_snr` and `snr_gamma` in examples/text_to_image: min(SNR, gamma) / SNR,
    /// and / (SNR + 1) for v.
    #[test]
    fn min_snr_weights() {
        let (v, epsilon) = (
            stable_diffusion(PredictionType::VPrediction),
            stable_diffusion(PredictionType::Epsilon),
        );
        let first = 0.99915 / 0.00085;
        let last = 0.004660 / (1.0 - 0.004660);
        let cases = [
            (v.min_snr_weight(0, 5.0), 5.0 / (first + 1.0)),
            (v.min_snr_weight(999, 5.0), last / (last + 1.0)),
            (epsilon.min_snr_weight(0, 5.0), 5.0 / first),
            (epsilon.min_snr_weight(999, 5.0), 1.0),
        ];
        for (weight, expected) in cases {
            assert!((weight / expected - 1.0).abs() < 1e-3, "{weight} {expected}");
        }
    }

    #[test]
    fn the_target_gives_back_the_clean_latents() {
        let seed = crate::seed::Seed::of_study(4);
        let draw = |name: &str| {
            Tensor::from_vec(seed.child(name).normals(8), (1, 2, 2, 2), &Device::Cpu).unwrap()
        };
        let (clean, noise) = (draw("clean"), draw("noise"));
        for prediction in [PredictionType::Epsilon, PredictionType::VPrediction] {
            let schedule = stable_diffusion(prediction);
            let noisy = schedule.add_noise(&clean, &noise, &[500]).unwrap();
            let answer = schedule.target(&clean, &noise, &[500]).unwrap();
            let back = schedule.predicted_clean(&noisy, &answer, 500).unwrap();
            let error = (back - &clean)
                .unwrap()
                .abs()
                .unwrap()
                .max_all()
                .unwrap()
                .to_scalar::<f32>()
                .unwrap();
            assert!(error < 1e-5, "{prediction:?}: {error}");
        }
    }
}
