// Says what a point of a figure is: to who points at it, and to who goes from point to point with the arrow keys. Without it, the
// points' titles say the same to who points at them, and the tables say it to all.
(() => {
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  tip.setAttribute("role", "status");
  document.querySelector("main").append(tip);
  let shown = null;
  const hide = () => {
    shown?.classList.remove("on");
    shown = null;
    tip.hidden = true;
  };
  const show = (point) => {
    hide();
    shown = point;
    point.classList.add("on");
    tip.textContent = point.dataset.says;
    tip.hidden = false;
    const [box, own] = [point.getBoundingClientRect(), tip.getBoundingClientRect()];
    const left = Math.min(Math.max(8, box.left + box.width / 2 - own.width / 2), document.documentElement.clientWidth - own.width - 8);
    const above = box.top - own.height - 8;
    tip.style.left = `${left + scrollX}px`;
    tip.style.top = `${(above > 0 ? above : box.bottom + 8) + scrollY}px`;
  };
  for (const drawing of document.querySelectorAll("figure svg")) {
    const points = [...drawing.querySelectorAll("g.says")];
    if (!points.length) continue;
    for (const point of points) {
      const title = point.querySelector("title");
      point.dataset.says = title.textContent;
      title.remove();
      point.addEventListener("pointerenter", () => show(point));
      point.addEventListener("pointerleave", hide);
    }
    const host = document.createElement("div");
    host.className = "drawing";
    host.tabIndex = 0;
    host.setAttribute("role", "group");
    host.setAttribute("aria-label", `${drawing.getAttribute("aria-label")} Arrow keys go from point to point.`);
    drawing.replaceWith(host);
    host.append(drawing);
    let at = -1;
    host.addEventListener("keydown", (event) => {
      const last = points.length - 1;
      const steps = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: last };
      if (event.key === "Escape") return hide();
      if (!(event.key in steps)) return;
      event.preventDefault();
      at = Math.min(Math.max(0, steps[event.key]), last);
      show(points[at]);
    });
    host.addEventListener("blur", hide);
  }
  addEventListener("keydown", (event) => event.key === "Escape" && hide());
})();
