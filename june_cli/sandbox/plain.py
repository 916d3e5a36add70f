"""Values as plain data: JSON, with a tag for what JSON has no word for. Nothing is ever pickled or evaluated.

Both sides use it. The side that packs may be the sample's own process, where nothing can be relied on: it is
the side that unpacks that has to hold, and it makes only what is listed here, whatever it is sent.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from dataclasses import dataclass
from types import NoneType
from typing import Any

TAG = "~"
DEPTH = 100  # of values in values
SMALL = 1 << 63  # larger integers are written in base 16: Python refuses to read long decimal ones
UNEQUAL = (b'"opaque"', b'"iterator"', b"NaN")  # as they are packed
TOO_LONG = b"#"
TAKEN = 100_000  # of what an iterator yields
NATIVE = frozenset((bool, int, float, str, NoneType))  # what JSON has words for


class Unpackable(Exception):
    """What was sent is no plain data."""


@dataclass(frozen=True, eq=False)
class Opaque:
    """In place of an object that cannot be carried: it has a type's name, a truth, and equals only itself."""

    type: str
    truth: bool

    def __bool__(self) -> bool:
        return self.truth


def pack(value: Any) -> str:
    """A value as one line of JSON. RecursionError where it is nested too deeply, or holds itself."""
    try:
        return json.dumps(_packed(value, DEPTH))
    except ValueError:  # an integer of very many digits among others
        return json.dumps(_packed(value, DEPTH, every=True))


def unpack(text: str | bytes) -> Any:
    """The value again. Unpackable for anything else."""
    try:
        return json.loads(text, object_hook=_tagged)
    except Exception as error:  # noqa: BLE001 - whatever stands in the way, it is no plain data
        raise Unpackable(f"{type(error).__name__}: {error}"[:200]) from None


def digest(packed: bytes) -> str:
    """Of a packed value: equal ones are the same value. Empty for what equals nothing, not even itself.

    In place of a value that is too long may stand TOO_LONG and its digest.
    """
    if packed.startswith(TOO_LONG):
        return packed[len(TOO_LONG) :].decode("ascii", "replace")
    if any(word in packed for word in UNEQUAL):
        return ""
    return hashlib.blake2b(packed, digest_size=16).hexdigest()


def _packed(value: Any, depth: int, *, every: bool = False) -> Any:
    """As JSON takes it. Lists of what JSON has words for are not looked at one by one, unless `every`."""
    if depth <= 0:
        raise RecursionError("nested too deeply")
    if type(value) in (bool, NoneType, str, float):
        return value
    if type(value) is int and -SMALL < value < SMALL:
        return value
    if type(value) in (list, tuple):
        plain = not every and NATIVE.issuperset(map(type, value))
        content = value if plain else [_packed(one, depth - 1, every=every) for one in value]
        return content if type(value) is list else {TAG: "tuple", "v": content}
    for kind, tag, write in WRITERS:
        if isinstance(value, kind):
            return {TAG: tag, "v": write(value, depth - 1)}
    return _other(value, depth)


def _other(value: Any, depth: int) -> Any:
    """What is told by its module, which is not imported for that; and what cannot be carried."""
    kind = type(value)
    if kind.__module__ == "numpy":
        if hasattr(value, "tolist"):
            plain = _packed(value.tolist(), depth - 1)
            return {TAG: "array", "v": plain} if kind.__name__ == "ndarray" else plain
    elif kind.__module__ in MODULES and kind.__name__ in MODULES[kind.__module__]:
        return {TAG: f"{kind.__module__}.{kind.__name__}", "v": _arguments(value, depth)}
    if isinstance(value, type) and value in TYPES:
        return {TAG: "type", "v": value.__name__}
    if isinstance(value, Iterator):
        return {TAG: "iterator", "v": _some(value, depth - 1)}
    try:
        truth = bool(value)
    except Exception:  # noqa: BLE001 - it is the sample's own object
        truth = True
    return {TAG: "opaque", "v": [kind.__name__, truth]}


def _some(values: Iterator[Any], depth: int) -> list[Any]:
    found = []
    for one in values:
        found.append(_packed(one, depth))
        if len(found) > TAKEN:
            raise RecursionError("an iterator that goes on for too long")
    return found


def _each(values: Any, depth: int) -> list[Any]:
    return [_packed(one, depth) for one in values]


