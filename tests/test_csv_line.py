import csv
import io

from kilnsense.csv_line import csv_line


def test_a_line_is_read_back_as_it_was() -> None:
    cells = ["a,b", 'say "x"', "two\nlines", "", "ü"]
    line = csv_line(cells)
    assert line.endswith("\n")
    assert not line.endswith("\r\n")
    assert list(csv.reader(io.StringIO(line, newline=""))) == [cells]
