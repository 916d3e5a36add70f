"""June's own checks, in the order they are shown."""

from __future__ import annotations

from june_cli.checks import Check
from june_doctor import containers, machine, network, nvidia, passthrough, storage

CHECKS = (
    Check("profile", "Every role of the profile has a service.", machine.profile),
    Check("python.version", "This Python runs June.", machine.python),
    Check("python.packages", "The packages that the services need are installed.", machine.packages),
    Check("docker.answers", "A Docker Engine answers in time.", containers.answers),
    Check("docker.permission", "You may use it.", containers.permission),
    Check("docker.version", "It is recent enough.", containers.version),
    Check("docker.storage", "Its storage driver shares layers between images.", containers.storage),
    Check("docker.disk", "Its disk has room for images.", containers.disk),
    Check("nvidia.driver", "The NVIDIA driver runs the CUDA of June's images.", nvidia.driver, limit_s=45.0),
    Check("nvidia.compute", "The GPU is of a kind that the models need.", nvidia.compute, limit_s=45.0),
    Check("nvidia.memory", "It has memory for them.", nvidia.memory, limit_s=45.0),
    Check("nvidia.mig", "It is not split in a way that hides it.", nvidia.mig, limit_s=45.0),
    Check("nvidia.toolkit", "Docker can give a container the GPU.", passthrough.toolkit, limit_s=45.0),
    Check("nvidia.cdi", "The CDI specification is there and current.", passthrough.cdi, limit_s=45.0),
    Check("ports.free", "The services' preferred ports are free.", network.ports),
    Check("models.store", "The model store can be written.", storage.store),
    Check("models.present", "The profile's models are there and whole.", storage.present, limit_s=300.0),
    Check("models.disk", "There is room for those that are not.", storage.disk),
    Check("models.partial", "No broken-off download lies about.", storage.partial),
    Check("state.folder", "June's state can be written, and read by nobody else.", storage.state),
    Check("clock", "The clock is right.", machine.clock),
    Check("proxy", "Proxy settings are well-formed and spare this machine.", network.proxy),
    Check("ca", "Files of certificate authorities can be read.", network.authorities),
)
