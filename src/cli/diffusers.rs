//! `titrate export`: a tuned model and the models it works with, as a pipeline in diffusers'
//! layout.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::cli::args::{Export, Which};
use crate::cli::common::{Opened, Pipeline, open_to_read, print};
use crate::cli::exit::Exit;
use crate::cli::export;
use crate::cli::launch::rerun_command;
use crate::ml::latent::layout::{self, SCHEDULER, TEXT, TOKENIZER_CONFIG, UNET, VAE};
use crate::ml::latent::{schedule, unet};
use crate::ml::params::StateDict;
use crate::ml::text::clip;
use crate::plan::kinds::{self, Spec};
use crate::plan::{Assessment, Freshness, Graph, Input, Task, walk};
use crate::store::{Artifact, Entry, Objects};
use crate::wording::quoted;

pub(super) fn export(pipeline: &Pipeline, arguments: &Export) -> Result<Exit> {
    let which = Which { study: arguments.study.clone(), place: arguments.place.clone() };
    let Opened { store, graph, .. } = open_to_read(pipeline, &which)?;
    let id = graph.find(&arguments.label).with_context(|| format!("study {}", which.study))?;
    let task = graph.task(id);
    if *task.kind != kinds::DreamBooth::KIND {
        bail!(
            "{} is a task of kind `{}`; a pipeline is exported from one of kind `{}`",
            task.label,
            task.kind.name,
            kinds::DreamBooth::KIND.name
        );
    }
    let assessed = walk(&graph, &store)?;
    let Freshness::Fresh(tuned) = &assessed[id.index()].freshness else {
        bail!(
            "{} has not run: `{} {}` runs it",
            task.label,
            rerun_command(&which),
            quoted(&task.label)
        );
    };
    let text = input(task, "text", &assessed)?;
    let latents = task
        .inputs
        .iter()
        .find(|(role, _)| role.starts_with("latents/"))
        .and_then(|(_, input)| task_of(&graph, input));
    let autoencoder =
        input(latents.context("the task reads no latents")?, "autoencoder", &assessed)?;
    write_aside(store.objects(), &Parts { tuned, text, autoencoder }, &arguments.folder)?;
    let folder = arguments.folder.display();
    print(&format!(
        "wrote {folder}\n  diffusers: DiffusionPipeline.from_pretrained(\"{folder}\")\n"
    ))?;
    Ok(Exit::Done)
}

fn task_of<'a>(graph: &'a Graph, input: &Input) -> Option<&'a Task> {
    if let Input::Task(id) = input { Some(graph.task(*id)) } else { None }
}

fn input<'a>(task: &'a Task, role: &str, assessed: &'a [Assessment]) -> Result<&'a Artifact> {
    let found = task
        .inputs
        .iter()
        .find(|(name, _)| name == role)
        .with_context(|| format!("{} has no input {role}", task.label))?;
    match &found.1 {
        Input::Imported(artifact) => Ok(artifact),
        Input::Task(id) => match &assessed[id.index()].freshness {
            Freshness::Fresh(artifact) => Ok(artifact),
            _ => bail!("input {role} of {} has not run", task.label),
        },
        Input::Files(_) => bail!("input {role} of {} is of files", task.label),
        Input::Absent(what) => bail!("input {role} of {} is not there: {what}", task.label),
    }
}

/// What a pipeline is put together from.
struct Parts<'a> {
    tuned: &'a Artifact,
    text: &'a Artifact,
    autoencoder: &'a Artifact,
}

fn entry<'a>(artifact: &'a Artifact, name: &str) -> Result<&'a Entry> {
    artifact.entry(name).with_context(|| format!("there is no {name}"))
}

/// Writes the pipeline to a folder beside `folder`, which then takes its place: an export that was
/// killed can be repeated.
fn write_aside(objects: &Objects, parts: &Parts, folder: &Path) -> Result<()> {
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{} is not empty", folder.display());
    }
    let name = folder.file_name().with_context(|| format!("{} has no name", folder.display()))?;
    let aside = folder.with_file_name(format!(".{}.part", name.to_string_lossy()));
    if aside.exists() {
        fs::remove_dir_all(&aside).with_context(|| format!("remove {}", aside.display()))?;
    }
    write(objects, parts, &aside)?;
    fs::rename(&aside, folder).with_context(|| format!("rename to {}", folder.display()))
}

