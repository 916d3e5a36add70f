"""Has models in the store: what is missing, a job of its own downloads, which alone uses the network."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from june_cli.spec import Job, Secret
from june_cli.store import catalog, where
from june_cli.store.catalog import Model

if TYPE_CHECKING:
    from june_cli.output import Output

TOKEN_FILE = "JUNE_HUB_TOKEN_FILE"  # noqa: S105 - the name of a variable
LONGEST_S = 7 * 24 * 3600.0  # hundreds of gigabytes on a slow line
# What of the caller's environment says how the network is reached here.
NETWORK = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy"),
    *("no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "JUNE_CA_BUNDLE"),
    *("HF_ENDPOINT", "HF_HOME", "HF_TOKEN", "HF_TOKEN_PATH", "PIP_*"),
)


def ensure(model: Model, models: Path, out: Output, *, token_file: Path | None = None) -> Path:
    """The folder of a whole, verified model, downloaded now if need be.

    Two callers at once download once. Raises MachineLacks without network, space or rights, JuneError when
    what arrives is not what the catalog pins.
    """
    folder = model.folder(models)
    return folder if not where.damage(folder) else run(job(model, models, token_file), model, models, out)


def run(download: Job, model: Model, models: Path, out: Output) -> Path:
    """Run a download or a repair, with a bar; the folder of the model."""
    from june_cli.engine.process import ProcessEngine

    what = "Mending" if dict(download.env).get("JUNE_REPAIR") else "Fetching"
    label = f"{what} {model.name}" + (f" ({model.size / 1e6:.0f} MB)" if model.size else "")
    with out.progress(label, model.size or None, "bytes") as bar:

        def on_event(event: Mapping[str, Any]) -> None:
            if event.get("event") == "progress":
                bar.update(event["done"], text=event["text"], total=event["total"] or None)

        result = ProcessEngine(models).run_job(download, on_event)
    return Path(result["folder"])


def job(model: Model, models: Path, token_file: Path | None = None, *, repair: bool = False) -> Job:
    """The download of one model, or its repair, as data."""
    named = token_file or (Path(os.environ[TOKEN_FILE]) if os.environ.get(TOKEN_FILE) else None)
    return Job(
        name="model-download",
        summary=f"downloads {model.name}",
        image="",
        command=("python", "-m", "june_cli.store.job_download"),
        env=(
            ("HF_HUB_OFFLINE", "0"),
            ("JUNE_STORE", str(models)),
            ("JUNE_MODEL", json.dumps(catalog.as_data(model), sort_keys=True)),
            *((("JUNE_REPAIR", "1"),) if repair else ()),
        ),
        inherits=NETWORK,
        secrets=(Secret("hub-token", named.absolute(), TOKEN_FILE),) if named else (),
        deadline_s=LONGEST_S,
    )
