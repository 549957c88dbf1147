//! `ro-crate-metadata.json`: RO-Crate 1.1 with the terms of the Process Run Crate profile. Each
//! task is an action of titrate with what it read and made.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::contents::{Contents, Included, receipt_name};
use super::export::Export;
use crate::date::iso8601;
use crate::id::Digest;
use crate::store::Receipt;

const PROCESS: &str = "https://w3id.org/ro/wfrun/process/0.5";
const SOFTWARE: &str = "#titrate";
const AUTHOR: &str = "#author";

/// What the document lies beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Around {
    /// Everything of an archive.
    Archive,
    /// The files of a report and the resolved study.
    Report,
}

/// The whole document.
pub(super) fn metadata(export: &Export, contents: &Contents, around: Around) -> Value {
    let mut graph = head(export, contents, around);
    let mut names = BTreeMap::new();
    for (label, receipt) in export.results {
        for entry in receipt.output.entries() {
            names.entry(entry.digest).or_insert((entry.name.as_str(), label.as_str()));
        }
    }
    graph.extend(contents.objects.iter().map(|included| {
        let (name, label) = names[&included.digest];
        let name = match around {
            Around::Archive => included.path.strip_prefix("report/").unwrap_or(name),
            Around::Report => &included.path,
        };
        object(included, name, label)
    }));
    graph.extend(people(export));
    let made = export.results.iter().map(|(_, receipt)| receipt.output.digest());
    let made: BTreeSet<Digest> = made.collect();
    let mut outside: BTreeSet<&Digest> = BTreeSet::new();
    let mut outputs = BTreeMap::new();
    for (label, receipt) in export.results {
        graph.push(action(label, receipt, &made, around));
        if around == Around::Archive {
            let name = receipt_name(&receipt.key);
            graph.push(file(&name, &format!("the receipt of {label}"), "application/json"));
        }
        outside.extend(receipt.inputs.values().filter(|input| !made.contains(input)));
        outputs.entry(receipt.output.digest()).or_insert_with(|| output(label, receipt, contents));
    }
    graph.extend(outputs.into_values());
    graph.extend(outside.into_iter().map(|digest| {
        json!({
            "@id": format!("#input-{digest}"),
            "@type": "CreativeWork",
            "name": "an input that no task of this study made",
            "identifier": format!("blake3:{digest}"),
        })
    }));
    json!({"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph})
}

/// The document itself, the root, the profile, the program, and the files that belong to no task.
fn head(export: &Export, contents: &Contents, around: Around) -> Vec<Value> {
    let mut software = json!({
        "@id": SOFTWARE,
        "@type": "SoftwareApplication",
        "name": "titrate",
        "softwareVersion": software_version(export),
    });
    if around == Around::Archive {
        software["softwareRequirements"] = id("Cargo.lock".to_owned());
    }
    let mut graph = vec![
        json!({
            "@id": "ro-crate-metadata.json",
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        }),
        root(export, contents, around),
        json!({
            "@id": PROCESS,
            "@type": "CreativeWork",
            "name": "Process Run Crate",
            "version": "0.5",
        }),
        software,
        file("study.toml", "the study as it was resolved", "application/toml"),
    ];
    if around == Around::Archive {
        graph.extend([
            file("titrate.json", "tasks, keys and digests, for titrate", "application/json"),
            file("Cargo.lock", "the versions of all crates of the program", "application/toml"),
        ]);
    }
    graph
}

fn root(export: &Export, contents: &Contents, around: Around) -> Value {
    let mut parts = vec![id("study.toml".to_owned())];
    if around == Around::Archive {
        parts.extend(["titrate.json", "Cargo.lock"].map(|name| id(name.to_owned())));
        parts.extend(export.results.iter().map(|(_, receipt)| id(receipt_name(&receipt.key))));
    }
    parts.extend(contents.objects.iter().map(|object| id(object.path.clone())));
    let actions = export.results.iter().map(|(_, receipt)| action_id(receipt));
    let outputs = export.results.iter().map(|(_, receipt)| output_id(&receipt.output.digest()));
    let mentioned: BTreeSet<String> = actions.chain(outputs).collect();
    let last = export.results.iter().map(|(_, receipt)| ended(receipt)).max().unwrap_or(0);
    let mut entity = json!({
        "@id": "./",
        "@type": "Dataset",
        "name": format!("{}: {}", export.study, export.title),
        "description": description(export, contents, around),
        "datePublished": iso8601(last),
        "license": match export.license {
            Some(address) if is_address(address) => id(address.to_owned()),
            Some(words) => words.into(),
            None => "No license is stated; ask whoever gave you this archive.".into(),
        },
        "conformsTo": {"@id": PROCESS},
        "hasPart": parts,
        "mentions": one_or_many(mentioned.into_iter().map(id)),
    });
    if export.author.is_some() {
        entity["author"] = id(AUTHOR.to_owned());
    }
    entity
}

fn description(export: &Export, contents: &Contents, around: Around) -> String {
    let (study, tasks, left_out) = (export.study, export.results.len(), contents.left_out);
    match around {
        Around::Archive => format!(
            "The results of the study {study}, {tasks} tasks with their receipts. Left out: {} \
             files of weights and {} of images, {} bytes.",
            left_out.weights, left_out.images, left_out.bytes,
        ),
        Around::Report => {
            format!("The report of the study {study}, and the {tasks} tasks behind it.")
        }
    }
}

/// The author and the license, where they are entities of their own.
fn people(export: &Export) -> Vec<Value> {
    let author = export.author.map(|name| json!({"@id": AUTHOR, "@type": "Person", "name": name}));
    let license = export
        .license
        .filter(|text| is_address(text))
        .map(|address| json!({"@id": address, "@type": "CreativeWork", "name": "the license"}));
    author.into_iter().chain(license).collect()
}

fn is_address(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

/// titrate's version and the commits that the tasks ran with.
fn software_version(export: &Export) -> String {
    let commits = export.results.iter().filter_map(|(_, receipt)| {
        let commit = receipt.origin.git_commit.as_ref()?;
        Some(format!("{commit}{}", if receipt.origin.git_dirty { " with changes" } else { "" }))
    });
    let commits: BTreeSet<String> = commits.collect();
    let all = commits.into_iter().collect::<Vec<_>>().join(", ");
    let version = env!("CARGO_PKG_VERSION");
    if all.is_empty() { version.to_owned() } else { format!("{version} ({all})") }
}

fn action(label: &str, receipt: &Receipt, made: &BTreeSet<Digest>, around: Around) -> Value {
    let input = |digest: &Digest| match made.contains(digest) {
        true => id(output_id(digest)),
        false => id(format!("#input-{digest}")),
    };
    let inputs: BTreeSet<&Digest> = receipt.inputs.values().collect();
    let mut results = vec![id(output_id(&receipt.output.digest()))];
    if around == Around::Archive {
        results.push(id(receipt_name(&receipt.key)));
    }
    json!({
        "@id": action_id(receipt),
        "@type": "CreateAction",
        "name": label,
        "description": match around {
            Around::Archive => receipt.manifest.clone(),
            // The receipts have the manifests, which are long.
            Around::Report => format!("a task of the kind {}, key {}", receipt.kind, receipt.key),
        },
        "instrument": {"@id": SOFTWARE},
        "startTime": iso8601(receipt.cost.started_unix_ms),
        "endTime": iso8601(ended(receipt)),
        "actionStatus": "http://schema.org/CompletedActionStatus",
        "object": one_or_many(inputs.into_iter().map(input)),
        "result": one_or_many(results.into_iter()),
    })
}

/// The output of a task: the files of it that are here, and the names of all.
fn output(label: &str, receipt: &Receipt, contents: &Contents) -> Value {
    let here = |digest| contents.object(digest).map(|object| id(object.path.clone()));
    let entries = receipt.output.entries();
    let parts: Vec<Value> = entries.iter().filter_map(|entry| here(&entry.digest)).collect();
    let names = entries.iter().map(|entry| format!("{} (blake3:{})", entry.name, entry.digest));
    json!({
        "@id": output_id(&receipt.output.digest()),
        "@type": "Collection",
        "name": format!("the output of {label}"),
        "description": names.collect::<Vec<_>>().join("\n"),
        "hasPart": one_or_many(parts.into_iter()),
    })
}

/// An object with the name that its task gave it.
fn object(object: &Included, name: &str, label: &str) -> Value {
    let mut entity = json!({
        "@id": object.path,
        "@type": "File",
        "name": name,
        "description": format!("an output of {label}"),
        "contentSize": object.size.to_string(),
        "identifier": format!("blake3:{}", object.digest),
    });
    if let Some(format) = format_of(name) {
        entity["encodingFormat"] = format.into();
    }
    entity
}

fn format_of(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1 {
        "html" => "text/html",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "gz" => "application/gzip",
        "tex" => "application/x-tex",
        "txt" | "log" => "text/plain",
        "json" => "application/json",
        "toml" => "application/toml",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "tar" => "application/x-tar",
        "safetensors" => "application/octet-stream",
        _ => return None,
    })
}

/// A list of one is written as the one: RO-Crates are compacted.
fn one_or_many(values: impl Iterator<Item = Value>) -> Value {
    let mut values: Vec<Value> = values.collect();
    if values.len() == 1 { values.remove(0) } else { values.into() }
}

fn file(path: &str, name: &str, format: &str) -> Value {
    json!({"@id": path, "@type": "File", "name": name, "encodingFormat": format})
}

fn id(name: String) -> Value {
    json!({"@id": name})
}

fn action_id(receipt: &Receipt) -> String {
    format!("#task-{}", receipt.key)
}

fn output_id(digest: &Digest) -> String {
    format!("#output-{digest}")
}

/// When the last attempt ended, in milliseconds since the Unix epoch, as far as its receipt says:
/// the wall time is that of all attempts.
fn ended(receipt: &Receipt) -> u64 {
    receipt.cost.started_unix_ms.saturating_add((receipt.cost.wall_s.max(0.0) * 1000.0) as u64)
}
