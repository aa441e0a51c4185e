"""Requirements files: what is read of them, and what is refused."""

from pathlib import Path

import pytest

from fcplug.build import requirements
from fcplug.build.failure import BuildError
from fcplug.build.origin import INDEX, Origin


def test_lines_comments_continuations_paths_and_other_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plugin").mkdir()
    (tmp_path / "acme-1.0-py3-none-any.whl").write_bytes(b"")
    (tmp_path / "base.txt").write_text("pluggy>=1\n")
    file = tmp_path / "requirements.txt"
    file.write_text(
        "\ufeff# a comment\n\nfalcon>=4,<5  # why\nhttptools \\\n  ==0.7\n-r base.txt\n"
        "-e ./plugin\nacme-1.0-py3-none-any.whl\n--pre\n"
        f"shop @ file://{tmp_path}/plugin\nremote @ https://example.com/r-1-py3-none-any.whl\n"
        'old; python_version < "3"\n',
        "utf-8",
    )
    found = [(str(line.requirement), line.origin, line.where) for line in requirements.read(file)]
    folder = Origin("folder", str(tmp_path / "plugin"))
    assert found[:6] == [
        ("falcon<5,>=4", INDEX, "requirements.txt:3"),
        ("httptools==0.7", INDEX, "requirements.txt:4"),
        ("pluggy>=1", INDEX, "base.txt:1"),
        ("None", folder, "requirements.txt:7"),
        ("None", Origin("file", str(tmp_path / "acme-1.0-py3-none-any.whl")), "requirements.txt:8"),
        (f"shop @ file://{tmp_path}/plugin", folder, "requirements.txt:10"),
    ]
    assert found[6][1] == Origin("url", "https://example.com/r-1-py3-none-any.whl")
    assert found[7][0] == 'old; python_version < "3"'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--index-url https://a:b@example.com", "--index-url is not read from this file"),
        ("-c limits.txt", "-c is not read"),
        ("--unknown", "is no option"),
        ("./nowhere", "there is no"),
        ("two words", "is no requirement"),
        ("git+https://a:b@example.com/x", "a URL comes after the name of its package"),
        ("-e git+https://a:b@example.com/x#egg=x", "a URL comes after the name of its package"),
        ("https://a:b@example.com/x-1-py3-none-any.whl", "a URL comes after the name"),
        ("x @ https://a:b@example.com/with a space", "a URL comes after the name"),
        ("-r missing.txt", "missing.txt cannot be read: No such file or directory"),
        ("-r requirements.txt", "include each other"),
    ],
)
def test_a_line_that_cannot_be_used_is_an_error_at_its_place(
    tmp_path: Path, line: str, said: str
) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(f"falcon\n{line}\n")
    with pytest.raises(BuildError, match=said) as caught:
        list(requirements.read(file))
    assert "a:b@" not in str(caught.value)


def test_a_file_of_another_encoding_is_an_error_with_the_fix(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("falcon\n", "utf-16")  # as PowerShell redirects the output of pip freeze
    with pytest.raises(BuildError) as caught:
        list(requirements.read(file))
    assert str(caught.value) == f"error: {file} is not UTF-8\n  fix: save the file as UTF-8"
