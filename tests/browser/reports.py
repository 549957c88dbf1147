"""Opens reports in headless Chromium and checks what a reader needs of them.

    python reports.py [--screenshots FOLDER] [--pdf FOLDER] REPORT.html ...

Each report is opened at the sizes of a laptop and a phone, in light, dark and print, with JavaScript and without. Whatever is wrong is a line on the standard
output; the exit status is 1 where anything is. TITRATE_CHROMIUM names the browser, /usr/bin/chromium by default.
"""

import argparse
import os
import re
import sys
from pathlib import Path

import axe_playwright_python
from playwright.sync_api import sync_playwright

DESK, PHONE, A4 = (1280, 800), (390, 844), (718, 1016)
VIEWS = [(size, scheme, "screen") for size in (DESK, PHONE) for scheme in ("light", "dark")]
VIEWS += [(size, "light", "print") for size in (DESK, PHONE, A4)]
# The first screen ends here: a laptop's window has its own bars.
FIRST = 700
# Text of a figure that scales with the page is still read at this size, in pixels.
LEGIBLE = 8.5

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
ALL_OPEN = "document.querySelectorAll('details').forEach((one) => one.open = true)"

CLIPPED = """() => {
  const wider = (element) => element.scrollWidth > element.clientWidth + 1;
  const found = [];
  if (wider(document.documentElement)) {
    const right = document.documentElement.clientWidth + 1;
    const scrolls = (one) => getComputedStyle(one).overflowX !== 'visible';
    const out = [...document.body.querySelectorAll('*')].find((one) => one.getBoundingClientRect().right > right
      && one.getBoundingClientRect().width > 0 && !(one.closest('.scroll') && scrolls(one.closest('.scroll'))));
    found.push(`the page is ${document.documentElement.scrollWidth} px wide, by ${out?.outerHTML.slice(0, 120)}`);
  }
  for (const table of document.querySelectorAll('table')) {
    const name = table.closest('.scroll').getAttribute('aria-label');
    for (const box of [table, table.closest('.scroll')]) {
      if (wider(box)) found.push(`table ${name}: ${box.scrollWidth} px in ${box.clientWidth}`);
    }
    for (const cell of table.querySelectorAll('th, td')) {
      if (cell.getClientRects().length && wider(cell)) {
        found.push(`table ${name}: a cell ${cell.textContent.trim().slice(0, 40)} is wider than its column`);
        break;
      }
    }
  }
  return found;
}"""

FIGURES = """(legible) => {
  const found = [];
  for (const svg of document.querySelectorAll('svg')) {
    const name = svg.getAttribute('aria-label')?.slice(0, 60) ?? svg.outerHTML.slice(0, 80);
    const box = svg.getBoundingClientRect();
    const marks = [...svg.querySelectorAll('path, circle, polygon, polyline, rect')].slice(1).filter((mark) => {
      const own = mark.getBBox();
      return own.width + own.height > 0;
    });
    if (40 > box.width || 40 > box.height) found.push(`figure ${name}: ${box.width} by ${box.height} px`);
    // A path may be many dots.
    const count = marks.reduce((sum, mark) => sum + (mark.getAttribute('d')?.match(/M/g)?.length ?? 1), 0);
    if (3 > count) found.push(`figure ${name}: ${count} marks`);
    const view = svg.viewBox.baseVal;
    const all = svg.getBBox();
    const over = Math.max(-all.x, -all.y, all.x + all.width - view.width, all.y + all.height - view.height);
    if (over > 1) found.push(`figure ${name}: ${over.toFixed(0)} px of it are outside`);
    const size = 12 * box.width / view.width;
    if (legible > size) found.push(`figure ${name}: its text is ${size.toFixed(1)} px high`);
  }
  for (const image of document.querySelectorAll('img')) {
    if (!image.complete || !image.naturalWidth) found.push(`image ${image.alt}: nothing is shown`);
    const box = image.getBoundingClientRect();
    if (!box.width || !box.height) found.push(`image ${image.alt}: ${box.width} by ${box.height} px`);
  }
  return found;
}"""


