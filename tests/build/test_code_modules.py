"""The modules that code leads to, without running it."""

from pathlib import Path

from fcplug.build import code_modules


def test_imports_are_followed_at_any_depth_and_in_any_place(tmp_path: Path) -> None:
    files = {
        "index.py": "import shop.prices\nimport json\ndef f():\n    from late import x\n",
        "late.py": "try:\n    import requests.adapters\nexcept ImportError:\n    pass\n",
        "shop/__init__.py": "from . import prices\n",
        "shop/prices.py": "from ..shop import names\nimport folder.deep\n",
        "shop/names.txt": "",
        "folder/deep.py": "import index\n",
        "unused.py": "import nothing\n",
        "broken.py": "def\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    reached = code_modules.reach(tmp_path, ["index", "broken", "missing"])
    assert {path.relative_to(tmp_path).as_posix() for path in reached.files} == {
        "index.py", "broken.py", "late.py", "shop", "folder",
    }  # fmt: skip
    assert {name: path.name for name, path in reached.imports.items()} == {
        "missing": tmp_path.name,
        "json": "index.py",
        "requests": "late.py",
    }


def test_an_installed_package_comes_before_a_plain_folder_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "requests").mkdir()
    (tmp_path / "requests" / "own.py").write_text("")
    assert code_modules.find(tmp_path, "requests") == tmp_path / "requests"
    assert code_modules.find(tmp_path, "requests", {"requests"}) is None
    (tmp_path / "requests" / "__init__.py").write_text("")
    assert code_modules.find(tmp_path, "requests", {"requests"}) == tmp_path / "requests"
