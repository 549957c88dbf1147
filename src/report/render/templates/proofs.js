// Opens the proof of a number beside it: what its link leads to, and what that was made from, kind by kind, down to the image sets.
(() => {
  const panel = document.createElement("dialog");
  panel.setAttribute("aria-label", "Where the number comes from");
  document.body.append(panel);
  const make = (tag, ...content) => {
    const element = document.createElement(tag);
    element.append(...content);
    return element;
  };
  const tasks = [...document.querySelectorAll(".lineage > li")];
  const places = (item) =>
    [...item.querySelectorAll('a[href^="#t"]')].flatMap((link) => {
      const first = Number(link.hash.slice(2));
      const last = Number(link.textContent.match(/\u2013(\d+)$/)?.[1] ?? first);
      return Array.from({ length: last - first + 1 }, (_, step) => first + step - 1);
    });
  const behind = (start) => {
    const seen = new Set(start);
    const next = [...start];
    while (next.length) {
      for (const place of places(tasks[next.pop()])) {
        if (!seen.has(place)) {
          seen.add(place);
          next.push(place);
        }
      }
    }
    return [...seen].sort((a, b) => b - a);
  };
  const chain = (start) => {
    const kinds = new Map();
    for (const place of behind(start)) {
      const kind = tasks[place].dataset.kind;
      kinds.set(kind, [...(kinds.get(kind) ?? []), tasks[place]]);
    }
    const steps = [...kinds].map(([kind, items]) => {
      const shown = items.slice(0, 3).map((item) => make("div", ...item.cloneNode(true).childNodes));
      const more = items.length > 3 ? [make("div", `and ${items.length - 3} more`)] : [];
      return make("li", make("strong", `${kind}: ${items.length}`), ...shown, ...more);
    });
    return make("ol", ...steps);
  };
  const study = document.querySelector("#proofs code")?.textContent.split(" ").pop();
  const open = (link) => {
    const proof = document.querySelector(link.hash);
    // Of the first, the task that computed the number, only those inputs that it computed this one from.
    const [by, ...from] = places(proof);
    const start = from.length ? from : by === undefined ? [] : [by];
    const [value, interval] = [link.cloneNode(true), link.querySelector(".interval")?.textContent ?? ""];
    value.querySelector(".interval")?.remove();
    const [row, table] = [link.closest("tr"), link.closest("table")];
    const names = [...row.cells].filter((cell) => !cell.querySelector("a.n")).map((cell) => cell.textContent.trim());
    const close = make("button", "Close");
    close.addEventListener("click", () => panel.close());
    const said = make("p", [link.closest("td").dataset.head, ...names].filter((name) => name).join(", "));
    panel.replaceChildren(
      close,
      make("h2", `${value.textContent.trim()} ${interval}`),
      said,
      ...(table.caption ? [make("p", table.caption.textContent)] : []),
      make("pre", `titrate trace ${link.id} ${study}`),
      make("p", make("strong", "Computed by "), ...proof.cloneNode(true).childNodes),
      ...(start.length ? [make("p", make("strong", "Made from")), chain(start)] : []),
    );
    panel.showModal();
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link) return;
    if (link.matches("a.n")) {
      event.preventDefault();
      open(link);
    } else if (panel.contains(link)) {
      panel.close();
    }
  });
})();
