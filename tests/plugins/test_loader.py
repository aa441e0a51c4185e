from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fcplug.context import Context
from fcplug.errors import PluginError
from fcplug.result import format_error
from fcplug.runtime.runtime import Runtime

Code = Callable[[str, str], Path]
Install = Callable[..., Path]
Serve = Callable[..., Runtime]
Called = Callable[..., Context]

HOOKS = "from fcplug import hookimpl\n"


@pytest.fixture
def answer(code: Code, serve: Serve, called: Called) -> Callable[..., bytes]:
    """Return what answers the event ``e`` by an attribute of a module of this text."""

    def make(text: str, name: str = "handle") -> bytes:
        code("index", HOOKS + text)
        answered = serve(f={"handler": f"index:{name}", "settings": {}}).invoke(b"e", called("f"))
        assert answered.error is None, format_error(answered.error)
        return answered.body

    return make


@pytest.mark.parametrize(
    "text",
    [
        "def handle(event, context): return event + context.request_id.encode()",
        "def handle(evt, ctx): return evt + ctx.request_id.encode()",
        "def handle(a, b=None): return a + b.request_id.encode()",
        "def handle(*args): return args[0] + args[1].request_id.encode()",
        "def handle(a, *rest, **more): return a + rest[0].request_id.encode()",
        "def handle(a, b, c='', *, d=''): return a + b.request_id.encode()",
        "handle = lambda e, c: e + c.request_id.encode()",
        "async def handle(evt, ctx): return evt + ctx.request_id.encode()",
        "import functools\n"
        "def both(prefix, evt, ctx): return evt + ctx.request_id.encode()\n"
        "handle = functools.partial(both, 1)",
        "class Callable:\n"
        "  def __call__(self, evt, ctx): return evt + ctx.request_id.encode()\n"
        "handle = Callable()",
        "class Callable:\n"
        "  async def __call__(self, evt, ctx): return evt + ctx.request_id.encode()\n"
        "handle = Callable()",
        "class handle:\n  def __call__(self, evt, ctx): return evt + ctx.request_id.encode()",
    ],
    ids=[
        "named as by FC", "other names", "default", "rest", "more rest", "more defaults", "lambda",
        "async", "partial", "callable object", "async callable object", "callable class",
    ],
)  # fmt: skip
def test_a_plain_function_is_called_by_position_with_event_and_context(
    text: str, code: Code, serve: Serve, called: Called
) -> None:
    code("index", text)
    answered = serve(f="index.handle").invoke(b"event of ", called("f", request_id="1-2"))
    assert answered.body == b"event of 1-2"


@pytest.mark.parametrize(
    ("text", "answered"),
    [
        ("def handle(): return b'none'", b"none"),
        ("def handle(evt): return evt", b"e"),
        ("def handle(context): return repr(context)[:8]", b"Context("),
        ("handle = len", b"1"),
        ("import os\nhandle = os.fsdecode", b"e"),
        ("class handle:\n  @staticmethod\n  @hookimpl\n  def invoke(event): return event", b"e"),
        ("class handle:\n  @hookimpl\n  @staticmethod\n  def invoke(event): return event", b"e"),
        ("class handle:\n  @classmethod\n  @hookimpl\n  def invoke(c, event): return event", b"e"),
        ("class handle:\n  @hookimpl\n  @classmethod\n  def invoke(c, event): return event", b"e"),
        ("class handle:\n  @hookimpl\n  def invoke(self): return 'self'", b"self"),
        ("class handle:\n  @hookimpl\n  def invoke(self, event, *a, **b): return event", b"e"),
        ("class handle:\n  @hookimpl\n  async def invoke(self, event): return event", b"e"),
        ("class H:\n  @hookimpl\n  def invoke(self, event): return event\nhandle = H()", b"e"),
        (
            "class Inner:\n  @hookimpl\n  def invoke(self, event): return event\n"
            "class handle:\n  def __init__(self): self.invoke = Inner().invoke",
            b"e",
        ),
        (
            "class handle:\n  @hookimpl(specname='invoke')\n  def other(self): return 'spec'",
            b"spec",
        ),
        (
            "import functools\n"
            "def twice(hook):\n"
            "  @functools.wraps(hook)\n"
            "  def call(*args): return hook(*args) * 2\n"
            "  return call\n"
            "class handle:\n  @hookimpl\n  @twice\n  def invoke(self, event): return event",
            b"ee",
        ),
        (
            "class handle:\n  @hookimpl(optionalhook=True)\n  def later(self, what): ...\n"
            "  @hookimpl\n  def invoke(self, event): return event",
            b"e",
        ),
    ],
)
def test_hooks_take_fewer_arguments_and_come_in_every_form_of_a_method(
    answer: Callable[..., bytes], text: str, answered: bytes
) -> None:
    assert answer(text) == answered


