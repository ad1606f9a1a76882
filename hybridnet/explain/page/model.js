// The description, and what is asked of it. Nothing here draws.

const D = JSON.parse(document.getElementById("description").textContent);

const PHASES = { f: "forward", b: "backward", u: "update" };

// -- numbers as text ---------------------------------------------------------------------------

const digits = (x) =>
  x >= 99.95 ? Math.round(x).toLocaleString("en-US").replaceAll(",", "\u202f") : x >= 9.995 ? x.toFixed(1) : x.toFixed(2);

function scaled(x, units, step) {
  let at = 0;
  while (at < units.length - 1 && x >= step) {
    x /= step;
    at += 1;
  }
  return `${at ? digits(x) : Math.round(x)} ${units[at]}`;
}

const bytes = (x) => scaled(x, ["B", "kB", "MB", "GB", "TB"], 1000);
const operations = (x) => scaled(x, ["FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP"], 1000);
const count = (x) => x.toLocaleString("en-US").replaceAll(",", "\u202f");
const many = (x, one, more = `${one}s`) => `${count(x)} ${x === 1 ? one : more}`;
const percent = (part, whole) => (whole > 0 ? `${part >= 5e-5 * whole ? digits((100 * part) / whole) : "0"} %` : "–");

function duration(s) {
  if (s >= 1) return `${digits(s)} s`;
  return s >= 1e-3 ? `${digits(s * 1e3)} ms` : `${digits(s * 1e6)} µs`;
}

// -- nodes -------------------------------------------------------------------------------------

// A graph with what is found of it when it is first asked: which node computes a value, and who reads it.
class Graph {
  constructor(number) {
    this.number = number;
    Object.assign(this, D.graphs[number]);
    this.producer = []; // of each value, its node
    this.first = []; // of each node, its first value
    this.nodes.forEach((s, i) => {
      this.first.push(this.producer.length);
      for (let k = 0; k < D.signatures[s][3].length; k += 1) this.producer.push(i);
    });
    this.readers = this.nodes.map(() => []);
    this.reads.forEach((values, i) => {
      for (const v of new Set(values)) if (v >= 0) this.readers[this.producer[v]].push(i);
    });
  }

  node(i) {
    const [op, site, attrs, outputs] = D.signatures[this.nodes[i]];
    const [name, kind] = D.ops[op];
    return { name, kind, attrs, outputs: outputs.map((s) => D.specs[s]), site: site < 0 ? null : place(site), phase: this.phases[i] };
  }

  // The nodes that compute what a node reads.
  writers(i) {
    return [...new Set(this.reads[i].filter((v) => v >= 0).map((v) => this.producer[v]))];
  }

  // What a value is, in words: an input's name, or the operator that computes it.
  value(v) {
    if (v < 0) return { node: -1, text: this.inputs[-1 - v][0], spec: D.specs[this.inputs[-1 - v][1]] };
    const i = this.producer[v];
    const node = this.node(i);
    return { node: i, text: node.name, spec: node.outputs[v - this.first[i]], constant: node.kind === "creation" ? node.attrs : "" };
  }

  // A node as a line, as graphs print.
  line(i) {
    const { name, attrs, outputs, site } = this.node(i);
    const reads = this.reads[i].map((v) => (v < 0 ? this.inputs[-1 - v][0] : `v${v}`));
    const left = outputs.map((s, k) => `v${this.first[i] + k}: ${s}`).join(", ");
    return { text: `${left} = ${name}(${[...reads, attrs].filter(Boolean).join(", ")})`, site };
  }
}

const known = new Map();
function graph(number) {
  if (!known.has(number)) known.set(number, new Graph(number));
  return known.get(number);
}

function place(number) {
  const [file, line, scope, role] = D.sites[number];
  const name = file < 0 ? "" : D.files[file].name;
  return { file, line, scope, role, text: name ? `${name}:${line}` : "" };
}

// -- steps -------------------------------------------------------------------------------------

