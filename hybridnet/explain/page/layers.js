// A layered layout: boxes in rows so that arrows go down, long arrows through places of their own, few crossings, straight lines.
// Sugiyama, Tagawa and Toda, 1981; a row's places are the nearest to what is wanted that keep their distances (pool adjacent violators).

const GAP = { x: 18, y: 34, way: 12 };
const ROW = 7; // boxes in a row at most, which is then continued in one more

// ``items``: boxes {w, h} in the order in which they run; ``edges``: pairs of their numbers. Gives places (x, y of the top left corners),
// the size of all, and for each edge the points that it goes through.
function layered(items, edges) {
  const down = edges.filter(([a, b]) => a < b);
  const rank = ranks(items.length, down);
  const touched = new Set(edges.flat());
  const alone = items.map((_, i) => i).filter((i) => !touched.has(i));
  const rows = rowed(items, rank, touched);
  const { cells, links, ways } = with_ways(rows, items, down);
  ordered(cells, links);
  const size = placed(cells, links, items);
  const x = [],
    y = [];
  for (const row of cells)
    for (const c of row)
      if (c.item >= 0) {
        x[c.item] = c.x - c.w / 2;
        y[c.item] = row.y + (row.h - items[c.item].h) / 2;
      }
  grid(alone, items, x, y, size);
  const paths = edges.map(([a, b]) => {
    const begin = [x[a] + items[a].w / 2, y[a] + items[a].h];
    const end = [x[b] + items[b].w / 2, y[b]];
    if (a >= b) return beside(items, x, y, a, b, size);
    return [
      begin,
      ...(ways.get(`${a}-${b}`) || []).flatMap((c) => [
        [c.x, c.row.y],
        [c.x, c.row.y + c.row.h],
      ]),
      end,
    ];
  });
  return { x, y, w: size.w, h: size.h, paths };
}

// The row of each: below all that it reads, and as near to its readers as it can be if it reads nothing.
function ranks(n, edges) {
  const rank = Array(n).fill(0),
    out = Array.from({ length: n }, () => []),
    has = Array(n).fill(false);
  for (const [a, b] of edges) {
    out[a].push(b);
    has[b] = true;
  }
  for (let a = 0; a < n; a += 1) for (const b of out[a]) rank[b] = Math.max(rank[b], rank[a] + 1);
  for (let a = n - 1; a >= 0; a -= 1) if (!has[a] && out[a].length) rank[a] = Math.max(0, Math.min(...out[a].map((b) => rank[b])) - 1);
  return rank;
}

function rowed(items, rank, touched) {
  const by = [];
  items.forEach((_, i) => {
    if (touched.has(i)) (by[rank[i]] = by[rank[i]] || []).push(i);
  });
  const rows = [];
  for (const row of by.filter(Boolean)) for (let k = 0; k < row.length; k += ROW) rows.push(row.slice(k, k + ROW));
  return rows;
}

// The rows with a narrow cell for each arrow that passes one: arrows from one box share theirs.
function with_ways(rows, items, edges) {
  const cells = rows.map((row) => row.map((i) => ({ item: i, w: items[i].w })));
  const at = new Map(),
    links = [],
    shared = new Map(),
    ways = new Map();
  cells.forEach((row, r) => row.forEach((c) => at.set(c.item, [c, r])));
  for (const [a, b] of edges) {
    const [first, from] = at.get(a),
      [last, to] = at.get(b);
    let before = first;
    const through = [];
    for (let r = from + 1; r < to; r += 1) {
      const key = `${a}-${r}`;
      if (!shared.has(key)) {
        const cell = { item: -1, w: GAP.way, row: cells[r] };
        shared.set(key, cell);
        cells[r].push(cell);
        links.push([before, cell]);
      }
      before = shared.get(key);
      through.push(before);
    }
    links.push([before, last]);
    ways.set(`${a}-${b}`, through);
  }
  return { cells, links, ways };
}

function neighbours(links) {
  const up = new Map(),
    down = new Map();
  for (const [a, b] of links) {
    (down.get(a) || down.set(a, []).get(a)).push(b);
    (up.get(b) || up.set(b, []).get(b)).push(a);
  }
  return { up, down };
}

