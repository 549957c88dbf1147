//! A page of every block in both formats.

use expect_test::expect;

use super::files;
use crate::report::block::{
    Block, Cell, Column, Drawing, Drawn, Figure, Gallery, Item, Labels, Page, Section, Span, Table,
    Text, Together,
};

/// The first bytes of a PNG file of 2 by 3 pixels.
const HEADER: &[u8] = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x02\x00\x00\x00\x03";

fn page(blocks: Vec<Block>) -> Page {
    let section =
        Section { id: "one".into(), title: "First & only".into(), short: "First".into(), blocks };
    let head = vec![Block::lead("Opens the page.")];
    Page::new(("page.html", "page.md"), "A page".into(), head, vec![section])
}

/// The section of the page in both formats, one after the other.
fn render(blocks: Vec<Block>) -> String {
    let files = files(&page(blocks)).unwrap();
    let part = |place: usize, from: &str, to: &str| {
        let text = std::str::from_utf8(&files[place].bytes).unwrap();
        let (_, after) = text.split_once(from).unwrap();
        after.split_once(to).unwrap().0.to_owned()
    };
    let html = part(0, "<h2>First &amp; only</h2>\n", "</section>");
    let markdown = part(1, "## First &amp; only\n\n", "Written by titrate");
    format!("{html}-----\n{markdown}")
}

fn prose() -> Vec<Block> {
    let link = Span::Page { text: "other".into(), html: "other.html", markdown: "other.md" };
    let text = Text::strong_if(true, "p <b>").then(" in ").then(Text::code("a_b")).then(link);
    let nested = Item { text: "outer".into(), items: vec!["inner".into(), "last".into()] };
    vec![
        Block::Heading { id: Some("here"), text: "Below".into() },
        Block::paragraph(text),
        Block::soft("57.1% [53.6, 60.5], p < 0.001"),
        Block::notice("Beware."),
        Block::List { ordered: false, items: vec![nested, "next".into()] },
        Block::Details {
            summary: "More".into(),
            blocks: vec![
                Block::list(true, ["one", "two"]).unwrap(),
                Block::Code { language: "toml", text: "a = \"<b>\"".into() },
            ],
        },
    ]
}

