// The graph, folded by blocks. What is unfolded is laid out from the inside out, each branch by itself (layers.js).

const MOST_BOXES = 500; // that are unfolded at once; more is no picture any more

class Drawing {
  constructor() {
    this.zoom = 1;
    this.marks = null; // nodes that a pass made or took away: {nodes, kind}
    this.canvas = svg("svg", { role: "tree", "aria-label": "The graph by blocks", onkeydown: (e) => this.key(e) });
    this.box = el("div", { class: "canvas" }, this.canvas);
    this.note = el("p", { class: "muted tip", "aria-live": "polite" });
    this.drag();
    this.box.addEventListener(
      "wheel",
      (e) => {
        if (e.ctrlKey || e.metaKey) {
          e.preventDefault();
          this.scale(this.zoom * Math.exp(-e.deltaY / 300));
        }
      },
      { passive: false },
    );
  }

  // Another graph; ``marks``: what to show of a pass.
  open(number, marks = null) {
    this.g = graph(number);
    this.program = program_of_graph(number);
    this.marks = marks && { kind: marks.kind, nodes: new Set(marks.nodes) };
    const nothing = { steps: 0, seconds: 0, bytes: 0, flops: 0 };
    const at = (i) => ({ sum: this.program ? cost(this.program, i) : nothing, phase: this.g.phases[i] });
    this.tree = new FoldedGraph(this.g, branches(this.g.tree, at));
    this.top = this.tree.top;
    this.unfolded = this.tree.unfolded;
    this.whole = this.top.reduce((s, b) => s + weight(b.sum), 0) || 1;
    this.arguments = this.g.phases.includes("f") ? this.g.inputs.slice(0, D.arguments) : [];
    this.current = null;
    this.chosen = null;
    unfold_some(this.top, this.unfolded, 50);
    if (this.top.length === 1) this.unfolded.add(this.top[0].id);
    this.draw();
    this.fit();
  }

  // Unfold what a node is in.
  reveal(i) {
    if (!this.tree.parent.has(i)) return;
    for (const b of this.tree.around(i)) this.unfolded.add(b.id);
    this.current = this.chosen = this.tree.standing(i);
    this.draw();
    this.canvas.querySelector(".current")?.scrollIntoView({ block: "center", inline: "center" });
  }

  unfold_all() {
    let boxes = this.shapes.size,
      left = 0;
    const walk = (list) => {
      const later = [];
      for (const b of list) {
        if (!b.children.length) continue;
        if (!this.unfolded.has(b.id)) {
          if (boxes + b.children.length > MOST_BOXES) {
            left += 1;
            continue;
          }
          this.unfolded.add(b.id);
          boxes += b.children.length;
        }
        later.push(...b.children);
      }
      if (later.length) walk(later);
    };
    walk(this.top);
    this.draw();
    this.note.textContent = left
      ? `${many(left, "block stays", "blocks stay")} folded: no more than ${MOST_BOXES} boxes are drawn at once. Fold some, or unfold one by one.`
      : "";
  }

  fold_all() {
    this.unfolded.clear();
    this.note.textContent = "";
    this.draw();
  }

  toggle(b) {
    if (this.unfolded.has(b.id)) this.unfolded.delete(b.id);
    else if (this.shapes.size + b.children.length > MOST_BOXES) {
      this.note.textContent = `No more than ${MOST_BOXES} boxes are drawn at once: fold others first.`;
      return;
    } else this.unfolded.add(b.id);
    this.current = b.id;
    const before = this.shapes.get(b.id)?.getBoundingClientRect();
    this.draw();
    const after = this.shapes.get(b.id)?.getBoundingClientRect();
    if (before && after) {
      this.box.scrollLeft += after.left - before.left;
      this.box.scrollTop += after.top - before.top;
    } // it stays under the pointer
    this.shapes.get(b.id)?.focus({ preventScroll: true });
  }

  choose(b) {
    this.current = this.chosen = b.id;
    if (b.leaf >= 0) select_node(this.g, b.leaf);
    else
      select_branch(
        b,
        sites_of(b, (i) => this.g.node(i).site),
      );
    this.highlight();
  }

  // -- drawing ---------------------------------------------------------------------------------

  draw() {
    const focused = this.canvas.contains(document.activeElement);
    this.shapes = new Map(); // of each branch that is drawn, its element
    this.order = []; // in which arrow keys go
    this.places = new Map(); // of each branch, its place in the drawing
    const whole = this.inside(this.top, null, this.arguments);
    const layer = svg("g", { transform: "translate(16,16)" });
    whole.put(layer, 0, 0, 16, 16, 1);
    this.overlay = svg("g", { class: "overlay", transform: "translate(0,0)" });
    this.size = { w: whole.w + 32, h: whole.h + 32 };
    this.canvas.replaceChildren(svg("defs", {}, arrow("arrow"), arrow("arrow-on")), layer, this.overlay);
    this.scale(this.zoom);
    if (!this.shapes.has(this.current)) this.current = this.order.length ? this.order[0].id : null;
    this.highlight();
    if (focused) this.shapes.get(this.current)?.focus({ preventScroll: true });
  }