// Rows in the order of the middles of what their cells are linked with, down and up in turn.
function ordered(cells, links) {
  const { up, down } = neighbours(links);
  const number = () =>
    cells.forEach((row) =>
      row.forEach((c, k) => {
        c.k = k;
      }),
    );
  number();
  for (let sweep = 0; sweep < 6; sweep += 1) {
    const of = sweep % 2 ? down : up;
    for (const row of sweep % 2 ? [...cells].reverse() : cells) {
      for (const c of row) {
        const near = of.get(c) || [];
        c.wish = near.length ? near.reduce((s, d) => s + d.k, 0) / near.length : c.k;
      }
      row.sort((a, b) => a.wish - b.wish || a.k - b.k);
      row.forEach((c, k) => {
        c.k = k;
      });
    }
  }
}

function placed(cells, links, items) {
  const { up, down } = neighbours(links);
  for (const row of cells) {
    let x = 0;
    for (const c of row) {
      c.x = x + c.w / 2;
      x += c.w + GAP.x;
    }
    for (const c of row) c.x -= (x - GAP.x) / 2;
  }
  for (let sweep = 0; sweep < 8; sweep += 1) {
    const of = sweep % 2 ? down : up;
    for (const row of sweep % 2 ? [...cells].reverse() : cells) {
      settle(
        row,
        row.map((c) => {
          const near = of.get(c) || [];
          return near.length ? near.reduce((s, d) => s + d.x, 0) / near.length : c.x;
        }),
      );
    }
  }
  let y = 0,
    left = Infinity,
    right = -Infinity;
  for (const row of cells) {
    row.y = y;
    row.h = Math.max(0, ...row.map((c) => (c.item >= 0 ? items[c.item].h : 0)));
    y += row.h + GAP.y;
    for (const c of row) {
      left = Math.min(left, c.x - c.w / 2);
      right = Math.max(right, c.x + c.w / 2);
    }
  }
  if (!cells.length) return { w: 0, h: 0 };
  for (const row of cells) for (const c of row) c.x -= left;
  return { w: right - left, h: y - GAP.y };
}

// The places nearest to ``wishes`` (least squares) that keep a row's order and distances.
function settle(row, wishes) {
  const offset = [];
  row.forEach((c, i) => {
    offset[i] = i ? offset[i - 1] + (row[i - 1].w + c.w) / 2 + GAP.x : 0;
  });
  const pools = [];
  row.forEach((_, i) => {
    pools.push({ sum: wishes[i] - offset[i], n: 1 });
    while (pools.length > 1 && pools.at(-2).sum / pools.at(-2).n > pools.at(-1).sum / pools.at(-1).n) {
      const last = pools.pop();
      pools.at(-1).sum += last.sum;
      pools.at(-1).n += last.n;
    }
  });
  let i = 0;
  for (const pool of pools) for (let k = 0; k < pool.n; k += 1, i += 1) row[i].x = pool.sum / pool.n + offset[i];
}

// Boxes that nothing here reads or is read by, side by side below the rest.
function grid(alone, items, x, y, size) {
  if (!alone.length) return;
  const widest = Math.max(size.w, Math.min(6, Math.ceil(Math.sqrt(alone.length * 1.4))) * 210);
  let top = size.h ? size.h + GAP.y : 0,
    left = 0,
    high = 0;
  for (const i of alone) {
    if (left && left + items[i].w > widest) {
      top += high + GAP.x;
      left = 0;
      high = 0;
    }
    x[i] = left;
    y[i] = top;
    left += items[i].w + GAP.x;
    high = Math.max(high, items[i].h);
    size.w = Math.max(size.w, left - GAP.x);
  }
  size.h = top + high;
}

// An arrow up: to a block that ran before, and goes on.
function beside(items, x, y, a, b, size) {
  const right = Math.max(x[a] + items[a].w, x[b] + items[b].w) + GAP.x;
  size.w = Math.max(size.w, right);
  return [
    [x[a] + items[a].w, y[a] + items[a].h / 2],
    [right, y[a] + items[a].h / 2],
    [right, y[b] + items[b].h / 2],
    [x[b] + items[b].w, y[b] + items[b].h / 2],
  ];
}

// Points as a path of curves that leave and arrive upright.
function curved(points) {
  let d = `M${points[0].map(Math.round)}`;
  for (let i = 1; i < points.length; i += 1) {
    const [x0, y0] = points[i - 1],
      [x1, y1] = points[i];
    const middle = (y0 + y1) / 2;
    d +=
      Math.abs(x0 - x1) < 1
        ? `L${x1.toFixed(1)},${y1.toFixed(1)}`
        : `C${x0.toFixed(1)},${middle.toFixed(1)} ${x1.toFixed(1)},${middle.toFixed(1)} ${x1.toFixed(1)},${y1.toFixed(1)}`;
  }
  return d;
}
