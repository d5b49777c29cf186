import datetime

from benchmarks import report


def test_a_table_is_padded_and_aligned():
    assert report.table(["model", "ms"], [["a", "0.1"], ["longer", "12.5"]]).splitlines() == [
        "| model  |   ms |",
        "| ------ | ---: |",
        "| a      |  0.1 |",
        "| longer | 12.5 |",
    ]


def test_a_section_is_dated_and_lists_what_it_was_measured_on():
    text = report.section("one step", ["a processor", "numpy 2"], "the table", datetime.date(2025, 3, 1))
    assert text == "## 2025-03-01: one step\n\n- a processor\n- numpy 2\n\nthe table\n"


def test_sections_are_put_behind_one_another(tmp_path):
    path = tmp_path / "results" / "train.md"
    report.append(path, "## first\n")
    report.append(path, "## second: 1024 × 1024\n")
    assert path.read_text(encoding="utf-8") == "## first\n\n## second: 1024 × 1024\n"
