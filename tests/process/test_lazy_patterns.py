"""Patterns that are compiled on first use: they are used as any others."""

from support.commands import run_script, unmeasured


def run(script: str) -> str:
    """Run a script without coverage, which imports what the scripts import."""
    return run_script(script, unmeasured())


def test_yaml_works_although_its_patterns_are_compiled_on_first_use() -> None:
    out = run(
        """
import copy, re
from fcplug.process.lazy_patterns import lazy_patterns

compile_now = re.compile
with lazy_patterns():
    import yaml
assert re.compile is compile_now

print(yaml.safe_load("{a: 2026-01-02, b: 2026-01-02 03:04:05, c: yes, d: 1:30, e: 0x10}"))
print(yaml.safe_load("- text"), yaml.safe_dump({"a": ["no", 1.5]}).split())
print(re.sub(yaml.reader.Reader.NON_PRINTABLE, "", "a" + chr(1) + "b"))
print(type(yaml.SafeLoader.timestamp_regexp) is re.Pattern)
try:
    yaml.safe_load("a" + chr(1))
except yaml.reader.ReaderError as error:
    print(error.position)

class Own(yaml.SafeLoader):
    yaml_implicit_resolvers = copy.deepcopy(yaml.SafeLoader.yaml_implicit_resolvers)
Own.add_implicit_resolver("!env", re.compile("[$]"), None)
Own.add_constructor("!env", lambda loader, node: node.value[1:])
print(yaml.load("[$A, 12, text]", Own))
Own.NON_PRINTABLE = re.compile("b")
try:
    yaml.load("abc", Own)
except yaml.reader.ReaderError as error:
    print(error.position)
"""
    )
    assert out.splitlines() == [
        "{'a': datetime.date(2026, 1, 2), 'b': datetime.datetime(2026, 1, 2, 3, 4, 5), "
        "'c': True, 'd': 90, 'e': 16}",
        """['text'] ['a:', '-', "'no'", '-', '1.5']""",
        "ab",
        "True",
        "1",
        "['A', 12, 'text']",
        "1",
    ]


def test_the_standard_library_works_although_its_patterns_are_compiled_on_first_use() -> None:
    out = run(
        """
import sys
from fcplug.process.lazy_patterns import lazy_patterns

assert not {"logging", "string", "textwrap", "tokenize", "fnmatch"} & sys.modules.keys()
with lazy_patterns():
    import logging, textwrap, tokenize
    from string import Template

class Own(Template):
    delimiter = "%"
print(Template("$a ${b} $$").substitute(a=1, b=2), Own("%a").safe_substitute(a=3))
print(textwrap.wrap("one two-three", 8), textwrap.dedent("  a"), textwrap.indent("a", "-"))
print(textwrap.TextWrapper.wordsep_re.__class__.__name__, tokenize.cookie_re.pattern[:1])
for style, text in ("%", "%(message)s"), ("{", "{message:>3}"), ("$", "$message"):
    formatter = logging.Formatter(text, style=style)
    print(formatter.format(logging.makeLogRecord({"msg": "m"})))
try:
    logging.Formatter("{message!x}", style="{")
except ValueError as error:
    print(error)
print(tokenize.detect_encoding(iter([b"# coding: latin-1"]).__next__)[0])
"""
    )
    assert out.splitlines() == [
        "1 2 $ 3",
        "['one two-', 'three'] a -a",
        "Pattern ^",
        "m",
        "  m",
        "m",
        "invalid format: invalid conversion: 'x'",
        "iso-8859-1",
    ]


def test_falcon_and_waitress_work_although_their_patterns_are_compiled_on_first_use() -> None:
    out = run(
        """
from fcplug.process import lazy_imports

lazy_imports.import_waitress()
lazy_imports.import_falcon()
import falcon, falcon.testing, waitress.adjustments, waitress.parser, waitress.utilities

for date in "Thu, 01 Jan 1970 00:00:09 GMT", "Thursday, 01-Jan-70 00:00:09 GMT":
    print(waitress.utilities.parse_http_date(date))
parser = waitress.parser.HTTPRequestParser(waitress.adjustments.Adjustments())
parser.received(b"GET /a HTTP/1.1\\r\\nHost: b\\r\\n\\r\\n")
print(parser.completed, parser.path, parser.headers, parser.error)

class Resource:
    def on_get(self, req, resp, name):
        resp.set_cookie("c", "d e")
        resp.etag = "f"
        resp.media = [name, req.cookies, str(req.if_match[0]), req.forwarded_host]
app = falcon.App()
app.add_route("/{name}.html", Resource())
headers = {"Cookie": "a=b", "If-Match": 'W/"x"', "Forwarded": 'for=1.2.3.4;host="h"'}
answer = falcon.testing.simulate_get(app, "/n.html", headers=headers)
print(answer.json, answer.cookies["c"].value, answer.headers["etag"])
print(falcon.secure_filename("a b"))
"""
    )
    assert out.splitlines() == [
        "9",
        "9",
        "True /a {'HOST': 'b'} None",
        """['n', {'a': 'b'}, 'x', 'h'] d e "f\"""",
        "a_b",
    ]


def test_other_code_that_runs_meanwhile_gets_compiled_patterns() -> None:
    out = run(
        """
import re, threading
from fcplug.process.lazy_patterns import lazy_patterns

with lazy_patterns():
    pattern = re.compile("a")
    others = []
    thread = threading.Thread(target=lambda: others.append(re.compile("b", re.IGNORECASE)))
    thread.start()
    thread.join()
print(re.sub(pattern, "x", "bab"), re.sub(others[0], "x", "BAB"))
"""
    )
    assert out.split() == ["bxb", "xAx"]
