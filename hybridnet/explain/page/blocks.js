// The first view: blocks with what they cost, forward and backward of each together.

function blocks_view() {
  if (!DRAWN)
    return el("p", { class: "note" }, "The programs are too large for their blocks to be shown; their steps and their memory are.");
  const at = (leaf) => {
    const { program, node } = program_at(leaf);
    return { sum: cost(program, node), phase: graph(program.graph).phases[node] };
  };
  const top = branches(D.blocks, at);
  const total = top.reduce((s, b) => s + weight(b.sum), 0) || 1;
  const open = new Set();
  unfold_some(top, open, 30);
  let slowest = false;
  let current = top.length ? top[0].id : "",
    chosen = "";
  const table = el("div", { class: "tree", role: "treegrid", "aria-label": "Blocks and what they cost" });
  const view = el(
    "div",
    { class: "pane blocks" },
    el(
      "div",
      { class: "tools" },
      legend(),
      el("span", { class: "grow" }),
      button("Fold all", () => {
        open.clear();
        draw();
      }),
      button("Unfold", () => {
        unfold_some(top, open, visible().length + 24);
        draw();
      }),
      toggle("Slowest first", "By bytes, most first", (on) => {
        slowest = on;
        draw();
      }),
    ),
    table,
  );

  const in_order = (list) => (slowest ? [...list].sort((a, b) => weight(b.sum) - weight(a.sum)) : list);

  function visible() {
    const rows = [];
    const walk = (list, depth, parent) =>
      in_order(list).forEach((b) => {
        rows.push({ b, depth, parent });
        if (open.has(b.id)) walk(b.children, depth + 1, b);
      });
    walk(top, 0, null);
    return rows;
  }

  function choose(b, focus) {
    current = chosen = b.id;
    draw();
    if (focus) table.querySelector('[tabindex="0"]')?.focus();
    if (b.leaf >= 0) {
      const { program, node } = program_at(b.leaf);
      select_node(graph(program.graph), node);
    } else
      select_branch(
        b,
        sites_of(b, (leaf) => {
          const { program, node } = program_at(leaf);
          return graph(program.graph).node(node).site;
        }),
      );
  }

  function fold(b, on = !open.has(b.id)) {
    if (on) open.add(b.id);
    else open.delete(b.id);
    draw();
  }

  function key(event) {
    const rows = visible();
    const i = rows.findIndex((r) => r.b.id === current);
    const { b, parent } = rows[i] || rows[0];
    const go = (r) => r && choose(r.b, true);
    const acts = {
      ArrowDown: () => go(rows[i + 1]),
      ArrowUp: () => go(rows[i - 1]),
      Home: () => go(rows[0]),
      End: () => go(rows.at(-1)),
      Enter: () => choose(b, true),
      ArrowRight: () => (b.children.length && !open.has(b.id) ? fold(b, true) : go(rows[i + 1])),
      ArrowLeft: () => (open.has(b.id) ? fold(b, false) : parent && choose(parent, true)),
      " ": () => b.children.length && fold(b),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
    table.querySelector('[tabindex="0"]')?.focus();
  }

  function draw() {
    const head = el(
      "div",
      { class: "line head", role: "row" },
      ["Block", TIMED ? "Time" : "Bytes moved", "", "Steps", TIMED ? "Bytes" : "Products"].map((t) =>
        el("span", { role: "columnheader" }, t),
      ),
    );
    table.replaceChildren(head, ...visible().map(({ b, depth }) => line(b, depth)));
  }

  function line(b, depth) {
    const leaf = b.leaf >= 0 ? program_at(b.leaf) : null;
    const node = leaf && graph(leaf.program.graph).node(leaf.node);
    const name = node ? [short(node.name, 60), " ", el("small", {}, node.outputs[0])] : [b.name];
    const folded = b.children.length ? String(open.has(b.id)) : undefined;
    return el(
      "div",
      {
        class: `line ${b.kind}${b.id === chosen ? " current" : ""}`,
        role: "row",
        "aria-level": depth + 1,
        "aria-expanded": folded,
        tabindex: b.id === current ? "0" : "-1",
        onkeydown: key,
        onclick: (e) => (e.target.closest(".fold") ? fold(b) : choose(b)),
        ondblclick: () => b.children.length && fold(b),
      },
      el(
        "span",
        { role: "gridcell", class: "name", style: `--depth:${depth}`, title: b.name },
        b.children.length
          ? el("span", { class: "fold", "aria-hidden": "true" })
          : el("span", { class: `dot ${node ? node.phase : ""}`, "aria-hidden": "true" }),
        el("span", {}, name),
      ),
      el("span", { role: "gridcell", class: "share" }, bar(b.by, total)),
      el(
        "span",
        { role: "gridcell", class: "number" },
        el("b", {}, weighed(weight(b.sum))),
        el("small", {}, percent(weight(b.sum), total)),
      ),
      el("span", { role: "gridcell", class: "number" }, b.sum.steps ? count(b.sum.steps) : "–"),
      el("span", { role: "gridcell", class: "number" }, TIMED ? bytes(b.sum.bytes) : b.sum.flops ? operations(b.sum.flops) : "–"),
    );
  }

  draw();
  return view;
}

// Unfold branches, those that cost most first, as long as no more than ``most`` rows are to be seen.
function unfold_some(top, open, most) {
  const seen = () => {
    let n = 0;
    const folded = [];
    const walk = (list) =>
      list.forEach((b) => {
        n += 1;
        if (open.has(b.id)) walk(b.children);
        else if (b.children.length) folded.push(b);
      });
    walk(top);
    return { n, folded };
  };
  for (;;) {
    const { n, folded } = seen();
    const next = folded
      .filter((b) => n + b.children.length <= most && b.children.some((c) => c.leaf < 0 && c.kind !== "part"))
      .sort((a, b) => weight(b.sum) - weight(a.sum))[0];
    if (!next) return;
    open.add(next.id);
  }
}

const button = (text, act) => el("button", { class: "tool", onclick: act }, text);

// A switch; ``untimed`` is what it is called where there are no times.
function toggle(timed, untimed, act) {
  const b = el(
    "button",
    {
      class: "tool",
      "aria-pressed": "false",
      onclick: () => {
        const on = b.getAttribute("aria-pressed") !== "true";
        b.setAttribute("aria-pressed", String(on));
        act(on);
      },
    },
    TIMED ? timed : untimed,
  );
  return b;
}