fn write(objects: &Objects, parts: &Parts, folder: &Path) -> Result<()> {
    let rooms: [(&Artifact, &[&str]); 3] = [
        (parts.autoencoder, &["vae/"]),
        (parts.text, &["text_encoder/", "tokenizer/"]),
        (parts.tuned, &["unet/", "lora/"]),
    ];
    for (artifact, rooms) in rooms {
        let of_rooms = |name: &str| {
            rooms.iter().any(|room| name.starts_with(room))
                && ![VAE.1, TEXT.0, TEXT.1].contains(&name)
        };
        let entries =
            artifact.entries().iter().filter(|entry| of_rooms(&entry.name)).cloned().collect();
        export::artifact(objects, &Artifact::new(entries)?, folder)?;
    }
    // transformers takes the precision of the file and diffusers single precision, which is the
    // tuned UNet's: one for all.
    for (artifact, name) in [(parts.autoencoder, VAE.1), (parts.text, TEXT.1)] {
        let weights = StateDict::read(&objects.read(&entry(artifact, name)?.digest)?)?;
        export::bytes(&folder.join(name), &weights.to_single_precision()?)?;
    }
    let read = |artifact: &Artifact, name: &str| -> Result<String> {
        Ok(String::from_utf8(objects.read(&entry(artifact, name)?.digest)?)?)
    };
    export::text(&folder.join(TEXT.0), &single_precision(&read(parts.text, TEXT.0)?)?)?;
    let scheduler = schedule::Config::from_json(&read(parts.text, SCHEDULER)?)?;
    export::text(&folder.join(SCHEDULER), &scheduler.to_json())?;
    if parts.text.entry(TOKENIZER_CONFIG).is_none() {
        let text: clip::Config = serde_json::from_str(&read(parts.text, TEXT.0)?)?;
        export::text(
            &folder.join(TOKENIZER_CONFIG),
            &layout::tokenizer_config(text.max_position_embeddings),
        )?;
    }
    let unet = unet::Config::from_json(&read(parts.tuned, UNET.0)?)?;
    export::text(
        &folder.join("model_index.json"),
        &layout::model_index(unet.in_channels != unet.out_channels),
    )?;
    Ok(())
}

/// A text encoder's configuration that says the precision of the exported weights: transformers
/// loads them in the one that it names, under its key or its former key.
fn single_precision(config: &str) -> Result<String> {
    let mut keys: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(config).context(TEXT.0)?;
    let mut changed = false;
    for key in ["dtype", "torch_dtype"] {
        if let Some(dtype) = keys.get_mut(key).filter(|dtype| *dtype != "float32") {
            *dtype = "float32".into();
            changed = true;
        }
    }
    if changed {
        Ok(format!("{:#}\n", serde_json::Value::Object(keys)))
    } else {
        Ok(config.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exported_configuration_says_the_precision_of_the_exported_weights() {
        for key in ["dtype", "torch_dtype"] {
            let config = format!("{{\"{key}\": \"bfloat16\", \"vocab_size\": 9}}");
            let exported: serde_json::Value =
                serde_json::from_str(&single_precision(&config).unwrap()).unwrap();
            assert_eq!(exported, serde_json::json!({ key: "float32", "vocab_size": 9 }));
        }
        for same in ["{\"vocab_size\":9}", "{\"dtype\":\"float32\"}"] {
            assert_eq!(single_precision(same).unwrap(), same);
        }
    }

    #[test]
    fn an_export_that_failed_half_way_can_be_repeated() {
        let place = tempfile::tempdir().unwrap();
        let objects = Objects::open(place.path()).unwrap();
        // The configuration is written before the weights are found to be missing.
        let files = vec![("vae/config.json".to_owned(), b"{}".to_vec())];
        let half = objects.put_artifact(files).unwrap();
        let parts = Parts { tuned: &half, text: &half, autoencoder: &half };
        let folder = place.path().join("pipeline");
        for _ in 0..2 {
            let error = write_aside(&objects, &parts, &folder).unwrap_err().to_string();
            assert_eq!(error, format!("there is no {}", VAE.1));
            assert!(!folder.exists());
        }
    }
}