#[test]
fn prose_in_both_formats() {
    expect![[r#"
        <h3 id="here">Below</h3>
        <p><strong>p &lt;b&gt;</strong> in <code>a_b</code><a href="other.html">other</a></p>
        <p class="soft">57.1% [53.6, 60.5], p &lt; 0.001</p>
        <p class="notice" role="note">Beware.</p>
        <ul>
        <li>outer
        <ul>
        <li>inner
        </li>
        <li>last
        </li>
        </ul>
        </li>
        <li>next
        </li>
        </ul>
        <details>
        <summary>More</summary>
        <ol>
        <li>one
        </li>
        <li>two
        </li>
        </ol>
        <pre>a = &quot;&lt;b&gt;&quot;</pre>
        </details>
        -----
        ### Below

        **p &lt;b>** in `a_b`[other](other.md)

        57.1% [53.6, 60.5], p < 0.001

        > Beware.

        - outer
          - inner
          - last
        - next

        <details>
        <summary>More</summary>

        1. one
        1. two

        ~~~toml
        a = "<b>"
        ~~~

        </details>

    "#]]
    .assert_eq(&render(prose()));
}

fn tables() -> Vec<Block> {
    let columns = || {
        vec![
            Column::line("", |row: &(String, Option<f64>)| row.0.clone()).heading_rows(),
            Column::number("rate", |row: &(String, Option<f64>)| {
                row.1.map(|rate| {
                    Cell::estimate(rate.to_string(), (rate > 1.0).then(|| "[1, 3]".into()))
                })
            }),
            Column::text("note", |row: &(String, Option<f64>)| {
                Text::strong_if(row.1.is_none(), "a|b")
            }),
        ]
    };
    let rows = [("x".to_owned(), Some(2.0)), ("y".to_owned(), Some(0.5)), ("z".to_owned(), None)];
    let whole = Table::new("Rates", columns(), &rows)
        .captioned("Rates of all.")
        .marking([false, false, true]);
    let groups = [(Some("early".to_owned()), &rows[..1]), (Some("late".to_owned()), &rows[3..])];
    let grouped = Table::grouped("Rates by time", columns(), groups);
    vec![Block::Table(whole), Block::Tables { tables: vec![grouped] }]
}

#[test]
fn tables_in_both_formats() {
    expect![[r#"
        <div class="scroll" tabindex="0" role="group" aria-label="Rates">
        <table class="few">
        <caption>Rates of all.</caption>
        <thead><tr><td></td><th scope="col" class="number">rate</th><th scope="col" class="text">note</th></tr></thead>
        <tbody>
        <tr><th scope="row" class="line">x</th><td class="number" data-head="rate">2 <span class="interval">[1, 3]</span></td><td class="text" data-head="note">a|b</td></tr>
        <tr><th scope="row" class="line">y</th><td class="number" data-head="rate">0.5</td><td class="text" data-head="note">a|b</td></tr>
        <tr class="marked"><th scope="row" class="line">z</th><td class="number" data-head="rate">&ndash;</td><td class="text" data-head="note"><strong>a|b</strong></td></tr>
        </tbody>
        </table>
        </div>
        <div class="tables">
        <div class="scroll" tabindex="0" role="group" aria-label="Rates by time">
        <table class="few">
        <thead><tr><td></td><th scope="col" class="number">rate</th><th scope="col" class="text">note</th></tr></thead>
        <tbody>
        <tr><th scope="rowgroup" class="group" colspan="3">early</th></tr>
        <tr><th scope="row" class="line">x</th><td class="number" data-head="rate">2 <span class="interval">[1, 3]</span></td><td class="text" data-head="note">a|b</td></tr>
        </tbody>
        </table>
        </div>
        </div>
        -----
        Rates of all.

        | | rate | note |
        | --- | ---: | --- |
        | x | 2 [1, 3] | a\|b |
        | y | 0.5 | a\|b |
        | z | – | **a\|b** |

        ### Rates by time

        | | rate | note |
        | --- | ---: | --- |
        | x | 2 [1, 3] | a\|b |

    "#]].assert_eq(&render(tables()));
}

fn figures_and_galleries() -> Vec<Block> {
    let figure = |path: &'static str, drawing| {
        Block::Figure(Figure {
            path: path.into(),
            drawing,
            alt: "A curve",
            caption: "It rises.".into(),
        })
    };
    let gallery = |path: &'static str, labels| {
        Block::Gallery(Gallery {
            path: path.into(),
            png: HEADER.to_vec(),
            label: "Sheet",
            alt: "Images".into(),
            caption: "Not chosen.".into(),
            labels,
            enlarged: true,
        })
    };
    let labels = Labels {
        rows: vec!["r".into()],
        columns: vec!["a".into(), "b".into()],
        across: 1,
        together: Together::Row,
    };
    let drawn = |svg: &str| Drawn { svg: svg.into(), pdf: Vec::new() };
    let panels = Drawing::Panels { panels: vec!["<svg/>".into()], whole: drawn("<svg></svg>") };
    let hidden = gallery("hidden.png", None);
    vec![
        figure("panels.svg", panels),
        figure("wide.svg", Drawing::Wide { whole: drawn("<svg/>") }),
        gallery("sheet.png", Some(labels)),
        Block::Details { summary: "More".into(), blocks: vec![hidden] },
    ]
}

#[test]
fn a_page_brings_the_files_that_it_links_to() {
    let files = files(&page(figures_and_galleries())).unwrap();
    let paths = files.iter().map(|file| file.path.as_ref()).collect::<Vec<_>>();
    assert_eq!(
        paths,
        [
            "page.html",
            "page.md",
            "panels.svg",
            "data/panels.pdf",
            "wide.svg",
            "data/wide.pdf",
            "sheet.png",
            "hidden.png"
        ]
    );
}

#[test]
fn figures_in_both_formats() {
    expect![[r#"
        <figure>
        <div class="panels">
        <svg/>
        </div>
        <figcaption>It rises.</figcaption>
        </figure>
        <figure>
        <div class="scroll wide" tabindex="0" role="group" aria-label="A curve">
        <svg/>
        </div>
        <figcaption>It rises.</figcaption>
        </figure>
        <figure>
        <div class="scroll" tabindex="0" role="group" aria-label="Sheet">
        <div class="sheet" data-across="1" data-together="row">
        <div class="heads"><span>a</span><span>b</span></div>
        <div class="rows"><span>r</span></div>
        <img src="data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAIAAAAD" width="2" height="3" alt="Images">
        </div>
        </div>
        <figcaption>Not chosen.</figcaption>
        </figure>
        <details>
        <summary>More</summary>
        <figure>
        <div class="scroll" tabindex="0" role="group" aria-label="Sheet">
        <img src="data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAIAAAAD" width="2" height="3" alt="Images">
        </div>
        <figcaption>Not chosen.</figcaption>
        </figure>
        </details>
        -----
        ![A curve](panels.svg)

        It rises.

        ![A curve](wide.svg)

        It rises.

        ![Sheet](sheet.png)

        Not chosen. From the left: a, b; from the top: r.

        <details>
        <summary>More</summary>

        ![Sheet](hidden.png)

        Not chosen.

        </details>

    "#]].assert_eq(&render(figures_and_galleries()));
}

#[test]
fn a_grid_without_rows_is_refused() {
    let gallery = Gallery {
        path: "sheet.png".into(),
        png: HEADER.to_vec(),
        label: "Sheet",
        alt: "Images".into(),
        caption: "Not chosen.".into(),
        labels: Some(Labels {
            rows: Vec::new(),
            columns: vec!["a".into()],
            across: 1,
            together: Together::Row,
        }),
        enlarged: true,
    };
    let error = files(&page(vec![Block::Gallery(gallery)])).unwrap_err().to_string();
    assert_eq!(error, "sheet.png has labels for 0 rows and 1 columns");
}
