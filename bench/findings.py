"""What a part has found: samples, medians, ratios within a round, goals."""

from dataclasses import dataclass, field
from statistics import median


class Samples:
    """Values by subject, measure and round."""

    def __init__(self):
        self.rows = []

    def add(self, subject, number, values):
        """What one round gave for one subject; None is what could not be measured."""
        self.rows += [(subject, number, measure, value) for measure, value in values.items()
                      if value is not None]

    def rounds(self, subject, measure):
        """The values of one measure, by round."""
        return {n: v for s, n, m, v in self.rows if (s, m) == (subject, measure)}

    def median(self, subject, measure):
        """The middle one of all rounds; none if there is none."""
        values = self.rounds(subject, measure).values()
        return median(values) if values else None

    def ratio(self, subject, other, measure):
        """The middle one of the ratios in each round that both were in; none if there is none.

        The machine is not steady: what stands beside each other in a round has seen the same.
        """
        ours, theirs = self.rounds(subject, measure), self.rounds(other, measure)
        ratios = [ours[n] / theirs[n] for n in ours.keys() & theirs.keys() if theirs[n]]
        return median(ratios) if ratios else None


@dataclass
class Goal:
    """A figure that is to be reached."""

    text: str
    value: float
    # What it is not to fall below; or not to exceed.
    least: float | None = None
    most: float | None = None

    @property
    def met(self):
        """Whether it was reached."""
        if self.value is None:
            return False
        return self.value >= self.least if self.most is None else self.value <= self.most

    @property
    def limit(self):
        """The limit, with its direction."""
        return f"≤ {self.most:,g}" if self.least is None else f"≥ {self.least:,g}"

    @property
    def verdict(self):
        """In a word or two."""
        return "met" if self.met else "**not met**"


@dataclass
class Chart:
    """What a plot shows: bars by label, one a series."""

    title: str
    unit: str
    labels: list[str]
    # Values by the name of the series, one a label.
    series: dict[str, list[float]]
    logarithmic: bool = False


@dataclass
class Findings:
    """All that a part leaves behind."""

    title: str
    samples: Samples
    head: list[str]
    rows: list[list[str]]
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    chart: Chart | None = None


def number(value, digits=3):
    """As many digits as say something; a dash for what could not be measured."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.{digits}g}"


def ratio(value):
    """A ratio, as exactly as it is compared with a goal."""
    return "–" if value is None else f"{value:.3f}" if value >= 0.1 else f"{value:.2g}"
