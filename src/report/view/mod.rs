//! What the templates read: every number already text, every table already in rows.

mod prose;
mod tables;

use serde::Serialize;

use super::figure::Figures;
use super::inputs::{Inputs, Sheet, Size, TaskCount};
use super::{ReportError, base64, format};
use prose::Finding;
use tables::{
    AccuracyTable, Breakdown, CheckView, ContrastRow, LossRow, PowerView, ReplicateRow, ScoreTable,
    SkinTypeTable, VarianceRow,
};
pub use tables::{interval, power_sentence};

#[derive(Debug, Serialize)]
pub struct View {
    version: &'static str,
    name: String,
    title: String,
    about: String,
    image_set: String,
    phantom: bool,
    seed: u64,
    summary: Vec<String>,
    findings: Vec<Finding>,
    level: String,
    /// What intervals hold for.
    scope: &'static str,
    q: String,
    panels: Vec<String>,
    forest: Option<String>,
    accuracy: AccuracyTable,
    contrasts: Vec<ContrastRow>,
    /// Of the generator's variants with the generator.
    variant_contrasts: Vec<ContrastRow>,
    /// By pair of skin types.
    skin_types: Option<SkinTypeTable>,
    family: String,
    hypotheses: Vec<String>,
    replicates: Vec<ReplicateRow>,
    variances: Vec<VarianceRow>,
    power: Option<PowerView>,
    losses: Vec<LossRow>,
    /// How far back the earlier loss lies.
    stretch: String,
    scores: ScoreTable,
    breakdown_title: &'static str,
    breakdowns: Vec<Breakdown>,
    sheet: Option<SheetView>,
    check: Option<CheckView>,
    /// Whether there is an audit's page beside.
    audited: bool,
    training: Option<String>,
    previews: Option<SheetView>,
    tasks: Vec<TaskCount>,
    sharing: Vec<String>,
    method: Vec<String>,
    classes: Vec<String>,
    sizes: Vec<Size>,
    provenance: Vec<SourceRow>,
    resolved: String,
    /// A Markdown code fence that the resolved study does not contain.
    fence: String,
}

#[derive(Debug, Serialize)]
struct SheetView {
    data: String,
    width: u32,
    height: u32,
    rows: Vec<String>,
    columns: Vec<String>,
}

#[derive(Debug, Serialize)]
struct SourceRow {
    task: String,
    digest: String,
}

impl View {
    pub fn of(inputs: &Inputs, figures: &Figures) -> Result<Self, ReportError> {
        let Inputs {
            study,
            analysis,
            check,
            audit,
            sheet,
            previews,
            trainings: _,
            tasks,
            provenance,
        } = inputs;
        let source = |source: &super::inputs::Source| SourceRow {
            task: source.task.clone(),
            digest: source.digest.short(),
        };
        let (losses, stretch) = tables::losses(analysis);
        let mut fence = "~~~".to_owned();
        while study.resolved.contains(&fence) {
            fence.push('~');
        }
        Ok(Self {
            version: env!("CARGO_PKG_VERSION"),
            name: study.name.clone(),
            title: study.title.clone(),
            about: study.about.clone(),
            image_set: study.image_set.clone(),
            phantom: study.phantom,
            seed: study.seed,
            summary: prose::summary(inputs),
            findings: prose::findings(analysis),
            level: format::level(analysis.config.confidence),
            scope: prose::scope(analysis),
            q: format::level(analysis.config.q),
            panels: figures.panels.clone(),
            forest: figures.contrasts.clone(),
            accuracy: tables::accuracy(analysis),
            contrasts: tables::contrasts(analysis, &analysis.contrasts),
            variant_contrasts: tables::contrasts(analysis, &analysis.variant_contrasts),
            skin_types: tables::skin_types(analysis),
            family: analysis.family.name.clone(),
            hypotheses: analysis.family.hypotheses.clone(),
            replicates: tables::replicates(analysis),
            variances: tables::variances(analysis),
            power: tables::power(analysis),
            losses,
            stretch,
            scores: tables::scores(analysis),
            breakdown_title: if analysis.images_per_fst.is_empty() {
                "By class"
            } else {
                "By class and skin type"
            },
            breakdowns: tables::breakdowns(analysis),
            sheet: sheet.as_ref().map(SheetView::of).transpose()?,
            check: check.as_ref().map(|check| tables::check(check, analysis)),
            audited: audit.is_some(),
            training: figures.training.clone(),
            previews: previews.as_ref().map(SheetView::of).transpose()?,
            tasks: tasks.clone(),
            sharing: prose::sharing(tasks),
            method: prose::method(analysis),
            classes: analysis.classes.clone(),
            sizes: study.sizes.clone(),
            provenance: provenance.iter().map(source).collect(),
            resolved: study.resolved.trim_end().to_owned(),
            fence,
        })
    }
}

impl SheetView {
    fn of(sheet: &Sheet) -> Result<Self, ReportError> {
        if sheet.rows.is_empty() || sheet.columns.is_empty() {
            return Err(ReportError::EmptySheet { columns: sheet.columns.len() });
        }
        let (width, height) = png_size(&sheet.png).ok_or(ReportError::Sheet)?;
        let data = format!("data:image/png;base64,{}", base64::encode(&sheet.png));
        Ok(Self { data, width, height, rows: sheet.rows.clone(), columns: sheet.columns.clone() })
    }
}

/// Width and height in pixels, from a PNG file's header (PNG, section 11.2.2).
fn png_size(png: &[u8]) -> Option<(u32, u32)> {
    let header = png.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(4..16)?.strip_prefix(b"IHDR")?;
    let number = |bytes: &[u8]| bytes.try_into().ok().map(u32::from_be_bytes);
    Some((number(&header[..4])?, number(&header[4..])?))
}
