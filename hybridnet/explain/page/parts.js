// What all views are made of: elements, lists of many rows, and the panel that tells of what is selected.

function make(space, tag, attributes = {}, ...children) {
  const element = space ? document.createElementNS(space, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  // Text only ever becomes text: names may hold what HTML would read.
  element.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return element;
}

const el = (tag, attributes, ...children) => make(null, tag, attributes, ...children);
const svg = (tag, attributes, ...children) => make("http://www.w3.org/2000/svg", tag, attributes, ...children);

const short = (text, n) => (text.length > n ? `${text.slice(0, n - 1)}…` : text);

// A bar of the share that something has of ``most``, in the colours of the phases.
function bar(by, most) {
  const parts = ["f", "b", "u"].filter((p) => by[p]).map((p) => el("i", { class: p, style: `width:${(100 * by[p]) / most}%` }));
  return el("span", { class: "bar", "aria-hidden": "true" }, parts);
}

const legend = () =>
  el(
    "ul",
    { class: "legend" },
    Object.entries(PHASES).map(([p, name]) => el("li", { class: p }, name)),
  );

// A list of as many rows as one likes, of which those in sight are elements. ``row(i)`` gives the cells of one.
class Rows {
  constructor({ label, height, row, pick }) {
    this.height = height;
    this.row = row;
    this.pick = pick;
    this.length = 0;
    this.at = -1;
    this.inner = el("div", { class: "rows" });
    this.id = `rows-${(Rows.made += 1)}`;
    this.element = el(
      "div",
      {
        class: "scroll",
        tabindex: "0",
        role: "listbox",
        "aria-label": label,
        onscroll: () => this.draw(),
        onkeydown: (e) => this.key(e),
      },
      this.inner,
    );
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  show(length) {
    this.length = length;
    this.at = Math.min(this.at, length - 1);
    this.inner.style.height = `${length * this.height}px`;
    this.draw();
  }

  draw() {
    const first = Math.max(0, Math.floor(this.element.scrollTop / this.height) - 4);
    const last = Math.min(this.length, first + Math.ceil(this.element.clientHeight / this.height) + 8);
    const rows = [];
    for (let i = first; i < last; i += 1) {
      rows.push(
        el(
          "div",
          {
            class: "row",
            role: this.pick ? "option" : undefined,
            id: `${this.id}-${i}`,
            "aria-selected": this.pick ? String(i === this.at) : undefined,
            "aria-setsize": this.length,
            "aria-posinset": i + 1,
            style: `top:${i * this.height}px;height:${this.height}px`,
            onclick: this.pick && (() => this.go(i)),
          },
          this.row(i),
        ),
      );
    }
    this.inner.replaceChildren(...rows);
    if (this.pick && this.at >= 0) this.element.setAttribute("aria-activedescendant", `${this.id}-${this.at}`);
  }

  go(i) {
    this.at = Math.max(0, Math.min(this.length - 1, i));
    const top = this.at * this.height,
      box = this.element;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + this.height > box.scrollTop + box.clientHeight) box.scrollTop = top + this.height - box.clientHeight;
    this.draw();
    if (this.length) this.pick(this.at);
  }

  key(event) {
    const page = Math.floor(this.element.clientHeight / this.height);
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -this.length, End: this.length };
    if (!this.pick || !(event.key in moves)) return;
    event.preventDefault();
    this.go(this.at + moves[event.key]);
  }
}
Rows.made = 0;

// -- the panel ---------------------------------------------------------------------------------

const panel = el("aside", { id: "panel", "aria-label": "What is selected", "aria-live": "polite" });

function close_panel() {
  panel.classList.remove("open");
  panel.replaceChildren(
    el("p", { class: "empty" }, "Select a block, a node or a step to see the line that it comes from, what it reads and what it costs."),
  );
}

function fill(kind, title, ...content) {
  panel.classList.add("open");
  panel.scrollTop = 0;
  panel.replaceChildren(
    el(
      "header",
      {},
      el("span", { class: "kind" }, kind),
      el("button", { class: "close", "aria-label": "Close", onclick: close_panel }, "×"),
      el("h2", {}, title),
    ),
    ...content.flat().filter(Boolean),
  );
}

// The user's line, between those around it.
function source(site) {
  if (!site || site.file < 0) return el("p", { class: "muted" }, "No line of your code is known for this.");
  const { name, lines } = D.files[site.file];
  const numbers = Object.keys(lines)
    .map(Number)
    .filter((n) => Math.abs(n - site.line) <= 3)
    .sort((a, b) => a - b);
  const indent = Math.min(...numbers.filter((n) => lines[n].trim()).map((n) => lines[n].search(/\S/)));
  const row = (n) => el("span", { class: n === site.line ? "here" : "" }, el("b", {}, String(n)), `${lines[n].slice(indent)}\n`);
  const rows = numbers.map(row);
  return el(
    "figure",
    { class: "source" },
    el("figcaption", {}, `${name}:${site.line}`),
    rows.length ? el("pre", { tabindex: "0" }, rows) : null,
  );
}

const facts = (pairs) =>
  el(
    "dl",
    {},
    pairs.filter(([, v]) => v !== "" && v !== null).flatMap(([k, v]) => [el("dt", {}, k), el("dd", {}, v)]),
  );

