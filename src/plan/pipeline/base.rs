//! Base weights, trained here or read from files.

use std::collections::BTreeMap;

use super::{BaseInputs, Builder, Pipeline, role};
use crate::plan::graph::{Input, PlanError, TaskId};
use crate::plan::kinds;
use crate::study::Goal;
use crate::vocabulary::Conditioning;

impl Builder<'_> {
    /// Trains a base: its backbone, which its autoencoder learns from too, and its generators
    /// unless those that the study needs are pretrained.
    pub(super) fn base(
        &mut self,
        pretrained: &BTreeMap<Conditioning, Pipeline>,
        backbone: Option<&Input>,
    ) -> Result<BaseInputs, PlanError> {
        let study = self.study;
        let base = &study.base;
        let [text_to_image, inpainting] = study.pipelines();
        let needed =
            [(Conditioning::TextToImage, text_to_image), (Conditioning::Inpainting, inpainting)];
        let given = needed
            .iter()
            .all(|(conditioning, needed)| !needed || pretrained.contains_key(conditioning));
        let generators = (study.goal == Goal::Report && given).then(|| pretrained.clone());
        if let (Some(pipelines), Some(backbone)) = (&generators, backbone) {
            return Ok(BaseInputs { pipelines: pipelines.clone(), backbone: backbone.clone() });
        }
        let params = kinds::Corpus {
            source: study.images.source,
            size: study.images.size,
            classes: base.corpus.classes.clone(),
            train: base.corpus.train,
            validation: base.corpus.validation,
        };
        let images = self.imported()?;
        let seed = self.seed.child("base");
        let corpus = self.add(
            "base/corpus".into(),
            &params,
            images,
            Some(seed.child("corpus")),
            params.work(),
        )?;

        let params = kinds::Backbone {
            architecture: base.backbone.architecture.clone(),
            training: base.backbone.training.clone(),
            transforms: study.transforms.clone(),
        };
        let inputs = vec![role("corpus", corpus)];
        let backbone = self.add(
            "base/backbone".into(),
            &params,
            inputs,
            Some(seed.child("backbone")),
            params.work(base.corpus.train),
        )?;

        if let Some(pipelines) = generators {
            return Ok(BaseInputs { pipelines, backbone: backbone.into() });
        }

        self.base_generators(corpus, backbone)
    }

    /// The models of a base that make images.
    fn base_generators(
        &mut self,
        corpus: TaskId,
        backbone: TaskId,
    ) -> Result<BaseInputs, PlanError> {
        let base = &self.study.base;
        let seed = self.seed.child("base");
        let params = kinds::Autoencoder { autoencoder: base.autoencoder.clone() };
        let inputs = vec![role("corpus", corpus), role("backbone", backbone)];
        let autoencoder = self.add(
            "base/autoencoder".into(),
            &params,
            inputs,
            Some(seed.child("autoencoder")),
            params.work(),
        )?;

        let params = kinds::UNet {
            text_encoder: base.text_encoder.clone(),
            diffusion: base.diffusion.clone(),
            unet: base.unet.clone(),
        };
        let inputs = vec![role("corpus", corpus), role("autoencoder", autoencoder)];
        let unet =
            self.add("base/unet".into(), &params, inputs, Some(seed.child("unet")), params.work())?;

        let params = kinds::Inpainting { unet: base.unet.clone(), steps: base.inpainting_steps };
        let inputs =
            vec![role("corpus", corpus), role("autoencoder", autoencoder), role("unet", unet)];
        let inpainting = self.add(
            "base/inpainting".into(),
            &params,
            inputs,
            Some(seed.child("inpainting")),
            params.work(),
        )?;
        Ok(BaseInputs::of_tasks(autoencoder, unet, inpainting, backbone))
    }

    /// The pipeline of a folder in diffusers' layout.
    pub(super) fn pretrained(
        &mut self,
        conditioning: Conditioning,
        files: Input,
    ) -> Result<Pipeline, PlanError> {
        let label = format!("pretrained/{}", conditioning.name());
        let inputs = vec![("files".to_owned(), files)];
        let params = kinds::Pretrained { conditioning };
        let task = Input::Task(self.add(label, &params, inputs, None, params.work())?);
        Ok(Pipeline { autoencoder: task.clone(), text: task.clone(), unet: task })
    }

    /// The backbone of a file.
    pub(super) fn pretrained_backbone(&mut self, file: Input) -> Result<Input, PlanError> {
        let params = kinds::PretrainedBackbone {
            architecture: self.study.base.backbone.architecture.clone(),
        };
        let inputs = vec![("files".to_owned(), file)];
        let label = "pretrained/backbone".to_owned();
        Ok(self.add(label, &params, inputs, None, params.work())?.into())
    }
}