  // The inside of a branch, laid out: its size, and how to put it into a layer.
  inside(children, parent, inputs = []) {
    const list = [...children].sort((a, b) => a.at - b.at);
    const { pairs, counts } = this.tree.edges(parent, list, inputs.length);
    const items = [...inputs.map(([name, spec]) => pill(name, D.specs[spec])), ...list.map((b) => this.measured(b, parent))];
    const plan = layered(items, pairs);
    const put = (layer, x, y, ax, ay, level) => {
      pairs.forEach((_, e) =>
        layer.append(
          svg("path", {
            class: "edge",
            d: curved(plan.paths[e]),
            "marker-end": "url(#arrow)",
            "stroke-width": Math.min(3, 1 + Math.log10(counts[e])).toFixed(1),
            transform: `translate(${x},${y})`,
          }),
        ),
      );
      items.forEach((item, k) => item.put(layer, x + plan.x[k], y + plan.y[k], ax + plan.x[k], ay + plan.y[k], level));
    };
    return { w: plan.w, h: plan.h, put };
  }

  measured(b, parent) {
    if (b.leaf >= 0) return this.node_box(b, parent);
    return this.unfolded.has(b.id) ? this.open_box(b, parent) : this.folded_box(b, parent);
  }

  group(b, parent, level, attributes, x, y, ax, ay, w, h, ...children) {
    const g = svg(
      "g",
      {
        ...attributes,
        tabindex: b.id === this.current ? "0" : "-1",
        role: "treeitem",
        "aria-level": level,
        transform: `translate(${x},${y})`,
        onclick: (e) => {
          e.stopPropagation();
          if (e.target.closest(".fold") || e.detail === 2) {
            if (b.children.length) this.toggle(b);
          } else this.choose(b);
        },
      },
      ...children,
    );
    this.shapes.set(b.id, g);
    this.places.set(b.id, { x: ax, y: ay, w, h });
    this.order.push({ ...b, parent });
    return g;
  }

  node_box(b, parent) {
    const node = this.g.node(b.leaf);
    const name = short(node.name, 24),
      under = short(node.outputs[0] || "", 26);
    const w = Math.max(96, 26 + Math.max(name.length * 7.4, under.length * 6.1)),
      h = 42;
    const put = (layer, x, y, ax, ay, level) => {
      const body = Object.keys(this.g.bodies[b.leaf] || {}).length ? " holds" : "";
      layer.append(
        this.group(
          b,
          parent,
          level,
          { class: `node ${node.phase} ${node.kind}${body}${this.mark([b.leaf])}`, "aria-label": `${node.name}, ${node.outputs[0]}` },
          x,
          y,
          ax,
          ay,
          w,
          h,
          svg("title", {}, `${node.name} ${node.outputs.join(", ")}\n${node.site ? node.site.text : ""}`),
          svg("rect", { width: w, height: h, rx: 6 }),
          svg("rect", { class: "edgewise", width: 4, height: h - 12, x: 0, y: 6, rx: 2 }),
          svg("text", { x: 14, y: 18 }, name),
          svg("text", { class: "under", x: 14, y: 33 }, under),
          this.meter(b, w, h),
        ),
      );
    };
    return { w, h, put };
  }

  folded_box(b, parent) {
    const name = short(b.name, 30);
    const under = this.program && weight(b.sum) ? `${weighed(weight(b.sum))} · ${many(b.sum.steps, "step")}` : many(b.leaves, "node");
    const marked = this.marks ? [...leaves_of(b)].filter((i) => this.marks.nodes.has(i)).length : 0;
    const w = Math.max(150, 54 + name.length * 7.8, 34 + under.length * 6.4),
      h = 50;
    const put = (layer, x, y, ax, ay, level) =>
      layer.append(
        this.group(
          b,
          parent,
          level,
          {
            class: `folded ${b.kind}${marked ? ` ${this.marks.kind}` : ""}`,
            "aria-expanded": "false",
            "aria-label": `${b.name}, ${under}`,
          },
          x,
          y,
          ax,
          ay,
          w,
          h,
          svg("title", {}, b.name),
          svg("rect", { class: "behind", x: 4, y: 4, width: w - 8, height: h, rx: 8 }),
          svg("rect", { width: w, height: h, rx: 8 }),
          this.folder(b),
          svg("text", { x: 32, y: 21 }, name),
          svg("text", { class: "under", x: 32, y: 37 }, marked ? `${under} · ${count(marked)} ${this.marks.kind}` : under),
          this.meter(b, w, h),
        ),
      );
    return { w, h, put };
  }

