"""The numbers of the kernel's calls that are refused to a sample, on the two processors that June runs on.

Sources: asm/unistd_64.h (x86-64) and asm-generic/unistd.h (arm64) of Linux 6.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

AUDIT: Mapping[str, int] = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # of linux/audit.h
# Other processes' memory, queues and memory that outlive a process, keys, namespaces and mounts, the kernel's
# own insides, the clock. x86-64, arm64; -1: there is none.
CALLS: Mapping[str, tuple[int, int]] = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_send_signal": (424, 424),
    "pidfd_getfd": (438, 438),
    "pidfd_open": (434, 434),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "semget": (64, 190),
    "semop": (65, 193),
    "semtimedop": (220, 192),
    "semctl": (66, 191),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmdt": (67, 197),
    "shmctl": (31, 195),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "mq_timedsend": (242, 182),
    "mq_timedreceive": (243, 183),
    "mq_notify": (244, 184),
    "mq_getsetattr": (245, 185),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "fsconfig": (431, 431),
    "mount_setattr": (442, 442),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "personality": (135, 92),
    "seccomp": (317, 277),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "iopl": (172, -1),
    "ioperm": (173, -1),
    "memfd_secret": (447, 447),
    "landlock_create_ruleset": (444, 444),
    "fanotify_init": (300, 262),
    "lookup_dcookie": (212, 18),
}
# Signals by a process's number, which is their first argument.
SIGNALS = ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo")
NEW_PROCESS = ("clone", "clone3", "fork", "vfork")
OTHERS: Mapping[str, tuple[int, int]] = {
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "clone": (56, 220),
    "clone3": (435, 435),
    "fork": (57, -1),
    "vfork": (58, -1),
}


def denied(machine: str) -> list[int]:
    """The numbers of CALLS on a processor of AUDIT."""
    return _numbers(machine, CALLS.values())


def numbers(machine: str, names: Iterable[str]) -> list[int]:
    """Those of some of OTHERS."""
    return _numbers(machine, [OTHERS[name] for name in names])


def _numbers(machine: str, calls: Iterable[tuple[int, int]]) -> list[int]:
    place = list(AUDIT).index(machine)
    return [numbers[place] for numbers in calls if numbers[place] >= 0]