def test_a_builtin_without_a_signature_receives_event_and_context(
    serve: Serve, called: Called
) -> None:
    error = serve(f="builtins:max").invoke(b"e", called("f")).error
    assert "not supported between instances of 'Context' and 'bytes'" in str(error)


def test_a_module_with_hooks_is_a_handler(install: Install, serve: Serve, called: Called) -> None:
    text = HOOKS + "@hookimpl\ndef invoke(event, context): return dict(context.settings)\n"
    install("my-dist", {"mine": text}, handlers={"my": "mine"})
    runtime = serve(f={"handler": "my", "settings": {"a": 1}})
    assert runtime.invoke(b"", called("f")).body == b'{\n    "a": 1\n}'


def test_properties_of_a_plugin_are_never_evaluated(answer: Callable[..., bytes]) -> None:
    text = """
import functools
class Refuses:
    def __getattr__(self, name): raise RuntimeError(name)
class Handler:
    untouchable = Refuses()
    @property
    def invok(self): raise RuntimeError("evaluated")
    @functools.cached_property
    def initialize(self): raise RuntimeError("evaluated")
    def __getattr__(self, name): raise RuntimeError(name)
    @hookimpl
    def invoke(self): return "safe"
class Unmarked:
    @property
    def invoke(self): raise RuntimeError("evaluated")
    def __call__(self): return "called"
"""
    assert answer(text, "Handler") == b"safe"
    assert answer(text, "Unmarked") == b"called"


MIDDLEWARE = """
from fcplug import hookimpl

class Around:
    def __init__(self, name=""):
        self.name = name

    @hookimpl(wrapper=True)
    def initialize(self, context):
        result = yield
        return [f"{self.name}({result[-1]})"] if result else []

    @hookimpl(wrapper=True)
    def invoke(self, event):
        try:
            result = yield
        except BaseException as error:
            result = f"caught {type(error).__name__}"
        return f"{self.name}({result})"

class Handler:
    @hookimpl
    def initialize(self): return "ready"
    @hookimpl
    def invoke(self, event):
        if event:
            raise eval(event)
        return "done"
"""


def around(*names: str) -> list[dict[str, Any]]:
    return [{"name": "wrapping:Around", "settings": {"name": name}} for name in names]


def test_middleware_runs_in_the_order_of_the_file_outermost_first(
    code: Code, serve: Serve, called: Called
) -> None:
    code("wrapping", MIDDLEWARE)
    runtime = serve(f={"handler": "wrapping:Handler", "middleware": around("a", "b", "c")})
    assert runtime.initialize(called("f")).body == b"a(b(c(ready)))"
    assert runtime.invoke(b"", called("f")).body == b"a(b(c(done)))"


@pytest.mark.parametrize("error", ["ValueError", "SystemExit", "StopIteration", "GeneratorExit"])
def test_middleware_sees_what_the_handler_raises(
    code: Code, serve: Serve, called: Called, error: str
) -> None:
    code("wrapping", MIDDLEWARE)
    runtime = serve(f={"handler": "wrapping:Handler", "middleware": around("a", "b")})
    answered = runtime.invoke(f"{error}()".encode(), called("f")).body.decode()
    assert answered == f"a(b(caught {error}))"


def test_each_function_has_objects_of_its_own(code: Code, serve: Serve, called: Called) -> None:
    code("wrapping", MIDDLEWARE)
    code("counting", HOOKS + "class Counter:\n  n = 0\n  @hookimpl\n  def invoke(self):\n"
         "    self.n += 1\n    return self.n\n")  # fmt: skip
    runtime = serve(
        f={"handler": "counting:Counter", "middleware": around("f")},
        g={"handler": "counting:Counter", "middleware": around("g")},
    )
    answers = [runtime.invoke(b"", called(name)).body for name in "ffg"]
    assert answers == [b"f(1)", b"f(2)", b"g(1)"]


