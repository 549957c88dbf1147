// Opens images large: of a sheet those that belong together side by side, such as a real image and the ones made for it. Without it,
// the sheets are there as they are.
(() => {
  const make = (tag, properties, ...content) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...content);
    return element;
  };
  const panel = make("dialog", { className: "large" });
  panel.setAttribute("aria-label", "Enlarged images");
  document.body.append(panel);
  let [step, opener] = [null, null];
  panel.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by || !step) return;
    event.preventDefault();
    step(by);
  });
  panel.addEventListener("close", () => opener?.focus());
  const button = (words, act) => {
    const one = make("button", { type: "button" }, words);
    one.addEventListener("click", act);
    return one;
  };
  // Sheets have a margin of two pixels around each image.
  const GAP = 2;
  const crop = (image, [row, column], [rows, columns], words) => {
    const [width, height] = [(image.naturalWidth - GAP) / columns, (image.naturalHeight - GAP) / rows];
    const canvas = make("canvas", { width: width - GAP, height: height - GAP });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", words);
    canvas.getContext("2d").drawImage(image, GAP + column * width, GAP + row * height, width - GAP, height - GAP, 0, 0, width - GAP, height - GAP);
    return make("figure", {}, canvas, make("figcaption", {}, words));
  };
  // The groups of a sheet's images, one after the other.
  const groups = (sheet, image) => {
    const words = (side) => [...sheet.querySelectorAll(`:scope > .${side} > span`)].map((span) => span.textContent);
    const [rows, heads, across] = [words("rows"), words("heads"), Number(sheet.dataset.across)];
    const size = [rows.length, heads.length * across];
    if (sheet.dataset.together === "column") {
      const figures = (column) => rows.map((row, at) => crop(image, [at, column], size, row));
      return { size, all: heads.map((head, column) => ({ title: head, figures: () => figures(column) })), of: (row, column) => column };
    }
    const title = (row, place) => (across > 1 ? `${rows[row]}, ${place + 1} of ${across}` : rows[row]);
    const figures = (row, place) => heads.map((head, at) => crop(image, [row, at * across + place], size, head));
    const all = rows.flatMap((_, row) =>
      Array.from({ length: across }, (_, place) => ({ title: title(row, place), figures: () => figures(row, place) })),
    );
    return { size, all, of: (row, column) => row * across + (column % across) };
  };
  const open = (all, at) => {
    const count = all.length;
    step = count > 1 ? (by) => open(all, (at + by + count) % count) : null;
    const steps = count > 1 ? [button("Previous", () => step(-1)), button("Next", () => step(1))] : [];
    const close = button("Close", () => panel.close());
    const focused = panel.contains(document.activeElement) ? document.activeElement.textContent : "Close";
    panel.replaceChildren(
      make("div", { className: "bar" }, make("h2", {}, all[at].title), ...steps, close),
      make("div", { className: "side" }, ...all[at].figures()),
    );
    if (!panel.open) panel.showModal();
    [...panel.querySelectorAll("button")].find((one) => one.textContent === focused)?.focus();
  };
  for (const image of document.querySelectorAll("figure img")) {
    const sheet = image.closest(".sheet");
    const host = button("", (event) => {
      opener = host;
      if (!sheet) {
        const whole = () => [make("figure", {}, Object.assign(image.cloneNode(), { className: "whole" }))];
        return open([{ title: image.closest(".scroll").getAttribute("aria-label"), figures: whole }], 0);
      }
      const { size, all, of } = groups(sheet, image);
      const box = image.getBoundingClientRect();
      // A key has no place: it opens the first.
      const inside = event.detail > 0;
      const place = (at, of) => Math.min(of - 1, Math.max(0, Math.floor(at * of)));
      const row = inside ? place((event.clientY - box.top) / box.height, size[0]) : 0;
      const column = inside ? place((event.clientX - box.left) / box.width, size[1]) : 0;
      open(all, of(row, column));
    });
    host.className = "zoom";
    host.title = "Enlarge";
    image.replaceWith(host);
    host.append(image);
  }
})();