  open_box(b, parent) {
    const inner = this.inside(b.children, b);
    const pad = 14,
      head = 34;
    const w = Math.max(inner.w + 2 * pad, 60 + short(b.name, 40).length * 7.8),
      h = inner.h + head + pad;
    const put = (layer, x, y, ax, ay, level) => {
      const left = (w - inner.w) / 2;
      const g = this.group(
        b,
        parent,
        level,
        { class: `open ${b.kind}`, "aria-expanded": "true", "aria-label": b.name },
        x,
        y,
        ax,
        ay,
        w,
        h,
        svg("rect", { width: w, height: h, rx: 10 }),
        this.folder(b),
        svg("text", { x: 32, y: 22 }, short(b.name, 40)),
      );
      layer.append(g);
      inner.put(g, left, head, ax + left, ay + head, level + 1);
    };
    return { w, h, put };
  }

  folder(b) {
    const open = this.unfolded.has(b.id);
    return svg(
      "g",
      { class: "fold", transform: "translate(10,10)" },
      svg("rect", { class: "hit", x: -8, y: -8, width: 28, height: 28 }),
      svg("path", { d: open ? "M1,4 L6,9 L11,4" : "M4,1 L9,6 L4,11" }),
    );
  }

  // A line at the foot of a box, as long as its share of the whole.
  meter(b, w, h) {
    if (!this.program || weight(b.sum) < 0.004 * this.whole) return null;
    let x = 8;
    const parts = ["f", "b", "u"]
      .filter((p) => b.by[p])
      .map((p) => {
        const width = Math.max(1, ((w - 16) * b.by[p]) / this.whole);
        const rect = svg("rect", { class: `meter ${p}`, x, y: h - 5, width, height: 2.5, rx: 1 });
        x += width;
        return rect;
      });
    return svg("g", {}, parts);
  }

  mark(nodes) {
    return this.marks && nodes.some((i) => this.marks.nodes.has(i)) ? ` ${this.marks.kind}` : "";
  }

  // What the selected node reads and is read by, wherever they are drawn.
  highlight() {
    for (const [id, shape] of this.shapes) {
      shape.classList.toggle("current", id === this.chosen);
      shape.classList.remove("linked");
      shape.setAttribute("tabindex", id === this.current ? "0" : "-1");
    }
    const lines = [];
    const leaf = this.order.find((b) => b.id === this.chosen)?.leaf ?? -1;
    if (leaf >= 0) {
      const me = this.places.get(this.chosen);
      const join = (id, down) => {
        const other = this.places.get(id);
        if (!other || id === this.chosen) return;
        this.shapes.get(id).classList.add("linked");
        const [a, b] = down ? [me, other] : [other, me];
        lines.push(
          svg("path", {
            d: near(a, b)
              ? curved([
                  [a.x + a.w / 2, a.y + a.h],
                  [b.x + b.w / 2, b.y],
                ])
              : around(a, b),
            "marker-end": "url(#arrow-on)",
          }),
        );
      };
      for (const id of new Set(this.g.writers(leaf).map((i) => this.tree.standing(i)))) join(id, false);
      for (const id of new Set(this.g.readers[leaf].map((i) => this.tree.standing(i)))) join(id, true);
    }
    this.overlay.replaceChildren(...lines);
  }

  // -- moving about ----------------------------------------------------------------------------

  scale(zoom) {
    this.zoom = Math.min(2, Math.max(0.08, zoom));
    this.canvas.setAttribute("viewBox", `0 0 ${this.size.w} ${this.size.h}`);
    this.canvas.setAttribute("width", this.size.w * this.zoom);
    this.canvas.setAttribute("height", this.size.h * this.zoom);
  }

  fit() {
    const w = this.box.clientWidth - 8;
    if (w > 0) this.scale(Math.max(Math.min(1, w / this.size.w), 0.4));
    this.box.scrollTo(Math.max(0, (this.size.w * this.zoom - w) / 2), 0);
  }

  drag() {
    let from = null;
    this.box.addEventListener("pointerdown", (e) => {
      if (e.pointerType === "mouse" && e.button === 0) from = { x: e.clientX + this.box.scrollLeft, y: e.clientY + this.box.scrollTop };
    });
    this.box.addEventListener("pointermove", (e) => {
      if (from) {
        this.box.scrollLeft = from.x - e.clientX;
        this.box.scrollTop = from.y - e.clientY;
      }
    });
    for (const end of ["pointerup", "pointerleave", "pointercancel"])
      this.box.addEventListener(end, () => {
        from = null;
      });
  }

