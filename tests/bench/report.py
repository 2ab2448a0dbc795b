# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a bench found: the table, and the JSON."""
import dataclasses
import json
import statistics


class Row:
    """Samples of one row, ours and theirs; @of_cold says what share of our own cold run it is, and @goal what it should be."""

    def __init__(self, key, title, goal=None):
        self.key, self.title, self.goal = key, title, goal
        self.ours, self.theirs = [], []
        self.same_bytes = None
        self.packages = None
        # A row of stages only: the seconds are not those of the whole run.
        self.ours_seconds, self.theirs_seconds = [], []

    def add_ours(self, figures, seconds=None):
        self.ours.append(figures)
        self.ours_seconds.append(figures.seconds if seconds is None else seconds)

    def add_theirs(self, figures, seconds=None):
        self.theirs.append(figures)
        self.theirs_seconds.append(figures.seconds if seconds is None else seconds)

    def as_json(self):
        def samples(figures):
            return [{key: value for key, value in dataclasses.asdict(f).items() if key not in ("stdout", "stderr")} for f in figures]

        return {
            "key": self.key, "title": self.title, "goal": self.goal, "same_bytes": self.same_bytes, "packages": self.packages,
            "ours_seconds": self.ours_seconds, "theirs_seconds": self.theirs_seconds,
            "ours": samples(self.ours), "theirs": samples(self.theirs),
        }


def median(values):
    return statistics.median(values) if values else None


def number(value, digits=2):
    return "-" if value is None else f"{value:.{digits}f}"


def ratio(one, other, percent=False):
    if one is None or not other:
        return "-"
    return f"{100 * one / other:.0f} %" if percent else f"{one / other:.2f}"


HEADINGS = ("row", "ours s", "theirs s", "ours/theirs", "of cold", "goal", "peak MiB", "theirs", "written MiB", "theirs", "same bytes")


def cells(row, cold):
    ours, theirs = median(row.ours_seconds), median(row.theirs_seconds)
    return (
        row.title, number(ours), number(theirs), ratio(ours, theirs), ratio(ours, cold, True), row.goal or "-",
        number(max((f.peak_mib for f in row.ours), default=None), 0), number(max((f.peak_mib for f in row.theirs), default=None), 0),
        number(median([f.written_mib for f in row.ours]), 0), number(median([f.written_mib for f in row.theirs]), 0),
        {None: "-", True: "yes", False: "NO"}[row.same_bytes],
    )


def print_table(rows):
    cold = next((median(row.ours_seconds) for row in rows if row.key == "cold"), None)
    lines = [HEADINGS] + [cells(row, cold) for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    for line in lines:
        print("  ".join(cell.rjust(width) if column else cell.ljust(width)
                        for column, (cell, width) in enumerate(zip(line, widths))).rstrip())


def print_packages(rows, install_seconds):
    print("\ncost per package (ours, cold; milliseconds)")
    for row in rows:
        if row.packages is None:
            continue
        count, size = row.packages
        total, install = median(row.ours_seconds), median([install_seconds(f) for f in row.ours])
        print(f"  {count:4} packages, {size / 2**20:5.0f} MiB: {1000 * total / count:7.1f} in all, "
              f"{1000 * install / count:7.1f} to install; per MiB {1000 * total / (size / 2**20):6.1f} and "
              f"{1000 * install / (size / 2**20):6.1f}")


def print_stages(rows):
    printed = set()
    for row in rows:
        for side, samples in (("ours", row.ours), ("theirs", row.theirs)):
            names = list(dict.fromkeys(name for figures in samples for name in figures.stages))
            # Some rows look at the same runs.
            if not names or id(samples[0]) in printed:
                continue
            printed.add(id(samples[0]))
            print(f"\n{row.title}, {side}")
            for name in names:
                print(f"  {name:<44}{median([figures.stages.get(name, 0) for figures in samples]):10.2f}")


def write_json(path, machine, rows):
    with open(path, "w") as file:
        json.dump({"machine": machine, "rows": [row.as_json() for row in rows]}, file, indent=2)
        file.write("\n")
