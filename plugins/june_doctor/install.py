"""How this distribution installs what June needs beside itself."""

from __future__ import annotations

import re

from june_cli.checks import Host

FAMILIES = ("ubuntu", "debian", "fedora", "rhel", "arch", "suse")
MANAGERS = {
    "ubuntu": "sudo apt-get install -y",
    "debian": "sudo apt-get install -y",
    "fedora": "sudo dnf install -y",
    "rhel": "sudo dnf install -y",
    "arch": "sudo pacman -S --noconfirm",
    "suse": "sudo zypper install -y",
}
PACKAGES = {
    "docker": {
        "fedora": "moby-engine",
        "rhel": "docker-ce",
        "arch": "docker",
        "suse": "docker",
        "": "docker.io",
    },
    "driver": {
        "fedora": "akmod-nvidia",
        "rhel": "nvidia-open",
        "arch": "nvidia-open",
        "suse": "nvidia-open-driver-G06-signed-kmp-default",
        "": "nvidia-driver",
    },
    "toolkit": {"": "nvidia-container-toolkit"},
}


def command(host: Host, what: str) -> str:
    """The one line that installs or updates `docker`, the NVIDIA `driver` or its container `toolkit` here."""
    family = _family(host)
    if (family, what) == ("ubuntu", "driver"):
        return "sudo ubuntu-drivers install"  # it knows which of Ubuntu's many suits the card
    names = PACKAGES[what]
    return f"{MANAGERS[family]} {names.get(family, names[''])}"


def start(host: Host, service: str, verb: str = "start") -> str:
    """The one line that starts or restarts a system service here."""
    if host.glob("/run/systemd/system"):
        return f"sudo systemctl {verb} {service}"
    return f"sudo service {service} {verb}"


def _family(host: Host) -> str:
    release = dict(re.findall(r'^(ID|ID_LIKE)="?([^"\n]*)"?$', host.read("/etc/os-release"), re.MULTILINE))
    words = f"{release.get('ID', '')} {release.get('ID_LIKE', '')}".split()
    return next((word for word in words if word in FAMILIES), "debian")
