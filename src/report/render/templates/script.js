// Sorts tables by a click on a column's head, and marks the section in view. The page says everything without it.
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
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (!head.textContent) return;
      const button = document.createElement("button");
      button.append(...head.childNodes);
      button.title = "Sort by this column";
      button.addEventListener("click", () => sort(table, column, head));
      head.append(button);
    });
  }
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver(
    (entries) => {
      for (const entry of entries.filter((entry) => entry.isIntersecting)) {
        links.forEach((link) => link.removeAttribute("aria-current"));
        links.get(entry.target.id)?.setAttribute("aria-current", "true");
      }
    },
    { rootMargin: "0px 0px -80% 0px" },
  );
  document.querySelectorAll("main > section").forEach((section) => seen.observe(section));
})();
