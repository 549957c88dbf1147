//! The tasks that ran, and how many more there would be if classifiers shared none.

use crate::report::block::{Block, Column, Section, Table};
use crate::report::format;
use crate::report::inputs::{Inputs, TaskCount};

pub fn section(inputs: &Inputs) -> Option<Section> {
    let savings = Block::list(false, list_savings(&inputs.tasks));
    let blocks = savings.into_iter().chain([Block::Table(table(&inputs.tasks))]).collect();
    Some(Section {
        id: "tasks".into(),
        title: "What ran and what sharing saved".into(),
        short: "What ran".into(),
        blocks,
    })
}

/// A sentence for each kind of task that classifiers depend on and share.
fn list_savings(tasks: &[TaskCount]) -> Vec<String> {
    let shared = |task: &&TaskCount| task.serves > 0 && task.apart > task.tasks;
    let sentence = |task: &TaskCount| {
        format!(
            "{} {} {}; done for each classifier apart there would be {}.",
            format::count(task.tasks, &task.kind),
            if task.tasks == 1 { "serves" } else { "serve" },
            format::count(task.serves, "classifier"),
            task.apart
        )
    };
    tasks.iter().filter(shared).map(sentence).collect()
}

fn table(tasks: &[TaskCount]) -> Table {
    let unless_none = |count: usize| match count {
        0 => String::new(),
        count => count.to_string(),
    };
    let columns = vec![
        Column::text("kind", |task: &TaskCount| task.kind.clone()).heading_rows(),
        Column::number("tasks", |task: &TaskCount| task.tasks),
        Column::number("classifiers served", move |task: &TaskCount| unless_none(task.serves)),
        Column::number("if not shared", move |task: &TaskCount| unless_none(task.apart)),
    ];
    Table::new("Tasks", columns, tasks).captioned(
        "Tasks of the plan by kind; the classifiers that depend on them; how many tasks of the \
         kind there would be if each classifier had its own.",
    )
}
