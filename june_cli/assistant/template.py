"""A model's own chat template: how a conversation becomes the text that the model was trained to continue.

Servers that take text instead of messages, Triton is one, leave this to their client. A template is a program
in the model's files; it runs in Jinja's sandbox, with bounds on what it may write.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from june_cli.assistant import gguf
from june_cli.errors import JuneError

if TYPE_CHECKING:
    from jinja2 import Environment, Template

MAX_TEMPLATE = 1024 * 1024  # characters; the longest of real models have 20 000
MAX_RENDERED = 8 * 1024 * 1024
MAX_FILE_BYTES = 64 * 1024 * 1024
TOKENS = ("bos", "eos")


@dataclass(frozen=True)
class ChatTemplate:
    """A template, where it was found, and what it may refer to.

    `strips_bos`: the tokeniser adds the first token by itself, so what is rendered must not begin with it.
    """

    source: str
    origin: str
    bos: str = ""
    eos: str = ""
    strips_bos: bool = False

    @classmethod
    def of(cls, folder: Path) -> ChatTemplate:
        """The template of the model in a folder: a file of its own, the tokeniser's, or a GGUF file's.

        JuneError `template-missing` for a model without one, which is a model that does not chat.
        """
        config = _json(folder / "tokenizer_config.json")
        metadata = _gguf(folder)
        own = _text(folder / "chat_template.jinja")
        found = (
            (own, "chat_template.jinja"),
            (_named(config.get("chat_template")), "tokenizer_config.json"),
            (metadata.get("tokenizer.chat_template"), "its GGUF file"),
        )
        source, origin = next(((s, o) for s, o in found if isinstance(s, str) and s), ("", ""))
        if not source or len(source) > MAX_TEMPLATE:
            why = "no chat template" if not source else f"a chat template of {len(source)} characters"
            raise JuneError(
                "template-missing",
                f"the model in {folder} has {why}.",
                hint="take an instruct model, or put its chat_template.jinja into the folder",
            )
        bos, eos = (str(metadata.get(name) or _token(config, name)) for name in TOKENS)
        return cls(source, f"{origin} of {folder.name}", bos, eos, _adds_bos(folder, config, metadata))

    def render(self, messages: Sequence[Mapping[str, str]]) -> str:
        """The text for the model to continue. JuneError `template-invalid`, with the template's own words.

        Some templates refuse a system message; then it is put in front of the first message of the user.
        """
        try:
            text = self._rendered(messages)
        except JuneError:
            if len(messages) < 2 or messages[0]["role"] != "system" or messages[1]["role"] != "user":
                raise
            first = {"role": "user", "content": f"{messages[0]['content']}\n\n{messages[1]['content']}"}
            text = self._rendered([first, *messages[2:]])
        return text.removeprefix(self.bos) if self.strips_bos and self.bos else text

    def _rendered(self, messages: Sequence[Mapping[str, str]]) -> str:
        try:
            pieces = _compiled(self.source).generate(
                messages=[dict(message) for message in messages],
                add_generation_prompt=True,
                bos_token=self.bos,
                eos_token=self.eos,
                tools=None,
                documents=None,
            )
            return _joined(pieces)
        except (KeyboardInterrupt, JuneError):
            raise
        except ImportError as error:
            raise JuneError(
                "package-missing",
                "rendering chat templates needs jinja2.",
                hint="pip install 'june-cli[speech]'",
            ) from error
        except Exception as error:  # a template is a program: it may raise anything
            said = str(error)[:300] or type(error).__name__
            raise JuneError(
                "template-invalid", f"the chat template in {self.origin} fails: {said}"
            ) from error


@functools.lru_cache(maxsize=8)
def _compiled(source: str) -> Template:
    return _environment().from_string(source)


def _environment() -> Environment:
    """What the templates of model hubs are written for: see `apply_chat_template` in transformers."""
    from jinja2 import TemplateError
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> None:
        raise TemplateError(message)

    class Bounded(ImmutableSandboxedEnvironment):
        """The sandbox, without the operators that make much out of little."""

        intercepted_binops = frozenset(["*", "**"])

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            numbers = all(isinstance(n, int | float) and abs(n) < MAX_RENDERED for n in (left, right))
            if operator == "**" or not numbers:
                raise TemplateError(f"{operator} is not allowed here")
            return super().call_binop(context, operator, left, right)

    environment = Bounded(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _generation()])
    environment.filters["tojson"] = _tojson
    environment.globals.update(raise_exception=refuse, strftime_now=time.strftime)
    return environment


def _generation() -> Any:
    """`{% generation %}…{% endgeneration %}` marks answers for training; here it is what it encloses."""
    from jinja2.ext import Extension

    class Generation(Extension):
        tags = {"generation"}  # noqa: RUF012 - jinja2 declares it so

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    return Generation


def _tojson(value: Any, ensure_ascii: bool = False, **options: Any) -> str:
    """As it is in transformers: without the escapes that jinja2's own makes for web pages."""
    return json.dumps(value, ensure_ascii=ensure_ascii, **options)


def _joined(pieces: Iterable[str]) -> str:
    kept, size = [], 0
    for piece in pieces:
        kept.append(piece)
        size += len(piece)
        if size > MAX_RENDERED:
            raise ValueError(f"it writes more than {MAX_RENDERED} characters")
    return "".join(kept)


def _named(template: Any) -> Any:
    """A model may have several templates: `default` is the one for conversations."""
    if not isinstance(template, list):
        return template
    named = {t.get("name"): t.get("template") for t in template if isinstance(t, dict)}
    return named.get("default")


def _token(config: Mapping[str, Any], name: str) -> str:
    token = config.get(f"{name}_token")
    token = token.get("content") if isinstance(token, dict) else token
    return token if isinstance(token, str) else ""


def _adds_bos(folder: Path, config: Mapping[str, Any], metadata: Mapping[str, Any]) -> bool:
    """Only where the files say so: a missing first token does more harm than a second one."""
    if metadata:
        return bool(metadata["adds_bos"])
    said = config.get("add_bos_token")
    if isinstance(said, bool):
        return said
    processor = _json(folder / "tokenizer.json").get("post_processor")
    bos = _token(config, "bos")
    return bool(bos) and bos in _first_tokens(processor)


def _first_tokens(processor: Any) -> list[str]:
    """The special tokens with which a tokeniser of Hugging Face begins each text."""
    if not isinstance(processor, dict):
        return []
    if isinstance(processor.get("processors"), list):
        return [token for inner in processor["processors"] for token in _first_tokens(inner)]
    single = processor.get("single")
    first = single[0] if isinstance(single, list) and single else None
    special = first.get("SpecialToken") if isinstance(first, dict) else None
    return [str(special.get("id"))] if isinstance(special, dict) else []


def _gguf(folder: Path) -> dict[str, Any]:
    """What the GGUF file of a folder says about its text; empty where there is none."""
    if not any(folder.glob("*.gguf")):
        return {}
    with gguf.Header(gguf.file_of(folder)) as header:
        return {
            "tokenizer.chat_template": header.metadata.get("tokenizer.chat_template"),
            "adds_bos": gguf.adds_bos(header.metadata),
            **{name: gguf.special_token(header.metadata, name) for name in TOKENS},
        }


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            return ""
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_text(path) or "{}")
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
