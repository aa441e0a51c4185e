"""The indexes of pip's configuration, as uv takes them."""

from pathlib import Path

from fcplug.build import index_settings

NO_FILES = {"PIP_CONFIG_FILE": "/dev/null", "PATH": "/usr/bin:/bin"}


def test_mirrors_and_links_of_pip_are_those_of_uv(tmp_path: Path) -> None:
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nindex-url = https://mirror.example/simple\ntimeout = 5\n"
        "[install]\nextra-index-url =\n    https://a.example/simple\n    https://b.example/simple\n"
        f"find-links = {tmp_path}/one\n    {tmp_path}/two\n"
    )
    found = index_settings.for_uv({**NO_FILES, "PIP_CONFIG_FILE": str(file)}, tmp_path)
    assert found["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert found["UV_INDEX"] == "https://a.example/simple https://b.example/simple"
    assert found["UV_FIND_LINKS"] == f"{tmp_path}/one,{tmp_path}/two"
    assert found["UV_INDEX_STRATEGY"] == "unsafe-best-match"


def test_a_variable_comes_before_the_file_and_uvs_own_before_both(tmp_path: Path) -> None:
    environ = {**NO_FILES, "PIP_INDEX_URL": "https://variable.example/simple", "PIP_QUIET": "1"}
    found = index_settings.for_uv(environ, tmp_path)
    assert found["UV_DEFAULT_INDEX"] == "https://variable.example/simple"
    own = {**environ, "UV_DEFAULT_INDEX": "https://uv.example/simple"}
    assert index_settings.for_uv(own, tmp_path) == {}