def test_one_module_may_wrap_twice(code: Code, serve: Serve, called: Called) -> None:
    code("wraps.twice", HOOKS + "@hookimpl(wrapper=True)\ndef invoke():\n  return '<' + (yield)\n")
    code("wraps.__init__", "from wraps import twice")
    code("index", "def handle(): return 'x'")
    entry = {"handler": "index:handle", "middleware": ["wraps:twice", "wraps:twice"]}
    assert serve(f=entry).invoke(b"", called("f")).body == b"<<x"


INVOKE = "  @hookimpl\n  def invoke(self): ...\n"
UNFIT = {
    "a number": ("handle = 3", "an object of type int has no hooks", "name a function, a class or"),
    "a class without hooks": ("class handle: ...", "handle has no hooks", "name a function"),
    "three arguments": (
        "def handle(a, b, c): ...",
        "handle(a, b, c) cannot be called with an event and a context",
        "def handle(event, context)",
    ),
    "a keyword it needs": (
        "def handle(event, *, context): ...",
        "handle(event, *, context) cannot be called with an event and a context",
        "def handle(event, context)",
    ),
    "a misspelled hook": (
        f"class handle:\n{INVOKE}  @hookimpl\n  def pre_stopp(self): ...",
        "unknown hook 'pre_stopp' (did you mean 'pre_stop'?)",
        "the hooks are initialize, invoke, pre_freeze, pre_stop",
    ),
    "a misspelled argument": (
        "class handle:\n  @hookimpl\n  def invoke(self, event, contxt): ...",
        "the hook invoke(event, contxt) takes 'contxt' (did you mean 'context'?), "
        "which is never passed",
        "take event and context, or fewer, each by its name and without a default",
    ),
    "an argument of another hook": (
        f"class handle:\n{INVOKE}  @hookimpl\n  def pre_stop(self, event): ...",
        "the hook pre_stop(event) takes 'event', which is never passed",
        "take context, or fewer, each by its name and without a default",
    ),
    "an argument by keyword": (
        "class handle:\n  @hookimpl\n  def invoke(self, event, *, context): ...",
        "the hook invoke(event, *, context) takes 'context' with a default or by keyword only, "
        "so it is never passed",
        "take event and context, or fewer, each by its name and without a default",
    ),
    "an argument with a default": (
        "class handle:\n  @hookimpl\n  def invoke(self, event, context=None): ...",
        "the hook invoke(event, context=None) takes 'context' with a default",
        "take event and context, or fewer, each by its name and without a default",
    ),
    "no invoke": (
        "class handle:\n  @hookimpl\n  def initialize(self): ...",
        "no hook answers an event",
        "give the handler one: @hookimpl def invoke(event, context)",
    ),
    "two invokes": (
        f"class handle:\n{INVOKE}  @hookimpl(specname='invoke')\n  def other(self): ...",
        "the hook 'invoke' is given twice",
        "write it once, with def",
    ),
    "a partial": (
        "import functools\nclass handle:\n"
        "  invoke = hookimpl(staticmethod(functools.partial(len)))",
        "the hook 'invoke' is a partial",
        "write it once, with def",
    ),
    "a generator": (
        "class handle:\n  @hookimpl\n  def invoke(self): yield",
        "the hook 'invoke' yields, but is not a wrapper",
        "mark it @hookimpl(wrapper=True), or return a value",
    ),
    "an async generator": (
        "class handle:\n  @hookimpl\n  async def invoke(self): yield",
        "the hook 'invoke' yields, but is not a wrapper",
        "mark it @hookimpl(wrapper=True), or return a value",
    ),
    "a wrapper without yield": (
        f"class handle:\n{INVOKE}  @hookimpl(wrapper=True)\n  def initialize(self): ...",
        "the wrapper 'initialize' does not yield",
        "a wrapper is a plain def with one: result = yield",
    ),
    "an async wrapper": (
        f"class handle:\n{INVOKE}  @hookimpl(wrapper=True)\n  async def initialize(self): yield",
        "the wrapper 'initialize' is async",
        "a wrapper is a plain def with one: result = yield",
    ),
    "two kinds of wrapper": (
        f"class handle:\n{INVOKE}  @hookimpl(wrapper=True, hookwrapper=True)\n"
        "  def initialize(self): yield",
        "Plugin ",
        "correct the hook",
    ),
    "unmarked hooks": (
        "class handle:\n  def initialize(self): ...\n  @staticmethod\n  def invoke(): ...",
        "handle has initialize, invoke, but not marked as hooks",
        "from fcplug import hookimpl, and put @hookimpl above each",
    ),
    "a dir that fails": (
        f"class handle:\n{INVOKE}  def __dir__(self): raise OSError('no dir')",
        "loading the plugin failed: OSError: no dir",
        "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("unfit", UNFIT.values(), ids=UNFIT)
def test_a_plugin_that_does_not_fit_says_why_and_takes_only_its_own_functions_down(
    install: Install, serve: Serve, called: Called, unfit: tuple[str, str, str]
) -> None:
    text, what, fix = unfit
    install(
        "unfit-dist",
        {"unfit": f"{HOOKS}\n{text}\ndef well(event): return event\n"},
        handlers={"unfit": "unfit:handle", "well": "unfit:well"},
    )
    runtime = serve(f="unfit", g="well")
    for _ in range(2):
        error = runtime.invoke(b"", called("f")).error
        assert isinstance(error, PluginError)
        assert error.error_type in ("PluginInvalid", "UserCodeError")
        assert error.what.startswith(what)
        assert error.fix.startswith(fix)
        entry = "handler 'unfit' (entry point unfit = unfit:handle, unfit-dist 1.2), "
        assert error.where.startswith(entry)
        assert error.where.rpartition(":")[2].isdigit()
        assert "unfit.py:" in error.where
        assert "pluggy" not in format_error(error)
        assert runtime.invoke(b"serves", called("g")).body == b"serves"


def test_middleware_that_answers_itself_is_one_answer_too_many(
    code: Code, serve: Serve, called: Called
) -> None:
    code("index", f"{HOOKS}class M:\n{INVOKE}class N:\n  def invoke(): ...\ndef handle(): ...\n")
    runtime = serve(
        f={"handler": "index:handle", "middleware": ["index:M"]},
        g={"handler": "index:handle", "middleware": ["index:handle"]},
        h={"handler": "index:handle", "middleware": ["index:N"]},
    )
    errors = [runtime.invoke(b"", called(name)).error for name in "fgh"]
    assert [str(error).splitlines()[0] for error in errors] == [
        "2 plugins answer the event: handler 'index:handle' and middleware 'index:M'",
        "handle has no hooks",
        "N has invoke, but not marked as hooks",
    ]
    assert str(errors[0]).endswith("middleware must wrap: mark its invoke @hookimpl(wrapper=True)")
    assert str(errors[1]).endswith("a class or a module with hooks marked @hookimpl(wrapper=True)")


@pytest.mark.parametrize(
    "before",
    [
        "",
        "import absent_module",
        "def handle(event) syntax error",
        "1 / 0",
        "handel = 1",
        "handle = 3",
        f"{HOOKS}class handle:\n  @hookimpl\n  def invok(self): ...",
        "class handle:\n  def __init__(self): raise OSError",
    ],
)
@pytest.mark.parametrize("module", ["index", "pack.sub"])
def test_code_corrected_on_disk_serves_the_next_request(
    code: Code, serve: Serve, called: Called, module: str, before: str
) -> None:
    # 81
    code("pack.__init__", "")
    code(module, before)
    runtime = serve(f=f"{module}:handle")
    assert isinstance(runtime.invoke(b"e", called("f")).error, PluginError)
    code(module, "def handle(event): return event + b' served, and of another size'\n")
    assert runtime.invoke(b"e", called("f")).body == b"e served, and of another size"


def test_a_module_that_others_use_is_not_imported_again(
    code: Code, serve: Serve, called: Called
) -> None:
    code("index", "n = 0\ndef good():\n  global n\n  n += 1\n  return n\nbad = 3\n")
    runtime = serve(f="index:good", g="index:bad")
    for count in (b"1", b"2", b"3"):
        assert runtime.invoke(b"", called("f")).body == count
        assert runtime.invoke(b"", called("g")).error is not None
