"""A repository on a model hub as a source. huggingface_hub speaks to the hub; the bytes go to the writer.

Its own downloads are not used: they verify sizes alone and lay files out in a cache of links that cannot be
mounted one model at a time. Endpoint (`HF_ENDPOINT`), token and errors are its business all the same.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from june_cli.errors import JuneError, MachineLacks, UsageProblem
from june_cli.store import web
from june_cli.store.catalog import UNPINNED, HubSource
from june_cli.store.fetch import TOKEN_FILE
from june_cli.store.remote import Interrupted, Listing, Remote, Stream, safe

if TYPE_CHECKING:
    from huggingface_hub import HfApi

COMMIT = re.compile(r"[0-9a-f]{40}")
AUTHORISE = "accept the terms on its page there, then --token-file FILE with a token of that account"


class HubReader:
    """Reads a HubSource."""

    def __init__(self, source: HubSource, environ: Mapping[str, str]) -> None:
        try:
            import huggingface_hub as hub
        except ImportError as error:
            raise web.lacks_hub() from error
        self._source, self._hub = source, hub
        hub.set_client_factory(lambda: web.client(environ))
        self._token = _token(environ)
        self._api: HfApi = hub.HfApi(
            endpoint=environ.get("HF_ENDPOINT") or None, token=self._token or None, library_name="june"
        )
        self.label = self._api.endpoint.partition("://")[2]
        self._commit = source.revision if COMMIT.fullmatch(source.revision) else ""

    def listing(self) -> Listing:
        """The files at the commit, which is looked up once where none is pinned."""
        with self._explained():
            if not self._commit:
                branch = None if self._source.revision == UNPINNED else self._source.revision
                self._commit = str(self._api.repo_info(self._source.repository, revision=branch).sha or "")
            if not COMMIT.fullmatch(self._commit):
                raise JuneError("hub-failed", f"{self.label} names no commit of {self._source.repository}.")
            tree = self._api.list_repo_tree(self._source.repository, recursive=True, revision=self._commit)
            files = [_remote(entry) for entry in tree if hasattr(entry, "blob_id")]
        wanted = tuple(file for file in files if self._wanted(file.name))
        if not wanted:
            names = ", ".join(file.name for file in files[:5]) or "nothing"
            raise JuneError(
                "source-empty",
                f"{self._source.repository} holds none of the files that June loads; it holds {names}.",
            )
        return Listing(self._commit, wanted)

    @contextmanager
    def open(self, file: Remote, start: int, end: int = -1) -> Iterator[Stream]:
        """Bytes of a file at the commit."""
        url = self._hub.hf_hub_url(
            self._source.repository, file.name, revision=self._commit, endpoint=self._api.endpoint
        )
        headers = self._api._build_hf_headers()
        with self._explained(), web.streamed(self._hub.get_session(), url, headers, start, end) as stream:
            yield stream

    def close(self) -> None:
        """Close the hub's client."""
        self._hub.close_session()

    def _wanted(self, name: str) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self._source.include)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say in June's words why the hub did not do what it was asked."""
        import httpx2
        from huggingface_hub import errors

        repository = self._source.repository
        try:
            yield
        except errors.GatedRepoError as error:
            raise MachineLacks(
                "model-gated",
                f"{repository} is behind terms that this token's account has not accepted.",
                hint=AUTHORISE,
            ) from error
        except errors.RevisionNotFoundError as error:
            raise JuneError(
                "revision-gone",
                f"{repository} has no commit {self._commit or self._source.revision} any more.",
                hint="june model show names what is pinned; add the model anew at a commit that is there",
            ) from error
        except errors.RepositoryNotFoundError as error:
            hint = AUTHORISE if not self._token else "is the token's account allowed to see it?"
            raise JuneError(
                "repository-unknown",
                f"{self.label} has no repository {repository}, or hides it from this token.",
                hint=hint,
            ) from error
        except errors.HfHubHTTPError as error:
            raise _refused(error, repository, self.label, bool(self._token)) from error
        except errors.HFValidationError as error:
            raise UsageProblem("repository-invalid", f"{repository!r} is no repository: {error}.") from error
        except JuneError as error:
            raise _refused_bytes(error, repository) from error
        except httpx2.TransportError as error:
            raise web.unreached(error, self.label) from error
        except ValueError as error:  # a page where JSON should be
            raise MachineLacks(
                "network-unreachable",
                f"{self.label} answers with something that is no listing of files.",
                hint="a login page of this network, or a proxy, may stand in its place: open it in a browser",
            ) from error


def _remote(entry: Any) -> Remote:
    lfs = entry.lfs
    if lfs is not None:
        return Remote(safe(entry.path), int(lfs.size), str(lfs.sha256))
    return Remote(safe(entry.path), int(entry.size), git_sha1=str(entry.blob_id))


def _token(environ: Mapping[str, str]) -> str:
    """The token of June's own file, else the hub library's (HF_TOKEN, or its token file)."""
    named = environ.get(TOKEN_FILE)
    if named:
        try:
            return Path(named).read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            raise MachineLacks(
                "token-unreadable", f"the token file {named} cannot be read: {error}."
            ) from error
    from huggingface_hub import get_token

    return get_token() or ""


def _refused(error: Any, repository: str, label: str, token: bool) -> Exception:
    status = error.response.status_code if error.response is not None else 0
    if status == 407:
        return MachineLacks(
            "proxy-failed",
            f"the proxy on the way to {label} wants a name and a password.",
            hint="june doctor",
        )
    if status in (401, 403) and not token:
        return MachineLacks(
            "source-refused",
            f"{label}, or a proxy on the way to it, answers {status} for {repository}.",
            hint=AUTHORISE,
        )
    if status in (401, 403):
        return MachineLacks(
            "token-refused",
            f"{label} refuses the token for {repository}.",
            hint="a token with the right to read: --token-file FILE",
        )
    if status in web.BUSY:
        return Interrupted(f"{label} answers {status}", web.wait_s(error.response.headers))
    words = " ".join(str(error).partition("For more information")[0].split())[:200].rstrip(".")
    return JuneError("hub-failed", f"{label} does not give {repository}: {words}.")


def _refused_bytes(error: JuneError, repository: str) -> JuneError:
    """A refusal while bytes were asked for."""
    if error.code == "source-refused" and re.search(r"answers 40[13] ", error.message):
        return MachineLacks("model-gated", f"{repository}: {error.message}", hint=AUTHORISE)
    return error
