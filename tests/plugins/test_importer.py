import logging
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from fcplug.errors import PluginError
from fcplug.plugins import importer
from fcplug.plugins.entry_points import EntryPointIndex
from fcplug.plugins.importer import HANDLERS, MIDDLEWARE
from fcplug.result import format_error

Code = Callable[[str, str], Path]
Install = Callable[..., Path]

HANDLE = "def handle(event, context): ...\n"
PIP = f"{sys.executable} -m pip install"


def refusal(reference: str, group: str = HANDLERS) -> PluginError:
    with pytest.raises(PluginError) as caught:
        importer.resolve(EntryPointIndex(), group, reference)
    return caught.value


def broken(install: Install, text: str, requires: tuple[str, ...] = ()) -> PluginError:
    install("broken-dist", {"broken": text}, handlers={"bad": "broken:handle"}, requires=requires)
    return refusal("bad")


def test_an_entry_point_is_found_by_its_name(install: Install) -> None:
    install("my-dist", {"mine": HANDLE}, handlers={"my": "mine:handle"})
    target, source = importer.resolve(EntryPointIndex(), HANDLERS, "my")
    assert target.__name__ == "handle"
    assert source.package == "my-dist 1.2"
    assert str(source) == "handler 'my' (entry point my = mine:handle, my-dist 1.2)"


@pytest.mark.parametrize("value", ["mine", "mine [extra]", "mine:Some.part", "mine : Some.part"])
def test_an_entry_point_may_name_a_module_or_something_deep_in_it(
    install: Install, value: str
) -> None:
    text = "found = 1\nclass Some:\n  class part:\n    found = 1\n"
    install("my-dist", {"mine": text}, handlers={"my": value})
    target, source = importer.resolve(EntryPointIndex(), HANDLERS, "my")
    assert target.found == 1
    assert source.module == "mine"
    assert source.file.endswith("mine.py")


@pytest.mark.parametrize(
    ("reference", "module"),
    [
        ("index:handle", "index"),
        ("index.handle", "index"),
        ("some/sub/mod.handle", "some/sub/mod"),
        ("some.sub.mod.handle", "some.sub.mod"),
        ("./some/mod.handle", "some/mod"),
        ("index:Some.method", "index"),
    ],
)
def test_code_that_is_not_packaged_is_found_by_its_own_name(
    code: Code, reference: str, module: str
) -> None:
    code(module, "def handle(): ...\nclass Some:\n    def method(): ...\n")
    target, source = importer.resolve(EntryPointIndex(), HANDLERS, reference)
    assert target.__name__ in ("handle", "method")
    assert source.package == ""
    assert str(source) == f"handler '{reference}'"


def test_only_what_is_named_is_imported(install: Install) -> None:
    install("one-dist", {"named_one": HANDLE}, handlers={"one": "named_one:handle"})
    install("two-dist", {"named_two": "1 / 0"}, handlers={"two": "named_two:handle"})
    importer.resolve(EntryPointIndex(), HANDLERS, "one")
    assert "named_one" in sys.modules
    assert "named_two" not in sys.modules


def test_handlers_and_middleware_are_two_lists_of_names(install: Install) -> None:
    install(
        "my-dist",
        {"mine": "def handle(): ...\nclass Audit: ...\n"},
        handlers={"same": "mine:handle"},
        middleware={"same": "mine:Audit"},
    )
    assert importer.resolve(EntryPointIndex(), HANDLERS, "same")[0].__name__ == "handle"
    assert importer.resolve(EntryPointIndex(), MIDDLEWARE, "same")[0].__name__ == "Audit"


def test_a_name_that_two_distributions_offer_is_an_error_that_names_both(install: Install) -> None:
    install("first-dist", {"first": HANDLE}, handlers={"both": "first:handle"})
    install("Second_Dist", {"second": HANDLE}, handlers={"both": "second:handle"})
    error = refusal("both")
    assert error.error_type == "PluginAmbiguous"
    assert str(error).splitlines() == [
        "2 packages offer the handler 'both': Second_Dist, first-dist",
        "  in:  handler 'both'",
        "  fix: name the package, too: handler: Second_Dist:both",
    ]
    for reference, module in [
        ("first-dist:both", "first"),
        ("Second_Dist:both", "second"),
        ("second.dist:both", "second"),
    ]:
        assert importer.resolve(EntryPointIndex(), HANDLERS, reference)[0].__module__ == module


