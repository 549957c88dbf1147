//! The forward noising process of latent diffusion and what a UNet is asked to predict.

use candle_core::{Device, Result, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::config::ConfigError;
use crate::vocabulary::PredictionType;

/// Whose scheduler_config.json describes a noise schedule as [`Config`] does. Which solver walks it,
/// over which timesteps (`use_karras_sigmas` and the like), is the study's choice.
const CLASSES: &[&str] = &[
    "DDIMInverseScheduler",
    "DDIMParallelScheduler",
    "DDIMScheduler",
    "DDPMParallelScheduler",
    "DDPMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepInverseScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSDEScheduler",
    "DPMSolverSinglestepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LCMScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "SASolverScheduler",
    "TCDScheduler",
    "UniPCMultistepScheduler",
];
/// Keys that change the noise which a model is trained on, where they say anything.
const REFUSED: &[(&str, &str)] = &[
    ("rescale_betas_zero_snr", ": the last timestep would have no image left"),
    ("use_flow_sigmas", ": the noise of flow matching is another"),
];
/// The largest beta of the cosine schedule.
const COSINE_MOST: f64 = 0.999;

/// diffusers' scheduler_config.json, the keys that decide the noise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Timesteps from image to noise.
    pub num_train_timesteps: usize,
    /// Beta of the first timestep.
    pub beta_start: f64,
    /// Beta of the last timestep, below 1.
    pub beta_end: f64,
    /// Course of beta between them: "scaled_linear" (its square root rises linearly), "linear", or
    /// "squaredcos_cap_v2", which has ends of its own.
    pub beta_schedule: String,
    /// The beta of each timestep, in place of the course.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_betas: Option<Vec<f64>>,
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

    /// Whether it is one of the names.
    pub fn is_known(name: &serde_json::Value) -> bool {
        NAMES.iter().any(|(known, _)| name == known)
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
        let says = |key: &str| {
            keys.get(key).filter(|value| !value.is_null() && **value != Value::Bool(false))
        };
        for (key, hint) in REFUSED {
            if let Some(value) = says(key) {
                let (key, value) = ((*key).to_owned(), value.clone());
                return Err(ConfigError::Unsupported { key, value, hint });
            }
        }
        let target =
            keys.get("prediction_type").filter(|target| !prediction_type::is_known(target));
        if let Some(value) = target {
            let (key, value) = ("prediction_type".to_owned(), value.clone());
            let hint = ": a UNet answers with the noise (epsilon) or with v (v_prediction)";
            return Err(ConfigError::Unsupported { key, value, hint });
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

    /// The beta of each timestep.
    fn betas(&self) -> std::result::Result<Vec<f64>, ConfigError> {
        let count = self.num_train_timesteps;
        if let Some(betas) = &self.trained_betas {
            if betas.len() != count {
                return Err(ConfigError::Inconsistent(format!(
                    "{} trained_betas for {count} num_train_timesteps",
                    betas.len()
                )));
            }
            return Ok(betas.clone());
        }
        let between = |first: f64, last: f64| {
            let intervals = count.saturating_sub(1).max(1) as f64;
            (0..count).map(move |step| first + (last - first) * step as f64 / intervals)
        };
        match self.beta_schedule.as_str() {
            "scaled_linear" => {
                let roots = between(self.beta_start.sqrt(), self.beta_end.sqrt());
                Ok(roots.map(|root| root.powi(2)).collect())
            }
            "linear" => Ok(between(self.beta_start, self.beta_end).collect()),
            "squaredcos_cap_v2" => {
                let kept = |step: usize| {
                    let share = (step as f64 / count as f64 + 0.008) / 1.008;
                    (share * std::f64::consts::FRAC_PI_2).cos().powi(2)
                };
                let beta = |step: usize| (1.0 - kept(step + 1) / kept(step)).min(COSINE_MOST);
                Ok((0..count).map(beta).collect())
            }
            _ => Err(ConfigError::Unsupported {
                key: "beta_schedule".to_owned(),
                value: self.beta_schedule.as_str().into(),
                hint: ": scaled_linear, linear and squaredcos_cap_v2 are known",
            }),
        }
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
    /// The schedule whose betas are the configuration's.
    ///
    /// # Errors
    /// If the betas' course is not known, or a beta is not above 0 and below 1.
    pub fn new(config: &Config) -> Result<Self> {
        let betas = config.betas()?;
        if let Some(beta) = betas.iter().find(|&&beta| !(beta > 0.0 && beta < 1.0)) {
            candle_core::bail!("a beta of {beta} is not above 0 and below 1")
        }
        let mut product = 1.0;
        let products = betas.into_iter().map(|beta| {
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
            trained_betas: None,
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

    /// alphas_cumprod of diffusers' DDPMScheduler, and what changes sampling alone.
    #[test]
    fn schedules_of_other_courses_are_read_and_those_of_other_noise_refused_by_key() {
        let config = |more: &str| {
            let text = format!(
                r#"{{"_class_name": "HeunDiscreteScheduler", "num_train_timesteps": 1000, "beta_start": 0.0001, "beta_end": 0.02{more}}}"#
            );
            Config::from_json(&text)
        };
        let last = |more: &str| {
            let schedule = Schedule::new(&config(more).unwrap()).unwrap();
            [0, 500, 999].map(|timestep| schedule.alpha(timestep).powi(2))
        };
        let betas = vec!["0.001"; 1000].join(", ");
        let trained = format!(r#", "beta_schedule": "linear", "trained_betas": [{betas}]"#);
        for (more, expected) in [
            (
                r#", "beta_schedule": "linear", "use_karras_sigmas": true"#,
                [0.9999, 0.077797, 4.0358e-5],
            ),
            (
                r#", "beta_schedule": "squaredcos_cap_v2", "thresholding": true"#,
                [0.999959, 0.492285, 2.4288e-9],
            ),
            (&trained, [0.999, 0.999f64.powi(501), 0.999f64.powi(1000)]),
        ] {
            for (ours, theirs) in last(more).into_iter().zip(expected) {
                assert!((ours / theirs - 1.0).abs() < 1e-4, "{more}: {ours} {theirs}");
            }
        }
        let refusal = |more: &str| match config(more) {
            Ok(config) => Schedule::new(&config).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        for (more, said) in [
            (r#", "beta_schedule": "sigmoid""#, "beta_schedule = \"sigmoid\" is not supported"),
            (
                r#", "beta_schedule": "linear", "prediction_type": "sample""#,
                "prediction_type = \"sample\"",
            ),
            (
                r#", "beta_schedule": "linear", "rescale_betas_zero_snr": true"#,
                "rescale_betas_zero_snr = true",
            ),
            (r#", "beta_schedule": "linear", "trained_betas": [0.5]"#, "1 trained_betas for 1000"),
        ] {
            assert!(refusal(more).contains(said), "{}", refusal(more));
        }
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
