"""The code that a finding is about."""

from pathlib import Path

from fcplug.console.source_lines import around
from fcplug.inspection.finding import Finding


def finding(source: str) -> Finding:
    return Finding("error", "rule", "functions.yaml", 1, 1, "", "what", source=source)


def test_the_line_at_fault_stands_between_its_neighbours(tmp_path: Path) -> None:
    file = tmp_path / "index.py"
    file.write_text("".join(f"line {number}\n" for number in range(1, 8)) + "x" * 10_000)
    found = around(finding(f"handler 'index', {file}:4"))
    assert [each.text for each in found] == ["line 2", "line 3", "line 4", "line 5", "line 6"]
    assert [each.number for each in found if each.at_fault] == [4]
    assert around(finding(f"handler 'index', {file}:1"))[0].at_fault
    assert [len(each.text) for each in around(finding(f"in, {file}:8"))] == [6, 6, 200]


def test_without_a_file_there_is_no_code(tmp_path: Path) -> None:
    for source in ("", "handler 'index'", f"in, {tmp_path}/gone.py:1", f"in, {tmp_path}:1"):
        assert around(finding(source)) == ()