def test_the_name_of_a_file_without_its_function_is_explained(code: Code) -> None:
    file = code("greeter", HANDLE)
    assert refusal("greeter").fix == (
        f"write greeter:NAME, with the NAME of a function or class in {file}; "
        "a name alone is that of an installed handler"
    )


def test_an_unknown_name_suggests_one_that_is_installed(install: Install) -> None:
    install("my-dist", {"mine": HANDLE}, handlers={"resize-image": "mine:handle"})
    error = refusal("resize-imag")
    assert error.error_type == "PluginNotFound"
    assert "offers the handler 'resize-imag' (did you mean 'resize-image'?)" in error.what
    assert "in:  handler 'resize-imag'\n" in str(error)
    assert error.fix == (
        f"{PIP} PACKAGE, with the package that offers it; "
        "for code that is not in a package, write module:attribute"
    )


def test_a_name_that_its_distribution_does_not_offer_suggests_what_it_does(
    install: Install,
) -> None:
    install("my-dist", {"mine": HANDLE}, handlers={"resize": "mine:handle"})
    error = refusal("my-dist:resiz")
    assert error.error_type == "PluginNotFound"
    assert error.what == (
        "my-dist offers no handler 'resiz' (did you mean 'resize'?); it offers: resize"
    )


def test_the_error_for_a_plugin_of_the_source_tree_has_its_install_command(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(site)
    for folder, name in [("other", "other"), ("mine", "my.handler")]:
        project = site / "plugins" / folder / "pyproject.toml"
        project.parent.mkdir(parents=True)
        project.write_text(f'[project.entry-points."fcplug.handlers"]\n"{name}" = "x:y"\n')
    assert refusal("nowhere").fix.startswith(f"{PIP} PACKAGE")
    project.write_text('[project.entry-points."fcplug.handlers"]\na = "x:y"\nmine = "x:y"\n')
    assert refusal("mine").fix == f"{PIP} ./plugins/mine"
    project.write_text('[project.entry-points."fcplug.handlers"]\n[other]\nmine = "x:y"\n')
    assert refusal("mine").fix.startswith(f"{PIP} PACKAGE")


@pytest.mark.parametrize("reference", ["a.b-c", "x:", ":x", ".", "x..y", "1.x", "a b.c"])
def test_an_invalid_name_is_rejected(reference: str) -> None:
    error = refusal(reference)
    assert error.error_type == "InvalidHandleName"
    assert error.what == f"Invalid handler '{reference}'"


@pytest.mark.parametrize("value", ["!!", ":handle", "my-module:handle", "mine:1st"])
def test_an_entry_point_without_an_object_is_rejected(install: Install, value: str) -> None:
    install("my-dist", handlers={"my": value})
    assert str(refusal("my")).splitlines() == [
        f"Invalid entry point '{value}'",
        f"  in:  handler 'my' (entry point my = {value}, my-dist 1.2)",
        "  fix: module, or module:attribute",
    ]


def test_a_distribution_whose_entry_points_cannot_be_read_hides_only_its_own(
    install: Install, code: Code, caplog: pytest.LogCaptureFixture
) -> None:
    install("good-dist", {"good": HANDLE}, handlers={"good": "good:handle"})
    info = install("bad-dist", {}, handlers={"bad": "bad:handle"})
    (info / "entry_points.txt").write_text("[fcplug.handlers]\nno equals sign\n")
    code("index", HANDLE)
    with caplog.at_level(logging.WARNING):
        for reference in ("good", "index:handle"):
            assert importer.resolve(EntryPointIndex(), HANDLERS, reference)[0].__name__ == "handle"
        assert refusal("bad").error_type == "PluginNotFound"
    assert "the entry points of bad-dist cannot be read, so they are ignored" in caplog.text


def test_the_rest_of_an_interrupted_uninstall_is_ignored(install: Install) -> None:
    install("my-dist", {"mine": HANDLE}, handlers={"both": "mine:handle"})
    info = install("gone-dist", {}, handlers={"both": "gone:handle", "gone": "gone:handle"})
    (info / "METADATA").unlink()
    assert importer.resolve(EntryPointIndex(), HANDLERS, "both")[0].__module__ == "mine"
    assert refusal("gone").error_type == "PluginNotFound"


def test_an_index_is_read_once_until_it_is_cleared(install: Install) -> None:
    index = EntryPointIndex()
    with pytest.raises(PluginError):
        importer.resolve(index, HANDLERS, "late")
    install("late-dist", {"late": HANDLE}, handlers={"late": "late:handle"})
    with pytest.raises(PluginError):
        importer.resolve(index, HANDLERS, "late")
    index.clear()
    assert importer.resolve(index, HANDLERS, "late")[0].__name__ == "handle"


@pytest.mark.parametrize(
    ("requires", "command"),
    [
        (["absent[extra]>=2", "pluggy>=1"], f"{PIP} 'absent[extra]>=2'"),
        (["other-absent", "Absent==1"], f"{PIP} other-absent Absent==1"),
        (["absent; extra == 'all'"], f"{PIP} absent_module (if"),
        ([], f"{PIP} absent_module (if"),
    ],
    ids=["declared", "several", "only for an extra", "not declared"],
)
def test_the_error_for_a_missing_third_party_module_has_its_install_command(
    install: Install, requires: list[str], command: str
) -> None:
    error = broken(install, "\nimport absent_module.part\n", tuple(requires))
    assert error.error_type == "ImportModuleError"
    assert error.what == "Unable to import module 'broken': No module named 'absent_module'"
    assert error.where.startswith(
        "handler 'bad' (entry point bad = broken:handle, broken-dist 1.2), "
    )
    assert error.where.endswith("broken.py:2")
    assert error.fix.startswith(command)
    assert ("declare it in the dependencies of broken-dist" in error.fix) == ("(if" in command)


def test_a_missing_module_of_code_that_is_not_packaged_suggests_its_name(code: Code) -> None:
    code("index", "import absent_module")
    assert refusal("index:handle").fix == (
        f"{PIP} absent_module (if the package has the name of its module)"
    )


@pytest.mark.parametrize("missing", ["broken.part", "broken"])
def test_a_missing_module_of_its_own_means_a_bad_installation(
    install: Install, site: Path, missing: str
) -> None:
    install("broken-dist", {"broken": f"import {missing}"}, handlers={"bad": "broken:handle"})
    if missing == "broken":
        (site / "broken.py").unlink()
    assert refusal("bad").fix == f"{PIP} --force-reinstall broken-dist==1.2"


def test_the_error_for_a_package_built_without_its_module_says_how_to_include_it(
    install: Install, site: Path
) -> None:
    info = install("empty-dist", {}, handlers={"bad": "greeter:handle"})
    (info / "RECORD").write_text(f"{info.name}/METADATA,,\n{info.name}/RECORD,,\n")
    assert refusal("bad").fix == (
        "empty-dist 1.2 was built without greeter: name it in its pyproject.toml "
        '([tool.setuptools] py-modules = ["greeter"], or packages for a folder), '
        "then build and install it again"
    )
    (info / "RECORD").write_text(f"greeter.py,,\n{info.name}/METADATA,,\n")  # and it was removed
    assert refusal("bad").fix == f"{PIP} --force-reinstall empty-dist==1.2"


@pytest.mark.parametrize(
    ("group", "reference", "offered", "fix"),
    [
        ("handlers", "record", "middleware", "middleware: [record], and name a handler beside it"),
        ("handlers", "acme-log:record", "middleware", "middleware: [acme-log:record], and name "
         "a handler beside it"),
        ("handlers", "record", "wsgi", "wsgi: record"),
        ("middleware", "record", "handlers", "handler: record"),
        ("wsgi", "record", "asgi", "asgi: record"),
        ("asgi", "record", "wsgi", "wsgi: record"),
    ],
)  # fmt: skip
def test_the_error_for_a_name_that_belongs_to_another_key_names_that_key(
    install: Install, group: str, reference: str, offered: str, fix: str
) -> None:
    install("acme-log", {"acme": HANDLE}, **{offered: {"record": "acme:handle"}})
    with pytest.raises(PluginError) as error:
        importer.resolve(EntryPointIndex(), f"fcplug.{group}", reference)
    assert error.value.kind == "PluginNotFound"
    assert error.value.what.startswith(f"'{reference}' is offered as ")
    assert error.value.fix == f"write {fix}"


def test_code_is_found_though_a_package_offers_its_name_for_another_key(
    install: Install,
) -> None:
    install("index", {"index": HANDLE}, middleware={"handle": "index:handle"})
    target, _ = importer.resolve(EntryPointIndex(), importer.HANDLERS, "index:handle")
    assert target.__name__ == "handle"
    target, _ = importer.resolve(EntryPointIndex(), importer.HANDLERS, "index.handle")
    assert target.__name__ == "handle"


@pytest.mark.parametrize(
    ("reference", "file", "fix"),
    [
        ("index.py", "index.py", "index:NAME, with the NAME of a function or class in it"),
        ("./index.py", "./index.py", "index:NAME, with the NAME of a function or class in it"),
        (
            "shop/index.py",
            "shop/index.py",
            "shop/index:NAME, with the NAME of a function or class in it",
        ),
        ("index.py:handle", "index.py", "index:handle"),
    ],
)
def test_the_error_for_a_file_instead_of_a_module_has_the_correct_name(
    code: Code, reference: str, file: str, fix: str
) -> None:
    code("index", HANDLE)
    error = refusal(reference)
    assert error.kind == "InvalidHandleName"
    assert error.what == f"Invalid handler '{reference}': {file} is a file"
    assert error.fix == f"write {fix}"


def test_an_attribute_that_is_called_py_can_be_named(code: Code) -> None:
    code("index", HANDLE.replace("handle", "py"))
    target, _ = importer.resolve(EntryPointIndex(), importer.HANDLERS, "index:py")
    assert target.__name__ == "py"


def test_the_error_for_a_missing_file_says_where_to_put_it(code: Code, site: Path) -> None:
    code("index", HANDLE)
    error = refusal("indx:handle")
    assert str(error).splitlines() == [
        "Unable to import module 'indx': No module named 'indx'",
        "  in:  handler 'indx:handle'",
        f"  fix: put indx.py where Python looks for it ({site}) (did you mean 'index'?)",
    ]
    assert "some/sub.py where" in refusal("some/sub.handle").fix


BROKEN = {
    "ImportError of a name": (
        "ImportModuleError",
        "\nfrom aid import nothing",
        """
        Unable to import module 'broken': cannot import name 'nothing' from 'aid' (SITE/aid.py)
          in:  PLUGIN, SITE/broken.py:2
          fix: Python found SITE/aid.py, which is another version of the module, or another file \
of that name: install the right version, or rename the file
        """,
    ),
    "missing library": (
        "ImportModuleError",
        "raise ImportError('libGL.so.1: cannot open shared object file')",
        """
        Unable to import module 'broken': libGL.so.1: cannot open shared object file
          in:  PLUGIN, SITE/broken.py:1
          fix: install the missing part, built for this Python and this system
        """,
    ),
    "SyntaxError": (
        "UserCodeSyntaxError",
        "x = 1\ndef handle(event, context)\n    pass",
        f"""
        Syntax error in module 'broken': expected ':'
          in:  PLUGIN, SITE/broken.py:2
          fix: correct the line (this is Python {sys.version_info[0]}.{sys.version_info[1]})
        """,
    ),
    "SystemExit": (
        "UserCodeError",
        "import sys\nsys.exit(3)",
        """
        Module initialization error: 'SystemExit: 3' in module 'broken'
          in:  PLUGIN, SITE/broken.py:2
          fix: a module must not exit while it is imported: guard it with __name__ == '__main__'
        """,
    ),
    "KeyboardInterrupt": (
        "UserCodeError",
        "raise KeyboardInterrupt",
        """
        Module initialization error: 'KeyboardInterrupt' in module 'broken'
          in:  PLUGIN, SITE/broken.py:1
          fix: correct what the module does when it is imported
        """,
    ),
    "exception": (
        "UserCodeError",
        "def fail():\n    raise OSError('disk')\nfail()",
        """
        Module initialization error: 'OSError: disk' in module 'broken'
          in:  PLUGIN, SITE/broken.py:2
          fix: correct what the module does when it is imported
        """,
    ),
    "module that this user may not read": (
        "UserCodeError",
        "raise PermissionError(13, 'Permission denied', __file__)",  # as Python does in its place
        """
        Module initialization error: 'PermissionError: [Errno 13] Permission denied: \
'SITE/broken.py'' in module 'broken'
          in:  PLUGIN, SITE/broken.py:1
          fix: chmod a+r SITE/broken.py, or run as its owner
        """,
    ),
    "exception of a lazy attribute": (
        "UserCodeError",
        "def __getattr__(name):\n    raise RuntimeError(f'lazy {name}')",
        """
        loading the plugin failed: RuntimeError: lazy handle
          in:  PLUGIN, SITE/broken.py:2
        """,
    ),
    "missing attribute": (
        "HandlerNotFound",
        "def handel(event, context): ...\n_handle = 1",
        """
        Handler 'handle' is missing on module 'broken' (did you mean 'handel'?)
          in:  PLUGIN, SITE/broken.py
          fix: define it there, or correct the name
        """,
    ),
}


@pytest.mark.parametrize(("kind", "text", "expected"), BROKEN.values(), ids=BROKEN)
def test_the_error_for_code_that_cannot_be_imported_says_where_why_and_the_fix(
    install: Install, code: Code, kind: str, text: str, expected: str
) -> None:
    site = str(code("aid", "").parent)
    error = broken(install, text)
    assert error.error_type == kind  # 81
    plugin = "handler 'bad' (entry point bad = broken:handle, broken-dist 1.2)"
    expected = dedent(expected).strip()
    assert str(error) == expected.replace("PLUGIN", plugin).replace("SITE", site)


def test_a_syntax_error_lists_the_parts_of_its_place_as_fc_does(install: Install) -> None:
    # 81
    error = broken(install, "x = (1,\n")
    assert error.causes[0].startswith('File "')
    assert error.causes[1] == "line 1"
    assert error.causes[-1] == "SyntaxError: '(' was never closed"


@pytest.mark.parametrize("text", ["raise SyntaxError('made up')", "eval('1 +')"])
def test_a_syntax_error_without_a_file_says_what_it_can(install: Install, text: str) -> None:
    error = broken(install, text)
    assert error.error_type == "UserCodeSyntaxError"
    assert error.where.endswith("broken.py:1")


@pytest.mark.parametrize(
    "line", ["os.environ['FCPLUG_NO_SUCH_NAME']", "json.loads('{')", "importlib.import_module('')"]
)
def test_an_error_inside_the_standard_library_is_located_at_the_line_that_calls_it(
    install: Install, line: str
) -> None:
    error = broken(install, f"import importlib, json, os\n\n{line}\n")
    assert error.where.endswith("broken.py:3")


def test_the_error_has_the_whole_chain_of_causes_without_our_frames(install: Install) -> None:
    text = "try:\n    {}['key']\nexcept KeyError as error:\n    raise OSError('no') from error\n"
    error = broken(install, text)
    assert error.causes == ["OSError: no", "KeyError: 'key'"]
    log = format_error(error)
    assert "KeyError: 'key'\n\nThe above exception was the direct cause" in log
    assert "discovery.py" not in log
    assert "importlib" not in log
    frames = [line for line in log.splitlines() if line.startswith("  File ")]
    assert len(frames) == 2
    assert all("broken.py" in frame for frame in frames)


def test_a_chain_of_causes_may_be_a_circle_or_cut(install: Install) -> None:
    circle = "a, b = OSError('a'), OSError('b')\na.__cause__, b.__cause__ = b, a\nraise a\n"
    assert broken(install, circle).causes == ["OSError: a", "OSError: b"]


def test_the_error_leaves_out_a_cause_that_the_author_suppressed(install: Install) -> None:
    hidden = "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise OSError('shown') from None\n"
    assert broken(install, hidden).causes == ["OSError: shown"]
