//! DPM-Solver++ (2M): multistep sampling in data prediction (Lu et al. 2022, arXiv 2211.01095, algorithm 2).
//!
//! Timesteps, the last step's order and the end at timestep 0 follow diffusers 0.17's `DPMSolverMultistepScheduler` with its
//! defaults (midpoint, `lower_order_final`), which is what the authors sampled with.

use candle_core::{Result, Tensor};

use super::schedule::Schedule;

/// Below this many steps the last one is of first order, which keeps few-step samples stable.
const FEW_STEPS: usize = 15;

/// The solver's walk over one batch; every item is at the same timestep.
pub struct DpmSolver<'a> {
    schedule: &'a Schedule,
    timesteps: Vec<usize>,
    position: usize,
    /// The previous step's clean prediction.
    previous: Option<Tensor>,
}

impl<'a> DpmSolver<'a> {
    /// `steps` >= 1 steps from pure noise; with `strength` < 1 the first `steps - floor(steps * strength)` are left out.
    pub fn new(schedule: &'a Schedule, steps: usize, strength: f64) -> Self {
        let last = (schedule.timesteps() - 1) as f64;
        let grid = |index: usize| (last * index as f64 / steps as f64).round_ties_even() as usize;
        let walked = ((steps as f64 * strength) as usize).clamp(1, steps);
        let timesteps = (1..=walked).rev().map(grid).collect();
        Self { schedule, timesteps, position: 0, previous: None }
    }

    /// The timesteps at which the UNet is asked, first to last.
    pub fn timesteps(&self) -> &[usize] {
        &self.timesteps
    }

    /// One step: from `noisy` at the current timestep and the UNet's `answer` there, to the next timestep.
    pub fn step(&mut self, noisy: &Tensor, answer: &Tensor) -> Result<Tensor> {
        let schedule = self.schedule;
        let from = self.timesteps[self.position];
        let is_last = self.position + 1 == self.timesteps.len();
        let to = if is_last { 0 } else { self.timesteps[self.position + 1] };
        let clean = schedule.predicted_clean(noisy, answer, from)?;
        let step = schedule.lambda(to) - schedule.lambda(from);
        let gain = -schedule.alpha(to) * (-step).exp_m1();
        let first_order = ((noisy * (schedule.sigma(to) / schedule.sigma(from)))? + (&clean * gain)?)?;
        let lower_order = is_last && self.timesteps.len() < FEW_STEPS;
        let next = match &self.previous {
            Some(previous) if !lower_order => {
                let ratio = (schedule.lambda(from) - schedule.lambda(self.timesteps[self.position - 1])) / step;
                (first_order + ((&clean - previous)? * (0.5 * gain / ratio))?)?
            }
            _ => first_order,
        };
        self.previous = Some(clean);
        self.position += 1;
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::ml::latent::schedule::{PredictionType, tests::stable_diffusion};

    #[test]
    fn timesteps_are_diffusers() {
        let schedule = stable_diffusion(PredictionType::Epsilon);
        assert_eq!(DpmSolver::new(&schedule, 5, 1.0).timesteps(), [999, 799, 599, 400, 200]);
        assert_eq!(DpmSolver::new(&schedule, 50, 0.97).timesteps().len(), 48, "paper.md: strength .97 of 50 is 48 steps");
        assert_eq!(DpmSolver::new(&schedule, 50, 0.95).timesteps().len(), 47);
    }

    /// With one data point c the exact denoiser is constant, and the exact solution ends at alpha_0 * c + sigma_0 * noise.
    #[test]
    fn a_single_data_point_is_reached_whatever_the_number_of_steps() {
        let schedule = stable_diffusion(PredictionType::VPrediction);
        let noise = Tensor::new(&[[[[0.3f32, -1.2]]]], &Device::Cpu).unwrap();
        let clean = Tensor::new(&[[[[0.7f32, -0.4]]]], &Device::Cpu).unwrap();
        for steps in [1, 4, 20] {
            let mut solver = DpmSolver::new(&schedule, steps, 1.0);
            let mut noisy = schedule.add_noise(&clean, &noise, &[999]).unwrap();
            for at in solver.timesteps().to_vec() {
                let answer = ((&noisy * schedule.alpha(at)).unwrap() - &clean).unwrap() / schedule.sigma(at);
                noisy = solver.step(&noisy, &answer.unwrap()).unwrap();
            }
            let expected = schedule.add_noise(&clean, &noise, &[0]).unwrap();
            let error = (noisy - expected).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(error < 1e-4, "{steps} steps: {error}");
        }
    }
}