// A program with its steps by the node that they compute.
class Program {
  constructor(described, start) {
    Object.assign(this, described);
    this.start = start; // what its nodes are numbered from in the tree of blocks
    this.lines = null;
    this.of = new Map();
    this.steps.node.forEach((n, s) => {
      if (!this.of.has(n)) this.of.set(n, []);
      this.of.get(n).push(s);
    });
  }

  text_of(step) {
    this.lines = this.lines || this.text.split("\n");
    const [from, to] = this.steps.text[step];
    const lines = this.lines.slice(from, to);
    const indent = Math.min(...lines.filter((l) => l.trim()).map((l) => l.length - l.trimStart().length));
    return lines.map((l) => l.slice(indent)).join("\n");
  }

  step(s) {
    const { node, kind, by, bytes: moved, flops, seconds } = this.steps;
    return {
      program: this,
      number: s,
      node: node[s],
      kind: this.kinds[kind[s]],
      by: this.names[by[s]],
      bytes: moved[s],
      flops: flops[s],
      seconds: seconds ? seconds[s] : null,
    };
  }
}

const PROGRAMS = [];
for (const described of D.programs) {
  const before = PROGRAMS.at(-1);
  PROGRAMS.push(new Program(described, before ? before.start + before.nodes : 0));
}
const TIMED = PROGRAMS.every((p) => p.steps.seconds);
const DRAWN = PROGRAMS.every((p) => p.graph >= 0);

const program_of_graph = (number) => PROGRAMS.find((p) => p.graph === number);

// What a node of a program's graph costs, its steps together.
function cost(program, node) {
  const sum = { steps: 0, seconds: 0, bytes: 0, flops: 0 };
  for (const s of program.of.get(node) || []) {
    sum.steps += 1;
    sum.bytes += program.steps.bytes[s];
    sum.flops += program.steps.flops[s];
    if (TIMED) sum.seconds += program.steps.seconds[s];
  }
  return sum;
}

// What bars are long by: seconds where there are any, else bytes.
const weight = (sum) => (TIMED ? sum.seconds : sum.bytes);
const weighed = (x) => (TIMED ? duration(x) : bytes(x));

// -- trees -------------------------------------------------------------------------------------

// A tree's branches as objects, with what all that they hold costs together, by phase as well. ``at`` gives of a leaf its cost and phase.
function branches(children, at, path = "") {
  return children.map((child, k) => {
    if (!Array.isArray(child)) {
      const { sum, phase } = at(child);
      return {
        leaf: child,
        id: `${path}/${child}`,
        name: "",
        kind: "node",
        children: [],
        leaves: 1,
        at: child,
        sum,
        by: { [phase]: weight(sum) },
      };
    }
    const [name, kind, inner] = child;
    const id = `${path}/${k}.${name}`;
    const parts = branches(inner, at, id);
    const sum = { steps: 0, seconds: 0, bytes: 0, flops: 0 };
    const by = {};
    let leaves = 0;
    for (const part of parts) {
      for (const key of Object.keys(sum)) sum[key] += part.sum[key];
      for (const [phase, w] of Object.entries(part.by)) by[phase] = (by[phase] || 0) + w;
      leaves += part.leaves;
    }
    return { leaf: -1, id, name, kind, children: parts, leaves, at: middle(parts), sum, by };
  });
}

// Where in the order of running the middle one of a branch's nodes is.
function middle(parts) {
  const numbers = parts.flatMap((part) => [...leaves_of(part)]).sort((a, b) => a - b);
  return numbers.length ? numbers[(numbers.length - 1) >> 1] : 0;
}

function* leaves_of(branch) {
  if (branch.leaf >= 0) yield branch.leaf;
  for (const part of branch.children) yield* leaves_of(part);
}

function program_at(leaf) {
  const program = PROGRAMS.findLast((p) => p.start <= leaf);
  return { program, node: leaf - program.start };
}
