// The page: its head, its tabs, which views are made when they are first opened.

const VIEWS = {
  blocks: ["Blocks", blocks_view],
  graph: ["Graph", graph_view],
  passes: ["Passes", passes_view],
  steps: ["Steps", steps_view],
  memory: ["Memory", memory_view],
};
const made = {};
const main = el("main", { id: "view" });
const tabs = el("div", { class: "tabs", role: "tablist", "aria-label": "Views" });

function tab(name) {
  return el(
    "button",
    {
      role: "tab",
      id: `tab-${name}`,
      "aria-controls": "view",
      "aria-selected": "false",
      tabindex: "-1",
      onclick: () => open_tab(name),
      onkeydown: (e) => {
        const names = Object.keys(VIEWS),
          to = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
        if (to) {
          open_tab(names[(names.indexOf(name) + to + names.length) % names.length]);
          document.querySelector('[role="tab"][aria-selected="true"]').focus();
        }
      },
    },
    VIEWS[name][0],
  );
}

function open_tab(name) {
  for (const b of tabs.children) {
    const on = b.id === `tab-${name}`;
    b.setAttribute("aria-selected", String(on));
    b.setAttribute("tabindex", on ? "0" : "-1");
  }
  made[name] = made[name] || VIEWS[name][1]();
  main.replaceChildren(made[name]);
  main.setAttribute("aria-labelledby", `tab-${name}`);
  made[name].shown?.();
  history.replaceState(null, "", `#${name}`);
}

const KINDS = { library: ["library call"], copy: ["copy", "copies"], cupy: ["call of CuPy", "calls of CuPy"] };

function tile(label, value, under, ...more) {
  return el(
    "div",
    { class: "tile" },
    el("span", { class: "label" }, label),
    el("strong", {}, value),
    el("span", { class: "muted" }, under),
    ...more,
  );
}

function head() {
  const sum = (f) => PROGRAMS.reduce((s, p) => s + f(p), 0);
  const all = (column) => sum((p) => p.steps[column].reduce((s, x) => s + x, 0));
  const steps = sum((p) => p.steps.node.length);
  const kinds = {};
  for (const p of PROGRAMS)
    p.steps.kind.forEach((k) => {
      kinds[p.kinds[k]] = (kinds[p.kinds[k]] || 0) + 1;
    });
  const most = Object.entries(kinds)
    .sort((a, b) => b[1] - a[1])
    .slice(0, 3)
    .map(([k, n]) => many(n, ...(KINDS[k] || [k])))
    .join(" · ");
  const lowered = sum((p) => p.nodes);
  return el(
    "header",
    { class: "head" },
    el(
      "div",
      { class: "title-line" },
      el("h1", {}, D.name),
      el("span", { class: "muted" }, `${PROGRAMS.length > 1 ? `${PROGRAMS.length} programs` : "one program"} on ${D.device || "the CPU"}`),
      el("span", { class: "grow" }),
      theme_button(),
    ),
    el(
      "div",
      { class: "tiles" },
      TIMED
        ? tile("Time of a run", duration(sum((p) => p.seconds ?? 0)), `${duration(all("seconds"))} step by step`)
        : tile("Bytes moved", bytes(all("bytes")), "not profiled: explain(…, profile=True)"),
      tile("Steps", count(steps), most),
      tile(
        "Memory planned",
        bytes(D.planned),
        `${percent(D.planned, D.naive)} of ${bytes(D.naive)}`,
        el("span", { class: "track" }, el("i", { style: `width:${Math.min(100, (100 * D.planned) / Math.max(1, D.naive))}%` })),
      ),
      tile(
        "Nodes",
        `${count(D.traced)} → ${count(lowered)}`,
        `${TIMED ? `${bytes(all("bytes"))} moved · ` : ""}${operations(all("flops"))} of products`,
      ),
    ),
    D.left_out.length || D.refusals.length
      ? el(
          "div",
          { class: "notes" },
          D.left_out.map((t) => el("p", { class: "note" }, `Left out: ${t}`)),
          D.refusals.length
            ? el(
                "details",
                { class: "note" },
                el("summary", {}, `${many(D.refusals.length, "operator")} that a library refused`),
                el(
                  "ul",
                  {},
                  D.refusals.map((r) => el("li", {}, r)),
                ),
              )
            : null,
        )
      : null,
  );
}

// Light, dark, or as the system has it.
function theme_button() {
  const names = ["auto", "light", "dark"];
  const b = el("button", { class: "tool theme", onclick: () => set(names[(names.indexOf(now) + 1) % 3]) });
  let now = "auto";
  const set = (name) => {
    now = name;
    if (name === "auto") document.documentElement.removeAttribute("data-theme");
    else document.documentElement.setAttribute("data-theme", name);
    b.textContent = { auto: "◐ auto", light: "○ light", dark: "● dark" }[name];
    b.setAttribute("aria-label", `Colours: ${name}`);
    made.memory?.shown();
  };
  set("auto");
  return b;
}

tabs.append(...Object.keys(VIEWS).map(tab));
close_panel();
document.getElementById("app").append(head(), tabs, el("div", { class: "body" }, main, panel));
document.addEventListener("keydown", (e) => {
  if (e.key === "Escape") close_panel();
});
listeners.push((g, i) => {
  if (
    g &&
    drawing.g === g &&
    made.graph &&
    main.contains(made.graph) &&
    !drawing.order.some((b) => b.id === drawing.current && b.leaf === i)
  )
    drawing.reveal(i);
});
open_tab(location.hash.slice(1) in VIEWS ? location.hash.slice(1) : "blocks");
