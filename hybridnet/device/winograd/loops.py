"""A piece of a convolution, some tiles by some filters, as a function that numba compiles once, for all shapes.

A piece's tiles are transformed into scratch, (36, tiles, channels), multiplied by the weight's panels, and transformed back, with what
comes behind. Each sum over channels is taken in order, however the work is cut into pieces: results do not depend on that. One tile and
eight channels stay in registers, as far as there are enough. The 36 planes of a scratch are ``GAP`` numbers apart from one another beyond
their own size, so that their rows do not all fall to one place of the cache.
"""

from __future__ import annotations

from collections.abc import Callable

from hybridnet.device import lanes, panels
from hybridnet.device.winograd.transforms import PRODUCTS, TILE, WINDOW, A, B

#: Numbers between the planes of a scratch: a line of the cache.
GAP = 16

_TRANSFORMS = """
@inlined
def forth(d0, d1, d2, d3, d4, d5):  # a row of B^T d
    p = muladd(d2, splat(LESS_BB), d4)
    q = muladd(d1, splat(LESS_BB), d3)
    s = muladd(d2, splat(LESS_AA), d4)
    t = muladd(d1, splat(LESS_AA), d3)
    first = muladd(d0, splat(AABB), muladd(d2, splat(LESS_SUM), d4))
    last = muladd(d1, splat(AABB), muladd(d3, splat(LESS_SUM), d5))
    return first, muladd(q, splat(A), p), muladd(q, splat(LESS_A), p), muladd(t, splat(B), s), muladd(t, splat(LESS_B), s), last

@inlined
def back(m0, m1, m2, m3, m4, m5):  # a row of A^T m
    p = add(m1, m2)
    q = sub(m1, m2)
    s = add(m3, m4)
    t = sub(m3, m4)
    return (
        add(m0, add(p, s)), muladd(q, splat(A), mul(t, splat(B))), muladd(p, splat(AA), mul(s, splat(BB))),
        muladd(q, splat(AAA), muladd(t, splat(BBB), m5)),
    )

@inlined
def column(x, at, row):
    return forth(load(x, at), load(x, at + row), load(x, at + 2 * row), load(x, at + 3 * row), load(x, at + 4 * row), load(x, at + 5 * row))

@inlined
def put(v, at, plane, r):
    store(v, at, r[0])
    store(v, at + plane, r[1])
    store(v, at + 2 * plane, r[2])
    store(v, at + 3 * plane, r[3])
    store(v, at + 4 * plane, r[4])
    store(v, at + 5 * plane, r[5])

@called
def tile_forth(x, at, row, place, v, to, plane, channels):  # rows and places of x to the planes of v
    for c in range(0, channels, WIDTH):
        a = at + c
        c0 = column(x, a, row)
        c1 = column(x, a + place, row)
        c2 = column(x, a + 2 * place, row)
        c3 = column(x, a + 3 * place, row)
        c4 = column(x, a + 4 * place, row)
        c5 = column(x, a + 5 * place, row)
        put(v, to + c, plane, forth(c0[0], c1[0], c2[0], c3[0], c4[0], c5[0]))
        put(v, to + c + 6 * plane, plane, forth(c0[1], c1[1], c2[1], c3[1], c4[1], c5[1]))
        put(v, to + c + 12 * plane, plane, forth(c0[2], c1[2], c2[2], c3[2], c4[2], c5[2]))
        put(v, to + c + 18 * plane, plane, forth(c0[3], c1[3], c2[3], c3[3], c4[3], c5[3]))
        put(v, to + c + 24 * plane, plane, forth(c0[4], c1[4], c2[4], c3[4], c4[4], c5[4]))
        put(v, to + c + 30 * plane, plane, forth(c0[5], c1[5], c2[5], c3[5], c4[5], c5[5]))

@inlined
def summed(m, at, plane):
    return back(
        load(m, at), load(m, at + 6 * plane), load(m, at + 12 * plane),
        load(m, at + 18 * plane), load(m, at + 24 * plane), load(m, at + 30 * plane),
    )

@inlined
def end(y, at, value, e, r, from_, added, rectified):
    value = add(value, e)
    if added:
        value = add(value, load(r, from_))
    if rectified:
        value = relu(value)
    store(y, at, value)

@inlined
def end_row(y, at, place, values, e, r, from_, place_r, added, rectified):
    end(y, at, values[0], e, r, from_, added, rectified)
    end(y, at + place, values[1], e, r, from_ + place_r, added, rectified)
    end(y, at + 2 * place, values[2], e, r, from_ + 2 * place_r, added, rectified)
    end(y, at + 3 * place, values[3], e, r, from_ + 3 * place_r, added, rectified)

@called
def tile_back(m, at, plane, y, to, row, place, bias, first, r, from_, row_r, place_r, added, rectified, filters):
    for c in range(0, filters, WIDTH):
        a = at + c
        c0 = summed(m, a, plane)
        c1 = summed(m, a + plane, plane)
        c2 = summed(m, a + 2 * plane, plane)
        c3 = summed(m, a + 3 * plane, plane)
        c4 = summed(m, a + 4 * plane, plane)
        c5 = summed(m, a + 5 * plane, plane)
        e = load(bias, first + c)
        o = to + c
        f = from_ + c
        end_row(y, o, place, back(c0[0], c1[0], c2[0], c3[0], c4[0], c5[0]), e, r, f, place_r, added, rectified)
        end_row(y, o + row, place, back(c0[1], c1[1], c2[1], c3[1], c4[1], c5[1]), e, r, f + row_r, place_r, added, rectified)
        end_row(y, o + 2 * row, place, back(c0[2], c1[2], c2[2], c3[2], c4[2], c5[2]), e, r, f + 2 * row_r, place_r, added, rectified)
        end_row(y, o + 3 * row, place, back(c0[3], c1[3], c2[3], c3[3], c4[3], c5[3]), e, r, f + 3 * row_r, place_r, added, rectified)
"""