  key(event) {
    const i = this.order.findIndex((b) => b.id === this.current);
    const b = this.order[i];
    if (!b) return;
    const go = (to) => {
      if (!to) return;
      this.choose(to);
      this.shapes.get(to.id).focus();
    };
    const acts = {
      ArrowDown: () => go(this.order[i + 1]),
      ArrowUp: () => go(this.order[i - 1]),
      Enter: () => go(b),
      ArrowRight: () => (b.children.length && !this.unfolded.has(b.id) ? this.toggle(b) : go(this.order[i + 1])),
      ArrowLeft: () => (this.unfolded.has(b.id) ? this.toggle(b) : b.parent && go(this.order.find((o) => o.id === b.parent.id))),
      " ": () => b.children.length && this.toggle(b),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  }
}

const near = (a, b) => b.y > a.y + a.h && b.y - a.y - a.h < 90;

// A line between two boxes that are far apart, beside what is between them.
function around(a, b) {
  const [ay, by] = [a.y + a.h / 2, b.y + b.h / 2],
    right = Math.max(a.x + a.w, b.x + b.w) + Math.min(140, 30 + Math.abs(by - ay) / 8);
  return `M${a.x + a.w},${ay}C${right},${ay} ${right},${by} ${b.x + b.w + 2},${by}`;
}

const arrow = (id) =>
  svg(
    "marker",
    { id, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 6, markerHeight: 6, markerUnits: "userSpaceOnUse", orient: "auto" },
    svg("path", { d: "M0,0.5 L7,4 L0,7.5 z" }),
  );

// An argument of the function.
function pill(name, spec) {
  const w = Math.max(90, 28 + Math.max(name.length * 7.4, spec.length * 6.1)),
    h = 40;
  const put = (layer, x, y) =>
    layer.append(
      svg(
        "g",
        { class: "pill", transform: `translate(${x},${y})` },
        svg("rect", { width: w, height: h, rx: 20 }),
        svg("text", { x: w / 2, y: 17 }, short(name, 30)),
        svg("text", { class: "under", x: w / 2, y: 31 }, spec),
      ),
    );
  return { w, h, put };
}

const drawing = new Drawing();

function graph_view() {
  if (!D.stages.length)
    return el("p", { class: "note" }, "The graphs are too large to be drawn; the passes, the steps and the memory are shown.");
  const stage = el("select", { "aria-label": "Which graph", onchange: () => drawing.open(...options[stage.selectedIndex].open) });
  const options = D.stages.map((s) => ({ text: `${s.title} · ${many(s.nodes, "node")}`, open: [s.graph] }));
  stage.append(...options.map((o) => el("option", {}, o.text)));
  // Draw a graph that is no stage, and list it from now on; ``key`` tells it from others.
  const also = (key, text, open) => {
    let at = options.findIndex((o) => o.key === key);
    if (at < 0) {
      at = options.push({ key, text, open }) - 1;
      stage.append(el("option", {}, text));
    }
    stage.selectedIndex = at;
    drawing.open(...open);
  };
  drawing.pass = (pass, after) => {
    // a pass's graph, with what it made or took away
    const text = `${after ? "after" : "before"} ${pass.name} · ${count(after ? pass.after : pass.before)} nodes`;
    const marks = { kind: after ? "new" : "gone", nodes: after ? pass.new : pass.gone };
    also(`${D.passes.indexOf(pass)} ${after}`, text, [after ? pass.to : pass.from, marks]);
  };
  drawing.held = (g, i, name, number) => {
    // the body of a loop, a branch, or a region
    const text = `${name} of ${g.node(i).name}, ${g.line(i).text.split(":")[0]} · ${many(graph(number).nodes.length, "node")}`;
    also(`held ${number}`, text, [number]);
  };
  const last = Math.max(
    0,
    D.stages.findIndex((s) => PROGRAMS.some((p) => p.graph === s.graph)),
  );
  const view = el(
    "div",
    { class: "pane graph" },
    el(
      "div",
      { class: "tools" },
      el("label", { class: "which" }, stage),
      legend(),
      el("span", { class: "grow" }),
      button("Fold all", () => drawing.fold_all()),
      button("Unfold all", () => drawing.unfold_all()),
      el(
        "span",
        { class: "zoom" },
        icon("−", "Smaller", () => drawing.scale(drawing.zoom / 1.25)),
        icon("+", "Larger", () => drawing.scale(drawing.zoom * 1.25)),
        button("Fit", () => drawing.fit()),
      ),
    ),
    drawing.note,
    drawing.box,
  );
  view.shown = () => {
    if (!drawing.g) {
      stage.selectedIndex = last;
      drawing.open(D.stages[last].graph);
    }
  };
  return view;
}

const icon = (text, label, act) => el("button", { class: "tool icon", "aria-label": label, onclick: act }, text);
