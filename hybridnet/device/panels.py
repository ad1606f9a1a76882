"""Products of some rows with a matrix that lies in panels, as text for numba's functions.

A panel is ``PANEL`` columns of the matrix, whose numbers of one row lie together: the row's product with it are two vectors of sums that
stay in registers. Each sum is taken in order, however many rows are multiplied at once: results do not depend on how rows are cut.
"""

from __future__ import annotations

from hybridnet.device import lanes

#: Columns of a panel.
PANEL = 16
#: Rows that are multiplied at once, each with two vectors of sums: twelve of AVX2's sixteen registers.
ROWS = (6, 4, 2, 1)


def text() -> str:
    """The function ``multiplied``, and what it needs.

    ``multiplied(x, at, inner, u, panel, y, to, row, rows)``: the product of so many rows of ``inner`` numbers, one after another at
    ``at`` of address ``x``, with the panel at ``panel`` of ``u``, to rows at ``to`` of ``y`` that are ``row`` numbers apart.
    """
    head = f"# of the operations {lanes.digest()}\nWIDTH = {lanes.WIDTH}\nPANEL = {PANEL}\nZERO = float32(0.0)"
    lines = ["@called", "def multiplied(x, at, inner, u, panel, y, to, row, rows):", "    t = 0", "    while t < rows:"]
    for i, some in enumerate(ROWS):
        lines.append(f"        {'el' if i else ''}if rows - t >= {some}:")
        lines.append(f"            rows{some}(x, at + t * inner, inner, u, panel, y, to + t * row, row)")
        lines.append(f"            t += {some}")
    return "\n\n".join([head, *map(_rows, ROWS), "\n".join(lines)])


def _rows(number: int) -> str:
    """The function that multiplies so many rows."""
    each = range(number)
    lines = ["@called", f"def rows{number}(x, at, inner, u, panel, y, to, row):"]
    lines += [f"    a{i} = splat(ZERO); b{i} = splat(ZERO); o{i} = at + {i} * inner" for i in each]
    lines += ["    for c in range(inner):", "        p = load(u, panel); q = load(u, panel + WIDTH); panel += PANEL"]
    lines += [f"        s = spread(x, o{i} + c); a{i} = muladd(s, p, a{i}); b{i} = muladd(s, q, b{i})" for i in each]
    lines += [f"    store(y, to + {i} * row, a{i}); store(y, to + {i} * row + WIDTH, b{i})" for i in each]
    return "\n".join(lines)
