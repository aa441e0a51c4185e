"""Decodes the bytes of an event into the type by which a handler annotates it."""

import functools
import re
from abc import ABCMeta
from collections.abc import Callable, Collection, Iterator, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, overload

import msgspec

from fcplug.content_kind import content_kind
from fcplug.errors import InvalidEvent
from fcplug.events import kinds

Decode = Callable[[bytes], Any]
T = TypeVar("T")

SUPPORTED = (
    "str, dict, list, TypedDict, a dataclass, an attrs class, a msgspec Struct, a pydantic model, "
    "unions of what JSON can tell apart, a type of fcplug.events, or a class with a classmethod "
    "from_event(event: bytes)"
)
_MAX_HINTED = 1 << 20  # bytes; larger events are not decoded again for a hint
_MAX_CHARS = 140  # of a problem, which may quote the event
_MALFORMED = re.compile(r"JSON is malformed: (.*) \(byte (\d+)\)")
_LONE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


@overload
def decode(event: bytes, kind: type[T]) -> T: ...
@overload
def decode(event: bytes, kind: Any) -> Any: ...
def decode(event: bytes, kind: Any) -> Any:
    """Decode an event into a type, as for a handler with that annotation.

    Raises:
        InvalidEvent: the event does not fit the type; the text says where and why.
        TypeError: events cannot be decoded into the type.
    """
    return (_kept_decoder(kind) or _untouched)(event)


def decoder(kind: Any) -> Decode | None:
    """Return a function that decodes events into a type; None if the type takes bytes.

    If the type takes None, an empty event is decoded into None.

    Raises:
        TypeError: events cannot be decoded into the type; the text says why.
    """
    options = _options(kind)
    if any(_takes_bytes(option) for option in options):
        return None
    some = [option for option in options if option is not NoneType]
    decode = _decoder(kind, some)
    if len(some) == len(options):
        return decode
    return lambda event: None if not event or event.isspace() else decode(event)


def describe_problem(error: Exception, event: bytes) -> str:
    """Return where and why an event does not fit, from the error of the decoder."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return _not_utf8(event) or str(error)
    if type(error).__module__.startswith("pydantic"):
        return _pydantic_problem(error, event)
    if isinstance(error, msgspec.ValidationError):
        return _misfit(str(error))
    return _malformed(error, event) if isinstance(error, msgspec.DecodeError) else str(error)


def type_name(kind: Any) -> str:
    """Return the name of a type without its modules."""
    if isinstance(kind, type) and not get_args(kind):
        return kind.__name__
    return re.sub(r"[\w<>.]+\.(?=\w)", "", str(kind))


def _untouched(event: bytes) -> Any:
    return event


def _takes_bytes(kind: Any) -> bool:
    """Return whether a type takes the bytes of an event without decoding.

    ``any`` is not a type, but people write it for ``Any``. Abstract classes of bytes, such as
    ByteString and Buffer, take them. Sequence and Collection do not: they mean a JSON array.
    """
    if kind is any or kind in (bytes, Any, object):
        return True
    plain = get_origin(kind) or kind  # typing.ByteString stands for collections.abc.ByteString
    if not isinstance(plain, ABCMeta) or get_args(kind) or plain in (Sequence, Collection):
        return False
    try:
        return issubclass(bytes, plain)
    except TypeError:  # a Protocol that issubclass does not accept
        return False


def _options(kind: Any) -> list[Any]:
    """Return the members of a union, with aliases resolved; else a list of the one type."""
    if get_origin(kind) in (Union, UnionType):
        return [option for member in get_args(kind) for option in _options(member)]
    if get_origin(kind) is Annotated:
        return _options(get_args(kind)[0])
    if isinstance(kind, TypeVar):
        return _options(kind.__bound__ or Any)
    for name in ("__supertype__", "__value__"):  # of NewType, and of a type statement
        if hasattr(kind, name):
            return _options(getattr(kind, name))
    return [kind]


def _decoder(kind: Any, options: list[Any]) -> Decode:
    if len(options) == 1:
        [only] = options
        if only in (bytearray, memoryview):
            raise TypeError("an event is bytes, which cannot be changed")
        if only is str:
            return _guarded(kind, lambda event: event.decode())
        if hasattr(only, "from_event"):
            return _guarded(kind, only.from_event, chained=True)
        if len(_options(kind)) == 1 and hasattr(only, "model_validate_json"):
            return _guarded(kind, only.model_validate_json)
    return _guarded(kind, _json_decoder(kind).decode)


def _guarded(kind: Any, decode: Decode, *, chained: bool = False) -> Decode:
    """Return the decoder with InvalidEvent as its error."""

    def guarded(event: bytes) -> Any:
        try:
            return decode(event)
        except (ValueError, RecursionError) as error:
            wrong = "it is empty" if not event else _shortened(describe_problem(error, event))
            text = f"the event does not fit {type_name(kind)}: {wrong}{_hint(event, kind, error)}"
            known = isinstance(error, msgspec.MsgspecError | UnicodeDecodeError)
            raise InvalidEvent(text) from (None if known or not chained else error)

    return guarded


def _json_decoder(kind: Any) -> "msgspec.json.Decoder[Any]":
    import msgspec.inspect  # noqa: PLC0415 - only when a handler is loaded

    try:
        for part in _parts(msgspec.inspect.type_info(kind), set()):
            if isinstance(part, msgspec.inspect.Field):
                # msgspec 0.22 overlooks fields of dataclasses and TypedDicts whose names are
                # not ASCII and were never encoded
                msgspec.json.encode(part.encode_name)
            elif isinstance(part, msgspec.inspect.CustomType) and not hasattr(
                part.cls, "model_validate_json"
            ):
                raise TypeError(
                    f"{type_name(part.cls)} is not a type that JSON can be decoded into"
                )
        return msgspec.json.Decoder(kind, dec_hook=_model)
    except NameError as error:  # a field's annotation
        raise TypeError(f"a field cannot be resolved: {error}") from error


def _parts(node: Any, seen: set[int]) -> Iterator[Any]:
    """Yield what msgspec knows of a type, of its fields and of the types inside it."""
    if isinstance(node, tuple):
        for item in node:
            yield from _parts(item, seen)
    elif isinstance(node, msgspec.inspect.Type | msgspec.inspect.Field) and id(node) not in seen:
        seen.add(id(node))
        yield node
        for name in node.__struct_fields__:
            yield from _parts(getattr(node, name), seen)


def _model(kind: Any, value: Any) -> Any:
    """Decode a part of the event into a pydantic model."""
    text = msgspec.json.encode(value)
    try:
        return kind.model_validate_json(text)
    except ValueError as error:
        raise ValueError(describe_problem(error, text)) from None


def _malformed(error: msgspec.DecodeError, event: bytes) -> str:
    if malformed := _MALFORMED.fullmatch(str(error)):
        return f"malformed JSON at byte {malformed[2]}: {malformed[1]}"
    if _LONE_SURROGATE.search(event):
        return "malformed JSON: half a surrogate pair"
    return f"malformed JSON at byte {len(event)}: it ends too early"


def _misfit(text: str) -> str:
    """Reorder msgspec's ``Expected `int`, got `str` - at `$.size```: the location comes first."""
    what, found, at = text.rpartition(" - at `")
    if not found:
        what, at = text, ""
    at = at.rstrip("`").replace("` in `", " of ")
    inner = what.startswith("$")  # the location in a model of the event
    what = what.replace("`", "")
    if inner:
        return f"{at or '$'}{what[1:]}"
    what = what[:1].lower() + what[1:]
    return f"{at}: {what}" if at else what


