"""Draws horizontal bars as SVG: enough for what is compared here, and no library for it."""

import math
from html import escape

from findings import number

WIDTH, LABEL, VALUE = 860, 300, 90
BAR, GAP, TOP = 16, 14, 62
COLOURS = ("#2563a8", "#d9822b", "#4c9a5b", "#8a5fb0")
FONT = "font-family='system-ui, sans-serif'"


def svg(chart):
    """The picture of a chart."""
    count = len(chart.series)
    group = BAR * count + GAP
    height = TOP + group * len(chart.labels) + 10
    scale = scaler([v for values in chart.series.values() for v in values if v],
                   chart.logarithmic, WIDTH - LABEL - VALUE)
    out = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' "
        f"height='{height}' role='img'>",
        f"<title>{escape(chart.title)}</title>",
        f"<rect width='{WIDTH}' height='{height}' fill='#ffffff'/>",
        text(12, 24, chart.title, 15, weight="bold"),
        text(12, 44, chart.unit + (", logarithmic" if chart.logarithmic else ""), 12, "#555555"),
    ]
    if count > 1:
        out += legend(chart.series)
    for row, label in enumerate(chart.labels):
        top = TOP + row * group
        out.append(text(LABEL - 10, top + BAR * count / 2 + 4, label.replace("`", ""), 12,
                        anchor="end"))
        for place, values in enumerate(chart.series.values()):
            y, value = top + place * BAR, values[row]
            length = scale(value) if value else 0
            out.append(f"<rect x='{LABEL}' y='{y + 1:.0f}' width='{length:.1f}' "
                       f"height='{BAR - 2}' fill='{COLOURS[place % len(COLOURS)]}'/>")
            out.append(text(LABEL + length + 6, y + BAR - 4, number(value), 11))
    out.append("</svg>")
    return "\n".join(out) + "\n"


def scaler(values, logarithmic, width):
    """Values to lengths."""
    most = max(values, default=1)
    if not logarithmic:
        return lambda value: width * value / most
    # From the power of ten below the least.
    start = 10.0 ** (math.ceil(math.log10(min(values, default=1))) - 1)
    span = math.log10(most / start) or 1
    return lambda value: width * math.log10(value / start) / span


def legend(series):
    """A square and the name of each, from the right."""
    out, x = [], WIDTH - 12
    for place, name in reversed(list(enumerate(series))):
        x -= 7 * len(name) + 24
        out.append(f"<rect x='{x}' y='34' width='11' height='11' "
                   f"fill='{COLOURS[place % len(COLOURS)]}'/>")
        out.append(text(x + 16, 44, name.replace("`", ""), 12))
    return out


def text(x, y, words, size, colour="#222222", weight="normal", anchor="start"):
    """A line of it."""
    return (f"<text x='{x:.0f}' y='{y:.0f}' {FONT} font-size='{size}' font-weight='{weight}' "
            f"text-anchor='{anchor}' fill='{colour}'>{escape(words)}</text>")
