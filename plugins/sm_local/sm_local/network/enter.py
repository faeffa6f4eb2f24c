"""Becomes a host's command, with its share of the CPUs and inside of its private network.

Run as ``python -I -S enter.py NAME CPUS FOLDER COMMAND…``: CPUS such as ``0,1``, or ``-`` for all;
FOLDER that of the job, whose socket ``network.sock`` hands out the namespaces, or ``-`` for no
private network. It imports the standard library only.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
import time

__all__ = ["HOSTS_FILE", "SOCKET_NAME", "enter_network", "join", "unshare"]

#: In the job's folder: where namespaces are handed out, and what becomes /etc/hosts.
SOCKET_NAME = "network.sock"
HOSTS_FILE = "hosts"

#: Flags of unshare(2) and setns(2), from linux/sched.h, and of mount(2), from sys/mount.h.
NEW_MOUNTS, NEW_NAME, NEW_USER, NEW_NETWORK = 0x0002_0000, 0x0400_0000, 0x1000_0000, 0x4000_0000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_PATIENCE = 30.0  # seconds for the network to be made; a tenth of one where nothing else runs
_CANNOT_EXECUTE, _NOT_FOUND = 126, 127  # exit codes as a shell has them


def unshare(flags: int) -> None:
    """Leave the namespaces that `flags` name for new ones.

    Raises:
        OSError: the kernel does not allow it; so do all functions here.
    """
    _check(ctypes.CDLL(None, use_errno=True).unshare(flags), "unshare")


def join(descriptor: int, kind: int) -> None:
    """Enter the namespace of this kind that a descriptor stands for."""
    _check(ctypes.CDLL(None, use_errno=True).setns(descriptor, kind), "setns")


def enter_network(name: str, descriptors: list[int], hosts_file: str) -> None:
    """Move this process into a host's namespaces, where all hosts are known by name.

    Args:
        name: of the host.
        descriptors: of its network namespace, and before that of the user namespace that owns it
            if there is one.
        hosts_file: path of what becomes /etc/hosts.
    """
    *users, network = descriptors
    for user in users:
        join(user, NEW_USER)
    join(network, NEW_NETWORK)
    unshare(NEW_MOUNTS | NEW_NAME)
    _mount("none", "/", _MS_REC | _MS_PRIVATE)
    _mount(hosts_file, "/etc/hosts", _MS_BIND)
    socket.sethostname(name)


def _mount(source: str, target: str, flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    code = libc.mount(os.fsencode(source), os.fsencode(target), None, ctypes.c_ulong(flags), None)
    _check(code, f"mount {target}")


def _check(code: int, what: str) -> None:
    if code:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def _handed_out(name: str, folder: str) -> list[int]:
    """The descriptors of a host's namespaces."""
    # A socket's address holds 107 bytes; the folder's path may be longer.
    directory = os.getcwd()
    os.chdir(folder)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                connection.connect(SOCKET_NAME)
                break
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        connection.sendall(name.encode() + b"\n")
        _, descriptors, _, _ = socket.recv_fds(connection, 1, 2)
    os.chdir(directory)
    if not descriptors:
        raise OSError(f"the private network has no host {name}")
    return descriptors


def _main(name: str, cpus: str, folder: str, *command: str) -> None:
    try:
        if cpus != "-":
            os.sched_setaffinity(0, map(int, cpus.split(",")))
        if folder != "-":
            descriptors = _handed_out(name, folder)
            enter_network(name, descriptors, os.path.join(folder, HOSTS_FILE))
            for descriptor in descriptors:
                os.close(descriptor)
        os.execvp(command[0], command)
    except OSError as error:
        sys.stderr.write(f"cannot start {command}: {error}\n")
        sys.exit(_NOT_FOUND if isinstance(error, FileNotFoundError) else _CANNOT_EXECUTE)


if __name__ == "__main__":
    _main(*sys.argv[1:])