class Page:
    """A report in a page of its own, and what is wrong with it."""

    def __init__(self, browser, report, size, scheme="light", media="screen", script=True):
        self.where = f"{report.parent.name}/{report.name} at {size[0]}, {media if media == 'print' else scheme}"
        self.where += "" if script else ", without JavaScript"
        self.wrong, self.checks = [], 0
        self.context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, java_script_enabled=script
        )
        # A machine may be busy; what never comes still ends the test.
        self.context.set_default_timeout(300_000)
        self.page = self.context.new_page()
        self.page.emulate_media(media=media, color_scheme=scheme)
        self.page.on("console", lambda message: message.type in ("error", "warning") and self.expect(False, f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.expect(False, f"script: {error}"))
        self.page.on("request", lambda request: self.request(request.url, report))
        self.page.goto(report.as_uri())
        # The audit of a set of pictures is a page too, without an answer, figures and proofs.
        self.is_report = self.page.locator("#proofs").count() > 0

    def request(self, url, report):
        self.checks += 1
        if not url.startswith("data:") and url.split("#")[0] != report.as_uri():
            self.wrong.append(f"it asks for {url}")

    def expect(self, holds, what):
        self.checks += 1
        if not holds:
            self.wrong.append(what)
        return holds

    def none(self, found):
        """Expects an empty list of what was found to be wrong."""
        self.checks += 1
        self.wrong.extend(found)

    def box(self, selector):
        found = self.page.locator(selector)
        return found.first.bounding_box() if found.count() else None

    def close(self):
        self.context.close()
        for line in self.wrong:
            print(f"{self.where}: {line}", flush=True)
        return self.checks, len(self.wrong)


def first_screen(view, size):
    answer = view.box(".lead")
    if not view.expect(answer is not None, "there is no answer"):
        return
    claims = view.page.locator("#claims table").count() > 0
    if size[0] >= 1280:
        view.expect(answer["y"] + answer["height"] <= FIRST, f"the answer ends at {answer['y'] + answer['height']:.0f} px")
        figure = view.box(".first svg")
        view.expect(figure and figure["y"] <= FIRST, f"the main figure begins at {figure and figure['y']}")
        if claims:
            table = view.box("#claims table")
            view.expect(table["y"] <= FIRST, f"the claims begin at {table['y']:.0f} px")
    else:
        view.expect(answer["y"] + answer["height"] <= size[1], f"the answer ends at {answer['y'] + answer['height']:.0f} px")
        if claims:
            verdicts = view.page.locator("#claims table").first.locator(".chip")
            rows = view.page.locator("#claims table").first.locator("tbody tr").count()
            view.expect(verdicts.count() == rows, f"{verdicts.count()} verdicts on {rows} claims")
            box = verdicts.last.bounding_box()
            view.expect(box["y"] + box["height"] <= size[1], f"the last verdict ends at {box['y'] + box['height']:.0f} px")


def axe(view, state):
    view.page.evaluate(AXE)
    options = {"resultTypes": ["violations"]}
    result = view.page.evaluate("(options) => axe.run(document, options)", options)
    view.checks += 1
    for violation in result["violations"]:
        nodes = violation["nodes"]
        said = re.sub(r"\s+", " ", nodes[0]["html"])[:140]
        why = " ".join(one["message"] for one in nodes[0]["any"] + nodes[0]["all"] + nodes[0]["none"])[:200]
        view.expect(False, f"axe, {state}: {violation['id']} ({len(nodes)} times): {said} {why}")


NUMBER = re.compile(r"^-?[0-9.]+")


def number(text):
    found = NUMBER.match(re.sub(r"[<+%,]", "", text.replace("\u2212", "-")).strip())
    return float(found.group()) if found else None


def sorting(view):
    """A column of numbers is in order after Enter on its head, and in the other after another."""
    column = """() => [...document.querySelectorAll('.rest table')].flatMap((table) => [...table.tHead.rows[0].cells].filter((head) =>
      head.querySelector('button') && head.classList.contains('number') && table.tBodies.length === 1)
      .map((head) => head.querySelector('button')))[0] ?? null"""
    button = view.page.evaluate_handle(column).as_element()
    if button is None:
        return False
    for direction in ("ascending", "descending"):
        button.focus()
        view.page.keyboard.press("Enter")
        head = button.evaluate_handle("(button) => button.closest('th')")
        view.expect(head.evaluate("(head) => head.getAttribute('aria-sort')") == direction, f"Enter on a head does not sort {direction}")
        texts = head.evaluate("(head) => [...head.closest('table').tBodies[0].rows].map((row) => row.cells[head.cellIndex].textContent)")
        values = [value for value in map(number, texts) if value is not None]
        view.expect(values == sorted(values, reverse=direction == "descending"), f"sorted {direction}: {values}")
    return True


SHOWN = """() => ({
  rows: [...document.querySelectorAll('main tbody tr')].filter((row) => row.hidden).length,
  columns: [...document.querySelectorAll('main thead th')].filter((head) => head.hidden).length,
  parts: document.querySelectorAll('section.folded').length,
})"""


def filtering(view):
    """What the filter hides is of another arm, n or experiment, is counted, and comes back."""
    for key in ("arm", "n", "experiment"):
        select = view.page.locator(f".filter select[name={key}]")
        if not select.count():
            continue
        select.focus()
        view.page.keyboard.press("ArrowDown")
        chosen = select.input_value()
        view.expect(chosen != "", f"ArrowDown chooses no {key}")
        shown = view.page.evaluate(SHOWN)
        hidden = {"rows": "row", "columns": "column", "parts": "experiment"}
        status = view.page.locator(".filter [role=status]").inner_text()
        for what, singular in hidden.items():
            said = re.search(rf"(\d+) {singular}", status)
            view.expect((int(said.group(1)) if said else 0) == shown[what], f"filter {key}: {status!r}, and {shown} are hidden")
        view.expect(sum(shown.values()) > 0, f"filter {key} = {chosen} hides nothing")
        left = view.page.evaluate(
            f"(chosen) => [...document.querySelectorAll('main [data-{key}]')].filter((one) => one.dataset.{key} !== chosen"
            " && !one.hidden && !one.classList.contains('folded')).length",
            chosen,
        )
        view.expect(left == 0, f"filter {key} = {chosen} leaves {left} others")
        notes = view.page.evaluate(
            "() => [...document.querySelectorAll('main .hidden-note')].map((one) => [one.textContent,"
            " one.parentElement.querySelectorAll('tbody tr[hidden]').length])"
        )
        for text, rows in notes:
            said = re.search(r"(\d+) row", text)
            view.expect(not said or int(said.group(1)) == rows, f"{text!r} beside {rows} hidden rows")
        view.page.locator(".filter button").focus()
        view.page.keyboard.press("Enter")
        view.expect(sum(view.page.evaluate(SHOWN).values()) == 0, f"Show all leaves something hidden by {key}")
        view.expect(not view.page.locator(".hidden-note").count(), "Show all leaves a note")


def pointing(view, touch=False):
    """A point says its value to a pointer, and to the arrow keys."""
    host = view.page.locator(".drawing").first
    if not view.expect(host.count() > 0, "no figure has points"):
        return
    tip = view.page.locator(".tip")
    host.focus()
    said = []
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft"):
        view.page.keyboard.press(key)
        view.expect(tip.is_visible(), f"{key} shows no value")
        said.append(tip.inner_text())
    view.expect(said[0] == said[2] != said[1], f"the arrow keys say {said}")
    view.expect(any(letter.isdigit() for letter in said[0]), f"a point says {said[0]!r}")
    view.page.keyboard.press("Escape")
    view.expect(not tip.is_visible(), "Escape leaves the value there")
    if not touch:
        host.locator("g.says").nth(1).hover()
        view.expect(tip.is_visible() and tip.inner_text() == said[1], "the pointer sees another value than the keys")
        view.page.mouse.move(2, 2)
        view.expect(not tip.is_visible(), "the value stays when the pointer goes")


def dialog(view, opener, name, inside):
    """Enter opens, Escape closes, and the focus is where it was."""
    opener.focus()
    view.page.keyboard.press("Enter")
    panel = view.page.locator("dialog[open]")
    if not view.expect(panel.count() == 1, f"Enter on {name} opens nothing"):
        return
    view.expect(inside(panel), f"{name} opens {panel.inner_text()[:80]!r}")
    axe(view, f"with {name} open")
    view.page.keyboard.press("Escape")
    view.expect(view.page.locator("dialog[open]").count() == 0, f"Escape does not close {name}")
    view.expect(opener.evaluate("(one) => one === document.activeElement"), f"the focus does not return to {name}")


def panels(view):
    link = view.page.locator("a.n").first
    if link.count():
        id = link.get_attribute("id")
        dialog(view, link, "a number", lambda panel: f"titrate trace {id}" in panel.inner_text())
    image = view.page.locator("button.zoom").first
    if image.count():

        def enlarged(panel):
            first = panel.locator("h2").inner_text()
            count = panel.locator("canvas, img").count()
            painted = panel.evaluate(
                "(panel) => [...panel.querySelectorAll('canvas')].every((one) => one.width > 0 &&"
                " one.getContext('2d').getImageData(0, 0, one.width, one.height).data.some((level) => level > 0))"
            )
            if panel.get_by_text("Next").count():
                view.page.keyboard.press("ArrowRight")
                view.expect(panel.locator("h2").inner_text() != first, "ArrowRight shows the same images")
            return count > 0 and painted

        dialog(view, image, "an image", enlarged)


def skips(view):
    """Headings go down one step at a time."""
    levels = view.page.evaluate("() => [...document.querySelectorAll('header, main')].flatMap((part) => [...part.querySelectorAll('h1, h2, h3, h4')])"
                                ".map((one) => Number(one.tagName[1]))")
    view.expect(levels[:1] == [1] and all(next <= level + 1 for level, next in zip(levels, levels[1:])), f"headings of levels {levels}")


def without_script(view):
    """All is there: rows, links to proofs, and no control that does nothing."""
    page = view.page
    view.expect(page.locator("main button, main select, dialog").count() == 0, "there are controls that need JavaScript")
    hidden = page.locator("main tbody tr[hidden]").count()
    view.expect(hidden == 0, f"{hidden} rows are hidden")
    numbers, titles = page.locator("a.n"), page.locator("g.says > title")
    if view.is_report:
        view.expect(page.locator(".lead").first.is_visible(), "no answer is shown")
        view.expect(titles.count() > 0, "points have no titles")
    if numbers.count():
        target = numbers.first.get_attribute("href")
        view.expect(page.locator(target).count() == 1, f"a number leads to {target}, which is not there")


def check(browser, report, folder):
    totals = []
    for size, scheme, media in VIEWS:
        view = Page(browser, report, size, scheme, media)
        if media == "screen" and view.is_report:
            first_screen(view, size)
        if folder:
            name = f"{report.parent.name}-{size[0]}-{media if media == 'print' else scheme}"
            view.page.screenshot(path=folder / f"{name}-first.png")
        view.page.evaluate(ALL_OPEN)
        view.none(view.page.evaluate(CLIPPED))
        view.none(view.page.evaluate(FIGURES, LEGIBLE if media == "screen" else 0))
        if media == "screen":
            skips(view)
            axe(view, "as it is")
        if (scheme, media) == ("light", "screen"):
            sorting(view)
            filtering(view)
            if view.is_report:
                pointing(view, touch=size[0] < 500)
            panels(view)
        if folder:
            view.page.screenshot(path=folder / f"{name}.png", full_page=True)
        totals.append(view.close())
    view = Page(browser, report, DESK, script=False)
    without_script(view)
    totals.append(view.close())
    if folder:
        view = Page(browser, report, DESK)
        view.page.pdf(path=folder / f"{report.parent.name}.pdf", format="A4")
        view.close()
    return [sum(column) for column in zip(*totals)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reports", nargs="+", type=Path)
    parser.add_argument("--screenshots", type=Path, help="a folder for a picture of each view, and a PDF")
    arguments = parser.parse_args()
    if arguments.screenshots:
        arguments.screenshots.mkdir(parents=True, exist_ok=True)
    wrong = 0
    with sync_playwright() as playwright:
        chromium = os.environ.get("TITRATE_CHROMIUM", "/usr/bin/chromium")
        # As root, Chromium refuses to start with its sandbox; the pages are our own.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for report in arguments.reports:
            checks, found = check(browser, report.resolve(), arguments.screenshots)
            print(f"{report}: {checks} checks, {found} wrong, {report.stat().st_size / 1e6:.2f} MB")
            wrong += found
        browser.close()
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
