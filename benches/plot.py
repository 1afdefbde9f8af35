"""Pictures of measurements as SVG, readable on light and on dark pages.

In:  labels and numbers. Out: text of SVG files, which need nothing else. It measures nothing.
"""

import math
from xml.sax.saxutils import escape

STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.small { font-size: 11px } .dim { fill: #59636e } .grid { stroke: #d1d9e0 }
.s0 { fill: #0969da } .s1 { fill: #8c959f } .s2 { fill: #bf8700 } .s3 { fill: #8250df } .s4 { fill: #1a7f37 }
.l0 { stroke: #0969da } .l1 { stroke: #8c959f } .l2 { stroke: #bf8700 } .l3 { stroke: #8250df } .l4 { stroke: #1a7f37 }
.line { fill: none; stroke-width: 2 } .whisker { stroke: #1f2328 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .dim { fill: #9198a1 } .grid { stroke: #3d444d } .whisker { stroke: #e6edf3 }
.s0 { fill: #4493f8 } .s2 { fill: #d29922 } .s3 { fill: #ab7df8 } .s4 { fill: #3fb950 }
.l0 { stroke: #4493f8 } .l2 { stroke: #d29922 } .l3 { stroke: #ab7df8 } .l4 { stroke: #3fb950 }
}
</style>"""
SERIES = 5


def document(width, height, title, parts):
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'role="img" aria-label="{escape(title, {chr(34): "&quot;"})}">')
    return "\n".join([head, STYLE, f'<text x="8" y="22" font-weight="600">{escape(title)}</text>', *parts, "</svg>"]) + "\n"


def short(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def bars(title, rows, unit="ms"):
    """Horizontal bars from zero. `rows`: (label, median, first quartile, third quartile, number of the colour)."""
    left, width, step, top = 300, 760, 30, 40
    largest = max((row[3] for row in rows), default=1) or 1
    scale = (width - left - 90) / largest
    parts = []
    for number, (label, median, low, high, colour) in enumerate(rows):
        y = top + number * step
        parts.append(f'<text x="{left - 10}" y="{y + 15}" text-anchor="end">{escape(label)}</text>')
        parts.append(f'<rect class="s{colour % SERIES}" x="{left}" y="{y + 2}" width="{max(median * scale, 1):.1f}" height="17" rx="2"/>')
        parts.append(f'<line class="whisker" x1="{left + low * scale:.1f}" x2="{left + high * scale:.1f}" y1="{y + 10.5}" y2="{y + 10.5}"/>')
        parts.append(f'<text x="{left + max(median, high) * scale + 8:.1f}" y="{y + 15}">{short(median)} {unit}</text>')
    return document(width, top + len(rows) * step + 8, title, parts)


def lines(title, series, x_label, y_label):
    """Both axes logarithmic. `series`: name to [(x, y)]."""
    left, top, width, height, legend = 70, 58, 760, 414, 190
    right, bottom = width - legend, height - 46
    points = [point for values in series.values() for point in values if point[0] > 0 and point[1] > 0]
    if not points:
        return document(width, height, title, [])
    low_x, high_x = (f(math.log10(x) for x, _ in points) for f in (min, max))
    low_y = math.floor(min(math.log10(y) for _, y in points))
    high_y = math.ceil(max(math.log10(y) for _, y in points))
    high_x, high_y = max(high_x, low_x + 0.1), max(high_y, low_y + 1)

    def at(x, y):
        return (left + (math.log10(x) - low_x) / (high_x - low_x) * (right - left),
                bottom - (math.log10(y) - low_y) / (high_y - low_y) * (bottom - top))

    parts = []
    for power in range(low_y, high_y + 1):
        _, y = at(10 ** low_x, 10 ** power)
        parts.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="small dim" x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{short(10.0 ** power)}</text>')
    for x in sorted({x for x, _ in points}):
        place, _ = at(x, 10 ** low_y)
        parts.append(f'<text class="small dim" x="{place:.1f}" y="{bottom + 17}" text-anchor="middle">{short(x)}</text>')
    parts.append(f'<text class="small dim" x="{(left + right) / 2}" y="{height - 8}" text-anchor="middle">{escape(x_label)}</text>')
    parts.append(f'<text class="small dim" x="8" y="38">{escape(y_label)}</text>')
    for number, (name, values) in enumerate(series.items()):
        colour = number % SERIES
        placed = [at(x, y) for x, y in sorted(values) if x > 0 and y > 0]
        if not placed:
            continue
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline class="line l{colour}" points="{path}"/>')
        parts += [f'<circle class="s{colour}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in placed]
        y = top + 12 + number * 20
        parts.append(f'<rect class="s{colour}" x="{right + 14}" y="{y - 9}" width="11" height="11" rx="2"/>')
        parts.append(f'<text class="small" x="{right + 31}" y="{y}">{escape(name)}</text>')
    return document(width, height, title, parts)
