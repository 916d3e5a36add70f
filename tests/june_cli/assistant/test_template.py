"""Chat templates: where they come from, what they may use, and what they must not do."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from june_cli.assistant.template import ChatTemplate
from june_cli.errors import JuneError

HELLO = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello, ü {{ 1 }}!"}]
LINES = "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}"


def text(content: str) -> bytes:
    return struct.pack("<Q", len(content.encode())) + content.encode()


def gguf(folder: Path, template: str, *, adds_bos: bool = False) -> None:
    """A file with a template and the tokens <s> and </s>."""
    keys = [
        text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + text("<s>") + text("</s>"),
        text("tokenizer.ggml.bos_token_id") + struct.pack("<II", 4, 0),
        text("tokenizer.ggml.eos_token_id") + struct.pack("<II", 4, 1),
        text("tokenizer.ggml.add_bos_token") + struct.pack("<I?", 7, adds_bos),
        text("tokenizer.chat_template") + struct.pack("<I", 8) + text(template),
    ]
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, len(keys))
    (folder / "model.gguf").write_bytes(head + b"".join(keys))


def config(folder: Path, **content: Any) -> None:
    (folder / "tokenizer_config.json").write_text(json.dumps(content), "utf-8")


def rendered(source: str, messages: list[dict[str, str]] | None = None) -> str:
    return ChatTemplate(source, "test", "<s>", "</s>").render(messages or HELLO)


def test_a_file_of_its_own_comes_before_the_others(tmp_path: Path) -> None:
    gguf(tmp_path, "of the gguf")
    assert ChatTemplate.of(tmp_path).render(HELLO) == "of the gguf"
    config(tmp_path, chat_template="of the tokeniser")
    assert ChatTemplate.of(tmp_path).render(HELLO) == "of the tokeniser"
    (tmp_path / "chat_template.jinja").write_text("its own", "utf-8")
    assert ChatTemplate.of(tmp_path).render(HELLO) == "its own"


def test_of_several_named_ones_the_default_is_taken(tmp_path: Path) -> None:
    named = [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "talk"}]
    config(tmp_path, chat_template=named)
    assert ChatTemplate.of(tmp_path).render(HELLO) == "talk"


def test_special_tokens_may_be_objects(tmp_path: Path) -> None:
    config(
        tmp_path, chat_template="{{ bos_token }}{{ eos_token }}", bos_token={"content": "<b>"}, eos_token=None
    )
    assert ChatTemplate.of(tmp_path).render(HELLO) == "<b>"


@pytest.mark.parametrize("content", [{}, {"chat_template": ""}, {"chat_template": [7]}, {"chat_template": 5}])
def test_a_model_without_a_template_does_not_chat(tmp_path: Path, content: dict[str, Any]) -> None:
    config(tmp_path, **content)
    with pytest.raises(JuneError, match="no chat template") as caught:
        ChatTemplate.of(tmp_path)
    assert caught.value.code == "template-missing"
    assert caught.value.hint


def test_a_damaged_tokeniser_configuration_is_none(tmp_path: Path) -> None:
    gguf(tmp_path, LINES)
    (tmp_path / "tokenizer_config.json").write_bytes(b'{"chat_template": \xff')
    assert ChatTemplate.of(tmp_path).origin.startswith("its GGUF file")


def test_messages_are_data_and_blocks_leave_no_lines() -> None:
    source = (
        "{% for m in messages %}\n  {% if true %}\n<{{ m.role }}>{{ m.content }}\n  {% endif %}\n{% endfor %}"
    )
    assert rendered(source) == "<system>Be brief.\n<user>Hello, ü {{ 1 }}!\n"


def test_what_templates_of_model_hubs_use() -> None:
    source = (
        "{% for m in messages %}{% if loop.index > 1 %}{% break %}{% endif %}"
        "{% generation %}{{ m | tojson }}{% endgeneration %}{% endfor %}"
        "{{ strftime_now('%Y') | length }}{{ tools is none }}{{ add_generation_prompt }}{{ eos_token }}"
    )
    assert rendered(source) == '{"role": "system", "content": "Be brief."}4TrueTrue</s>'


def test_a_template_without_system_messages_gets_one_message() -> None:
    source = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + LINES
    assert rendered(source) == "<user>Be brief.\n\nHello, ü {{ 1 }}!\n"
    with pytest.raises(JuneError, match="no system role") as caught:
        rendered(source, HELLO[:1])
    assert caught.value.code == "template-invalid"


@pytest.mark.parametrize(
    "source",
    [
        "{% for m in messages %}",
        "{{ nothing.here.at_all }}",
        "{{ messages.__class__.__mro__ }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{{ self.__init__.__globals__ }}",
        "{{ messages.append(1) }}",
        "{% for a in range(10**9) %}x{% endfor %}",
        "{{ 'x' * 10**10 }}",
        "{{ 'x' * 99999999999 }}",
        "{{ [0] * 99999999999 }}",
        "{% for a in range(9999) %}" + "x" * 1000 + "{% endfor %}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
    ],
)
def test_a_template_that_fails_or_wants_too_much_is_named(source: str) -> None:
    with pytest.raises(JuneError, match="the chat template in test fails"):
        rendered(source)


def test_sums_and_products_of_small_numbers_are_fine() -> None:
    assert rendered("{{ 3 * 4 }}{{ messages | length * 2 }}") == "124"


def test_a_first_token_that_the_tokeniser_adds_is_left_out(tmp_path: Path) -> None:
    for adds, expected in ((False, "<s>hi"), (True, "hi")):
        gguf(tmp_path, "{{ bos_token }}hi", adds_bos=adds)
        assert ChatTemplate.of(tmp_path).render(HELLO) == expected


@pytest.mark.parametrize(
    ("said", "processor", "expected"),
    [
        (None, None, "<s>hi"),
        (True, None, "hi"),
        (None, {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}]}, "hi"),
        (None, {"processors": [{"type": "ByteLevel"}, {"single": [{"SpecialToken": {"id": "<s>"}}]}]}, "hi"),
        (None, {"single": [{"Sequence": {"id": "A"}}]}, "<s>hi"),
        (False, {"single": [{"SpecialToken": {"id": "<s>"}}]}, "<s>hi"),
        (None, {"single": 5}, "<s>hi"),
    ],
)
def test_what_hugging_face_files_say_of_the_first_token(
    tmp_path: Path, said: bool | None, processor: Any, expected: str
) -> None:
    content = {"chat_template": "{{ bos_token }}hi", "bos_token": "<s>"}
    config(tmp_path, **content, **({} if said is None else {"add_bos_token": said}))
    (tmp_path / "tokenizer.json").write_text(json.dumps({"post_processor": processor}), "utf-8")
    assert ChatTemplate.of(tmp_path).render(HELLO) == expected
