// A tree that grows to the right. Each node stands at the end of a line that carries its step, the title above and the
// settings below; its number stands beside it. Nodes with a key are buttons: a click or Enter picks one, arrow keys walk from one to the next.

const SVG = "http://www.w3.org/2000/svg";
const PITCH = 40;
const LEFT = 19;
const TOP = 24;
const TRUNK = 76; // from a node to where the lines to its children part: the place of its number
const [NARROW, WIDE] = [216, 330];
const LETTER = 6.1;

const make = (tag, attributes = {}, text) => {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
};

// shapes of the same area as a circle of that radius
const shape = (name, r) => {
  if (name === "plain" || name === "between") return make("circle", { r });
  if (name === "trained") {
    const side = r * Math.sqrt(Math.PI);
    return make("rect", { x: -side / 2, y: -side / 2, width: side, height: side });
  }
  if (name === "control") {
    const side = r * Math.sqrt((4 * Math.PI) / Math.sqrt(3));
    const height = (side * Math.sqrt(3)) / 2;
    return make("path", { d: `M0,${(-2 * height) / 3} L${side / 2},${height / 3} L${-side / 2},${height / 3} Z` });
  }
  const half = r * Math.sqrt(Math.PI / 2);
  return make("path", { d: `M0,${-half} L${half},0 L0,${half} L${-half},0 Z` });
};

const shortened = (words, width) => {
  const most = Math.max(1, Math.floor(width / LETTER));
  return words.length <= most ? words : `${words.slice(0, most - 1).trimEnd()}…`;
};

// where the number of a node begins: at the same place in a column, so that it stands beside the largest, too
const beside = (node) => (node.shape === "original" ? 1.26 * node.radius + 5 : 20);

// from a node to a child: straight, or around two rounded corners
const line = (from, trunk, to, y0, y1) => {
  const bend = Math.min(7, Math.abs(y1 - y0) / 2);
  if (bend < 0.5) return `M${from},${y0} H${to}`;
  const down = Math.sign(y1 - y0);
  return (
    `M${from},${y0} H${trunk - bend} Q${trunk},${y0} ${trunk},${y0 + down * bend} ` +
    `V${y1 - down * bend} Q${trunk},${y1} ${trunk + bend},${y1} H${to}`
  );
};

