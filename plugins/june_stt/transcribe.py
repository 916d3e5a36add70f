"""Transcribes files: one bad file does not cost the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from june_cli.assistant.audio import Clip, decode
from june_cli.assistant.speech import Stt
from june_cli.engine.up import using
from june_cli.errors import BadInput, JuneError

if TYPE_CHECKING:
    from june_cli.invocation import Invocation
    from june_cli.progress import Progress


@dataclass(frozen=True)
class FileText:
    """One file's transcript, or the error in its place. `rtf`: recogniser seconds over audio seconds."""

    file: str
    text: str = ""
    confidence: float = 0.0
    audio_s: float = 0.0
    rtf: float = 0.0
    error: dict[str, str] | None = None


@dataclass(frozen=True)
class Transcripts:
    """All files, in the order asked. The exit code is 1 when any of several failed."""

    files: Sequence[FileText]
    model: str

    @property
    def exit_code(self) -> int:
        """0 if every file was transcribed."""
        return int(any(file.error for file in self.files))

    def blocks(self) -> list[str]:
        """The text alone for one file, names in front for several."""
        if len(self.files) == 1:
            return [self.files[0].text or "(nothing was said)"]
        return [f"{f.file}: {_shown(f)}" for f in self.files]


def _shown(file: FileText) -> str:
    if file.error:
        return f"(failed: {file.error['message']})"
    return file.text or "(nothing was said)"


def transcribe_files(june: Invocation, files: Sequence[Path], *, max_s: float, keep: bool) -> Transcripts:
    """Decode all files before anything starts; raise at once when none of them is usable."""
    clips: list[tuple[Path, Clip | JuneError]] = [(path, _decoded(path, max_s)) for path in files]
    errors = [clip for _, clip in clips if isinstance(clip, JuneError)]
    if len(errors) == len(clips):
        raise (
            errors[0]
            if len(errors) == 1
            else BadInput(
                "audio-unreadable",
                f"none of the {len(errors)} files can be used; the first: {errors[0].message}",
            )
        )
    with using(june, ["stt"], keep=keep) as running, june.out.progress("Transcribing", len(clips)) as bar:
        stt = running["stt"]
        done = asyncio.run(_transcribe(stt.address("grpc"), clips, bar))
    return Transcripts(done, stt.model)


def _decoded(path: Path, max_s: float) -> Clip | JuneError:
    try:
        return decode(path, max_s=max_s)
    except JuneError as error:
        return error


async def _transcribe(
    address: str, clips: Sequence[tuple[Path, Clip | JuneError]], bar: Progress
) -> list[FileText]:
    texts = []
    async with Stt(address) as stt:
        for number, (path, clip) in enumerate(clips):
            bar.update(number, text=path.name)
            if isinstance(clip, JuneError):
                texts.append(FileText(str(path), error={"code": clip.code, "message": clip.message}))
                continue
            started = time.perf_counter()
            heard = await stt.recognise(clip)
            rtf = (time.perf_counter() - started) / clip.seconds
            texts.append(FileText(str(path), heard.text, heard.confidence, clip.seconds, rtf))
    return texts
