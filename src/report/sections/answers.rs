//! The answers of all experiments, where there are several and no claims to begin with.

use super::answer;
use crate::report::block::{Block, Section, Text};
use crate::report::inputs::{Inputs, Part};

/// None where claims or one experiment open the report.
pub fn section(inputs: &Inputs) -> Option<Section> {
    if !inputs.claims.is_empty() || inputs.experiments.len() < 2 {
        return None;
    }
    let say = |part: Part<'_>| {
        let question = match part.experiment.question.as_str() {
            "" => &part.experiment.name,
            question => question,
        };
        Text::strong_if(true, question).then(format!(" {}", answer::of(part.analysis)))
    };
    Some(Section {
        id: "answers".into(),
        title: "What the experiments say".into(),
        short: "Answers".into(),
        blocks: Block::list(false, inputs.parts().map(say)).into_iter().collect(),
    })
}
