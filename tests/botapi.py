"""A Bot API server that keeps Telegram's rules, for bots under test: by the Bot API manual, version 10.0.

What it enforces: long polls that wait, offsets that confirm, one poller (409), lengths of 4096 and 1024
UTF-16 units after markup, HTML that nests, edits that change nothing or are of others' messages, replies,
files of 20 and 50 MB, 429 with retry_after, a webhook's secret. It runs in a thread; a test plays the people.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientSession, web

from tests.botmarkup import Wrong, plain, units
from tests.loopback import MB, Loopback

TOKEN = "100001:TEST-token_0123456789abcdefghij"  # noqa: S105 - nobody else's
ME = {"id": 100001, "is_bot": True, "first_name": "June", "username": "june_bot"}
ME_TOO = {
    **ME,
    "can_join_groups": True,
    "can_read_all_group_messages": False,
    "supports_inline_queries": False,
}
UNMODIFIED = (
    "Bad Request: message is not modified: specified new message content and reply markup are the same"
)
TWO_POLLERS = (
    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
)


@dataclass
class Fault:
    """So many requests of a method end like this. `accepted`: it is done, and nobody hears of it."""

    method: str
    code: int = 0
    description: str = ""
    retry_after: int = 0
    count: int = 1
    chat: int = 0
    accepted: bool = False


@dataclass
class Rate:
    """So many messages at once in a chat, then one a so many seconds; past it 429."""

    burst: int
    per_s: float


@dataclass(kw_only=True)
class BotApi(Loopback):
    """`with BotApi() as api:` and then `api.says(chat, "hello")`."""

    token: str = TOKEN
    rate: Rate | None = None
    slow_s: float = 0.0  # what the way to the server takes, and the way back
    messages: dict[int, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    calls: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    commands: list[dict[str, str]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    refused: list[tuple[str, str]] = field(default_factory=list)
    blocked: set[int] = field(default_factory=set)
    no_voice: set[int] = field(default_factory=set)
    webhook: dict[str, str] = field(default_factory=dict)
    pushed: list[int] = field(default_factory=list)  # what the webhook answered
    keep_calls: bool = True
    _updates: deque[dict[str, Any]] = field(default_factory=deque)
    _number: int = 0
    # a bot's ledger may outlive this server: numbers never come twice
    _message: int = field(default_factory=lambda: time.time_ns() // 10**7 % 10**9)
    _poll: asyncio.Future[None] | None = None
    _taken: dict[int, tuple[float, float]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def routes(self, router: web.UrlDispatcher) -> None:
        router.add_route("*", "/bot{token}/{method}", self._called)
        router.add_get("/file/bot{token}/{path:.*}", self._download)

    # what people do

    def says(self, chat: int, text: str, *, user: int = 0, **more: Any) -> int:
        """Somebody writes; returns the message's id. A negative chat is a group."""
        entities = []
        if text.startswith("/"):
            entities.append({"type": "bot_command", "offset": 0, "length": len(text.split()[0])})
        at = text.find("@june_bot")
        if at >= 0 and not text.startswith("/"):
            entities.append({"type": "mention", "offset": units(text[:at]), "length": 9})
        content = {"text": text, **({"entities": entities} if entities else {})}
        return self._arrives(chat, user or abs(chat), {**content, **more})

    def speaks(
        self, chat: int, sound: bytes, *, user: int = 0, duration: int = 3, mime: str = "audio/ogg"
    ) -> int:
        """Somebody sends a voice message."""
        key = self._keep(sound, "voice/file_{}.oga")
        voice = {"duration": duration, "mime_type": mime, **self._file(key)}
        return self._arrives(chat, user or abs(chat), {"voice": voice})

    def presses(self, chat: int, message: dict[str, Any], data: str, *, user: int = 0) -> None:
        """Somebody presses a button."""
        query = {
            "id": str(time.monotonic_ns()),
            "from": self._person(user or abs(chat)),
            "chat_instance": "1",
        }
        self._update({"callback_query": {**query, "message": message, "data": data}})

    def sent(self, chat: int) -> list[dict[str, Any]]:
        """What the bot has sent to a chat, as it stands now."""
        return [m for m in list(self.messages[chat]) if m["from"]["id"] == ME["id"]]

    def texts(self, chat: int) -> list[str]:
        """The texts among it."""
        return [m["text"] for m in self.sent(chat) if "text" in m]

    def wait(self, chat: int, count: int, timeout_s: float = 20.0) -> list[dict[str, Any]]:
        """Until the bot has sent so many messages to a chat."""
        deadline = time.monotonic() + timeout_s
        while len(self.sent(chat)) < count:
            assert time.monotonic() < deadline, (self.sent(chat), self.refused)
            time.sleep(0.02)
        return self.sent(chat)

    def until(self, met: Any, timeout_s: float = 20.0) -> None:
        """Until something holds."""
        deadline = time.monotonic() + timeout_s
        while not met():
            assert time.monotonic() < deadline, (dict(self.messages), self.refused)
            time.sleep(0.02)

    @property
    def pending(self) -> int:
        """Updates nobody has confirmed."""
        return len(self._updates)

    def called(self, method: str) -> list[dict[str, Any]]:
        """The parameters of every call of a method."""
        return [parameters for _, name, parameters in list(self.calls) if name == method]

    # the server

    def _person(self, user: int) -> dict[str, Any]:
        return {"id": user, "is_bot": False, "first_name": f"P{user}"}

    def _chat(self, chat: int) -> dict[str, Any]:
        if chat < 0:
            return {"id": chat, "type": "supergroup", "title": "G"}
        return {"id": chat, "type": "private", "first_name": f"P{chat}"}

    def _next(self) -> int:
        self._message += 1
        return self._message

    def _keep(self, content: bytes, path: str) -> str:
        key = path.format(len(self.files))
        self.files[key] = content
        return key

    def _file(self, key: str) -> dict[str, Any]:
        return {"file_id": f"id-{key}", "file_unique_id": f"u-{key}", "file_size": len(self.files[key])}

    def _arrives(self, chat: int, user: int, content: dict[str, Any]) -> int:
        message = {
            "message_id": self._next(),
            "date": int(time.time()),
            "chat": self._chat(chat),
            "from": self._person(user),
            **content,
        }
        self.messages[chat].append(message)
        self._update({"message": message})
        return int(message["message_id"])

    def _update(self, content: dict[str, Any]) -> None:
        def put() -> None:
            self._number += 1
            self._updates.append({"update_id": self._number, **content})
            if self.webhook.get("url"):
                self._loop.create_task(self._push())
            elif self._poll and not self._poll.done():
                self._poll.set_result(None)

        self._loop.call_soon_threadsafe(put)

    async def _push(self) -> None:
        """To the webhook, again until it takes it."""
        headers = {"X-Telegram-Bot-Api-Secret-Token": self.webhook.get("secret_token", "")}
        async with ClientSession() as session:
            while self._updates and self.webhook.get("url"):
                update = self._updates[0]
                try:
                    async with session.post(self.webhook["url"], json=update, headers=headers) as answer:
                        self.pushed.append(answer.status)
                        if answer.status == 200 and self._updates and self._updates[0] is update:
                            self._updates.popleft()
                            continue
                except OSError:
                    pass
                await asyncio.sleep(0.2)

    async def _called(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        try:
            if request.match_info["token"] != self.token:
                raise Wrong(401, "Unauthorized")
            parameters = await self._parameters(request)
            if self.keep_calls:
                self.calls.append((time.monotonic(), method, parameters))
            if self.slow_s and method != "getUpdates":
                await asyncio.sleep(self.slow_s)
            fault = self._fault(method, parameters)
            handler = getattr(self, f"_on_{method.lower()}", None)
            if handler is None:
                raise Wrong(404, "Not Found: method not found")
            result = handler(parameters)
            if asyncio.iscoroutine(result):
                result = await result
            if self.slow_s and method != "getUpdates":
                await asyncio.sleep(self.slow_s)
            if fault:
                request.transport.close()  # type: ignore[union-attr]
            return web.json_response({"ok": True, "result": result})
        except Wrong as wrong:
            self.refused.append((method, wrong.description))
            content: dict[str, Any] = {
                "ok": False,
                "error_code": wrong.code,
                "description": wrong.description,
            }
            if wrong.parameters:
                content["parameters"] = wrong.parameters
            return web.json_response(content, status=wrong.code)

    async def _parameters(self, request: web.Request) -> dict[str, Any]:
        found: dict[str, Any] = dict(request.query)
        if request.content_type == "application/json":
            return {**found, **(await request.json())}
        uploads: dict[str, bytes] = {}
        for key, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                content = value.file.read()
                if len(content) > 50 * MB:
                    raise Wrong(413, "Request Entity Too Large")
                uploads[key] = content
                found[f"{key}__name"] = value.filename
                found[f"{key}__type"] = value.content_type
            else:
                found[key] = _plain(str(value))
        for key, value in list(found.items()):
            if isinstance(value, str) and value.startswith("attach://"):
                found[key] = uploads[value.removeprefix("attach://")]
        return {**found, **uploads}

    def _fault(self, method: str, parameters: dict[str, Any]) -> bool:
        """Raise what was asked for; True when the request is to be done, and its answer lost."""
        for fault in list(self.faults):
            if fault.method not in ("*", method) or fault.chat not in (
                0,
                int(parameters.get("chat_id") or 0),
            ):
                continue
            fault.count -= 1
            if fault.count <= 0:
                self.faults.remove(fault)
            if fault.accepted:
                return True
            more = {"retry_after": fault.retry_after} if fault.retry_after else {}
            raise Wrong(fault.code, fault.description or "Too Many Requests: retry after 1", **more)
        return False

    async def _download(self, request: web.Request) -> web.Response:
        if request.match_info["token"].replace("%3A", ":") != self.token:
            return web.Response(status=401)
        content = self.files.get(request.match_info["path"])
        return web.Response(status=404) if content is None else web.Response(body=content)

    def _on_getme(self, _: dict[str, Any]) -> Any:
        return ME_TOO

    def _on_setmycommands(self, parameters: dict[str, Any]) -> bool:
        self.commands = parameters["commands"]
        return True

    def _on_setwebhook(self, parameters: dict[str, Any]) -> bool:
        self.webhook = {"url": parameters["url"], "secret_token": parameters.get("secret_token", "")}
        self._loop.create_task(self._push())
        return True

    def _on_deletewebhook(self, _: dict[str, Any]) -> bool:
        self.webhook = {}
        return True

    async def _on_getupdates(self, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        if self.webhook.get("url"):
            raise Wrong(409, "Conflict: can't use getUpdates method while webhook is active")
        if self._poll and not self._poll.done():
            self._poll.set_exception(Wrong(409, TWO_POLLERS))
        offset = int(parameters.get("offset") or 0)
        while self._updates and self._updates[0]["update_id"] < offset:
            self._updates.popleft()
        deadline = time.monotonic() + float(parameters.get("timeout") or 0)
        while not self._updates and (left := deadline - time.monotonic()) > 0:
            self._poll = self._loop.create_future()
            try:
                await asyncio.wait_for(self._poll, left)
            except TimeoutError:
                break
        return list(self._updates)[: int(parameters.get("limit") or 100)]

    def _on_sendchataction(self, parameters: dict[str, Any]) -> bool:
        self._require_chat(parameters)
        return True

    def _on_answercallbackquery(self, _: dict[str, Any]) -> bool:
        return True

    def _on_sendmessage(self, parameters: dict[str, Any]) -> Any:
        chat = self._require_chat(parameters)
        content = self._text(parameters)
        self._paced(chat)
        return self._sends(chat, parameters, content)

    def _on_sendvoice(self, parameters: dict[str, Any]) -> Any:
        chat = self._require_chat(parameters)
        if chat in self.no_voice:
            raise Wrong(400, "Bad Request: VOICE_MESSAGES_FORBIDDEN")
        self._paced(chat)
        key = self._keep(parameters["voice"], "voice/sent_{}.oga")
        kind = parameters.get("voice__type", "")
        voice = {"duration": int(parameters.get("duration") or 0), "mime_type": kind, **self._file(key)}
        return self._sends(chat, parameters, {"voice": voice, **self._caption(parameters)})

    def _on_senddocument(self, parameters: dict[str, Any]) -> Any:
        chat = self._require_chat(parameters)
        self._paced(chat)
        key = self._keep(parameters["document"], "documents/sent_{}")
        document = {"file_name": parameters.get("document__name", ""), **self._file(key)}
        return self._sends(chat, parameters, {"document": document, **self._caption(parameters)})

    def _on_getfile(self, parameters: dict[str, Any]) -> Any:
        key = str(parameters["file_id"]).removeprefix("id-")
        if key not in self.files:
            raise Wrong(400, "Bad Request: invalid file_id")
        if len(self.files[key]) > 20 * MB:
            raise Wrong(400, "Bad Request: file is too big")
        return {**self._file(key), "file_path": key}

    def _on_editmessagetext(self, parameters: dict[str, Any]) -> Any:
        chat = self._require_chat(parameters)
        message = self._own(chat, parameters)
        if "text" not in message:
            raise Wrong(400, "Bad Request: there is no text in the message to edit")
        content = self._text(parameters)
        if all(message.get(k) == content.get(k) for k in ("source", "text", "reply_markup")):
            raise Wrong(
                400,
                "Bad Request: message is not modified: specified new message content and reply markup "
                "are exactly the same as a current content and reply markup of the message",
            )
        self._paced(chat)
        message.pop("reply_markup", None)
        message.update(content)
        message["edits"] += 1
        return _shown(message)

    def _on_editmessagecaption(self, parameters: dict[str, Any]) -> Any:
        chat = self._require_chat(parameters)
        message = self._own(chat, parameters)
        if "text" in message:
            raise Wrong(400, "Bad Request: there is no caption in the message to edit")
        content = self._caption(parameters)
        if message.get("caption", "") == content.get("caption", ""):
            raise Wrong(400, "Bad Request: message is not modified")
        message.update(content)
        return _shown(message)

    def _require_chat(self, parameters: dict[str, Any]) -> int:
        chat = int(parameters["chat_id"])
        if chat in self.blocked:
            raise Wrong(403, "Forbidden: bot was blocked by the user")
        if chat not in self.messages:
            raise Wrong(400, "Bad Request: chat not found")
        return chat

    def _text(self, parameters: dict[str, Any]) -> dict[str, Any]:
        source = str(parameters.get("text", ""))
        text = plain(source, str(parameters.get("parse_mode") or "")).strip()
        if not text:
            raise Wrong(400, "Bad Request: message text is empty")
        if units(text) > 4096:
            raise Wrong(400, "Bad Request: message is too long")
        markup = parameters.get("reply_markup")
        return {"text": text, "source": source, **({"reply_markup": markup} if markup else {})}

    def _caption(self, parameters: dict[str, Any]) -> dict[str, Any]:
        caption = str(parameters.get("caption") or "")
        if units(caption) > 1024:
            raise Wrong(400, "Bad Request: message caption is too long")
        return {"caption": caption} if caption else {}

    def _own(self, chat: int, parameters: dict[str, Any]) -> dict[str, Any]:
        number = int(parameters["message_id"])
        found = next((m for m in self.messages[chat] if m["message_id"] == number), None)
        if found is None:
            raise Wrong(400, "Bad Request: message to edit not found")
        if found["from"]["id"] != ME["id"]:
            raise Wrong(400, "Bad Request: message can't be edited")
        return found

    def _paced(self, chat: int) -> None:
        if self.rate is None:
            return
        now = time.monotonic()
        tokens, at = self._taken.get(chat, (float(self.rate.burst), now))
        tokens = min(self.rate.burst, tokens + (now - at) * self.rate.per_s)
        if tokens < 1:
            after = int((1 - tokens) / self.rate.per_s) + 1
            self._taken[chat] = (tokens, now)
            raise Wrong(429, f"Too Many Requests: retry after {after}", retry_after=after)
        self._taken[chat] = (tokens - 1, now)

    def _sends(self, chat: int, parameters: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
        message = {
            "message_id": self._next(),
            "date": int(time.time()),
            "chat": self._chat(chat),
            "from": ME,
            "edits": 0,
            **content,
        }
        reply = parameters.get("reply_parameters") or {}
        if reply:
            answered = next((m for m in self.messages[chat] if m["message_id"] == reply["message_id"]), None)
            if answered is None and not reply.get("allow_sending_without_reply"):
                raise Wrong(400, "Bad Request: message to be replied not found")
            message["answers"] = reply["message_id"]
        self.messages[chat].append(message)
        return _shown(message)


def _shown(message: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in message.items() if k not in ("source", "edits", "answers")}


def _plain(text: str) -> Any:
    """A form's field: objects come as JSON, a text that looks like a number stays one."""
    if text[:1] in "[{":
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text