_PIECE = """
@called
def copied(x, at, y, to, numbers):
    for c in range(0, numbers, WIDTH):
        store(y, to + c, load(x, at + c))

@called
def products(v, plane_v, u, m, plane_m, tiles, channels, filters, all_filters, first):
    for p in range(PRODUCTS):
        for k in range(0, filters, PANEL):
            panel = (p * all_filters + first + k) * channels
            multiplied(v, p * plane_v, channels, u, panel, m, p * plane_m + k, filters, tiles)

def loop(
    x, u, bias, r, y, scratch, height, width, channels, filters, rows, places, pad_rows, pad_places,
    added, rectified, first_tile, end_tile, first_filter, end_filter,
):
    tiles = end_tile - first_tile
    some = end_filter - first_filter
    plane_v = tiles * channels + GAP
    plane_m = tiles * some + GAP
    v = scratch
    m = v + 4 * PRODUCTS * plane_v
    z = m + 4 * PRODUCTS * plane_m
    across = (places + TILE - 1) // TILE
    down = (rows + TILE - 1) // TILE
    for t in range(first_tile, end_tile):
        n = t // (down * across)
        i = (t - n * down * across) // across
        j = t - (n * down + i) * across
        top = i * TILE - pad_rows
        left = j * TILE - pad_places
        at = ((n * height + top) * width + left) * channels
        to = (t - first_tile) * channels
        if top >= 0 and left >= 0 and top + WINDOW <= height and left + WINDOW <= width:
            tile_forth(x, at, width * channels, channels, v, to, plane_v, channels)
        else:
            for a in range(WINDOW):
                for b in range(WINDOW):
                    if 0 <= top + a and top + a < height and 0 <= left + b and left + b < width:
                        copied(x, at + (a * width + b) * channels, z, (a * WINDOW + b) * channels, channels)
                    else:
                        for c in range(0, channels, WIDTH):
                            store(z, (a * WINDOW + b) * channels + c, splat(ZERO))
            tile_forth(z, 0, WINDOW * channels, channels, v, to, plane_v, channels)
    products(v, plane_v, u, m, plane_m, tiles, channels, some, filters, first_filter)
    for t in range(first_tile, end_tile):
        n = t // (down * across)
        i = (t - n * down * across) // across
        j = t - (n * down + i) * across
        from_ = (t - first_tile) * some
        to = ((n * rows + i * TILE) * places + j * TILE) * filters + first_filter
        if i * TILE + TILE <= rows and j * TILE + TILE <= places:
            row = places * filters
            tile_back(m, from_, plane_m, y, to, row, filters, bias, first_filter, r, to, row, filters, added, rectified, some)
        else:  # a tile that is cut off at the border is made whole, what is added to it too
            high = min(TILE, rows - i * TILE)
            wide = min(TILE, places - j * TILE)
            whole = TILE * TILE * some
            if added:
                for a in range(high):
                    for b in range(wide):
                        copied(r, to + (a * places + b) * filters, z, whole + (a * TILE + b) * some, some)
            tile_back(m, from_, plane_m, z, 0, TILE * some, some, bias, first_filter, z, whole, TILE * some, some, added, rectified, some)
            for a in range(high):
                for b in range(wide):
                    copied(z, (a * TILE + b) * some, y, to + (a * places + b) * filters, some)
"""

_TYPES = ("intp",) * 14 + ("boolean",) * 2 + ("intp",) * 4


def scratch_size(tiles: int, channels: int, filters: int) -> int:
    """Bytes of scratch of a piece."""
    return 4 * (PRODUCTS * (tiles * (channels + filters) + 2 * GAP) + max(PRODUCTS * channels, 2 * TILE * TILE * filters))


def text() -> str:
    """All of it."""
    return "\n\n".join([panels.text(), _constants(), _TRANSFORMS.strip(), _PIECE.strip()]) + "\n"


def _constants() -> str:
    """The numbers that the text reads."""
    aa, bb = A * A, B * B
    numbers = {"A": A, "B": B, "LESS_A": -A, "LESS_B": -B, "AA": aa, "BB": bb, "LESS_AA": -aa, "LESS_BB": -bb, "AABB": aa * bb}
    numbers.update(LESS_SUM=-aa - bb, AAA=A**3, BBB=B**3)
    sizes = {"PRODUCTS": PRODUCTS, "TILE": TILE, "WINDOW": WINDOW, "GAP": GAP}
    lines = [f"{name} = float32({value!r})" for name, value in numbers.items()] + [f"{name} = {value}" for name, value in sizes.items()]
    return "\n".join(lines)


def piece() -> Callable[..., None] | None:
    """The function, compiled now if it is not kept on disk, which takes some seconds; None where that cannot be."""
    return lanes.compiled(text(), _TYPES, "Winograd's loops, so oneDNN computes all convolutions")