function render({ model, el }) {
  const box = document.createElement("div");
  box.className = "dsw-tree";
  el.append(box);
  let width = 0;

  const nodes = () => [...box.querySelectorAll("[data-key]")];
  const pick = (key) => model.send({ picked: key });

  const focus = (node) => {
    if (!node) return;
    for (const other of nodes()) other.setAttribute("tabindex", other === node ? "0" : "-1");
    node.focus();
  };

  // the nearest node in a direction: along the tree to the sides, by place up and down
  const next = (node, key) => {
    const all = model.get("nodes");
    const at = Number(node.dataset.number);
    const of = (number) => box.querySelector(`[data-number="${number}"][data-key]`);
    if (key === "ArrowLeft") {
      let parent = all[at].parent;
      while (parent >= 0 && !all[parent].key) parent = all[parent].parent;
      return parent >= 0 && of(parent);
    }
    if (key === "ArrowRight") return nodes().find((n) => Number(n.dataset.number) > at && under(all, n, at));
    const list = nodes().sort((a, b) => all[a.dataset.number].y - all[b.dataset.number].y);
    return list[list.indexOf(node) + (key === "ArrowDown" ? 1 : -1)];
  };
  const under = (all, node, ancestor) => {
    let at = all[Number(node.dataset.number)].parent;
    while (at > ancestor) at = all[at].parent;
    return at === ancestor;
  };

  const reveal = (node) => {
    const [outer, inner] = [box.getBoundingClientRect(), node.getBoundingClientRect()];
    if (inner.top < outer.top || inner.bottom > outer.bottom)
      box.scrollTop += inner.top + inner.height / 2 - outer.top - outer.height / 2;
    if (inner.left < outer.left || inner.right > outer.right)
      box.scrollLeft += inner.left + inner.width / 2 - outer.left - outer.width / 2;
  };

  const mark = () => {
    const selected = model.get("selected");
    for (const node of nodes()) {
      const on = node.dataset.key === selected;
      node.classList.toggle("dsw-selected", on);
      node.setAttribute("aria-pressed", String(on));
      if (on) reveal(node);
    }
  };

  const draw = () => {
    const all = model.get("nodes");
    const held = box.contains(document.activeElement) && document.activeElement.dataset.key;
    const depth = Math.max(1, ...all.map((node) => node.x));
    const column = Math.min(WIDE, Math.max(NARROW, Math.floor((el.clientWidth - LEFT - TRUNK - 4) / depth)));
    const size = {
      width: LEFT + Math.max(0, ...all.map((node) => node.x)) * column + TRUNK,
      height: 2 * TOP + PITCH * Math.max(0, ...all.map((node) => node.y)),
    };
    const x = (node) => LEFT + node.x * column;
    const y = (node) => TOP + node.y * PITCH;
    const svg = make("svg", { ...size, role: "group", "aria-label": model.get("title") });

    for (const node of all) {
      const parent = all[node.parent];
      if (!parent) continue;
      const edge = make("g", { class: "dsw-edge" });
      const from = x(parent) + (parent.label ? beside(parent) + 4 + LETTER * 1.1 * parent.label.length : parent.radius);
      const trunk = x(parent) + TRUNK;
      const end = x(node) - node.radius - 1;
      edge.append(make("title", {}, node.words));
      edge.append(make("path", { d: line(from, trunk, end, y(parent), y(node)) }));
      const [title, settings] = node.words.replace(/\)$/, "").split(" (", 2);
      [title, settings ?? ""].forEach((words, below) => {
        const place = { x: trunk + 9, y: y(node) + (below ? 13 : -5) };
        edge.append(make("text", place, shortened(words, end - trunk - 12)));
      });
      svg.append(edge);
    }
    all.forEach((node, number) => {
      const group = make("g", { class: "dsw-node", transform: `translate(${x(node)},${y(node)})`, "data-number": number });
      const drawn = shape(node.shape, node.radius);
      if (node.color) drawn.style.fill = node.color;
      group.append(make("title", {}, node.text), make("circle", { class: "dsw-ring", r: node.radius + 5 }), drawn);
      if (node.label) group.append(make("text", { x: beside(node), y: 4 }, node.label));
      if (node.now) group.append(make("text", { x: beside(node), y: 16, class: "dsw-now" }, "now"));
      if (node.key) {
        group.insertBefore(make("circle", { class: "dsw-hit", r: 15 }), group.firstChild);
        const words = node.text.replaceAll("\n", "; ") + (node.now ? "; this is what the sliders show" : "");
        const button = { "data-key": node.key, role: "button", tabindex: "-1", "aria-label": words };
        for (const [name, value] of Object.entries(button)) group.setAttribute(name, value);
      }
      svg.append(group);
    });
    box.replaceChildren(svg);
    nodes()[0]?.setAttribute("tabindex", "0");
    mark();
    const chosen = nodes().find((node) => node.dataset.key === (held || model.get("selected")));
    if (chosen && held) focus(chosen);
  };

  box.addEventListener("click", (event) => {
    const node = event.target.closest("[data-key]");
    if (node) pick(node.dataset.key);
  });
  box.addEventListener("keydown", (event) => {
    const node = event.target.closest?.("[data-key]");
    if (!node) return;
    if (event.key === "Enter" || event.key === " ") pick(node.dataset.key);
    else if (event.key.startsWith("Arrow")) focus(next(node, event.key));
    else return;
    event.preventDefault();
    event.stopPropagation(); // JupyterLab walks from cell to cell by the same keys
  });
  const watch = new ResizeObserver(() => {
    if (el.clientWidth && el.clientWidth !== width) {
      width = el.clientWidth;
      draw();
    }
  });
  watch.observe(el);
  model.on("change:nodes", draw);
  model.on("change:selected", mark);
  draw();
  return () => {
    watch.disconnect();
    model.off("change:nodes", draw);
    model.off("change:selected", mark);
  };
}

export default { render };
