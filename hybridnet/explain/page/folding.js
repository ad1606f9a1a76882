// A graph's tree of blocks, of which some are unfolded: what stands for a node, and who reads whom.

class FoldedGraph {
  constructor(g, top) {
    this.g = g;
    this.top = top;
    this.unfolded = new Set(); // the ids of branches
    this.parent = new Map(); // of each branch, and of each node by its number, the branch that it is in
    this.known = new Map(); // of each branch, what its parts read of one another: that does not change with what is folded
    this.note_parents(top, null);
  }

  note_parents(list, branch) {
    for (const b of list) {
      this.parent.set(b.leaf >= 0 ? b.leaf : b.id, branch);
      this.note_parents(b.children, b);
    }
  }

  // The branches that a node is in, the outermost first.
  around(i) {
    const path = [];
    for (let b = this.parent.get(i); b; b = this.parent.get(b.id)) path.unshift(b);
    return path;
  }

  // What stands for a node in the drawing: its box, or that of the branch in which it is folded; nothing for constants.
  standing(i) {
    if (!this.parent.has(i)) return null;
    const path = this.around(i);
    const folded = path.find((b) => !this.unfolded.has(b.id));
    return folded ? folded.id : `${path.length ? path.at(-1).id : ""}/${i}`;
  }

  // What the parts ``list`` of a branch read of one another, after the ``start`` inputs that stand before them.
  edges(branch, list, start) {
    const key = branch ? branch.id : "";
    if (!this.known.has(key)) this.known.set(key, this.read_among(list, start));
    return this.known.get(key);
  }

  // Which of some branches read which, after the ``start`` inputs: pairs of their numbers, with how many values go that way.
  read_among(list, start) {
    const owner = new Map();
    list.forEach((b, k) => {
      for (const i of leaves_of(b)) owner.set(i, k);
    });
    const edges = new Map();
    const note = (a, b, v) => {
      const key = a * 4096 + b;
      (edges.get(key) || edges.set(key, new Set()).get(key)).add(v);
    };
    for (const [i, k] of owner) {
      for (const v of this.g.reads[i]) {
        const from = v < 0 ? (-1 - v < start ? -1 - v : -1) : owner.has(this.g.producer[v]) ? owner.get(this.g.producer[v]) + start : -1;
        if (from >= 0 && from !== k + start) note(from, k + start, v);
      }
    }
    return {
      pairs: [...edges.keys()].map((key) => [Math.floor(key / 4096), key % 4096]),
      counts: [...edges.values()].map((values) => values.size),
    };
  }
}