def _pydantic_problem(error: Any, event: bytes) -> str:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    first = problems[0]
    if first["type"] == "json_invalid":
        try:
            msgspec.json.decode(event)
        except (ValueError, RecursionError) as malformed:
            return describe_problem(malformed, event)
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]]
    at = f"{_shortened('$' + ''.join(parts), 40)}: " if parts else ""
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{at}{_shortened(first['msg'], 80)}{more}"


def _not_utf8(event: bytes) -> str:
    try:
        event.decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8 at byte {error.start}"
    return ""


def _hint(event: bytes, kind: Any, error: Exception) -> str:
    """Return a hint to another annotation if the event is obviously of another kind."""
    start = event[:64].lstrip()
    if not start:
        return f" ({type_name(kind)} | None takes it)" if not event else ""
    for_an_object = "Expected `object`" in str(error) or "type=model_type" in str(error)
    if for_an_object and re.match(rb'\[\s*"', start):
        return " (EventBridge sends an array of JSON strings for Kafka: ask for KafkaEvent)"
    if start[:1] in b"{[":
        return _hint_by_shape(event, kind)
    if isinstance(error, msgspec.ValidationError) or start[:1] == b'"' or kind is str:
        return ""
    found = content_kind(event)
    if found.startswith("CBOR"):
        return " (Tablestore sends CBOR: ask for TablestoreEvent)"
    return f" (it is {found}: if that is right, ask for str or bytes)"


def _hint_by_shape(event: bytes, kind: Any) -> str:
    """Return a hint to the trigger whose event a JSON document looks like, if it is another."""
    if len(event) > _MAX_HINTED:
        return ""
    try:
        found = kinds.looks_like(msgspec.json.decode(event))
    except (ValueError, RecursionError):
        return ""
    wanted = kinds.TYPES.get(found or "", type_name(kind))
    if wanted.partition("[")[0] == type_name(kind).partition("[")[0]:
        return ""
    return f" (it looks like an event of the trigger '{found}': ask for {wanted})"


def _shortened(text: str, most: int = _MAX_CHARS) -> str:
    text = "".join(each if each.isprintable() else repr(each)[1:-1] for each in text[: most + 1])
    return text if len(text) <= most else f"{text[:most]}..."


_kept_decoder: Callable[[Any], Decode | None] = functools.lru_cache(maxsize=64)(decoder)
