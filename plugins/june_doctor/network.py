"""Checks of ports, proxies and certificate authorities."""

from __future__ import annotations

import ipaddress
import shlex
from urllib.parse import urlsplit

from june_cli.checks import Finding, Host, fails, fine, note
from june_cli.paths import expanded

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
LOOPBACK = ("localhost", "127.0.0.1")
BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "JUNE_CA_BUNDLE")


def ports(host: Host) -> Finding:
    """A taken port is no failure: June picks another. Only scripts that count on the number care."""
    listeners = host.listeners()
    preferred = [(role, p.number) for role, service in host.needs.services.items() for p in service.ports]
    stale = [one.service for _, number in preferred if (one := listeners.get(number)) and one.stale]
    if stale:
        names = " ".join(dict.fromkeys(stale))
        return note(
            f"{names} still runs and nobody uses it", f"{host.needs.june} serve stop {names}", safe=True
        )
    taken: dict[str, list[str]] = {}
    for role, number in preferred:
        if (one := listeners.get(number)) and not one.service:
            taken.setdefault(f"of {role} by {one.who}", []).append(str(number))
    if taken:
        shown = "; ".join(f"{', '.join(numbers)} {of}" for of, numbers in taken.items())
        return note(f"taken: {shown}. June listens on others")
    free = [f"{number} {role}{' (runs)' if number in listeners else ''}" for role, number in preferred]
    return fine(", ".join(free) or "none is asked for")


def proxy(host: Host) -> Finding:
    """Malformed ones fail late, with the name of whatever library reads them first."""
    given = {name: host.environ[name] for name in PROXIES if host.environ.get(name)}
    if not given:
        return fine("none")
    for name, value in given.items():
        problem = _malformed(value)
        if problem:
            return fails(f"{name} {problem}", f"unset {name}")
    spared = host.environ.get("no_proxy") or host.environ.get("NO_PROXY") or ""
    shown = ", ".join(dict.fromkeys(_host_of(value) for value in given.values()))
    if not all(_spares(spared, name) for name in LOOPBACK):
        whole = ",".join(dict.fromkeys([*_entries(spared), *LOOPBACK]))
        both = f"export NO_PROXY={shlex.quote(whole)} no_proxy={shlex.quote(whole)}"
        return note(f"{shown}; programs other than June would use it for this machine's services too", both)
    if host.needs.docker and any("@" in value for value in given.values()):
        return note(f"{shown}; containers are not told a proxy that needs a password")
    return fine(shown)


def authorities(host: Host) -> Finding:
    """A bundle that cannot be read replaces all that this machine trusts by nothing."""
    given = {name: host.environ[name] for name in BUNDLES if host.environ.get(name)}
    for name, value in given.items():
        problem = _unusable(value)
        if problem:
            return fails(f"{name} names {value}, {problem}", f"unset {name}")
    return fine(", ".join(given) or "those of the system")


def _malformed(value: str) -> str:
    """What is wrong with a proxy's address, without the address: it may hold a password."""
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        number = parts.port
    except ValueError:
        return "has a port or an address that is none"
    if parts.scheme not in SCHEMES:
        return f"has a scheme that is none of {', '.join(SCHEMES)}"
    if not parts.hostname or any(character.isspace() for character in value.strip()):
        return "names no host"
    return "has a port that is none" if number == 0 else ""


def _host_of(value: str) -> str:
    parts = urlsplit(value if "://" in value else f"http://{value}")
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def _entries(spared: str) -> list[str]:
    return [entry.strip() for entry in spared.split(",") if entry.strip()]


def _spares(spared: str, name: str) -> bool:
    for entry in _entries(spared):
        if entry == "*" or entry.lstrip(".").partition(":")[0] == name:
            return True
        try:
            if "/" in entry and ipaddress.ip_address(name) in ipaddress.ip_network(entry, strict=False):
                return True
        except ValueError:
            continue
    return False


def _unusable(value: str) -> str:
    import ssl

    path = expanded(value)
    try:
        if path.is_dir():  # requests takes a folder of hashed names too
            return ""
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=str(path))
    except FileNotFoundError:
        return "which is not there"
    except ssl.SSLError:
        return "which holds no certificate"
    except OSError as error:
        return f"which cannot be read: {error.strerror}"
    return ""
