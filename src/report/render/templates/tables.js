// Sorts tables by a click on a column's head, filters their rows by experiment, arm and n, and marks the section in view. The page
// says everything without it.
(() => {
  const number = (text) => {
    const plain = text.replace(/\u2212/g, "-").replace(/[\u003c+%,]/g, "").trim();
    const found = plain.match(/^-?[0-9.]+/);
    return found ? Number(found[0]) : null;
  };
  const order = (a, b) => {
    const [x, y] = [number(a), number(b)];
    if (x !== null && y !== null) return x - y;
    return x === null && y === null ? a.localeCompare(b) : x === null ? 1 : -1;
  };
  const sort = (table, column, head) => {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    for (const body of table.tBodies) {
      const rows = [...body.rows].filter((row) => !row.querySelector("th.group"));
      const text = (row) => row.cells[column].textContent.trim();
      rows.sort((a, b) => (down ? -1 : 1) * order(text(a), text(b)));
      rows.forEach((row) => body.append(row));
    }
  };
  for (const table of document.querySelectorAll("main table")) {
    if (!table.tHead || [...table.tBodies].every((body) => 3 > body.rows.length)) continue;
    table.classList.add("sorts");
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (!head.textContent) return;
      const button = document.createElement("button");
      button.append(...head.childNodes);
      button.title = "Sort by this column";
      button.addEventListener("click", () => sort(table, column, head));
      head.append(button);
    });
  }

  const nav = document.querySelector("nav");
  const links = new Map([...nav.querySelectorAll("a")].map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver(
    (entries) => {
      for (const entry of entries.filter((entry) => entry.isIntersecting)) {
        links.forEach((link) => link.removeAttribute("aria-current"));
        links.get(entry.target.id)?.setAttribute("aria-current", "true");
      }
    },
    { rootMargin: "0px 0px -80% 0px" },
  );
  document.querySelectorAll("main section").forEach((section) => seen.observe(section));

  // The filter: a choice for each of what tables tell apart. Whatever it hides is counted where it was.
  const make = (tag, properties, ...content) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...content);
    return element;
  };
  const sections = [...document.querySelectorAll("section[data-experiment]")];
  const values = (key) => [...new Set([...document.querySelectorAll(`main [data-${key}]`)].map((one) => one.dataset[key]))];
  const chosen = { experiment: "", arm: "", n: "" };
  const names = { experiment: "experiment", arm: "arm", n: "real images, n" };
  const differs = (element, key) => chosen[key] && element.dataset[key] && element.dataset[key] !== chosen[key];
  const count = (some, what) => (some === 1 ? `1 ${what}` : `${some} ${what}s`);
  // "1 row is hidden", "2 rows and 3 columns are hidden"; empty where nothing is.
  const tell = (counts) => {
    const parts = Object.entries(counts).filter(([, some]) => some);
    if (!parts.length) return "";
    const all = parts.map(([what, some]) => count(some, what));
    const listed = all.length > 1 ? `${all.slice(0, -1).join(", ")} and ${all.at(-1)}` : all[0];
    return `${listed} ${parts.length === 1 && parts[0][1] === 1 ? "is" : "are"} hidden`;
  };
  const status = make("p", { className: "soft" });
  status.setAttribute("role", "status");
  const note = (place, text) => {
    const old = place.querySelector(":scope > .hidden-note");
    if (!text) return old?.remove();
    if (old) old.textContent = text;
    else place.append(make("p", { className: "hidden-note" }, text));
  };
  const apply = () => {
    let [rows, columns, parts] = [0, 0, 0];
    for (const section of sections) {
      const hidden = differs(section, "experiment");
      parts += hidden ? 1 : 0;
      section.classList.toggle("folded", Boolean(hidden));
      note(section, hidden && "Hidden by the filter.");
    }
    for (const table of document.querySelectorAll("main table")) {
      let [own, across] = [0, 0];
      const bodies = [...table.tBodies].flatMap((body) => [...body.rows]);
      for (const row of bodies) {
        row.hidden = Boolean(differs(row, "arm") || differs(row, "n"));
        own += row.hidden ? 1 : 0;
      }
      [...table.tHead.rows[0].cells].forEach((head, column) => {
        const hidden = Boolean(differs(head, "arm"));
        across += hidden ? 1 : 0;
        head.hidden = hidden;
        for (const row of bodies) {
          // A heading of a group is a cell across all columns.
          if (row.cells.length === table.tHead.rows[0].cells.length) row.cells[column].hidden = hidden;
        }
      });
      const said = tell({ row: own, column: across });
      note(table.parentElement, said && `${said} by the filter.`);
      rows += own;
      columns += across;
    }
    const said = tell({ row: rows, column: columns, experiment: parts });
    status.textContent = said ? `${said}.` : "Nothing is hidden.";
    reset.disabled = !said;
  };
  const reset = make("button", { type: "button" }, "Show all");
  const form = make("form", { className: "filter" });
  form.setAttribute("aria-label", "Filter of the tables");
  const selects = Object.keys(chosen).map((key) => {
    const all = values(key);
    if (2 > all.length) return null;
    if (key === "n") all.sort((a, b) => a - b);
    const select = make("select", { name: key }, ...["", ...all].map((value) => make("option", { value }, value || "all")));
    select.addEventListener("change", () => {
      chosen[key] = select.value;
      apply();
    });
    form.append(make("label", {}, names[key], select));
    return select;
  });
  if (selects.some((select) => select)) {
    form.append(reset, status);
    form.addEventListener("submit", (event) => event.preventDefault());
    reset.addEventListener("click", () => {
      for (const key of Object.keys(chosen)) chosen[key] = "";
      for (const select of selects.filter((select) => select)) select.value = "";
      apply();
      selects.find((select) => select).focus();
    });
    nav.append(form);
    apply();
  }
})();
