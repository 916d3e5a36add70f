"""Whom downloads trust: the authorities of this machine, and the one that JUNE_CA_BUNDLE names."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

from june_cli.errors import MachineLacks

# Where systems keep the authorities they trust: a Python that brings its own OpenSSL may look elsewhere.
TRUSTED = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def authority(environ: Mapping[str, str]) -> bytes:
    """The private authority that JUNE_CA_BUNDLE names, in PEM; empty when it names none."""
    name = environ.get("JUNE_CA_BUNDLE")
    if not name:
        return b""
    try:
        content = Path(name).read_bytes()
    except OSError as error:
        raise MachineLacks(
            "ca-unreadable", f"JUNE_CA_BUNDLE names {name}, which cannot be read: {error.strerror}."
        ) from error
    if b"BEGIN CERTIFICATE" not in content:
        raise MachineLacks("ca-unreadable", f"JUNE_CA_BUNDLE names {name}, which holds no PEM certificate.")
    return content + b"\n"


def trusted_files() -> list[str]:
    """The file of the authorities this host trusts: a private one is added to them, and replaces none."""
    own = ssl.get_default_verify_paths().cafile
    return [path for path in (own, *TRUSTED) if path and os.access(path, os.R_OK)][:1]


def trusted() -> bytes:
    """Those authorities in PEM."""
    return b"".join(Path(path).read_bytes() + b"\n" for path in trusted_files())


def context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """For connections to sources of models."""
    made = ssl.create_default_context()
    for path in trusted_files():
        made.load_verify_locations(path)
    extra = authority(environ)
    if extra:
        try:
            made.load_verify_locations(cadata=extra.decode("ascii", "ignore"))
        except ssl.SSLError as error:
            raise MachineLacks(
                "ca-unreadable",
                f"JUNE_CA_BUNDLE names {environ['JUNE_CA_BUNDLE']}, whose certificate is damaged.",
            ) from error
    return made
