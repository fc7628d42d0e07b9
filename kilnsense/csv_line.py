"""Tables as text, line by line: the one way in which kilnsense writes a CSV."""

import csv
import io
from collections.abc import Iterable


def csv_line(cells: Iterable[object]) -> str:
    """One line of a CSV (RFC 4180 but for LF), with its end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
