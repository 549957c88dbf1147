//! The page of a study: its title, its own words, and the sections.

use super::block::{Block, Page, Section, Span, Text};
use super::inputs::Inputs;
use super::numbers::{Number, number};
use super::{audit, sections};

/// The page of a study, with a link to the audit's page where the study has one, and the numbers of
/// its tables.
pub fn page(inputs: &Inputs) -> (Page, Vec<Number>) {
    let study = &inputs.study;
    let mut sentences = sections::answer(inputs).into_iter();
    let headline = Text::strong_if(true, sentences.next().unwrap_or_default());
    let answer = sentences.fold(headline, |text, sentence| text.then(format!(" {sentence}")));
    let mut head = vec![Block::soft(identify(inputs)), Block::lead(answer)];
    if study.phantom {
        head.push(Block::notice(Text::strong_if(true, "These images are phantoms:").then(
            " rendered by a program, not photographed. They are no dermatology and say nothing of \
             skin disease in people.",
        )));
    }
    let sections = sections::write(inputs);
    let mut page = Page::new(("index.html", "report.md"), study.title.clone(), head, sections);
    if let [_, _, ..] = inputs.experiments.as_slice() {
        page.experiments = inputs.experiments.iter().map(|it| it.name.clone()).collect();
    }
    let (numbers, proofs) = number(&mut page, &study.name, &inputs.lineage);
    page.sections.push(Section {
        id: "proofs".into(),
        title: "Where each number comes from".into(),
        short: "Proofs".into(),
        blocks: vec![Block::Proofs(proofs)],
    });
    (page, numbers)
}

fn identify(inputs: &Inputs) -> Text {
    let study = &inputs.study;
    let mut text = Text::from("Study ")
        .then(Text::code(&study.name))
        .then(format!(", image set {}", study.image_set));
    if inputs.audit.is_some() {
        let link =
            Span::Page { text: "audit".into(), html: audit::HTML, markdown: audit::MARKDOWN };
        text = text.then(" (").then(link).then(")");
    }
    text.then(format!(", seed {}.", study.seed))
}
