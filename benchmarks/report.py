"""Dated markdown tables."""

import datetime
from collections.abc import Sequence
from pathlib import Path


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a markdown table: the first column to the left, the others to the right, padded to read well as text."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = [cells[0].ljust(widths[0])]
        padded += [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        return "| " + " | ".join(padded) + " |"

    rule = "| " + " | ".join(["-" * widths[0]] + ["-" * (width - 1) + ":" for width in widths[1:]]) + " |"
    return "\n".join([line(header), rule, *map(line, rows)])


def section(title: str, facts: Sequence[str], body: str, today: datetime.date | None = None) -> str:
    """Return a dated section: a heading, what it was measured on as a list, and the body."""
    date = (today or datetime.date.today()).isoformat()
    return f"## {date}: {title}\n\n" + "".join(f"- {fact}\n" for fact in facts) + f"\n{body}\n"


def append(path: Path, text: str) -> None:
    """Put a section behind what the file already holds; makes the file and its folder where there are none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text(encoding="utf-8") + "\n" if path.exists() else ""
    path.write_text(before + text, encoding="utf-8")


def verdict(reached: bool) -> str:
    """Return the word that stands beside a target."""
    return "met" if reached else "missed"