def _pairs(values: Mapping[Any, Any], depth: int) -> list[Any]:
    return [[_packed(k, depth), _packed(v, depth)] for k, v in values.items()]


def _arguments(value: Any, depth: int) -> list[Any]:
    """What makes the same value again when its type is called with it."""
    _, arguments = value.__reduce_ex__(2)[:2]
    if type(value).__name__ == "Fraction":
        arguments = (value.numerator, value.denominator)
    elif type(value).__module__ == "datetime":
        arguments = (value.isoformat(),) if hasattr(value, "isoformat") else _span(value)
    return [_packed(one, depth - 1) for one in arguments]


def _span(value: Any) -> tuple[int, int, int]:
    return value.days, value.seconds, value.microseconds


# Kinds in the order in which they are tried: the special before the general. Of a subclass the plain value
# counts, by the methods of the class it is derived from.
WRITERS: tuple[tuple[Any, str, Callable[[Any, int], Any]], ...] = (
    (int, "int", lambda v, _: int.__format__(int.__add__(v, 0), "x")),
    (float, "float", lambda v, _: float.__add__(v, 0.0)),
    (str, "str", lambda v, _: str.__str__(v)),
    (complex, "complex", lambda v, _: [v.real, v.imag]),
    ((bytes, bytearray), "bytes", lambda v, _: bytes(v).hex()),
    (Counter, "counter", _pairs),
    (defaultdict, "defaultdict", _pairs),
    (OrderedDict, "ordered", _pairs),
    (dict, "dict", _pairs),
    (tuple, "tuple", lambda v, depth: _each(tuple.__iter__(v), depth)),
    (list, "list", lambda v, depth: _each(list.__iter__(v), depth)),
    (set, "set", _each),
    (frozenset, "frozenset", _each),
    (deque, "deque", _each),
    (range, "range", lambda v, _: [v.start, v.stop, v.step]),
    (KeysView, "keys", _each),
    (ValuesView, "values", _each),
    (ItemsView, "items", lambda v, depth: [[_packed(k, depth), _packed(x, depth)] for k, x in v]),
)
MODULES: Mapping[str, frozenset[str]] = {
    "fractions": frozenset(["Fraction"]),
    "decimal": frozenset(["Decimal"]),
    "datetime": frozenset(["datetime", "date", "time", "timedelta"]),
}
TYPES = frozenset(
    (int, float, str, bool, list, dict, tuple, set, frozenset, bytes, complex, type, range, object)
)


def _tagged(found: dict[str, Any]) -> Any:
    """What a tag stands for; its content is unpacked already."""
    tag, content = found[TAG], found["v"]
    if tag in READERS:
        return READERS[tag](content)
    return _by_module(tag, content)


def _by_module(tag: str, content: Any) -> Any:
    module, _, name = tag.partition(".")
    if name not in MODULES.get(module, ()):
        raise Unpackable(f"a tag that is none: {tag[:40]!r}")
    import importlib

    kind = getattr(importlib.import_module(module), name)
    if module == "datetime" and name != "timedelta":
        return kind.fromisoformat(*content)
    return kind(*content)


def _array(content: Any) -> Any:
    import numpy as np

    return np.array(content)


def _type(content: Any) -> type:
    for known in TYPES:
        if known.__name__ == content:
            return known
    raise Unpackable(f"a type that is not carried: {content!r:.40}")


def _range(content: Any) -> range:
    start, stop, step = content
    return range(start, stop, step)


READERS: Mapping[str, Callable[[Any], Any]] = {
    "int": lambda v: int(v, 16),
    "float": float,
    "str": lambda v: str.__str__(v),
    "complex": lambda v: complex(float(v[0]), float(v[1])),
    "bytes": bytes.fromhex,
    "counter": lambda v: Counter(dict(v)),
    "defaultdict": lambda v: defaultdict(None, dict(v)),
    "ordered": lambda v: OrderedDict(dict(v)),
    "dict": dict,
    "tuple": tuple,
    "list": list,
    "set": set,
    "frozenset": frozenset,
    "deque": deque,
    "range": _range,
    "keys": lambda v: dict.fromkeys(v).keys(),
    "values": lambda v: dict(enumerate(v)).values(),
    "items": lambda v: dict(v).items(),
    "iterator": lambda v: iter(list(v)),
    "array": _array,
    "type": _type,
    "opaque": lambda v: Opaque(str(v[0])[:80], v[1] is True),
}
