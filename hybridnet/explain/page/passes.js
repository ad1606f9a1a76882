// What each pass did: how many nodes there were and are, of which operators, and which lines came and went.

function passes_view() {
  const view = el("div", { class: "pane passes" });
  const changed = (p) => p.gone.length + p.new.length + Math.abs(p.after - p.before) > 0;
  let part = "";
  const most = Math.max(...D.passes.map((p) => Math.max(p.before, p.after)), 1);
  const list = el("ol", { class: "passlist" });
  for (const pass of D.passes) {
    if (pass.part !== part) {
      part = pass.part;
      list.append(
        el("li", { class: "part" }, el("h2", {}, part === "passes" ? "Passes over the whole graph" : `Lowering to the program ${part}`)),
      );
    }
    list.append(one_pass(pass, changed(pass), most));
  }
  view.append(
    el(
      "p",
      { class: "muted tip" },
      "In the order in which they run. A node that does the same in the same place as one before counts as that one.",
    ),
    list,
  );
  return view;
}

function one_pass(pass, changed, most) {
  const numbers = el("span", { class: "counts" }, count(pass.before), " → ", el("b", {}, count(pass.after)));
  const sizes = el(
    "span",
    { class: "sizes", "aria-hidden": "true" },
    el("i", { style: `width:${(100 * pass.before) / most}%` }),
    el("i", { class: "after", style: `width:${(100 * pass.after) / most}%` }),
  );
  const head = [
    el("span", { class: "title" }, el("b", {}, pass.name), el("small", {}, pass.reason)),
    sizes,
    changed ? numbers : el("span", { class: "counts" }, "no change"),
    el("small", { class: "number" }, duration(pass.seconds)),
  ];
  if (!changed) return el("li", { class: "pass same" }, el("div", { class: "summary" }, head));
  const details = el("details", {}, el("summary", {}, head));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(...pass_details(pass));
  });
  return el("li", { class: "pass" }, details, el("p", { class: "ops" }, ops(pass.gone_ops, "gone", "−"), ops(pass.new_ops, "new", "+")));
}

function ops(counts, kind, sign) {
  const shown = counts.slice(0, 6).map(([op, n]) => el("span", { class: `chip ${kind}` }, `${sign}${count(n)} ${short(D.ops[op][0], 28)}`));
  if (counts.length > 6)
    shown.push(el("span", { class: "muted" }, `${sign}${count(counts.slice(6).reduce((s, [, n]) => s + n, 0))} others`));
  return shown;
}

function pass_details(pass) {
  if (pass.from < 0 || pass.to < 0)
    return [el("p", { class: "note" }, "This graph is left out of the page, since all together are too large; its counts are shown.")];
  const before = graph(pass.from),
    after = graph(pass.to);
  const lines = [...pass.gone.map((i) => [before, i, "gone"]), ...pass.new.map((i) => [after, i, "new"])];
  const rows = new Rows({
    label: `Lines that ${pass.name} took away and made`,
    height: 24,
    row: (k) => {
      const [g, i, kind] = lines[k];
      const { text, site } = g.line(i);
      return el(
        "code",
        { class: kind, title: text },
        `${kind === "new" ? "+" : "−"} ${text}`,
        el("span", { class: "muted" }, site ? `  # ${site.text} ${site.scope}` : ""),
      );
    },
    pick: (k) => select_node(lines[k][0], lines[k][1]),
  });
  rows.element.style.height = `${Math.min(360, lines.length * 24 + 2)}px`;
  rows.show(lines.length);
  const go = (is_after) => {
    open_tab("graph");
    drawing.pass(pass, is_after);
  };
  return [
    el(
      "div",
      { class: "tools" },
      el("span", { class: "muted" }, `${count(pass.gone.length)} nodes gone, ${count(pass.new.length)} new`),
      el("span", { class: "grow" }),
      button("Draw before", () => go(false)),
      button("Draw after", () => go(true)),
    ),
    rows.element,
  ];
}
