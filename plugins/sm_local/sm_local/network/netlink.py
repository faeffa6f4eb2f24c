"""Links and addresses of a network namespace, by rtnetlink(7).

The messages are those of linux/rtnetlink.h, linux/if_link.h and linux/veth.h. No library does this
without its own threads and processes, and the program ``ip`` is missing in many small systems.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Mapping

__all__ = ["Links"]

_RTM_NEWLINK, _RTM_NEWADDR = 16, 20
_NLMSG_ERROR = 2
_REQUEST, _ACK, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x200, 0x400
_IFLA_IFNAME, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_NET_NS_FD = 3, 10, 18, 28
_INFO_KIND, _INFO_DATA, _VETH_PEER = 1, 2, 1
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_IFF_UP = 1
_HEADER = struct.Struct("=IHHII")  # nlmsghdr
_LINK = struct.Struct("=BxHiII")  # ifinfomsg
_ADDRESS = struct.Struct("=BBBBi")  # ifaddrmsg
_ANSWER_BYTES = 65_536


class Links:
    """The links of the network namespace that this thread is in when the object is made."""

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
        )
        self._number = 0

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

    def add_bridge(self, name: str) -> None:
        """Make a bridge.

        Raises:
            OSError: the kernel refuses, as from every method here.
        """
        self._new_link({_IFLA_IFNAME: _text(name), _IFLA_LINKINFO: _kind("bridge")})

    def add_veth(self, name: str, *, peer: str, namespace: int) -> None:
        """Make a pair of links, `name` here and `peer` in another network namespace.

        Args:
            name: of the link here.
            peer: of the one there.
            namespace: descriptor of the network namespace there.
        """
        attributes = {_IFLA_IFNAME: _text(peer), _IFLA_NET_NS_FD: struct.pack("=I", namespace)}
        other = _LINK.pack(0, 0, 0, 0, 0) + _pack(attributes)
        info = _kind("veth") + _pack({_INFO_DATA: _pack({_VETH_PEER: other})})
        self._new_link({_IFLA_IFNAME: _text(name), _IFLA_LINKINFO: info})

    def set_up(self, name: str, *, bridge: str | None = None) -> None:
        """Switch a link on, as a port of a bridge if one is named."""
        attributes = {}
        if bridge is not None:
            attributes[_IFLA_MASTER] = struct.pack("=I", socket.if_nametoindex(bridge))
        link = _LINK.pack(0, 0, socket.if_nametoindex(name), _IFF_UP, _IFF_UP)
        self._ask(_RTM_NEWLINK, link + _pack(attributes))

    def add_address(self, name: str, address: str, *, prefix: int) -> None:
        """Give a link an IPv4 address in a network of `prefix` bits."""
        packed = socket.inet_aton(address)
        head = _ADDRESS.pack(socket.AF_INET, prefix, 0, 0, socket.if_nametoindex(name))
        body = head + _pack({_IFA_LOCAL: packed, _IFA_ADDRESS: packed})
        self._ask(_RTM_NEWADDR, body, flags=_CREATE | _EXCLUSIVE)

    def _new_link(self, attributes: Mapping[int, bytes]) -> None:
        body = _LINK.pack(0, 0, 0, 0, 0) + _pack(attributes)
        self._ask(_RTM_NEWLINK, body, flags=_CREATE | _EXCLUSIVE)

    def _ask(self, kind: int, body: bytes, *, flags: int = 0) -> None:
        self._number += 1
        size = _HEADER.size + len(body)
        head = _HEADER.pack(size, kind, flags | _REQUEST | _ACK, self._number, 0)
        self._socket.send(head + body)
        answer = self._socket.recv(_ANSWER_BYTES)
        _, answered, *_ = _HEADER.unpack_from(answer)
        (code,) = struct.unpack_from("=i", answer, _HEADER.size)
        if answered != _NLMSG_ERROR or code:
            raise OSError(-code, os.strerror(-code))


def _kind(name: str) -> bytes:
    return _pack({_INFO_KIND: _text(name)})


def _text(value: str) -> bytes:
    return value.encode() + b"\0"


def _pack(attributes: Mapping[int, bytes]) -> bytes:
    """Attributes as netlink has them: length, type, value, filled up to four bytes."""
    return b"".join(
        struct.pack("=HH", len(value) + 4, kind) + value + b"\0" * (-len(value) % 4)
        for kind, value in attributes.items()
    )
