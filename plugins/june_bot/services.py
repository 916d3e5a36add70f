"""The bots, described: companions of a profile's services, which they use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from june_bot.settings import Settings
from june_bot.token import one_word
from june_bot.valid import require
from june_cli.errors import UsageProblem
from june_cli.paths import expanded
from june_cli.services import Builder, Companion
from june_cli.spec import Mount, Port, Ready, Secret, Service

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

ROLES = ("stt", "llm", "tts")
PORTS = {"telegram": 8090, "discord": 8091}
TOKENS = {"telegram": "JUNE_TELEGRAM_TOKEN_FILE", "discord": "JUNE_DISCORD_TOKEN_FILE"}
# What reaches a bot by other ways than its settings: as secrets and mounts.
FILES = ("telegram_token_file", "discord_token_file", "webhook_secret_file", "persona_file")
NETWORK = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "OTEL_*",
)
WHERE_TOKENS_COME_FROM = {
    "telegram": "ask @BotFather on Telegram for one, and write it to a file",
    "discord": "make a bot in Discord's developer portal, and write its token to a file",
}


def bot(platform: str, june: Invocation, near: Mapping[str, str]) -> Service:
    """A bot for one platform. UsageProblem when no token is configured for it."""
    settings = june.config.section("bot", Settings)
    require(settings)
    service = june.roles.service("llm", june.engine_of(platform).name)
    folder = service.source("JUNE_MODEL_DIR")
    mounts = [
        Mount(
            june.paths.state / "bots" / platform, "/state", "JUNE_STATE_DIR", False, made=True, private=True
        )
    ]
    if service.api == "triton" and folder:  # whoever asks Triton renders the model's own chat template
        mounts.append(Mount(folder, "/models/llm", "JUNE_MODEL_DIR"))
    if settings.persona_file:
        mounts.append(Mount(settings.persona_file, "/etc/june/persona.yaml", "JUNE_PERSONA_FILE"))
    secrets = [Secret("token", token_file(june, platform, settings), "JUNE_TOKEN_FILE")]
    if settings.webhook_secret_file:
        secrets.append(Secret("webhook", settings.webhook_secret_file, "JUNE_WEBHOOK_SECRET_FILE"))
    return Service(
        name=platform,
        summary=f"bot ({platform})",
        image="bot",
        command=("python", "-m", "june_bot.server"),
        ports=(Port("http", PORTS[platform], "JUNE_PORT"),),
        mounts=tuple(mounts),
        secrets=tuple(secrets),
        env=(
            ("JUNE_BOT_PLATFORM", platform),
            ("JUNE_BOT_SETTINGS", _as_json(settings)),
            ("JUNE_LLM_API", service.api),
            ("JUNE_LLM_MODEL", june.roles.model_name("llm")),
            *((f"JUNE_{role.upper()}", near[role]) for role in ROLES),
        ),
        inherits=NETWORK,
        packages=("aiohttp", "markdown_it", "prometheus_client", "yaml", platform),
        memory_bytes=1024**3,
        stop_s=5.0,
        ready=Ready("http", port="http", path="/health", deadline_s=60.0, stall_s=60.0),
    )


def token_file(june: Invocation, platform: str, settings: Settings) -> Path:
    """The file of a bot's token: the setting, else the variable that names it."""
    named = june.environ.get(TOKENS[platform])
    found: Path | None = getattr(settings, f"{platform}_token_file") or (expanded(named) if named else None)
    if found is None:
        raise UsageProblem(
            "token-missing",
            f"no token is configured for {platform}.",
            hint=f"{WHERE_TOKENS_COME_FROM[platform]}; then --token-file FILE, or {TOKENS[platform]}=FILE",
        )
    if not found.is_file():
        raise UsageProblem("token-missing", f"the token file {found} is not there.")
    one_word(found)
    return found.absolute()


def _as_json(settings: Settings) -> str:
    return json.dumps({k: v for k, v in asdict(settings).items() if k not in FILES}, sort_keys=True)


def telegram(june: Invocation, near: Mapping[str, str]) -> Service:
    """The bot on Telegram."""
    return bot("telegram", june, near)


def discord(june: Invocation, near: Mapping[str, str]) -> Service:
    """The bot on Discord."""
    return bot("discord", june, near)


SERVICES: dict[str, Builder] = {}
COMPANIONS = {"telegram": Companion(ROLES, telegram), "discord": Companion(ROLES, discord)}
