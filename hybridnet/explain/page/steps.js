// The steps of the programs: regions, kernels, library calls and statements, with the text of each.

function steps_view() {
  const all = PROGRAMS.flatMap((p) => p.steps.node.map((_, s) => [p, s]));
  const g = (p) => (p.graph >= 0 ? graph(p.graph) : null);
  const most = Math.max(...all.map(([p, s]) => (TIMED ? p.steps.seconds[s] : p.steps.bytes[s])), 1e-12);
  let shown = all;
  const size = ([p, s]) => (TIMED ? p.steps.seconds[s] : p.steps.bytes[s]);
  const name_of = ([p, s]) => {
    const n = p.steps.node[s];
    return n < 0 || !g(p) ? p.kinds[p.steps.kind[s]] : g(p).node(n).name;
  };
  const rows = new Rows({
    label: "Steps",
    height: 34,
    row: (k) => {
      const [p, s] = shown[k];
      const step = p.step(s),
        node = step.node >= 0 && g(p) ? g(p).node(step.node) : null;
      return [
        el("span", { class: "number muted" }, count(s)),
        el("span", { class: `tag ${step.kind}` }, step.kind),
        el(
          "span",
          { class: "what" },
          step.kind === "copy" ? "copy" : short(name_of(shown[k]), 60),
          " ",
          el("small", {}, node ? node.outputs[0] : ""),
        ),
        el("span", { class: "where" }, node && node.site ? node.site.scope || node.site.text : ""),
        el("span", { class: "share" }, bar({ [node ? node.phase : "f"]: size(shown[k]) }, most)),
        el("span", { class: "number" }, TIMED ? duration(step.seconds) : bytes(step.bytes)),
      ];
    },
    pick: (k) => {
      const [p, s] = shown[k];
      if (g(p) && p.steps.node[s] >= 0) select_node(g(p), p.steps.node[s]);
      else
        fill(
          "step",
          p.kinds[p.steps.kind[s]],
          facts(costs({ steps: 1, seconds: p.steps.seconds?.[s], bytes: p.steps.bytes[s], flops: p.steps.flops[s] })),
          section("Computed by", step_text(p, s)),
        );
    },
  });
  const kinds = [...new Set(PROGRAMS.flatMap((p) => p.kinds))];
  const filter = el("input", {
    type: "search",
    placeholder: "Filter by operator, block or kind",
    "aria-label": "Filter steps",
    oninput: () => apply(),
  });
  const kind = el(
    "select",
    { "aria-label": "Kind of step", onchange: () => apply() },
    el("option", { value: "" }, "all kinds"),
    kinds.map((k) => el("option", { value: k }, k)),
  );
  const found = el("span", { class: "muted", "aria-live": "polite" });
  let largest = false;
  function apply() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    shown = all.filter(([p, s]) => {
      if (kind.value && p.kinds[p.steps.kind[s]] !== kind.value) return false;
      if (!words.length) return true;
      const n = p.steps.node[s],
        node = n >= 0 && g(p) ? g(p).node(n) : null;
      const text =
        `${p.kinds[p.steps.kind[s]]} ${name_of([p, s])} ${node && node.site ? `${node.site.scope} ${node.site.text}` : ""} ${p.names[p.steps.by[s]]}`.toLowerCase();
      return words.every((w) => text.includes(w));
    });
    if (largest) shown = [...shown].sort((a, b) => size(b) - size(a));
    const sum = shown.reduce((t, x) => t + size(x), 0);
    found.textContent = `${many(shown.length, "step")}, ${weighed(sum)}`;
    rows.element.scrollTop = 0;
    rows.show(shown.length);
  }
  const view = el(
    "div",
    { class: "pane steps" },
    el(
      "div",
      { class: "tools" },
      filter,
      kind,
      found,
      el("span", { class: "grow" }),
      toggle("Slowest first", "Most bytes first", (on) => {
        largest = on;
        apply();
      }),
    ),
    rows.element,
    ...PROGRAMS.map((p) => whole_text(p)),
  );
  apply();
  view.shown = () => rows.draw();
  return view;
}

// The whole text of a program, in lines of which those in sight are drawn.
function whole_text(program) {
  const details = el(
    "details",
    { class: "whole" },
    el(
      "summary",
      {},
      `All of ${program.name}: ${many(program.text.split("\n").length, "line")} of ${program.language === "cuda" ? "CUDA C++" : "Python"}`,
    ),
    el("p", { class: "explained" }, program.explained),
  );
  details.addEventListener("toggle", () => {
    if (!details.open || details.children.length > 2) return;
    const lines = program.text.split("\n");
    const rows = new Rows({
      label: `The text of ${program.name}`,
      height: 20,
      row: (i) => el("code", {}, el("b", {}, String(i + 1)), lines[i]),
    });
    details.append(rows.element);
    rows.show(lines.length);
  });
  return details;
}
