// The arena over time: from left to right the steps, upwards its bytes; what lies where is a rectangle.

const REST = 0.45; // how strong colours are where nothing is selected
const MOST_PLACES = 10000; // that are drawn; the smallest are left out

function memory_view() {
  const starts = [];
  let end = 0;
  for (const p of PROGRAMS) {
    starts.push(end);
    end += Math.max(1, p.nodes);
  }
  const rects = PROGRAMS.flatMap((p, k) =>
    p.arena.map(([offset, size, from, to, node, what]) => ({
      p,
      offset,
      size,
      from: starts[k] + from,
      to: starts[k] + Math.min(to + 1, p.nodes),
      node,
      what,
      phase: phase_of(p, node, k),
    })),
  );
  const top = Math.max(D.planned, 1);
  const drawn =
    rects.length > MOST_PLACES
      ? new Set([...rects].sort((a, b) => b.size * (b.to - b.from) - a.size * (a.to - a.from)).slice(0, MOST_PLACES))
      : null;
  const live = living(rects, end);
  const peak = Math.max(...live, 0);
  const map = el("canvas", { role: "img", "aria-label": `The arena over ${count(end)} steps; the table below lists what is largest` });
  const tip = el("p", { class: "muted tip", "aria-live": "polite" }, "Point at a rectangle to see what lies there; click for more.");
  let at = null;
  const view = el(
    "div",
    { class: "pane memory" },
    el(
      "div",
      { class: "compare" },
      [
        ["planned, in one arena", D.planned, "plan"],
        ["most that lives at once", peak, "live"],
        ["a buffer for every value", D.naive, "naive"],
      ].map(([name, size, cls]) =>
        el(
          "div",
          { class: cls },
          el("span", {}, name),
          el("span", { class: "track" }, el("i", { style: `width:${(100 * size) / Math.max(D.naive, D.planned, 1)}%` })),
          el("b", {}, bytes(size)),
        ),
      ),
    ),
    el(
      "div",
      { class: "tools" },
      legend(),
      el(
        "span",
        { class: "muted" },
        `${many(rects.length, "place")} in ${bytes(D.planned)}${drawn ? `; the ${count(MOST_PLACES)} largest are drawn` : ""}`,
      ),
    ),
    map,
    tip,
    table(),
  );

  function phase_of(p, node, k) {
    if (node >= 0 && p.graph >= 0) return graph(p.graph).phases[node];
    return k ? "b" : "f";
  }

  function table() {
    const largest = [...rects].sort((a, b) => b.size - a.size).slice(0, 15);
    const row = (r) =>
      el(
        "tr",
        { class: r.phase },
        el(
          "td",
          {},
          el(
            "button",
            { class: "link", onclick: () => pick(r) },
            r.node >= 0 && r.p.graph >= 0 ? `${short(graph(r.p.graph).node(r.node).name, 40)} ${r.what}` : r.what,
          ),
        ),
        el("td", { class: "number" }, bytes(r.size)),
        el("td", { class: "number" }, `${count(r.from)} – ${count(r.to - 1)}`),
        el("td", { class: "number" }, bytes(r.offset)),
      );
    return el(
      "div",
      { class: "wide" },
      el(
        "table",
        {},
        el("caption", {}, "The largest"),
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            ["What", "Size", "Steps", "From byte"].map((t) => el("th", { scope: "col" }, t)),
          ),
        ),
        el("tbody", {}, largest.map(row)),
      ),
    );
  }

  function pick(r) {
    at = r;
    draw();
    if (r.node >= 0 && r.p.graph >= 0) select_node(graph(r.p.graph), r.node);
    else
      fill(
        "in the arena",
        r.what,
        facts([
          ["size", bytes(r.size)],
          ["from byte", count(r.offset)],
          ["steps", `${count(r.from)} – ${count(r.to - 1)}`],
        ]),
      );
  }

  const pad = { l: 56, r: 8, t: 8, b: 22 };
  function draw() {
    const w = map.clientWidth,
      h = map.clientHeight,
      ratio = window.devicePixelRatio || 1;
    if (!w) return;
    map.width = w * ratio;
    map.height = h * ratio;
    const c = map.getContext("2d");
    const css = getComputedStyle(document.documentElement);
    const colour = Object.fromEntries(
      ["f", "b", "u", "ink", "muted", "line", "accent"].map((n) => [n, css.getPropertyValue(`--${n}`).trim()]),
    );
    c.scale(ratio, ratio);
    const x = (s) => pad.l + ((w - pad.l - pad.r) * s) / end,
      y = (b) => h - pad.b - ((h - pad.t - pad.b) * b) / top;
    for (const r of drawn ? rects.filter((r) => drawn.has(r)) : rects) {
      const box = [x(r.from), y(r.offset + r.size), Math.max(0.7, x(r.to) - x(r.from)), Math.max(0.5, y(r.offset) - y(r.offset + r.size))];
      c.fillStyle = colour[r.phase.trim() || "f"];
      c.globalAlpha = r === at ? 1 : REST;
      c.fillRect(...box);
      if (box[2] > 3 && box[3] > 3) {
        c.globalAlpha = r === at ? 1 : 0.8;
        c.strokeStyle = r === at ? colour.ink : colour.f && c.fillStyle;
        c.lineWidth = r === at ? 1.5 : 0.6;
        c.strokeRect(...box);
      }
    }
    c.globalAlpha = 1;
    axes(c, colour, w, h, x, y);
  }

  function axes(c, colour, w, h, x, y) {
    c.strokeStyle = colour.ink;
    c.lineWidth = 1.4;
    c.beginPath();
    const each = Math.max(1, Math.floor(end / (2 * w))); // of many steps in a pixel, the one where most lives
    for (let s = 0; s < end; s += each) {
      const b = each > 1 ? Math.max(...live.slice(s, s + each)) : live[s];
      c.lineTo(x(s), y(b));
      c.lineTo(x(Math.min(end, s + each)), y(b));
    }
    c.stroke();
    c.font = "11px system-ui, sans-serif";
    c.fillStyle = colour.muted;
    c.strokeStyle = colour.line;
    c.lineWidth = 1;
    c.textAlign = "right";
    for (let k = 0; k <= 4; k += 1) {
      const b = (top * k) / 4;
      c.fillText(bytes(b), pad.l - 6, y(b) + (k === 4 ? 9 : k ? 4 : 0));
    }
    c.strokeRect(pad.l, pad.t, w - pad.l - pad.r, h - pad.t - pad.b);
    c.textAlign = "left";
    PROGRAMS.forEach((p, k) => {
      c.fillText(short(p.name, 40), x(starts[k]) + 2, h - 7);
      if (k) {
        c.beginPath();
        c.moveTo(x(starts[k]), pad.t);
        c.lineTo(x(starts[k]), h - pad.b);
        c.stroke();
      }
    });
    c.textAlign = "right";
    c.fillText(`step ${count(end)}`, w - pad.r, h - 7);
  }

  function under(event) {
    const box = map.getBoundingClientRect();
    const s = ((event.clientX - box.left - pad.l) / (box.width - pad.l - pad.r)) * end,
      b = ((box.bottom - event.clientY - pad.b) / (box.height - pad.t - pad.b)) * top;
    return rects.findLast((r) => r.from <= s && s < r.to && r.offset <= b && b < r.offset + r.size);
  }

  map.addEventListener("mousemove", (event) => {
    const r = under(event);
    tip.textContent = r
      ? `${r.node >= 0 && r.p.graph >= 0 ? `${graph(r.p.graph).node(r.node).name} ` : ""}${r.what}: ${bytes(r.size)}, steps ${count(r.from)} to ${count(r.to - 1)}`
      : "The line is what lives at each step, if nothing had to keep its place.";
  });
  map.addEventListener("click", (event) => {
    const r = under(event);
    if (r) pick(r);
  });
  new ResizeObserver(draw).observe(map);
  view.shown = draw;
  return view;
}

// The bytes that live at each step.
function living(rects, end) {
  const change = new Float64Array(end + 1);
  for (const r of rects) {
    change[r.from] += r.size;
    change[Math.min(end, r.to)] -= r.size;
  }
  let now = 0;
  return Array.from({ length: end }, (_, s) => {
    now += change[s];
    return now;
  });
}