function costs(sum) {
  return [
    ["time", TIMED && sum.steps ? duration(sum.seconds) : ""],
    ["steps", count(sum.steps)],
    ["moves", sum.bytes ? bytes(sum.bytes) : ""],
    ["products", sum.flops ? operations(sum.flops) : ""],
  ];
}

function section(title, ...content) {
  const inside = content.flat().filter(Boolean);
  return inside.length ? el("section", {}, el("h3", {}, title), inside) : null;
}

const SHOWN = 12; // values of a list in the panel; how many more there are is said

function links(g, values) {
  const shown = values.slice(0, SHOWN).map((v) => {
    const { node, text, spec, constant } = g.value(v);
    const name = el("code", {}, constant ? constant.replace(/^.*value=([^,]*).*$/, "$1") : text);
    const what = [name, " ", el("span", { class: "muted" }, spec)];
    return el("li", {}, node < 0 || constant ? what : el("button", { class: "link", onclick: () => select_node(g, node) }, what));
  });
  if (values.length > SHOWN) shown.push(el("li", { class: "muted" }, `and ${count(values.length - SHOWN)} more`));
  return shown.length ? el("ul", { class: "values" }, shown) : null;
}

function text_block(text) {
  return el("pre", { tabindex: "0", class: "code" }, text);
}

// Where the results of a node lie in the arena.
function lying(program, node) {
  const rows = program.arena.filter((r) => r[4] === node);
  return rows
    .slice(0, SHOWN)
    .map(([offset, size, from, to]) => `${bytes(size)} at ${count(offset)}, from step ${count(from)} to ${count(to)}`)
    .join("; ");
}

// Told by views that can show a selection: called with the graph and the node.
const listeners = [];
let selected = null;

function select_node(g, i) {
  selected = { g, i };
  const node = g.node(i);
  const program = program_of_graph(g.number);
  const steps = program ? program.of.get(i) || [] : [];
  const bodies = Object.entries(g.bodies[i] || {}).filter(([, b]) => b >= 0);
  fill(
    `${node.kind} · ${PHASES[node.phase] || "constant"}`,
    node.name,
    facts([
      ["gives", node.outputs.slice(0, SHOWN).join(", ")],
      ["block", node.site && node.site.scope],
      ["role", node.site && node.site.role],
      ...(program ? costs(cost(program, i)) : []),
      ["in the arena", program ? lying(program, i) : ""],
      ["attributes", node.attrs],
    ]),
    section("Your line", source(node.site)),
    steps.length
      ? section(
          steps.length > 1 ? `Computed in ${steps.length} steps` : "Computed by",
          steps.slice(0, SHOWN).map((s) => step_text(program, s)),
        )
      : null,
    ...bodies.map(([name, b]) => section(name === "body" ? "What it holds" : name, ...held(g, i, name, b))),
    section("Reads", links(g, g.reads[i])),
    section(
      "Read by",
      links(
        g,
        g.readers[i].map((r) => g.first[r]),
      ),
    ),
  );
  for (const listener of listeners) listener(g, i);
}

// The graph that a node holds, as lines, and a button that draws it.
function held(g, i, name, number) {
  const lines = graph(number).nodes.slice(0, 60);
  const draw = () => {
    open_tab("graph");
    drawing.held(g, i, name, number);
  };
  return [button("Draw it", draw), el("ol", { class: "lines" }, ...lines.map((_, k) => el("li", {}, el("code", {}, graph(number).line(k).text))))];
}

function step_text(program, s) {
  const step = program.step(s);
  const text = program.text_of(s);
  return el(
    "div",
    { class: "step" },
    el(
      "p",
      {},
      el("span", { class: `tag ${step.kind}` }, step.kind),
      step.seconds === null ? "" : ` ${duration(step.seconds)}`,
      step.by ? ` ${step.by}` : "",
    ),
    text ? text_block(text) : null,
  );
}

function select_branch(branch, sites) {
  selected = null;
  fill(
    branch.kind === "phase" ? "part of the step" : branch.kind,
    branch.name,
    facts([["holds", many(branch.leaves, "node")], ...costs(branch.sum)]),
    TIMED || branch.sum.bytes
      ? section(
          "By part",
          el(
            "ul",
            { class: "legend" },
            ["f", "b", "u"].filter((p) => branch.by[p]).map((p) => el("li", { class: p }, `${PHASES[p]} ${weighed(branch.by[p])}`)),
          ),
        )
      : null,
    sites.length ? section("Your lines", sites.slice(0, 3).map(source)) : null,
  );
  for (const listener of listeners) listener(null, -1);
}

// The different places of a branch's nodes, of all graphs by a function that gives a leaf's, the most frequent first.
function sites_of(branch, at) {
  const found = new Map();
  for (const leaf of leaves_of(branch)) {
    const site = at(leaf);
    if (site && site.file >= 0) {
      const entry = found.get(site.text) || { site, n: 0 };
      entry.n += 1;
      found.set(site.text, entry);
    }
  }
  return [...found.values()].sort((a, b) => b.n - a.n).map((e) => e.site);
}
