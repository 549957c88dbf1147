//! The solvers that walk from noise to clean latents: DPM-Solver++ (2M) and DDIM.

use candle_core::{Result, Tensor};

use super::schedule::Schedule;
use crate::vocabulary::Solver;

/// Below this many steps DPM-Solver++'s last one is of first order, which keeps few-step samples
/// stable.
const FEW_STEPS: usize = 15;

/// A solver's walk over one batch; every item is at the same timestep.
pub struct Walk<'a> {
    schedule: &'a Schedule,
    method: Solver,
    /// Of the whole walk from pure noise.
    steps: usize,
    /// `timesteps[i]` to `timesteps[i + 1]`; the last step leads to 0.
    timesteps: Vec<usize>,
    position: usize,
    /// DPM-Solver++: the previous step's clean prediction.
    previous: Option<Tensor>,
}

impl<'a> Walk<'a> {
    /// `steps` steps from pure noise, 1 to as many as the schedule has timesteps; with `strength` <
    /// 1 the first `steps - floor(steps * strength)` are left out. As in diffusers, what rounds to
    /// one timestep is one step.
    pub fn new(method: Solver, schedule: &'a Schedule, steps: usize, strength: f64) -> Self {
        let (count, last) = (schedule.timesteps(), (schedule.timesteps() - 1) as f64);
        let grid = |index: usize| match method {
            Solver::DpmSolver => (last * index as f64 / steps as f64).round_ties_even() as usize,
            Solver::Ddim => ((index - 1) * (count / steps) + 1).min(count - 1),
        };
        let walked = ((steps as f64 * strength) as usize).clamp(1, steps);
        let mut timesteps = (1..=walked).rev().map(grid).collect::<Vec<_>>();
        timesteps.dedup();
        Self { schedule, method, steps, timesteps, position: 0, previous: None }
    }

    /// The timesteps at which the UNet is asked, first to last.
    pub fn timesteps(&self) -> &[usize] {
        &self.timesteps
    }

    /// One step: from `noisy` at the current timestep and the UNet's `answer` there, to the next
    /// timestep.
    pub fn step(&mut self, noisy: &Tensor, answer: &Tensor) -> Result<Tensor> {
        let from = self.timesteps[self.position];
        let clean = self.schedule.predicted_clean(noisy, answer, from)?;
        let next = match self.method {
            Solver::DpmSolver => self.dpm_step(noisy, &clean, from)?,
            Solver::Ddim => self.ddim_step(noisy, &clean, from)?,
        };
        self.previous = Some(clean);
        self.position += 1;
        Ok(next)
    }

    fn dpm_step(&self, noisy: &Tensor, clean: &Tensor, from: usize) -> Result<Tensor> {
        let schedule = self.schedule;
        let is_last = self.position + 1 == self.timesteps.len();
        let to = if is_last { 0 } else { self.timesteps[self.position + 1] };
        let step = schedule.lambda(to) - schedule.lambda(from);
        let gain = -schedule.alpha(to) * (-step).exp_m1();
        let first_order =
            ((noisy * (schedule.sigma(to) / schedule.sigma(from)))? + (clean * gain)?)?;
        let lower_order = is_last && self.steps < FEW_STEPS;
        match &self.previous {
            Some(previous) if !lower_order => {
                let ratio = (schedule.lambda(from)
                    - schedule.lambda(self.timesteps[self.position - 1]))
                    / step;
                first_order + ((clean - previous)? * (0.5 * gain / ratio))?
            }
            _ => Ok(first_order),
        }
    }

    /// alpha_to * clean + sigma_to * noise, the noise being what is not clean in `noisy`.
    fn ddim_step(&self, noisy: &Tensor, clean: &Tensor, from: usize) -> Result<Tensor> {
        let schedule = self.schedule;
        let to = self.timesteps.get(self.position + 1).copied().unwrap_or(0);
        let ratio = schedule.sigma(to) / schedule.sigma(from);
        (noisy * ratio)? + (clean * (schedule.alpha(to) - schedule.alpha(from) * ratio))?
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::ml::latent::schedule::tests::stable_diffusion;
    use crate::vocabulary::PredictionType;

    #[test]
    fn timesteps_are_diffusers() {
        let schedule = stable_diffusion(PredictionType::Epsilon);
        let timesteps = |method, steps, strength| {
            Walk::new(method, &schedule, steps, strength).timesteps().to_vec()
        };
        assert_eq!(timesteps(Solver::DpmSolver, 5, 1.0), [999, 799, 599, 400, 200]);
        assert_eq!(timesteps(Solver::Ddim, 5, 1.0), [801, 601, 401, 201, 1]);
        let all = timesteps(Solver::DpmSolver, 1000, 1.0);
        assert_eq!(
            (all.len(), all[0], all[998]),
            (999, 999, 1),
            "500 comes twice in numpy's linspace, and once in diffusers"
        );
        assert_eq!(
            timesteps(Solver::DpmSolver, 50, 0.97).len(),
            48,
            "paper.md: strength .97 of 50 is 48 steps"
        );
        assert_eq!(timesteps(Solver::DpmSolver, 50, 0.95).len(), 47);
    }

    /// With one data point c the exact denoiser is constant, and the exact solution ends at alpha_0
    /// * c + sigma_0 * noise.
    #[test]
    fn a_single_data_point_is_reached_whatever_the_number_of_steps() {
        let schedule = stable_diffusion(PredictionType::VPrediction);
        let noise = Tensor::new(&[[[[0.3f32, -1.2]]]], &Device::Cpu).unwrap();
        let clean = Tensor::new(&[[[[0.7f32, -0.4]]]], &Device::Cpu).unwrap();
        for (method, steps) in [Solver::DpmSolver, Solver::Ddim]
            .into_iter()
            .flat_map(|method| [1, 4, 20, 1000].map(|n| (method, n)))
        {
            let mut solver = Walk::new(method, &schedule, steps, 1.0);
            let mut noisy = schedule.add_noise(&clean, &noise, &solver.timesteps()[..1]).unwrap();
            for at in solver.timesteps().to_vec() {
                let answer =
                    ((&noisy * schedule.alpha(at)).unwrap() - &clean).unwrap() / schedule.sigma(at);
                noisy = solver.step(&noisy, &answer.unwrap()).unwrap();
            }
            let expected = schedule.add_noise(&clean, &noise, &[0]).unwrap();
            let error = (noisy - expected)
                .unwrap()
                .abs()
                .unwrap()
                .max_all()
                .unwrap()
                .to_scalar::<f32>()
                .unwrap();
            assert!(error < 1e-4, "{method:?}, {steps} steps: {error}");
        }
    }
}
