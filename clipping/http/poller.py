"""Waiting for sockets. An idle connection costs nothing here, however many there are."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterable
from typing import Protocol

from waitress import wasyncore


class Pollable(Protocol):
    """Of waitress's dispatchers, what is needed here."""

    accepting: bool
    _fileno: int | None

    def readable(self) -> bool: ...

    def writable(self) -> bool: ...


class Poller:
    """waitress's loop asks every connection in each turn what it waits for, which at 1,000 connections costs
    more than answering a request. This one asks only those on which something has happened since they last
    waited for nothing but their next request. No other thread touches a connection that waits for one."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._masks: dict[int, int] = {}
        self._lively: dict[int, Pollable] = {}

    def add(self, one: Pollable) -> None:
        """Watch this from now on."""
        assert one._fileno is not None
        self._lively[one._fileno] = one

    def remove(self, descriptor: int) -> None:
        """Before it is closed: a duplicate of it would keep it in the kernel's list."""
        self._lively.pop(descriptor, None)
        self._want(descriptor, 0)

    def turn(
        self, timeout: float, always: Iterable[Pollable], find: Callable[[int], Pollable | None]
    ) -> None:
        """Wait up to `timeout` seconds, and handle what happened. `always` are asked in each turn."""
        for one in always:
            if one._fileno is not None:
                self._want(one._fileno, _mask(one))
        for descriptor, one in list(self._lively.items()):
            mask = _mask(one)
            if one._fileno is None:
                continue  # asking it may have closed it
            self._want(descriptor, mask)
            if mask == _IN:
                del self._lively[descriptor]
        for descriptor, events in self._epoll.poll(timeout):
            found = find(descriptor)
            if found is None:
                continue  # closed by one of the events before
            self._lively[descriptor] = found
            wasyncore.readwrite(found, events)

    def close(self) -> None:
        self._epoll.close()

    def _want(self, descriptor: int, mask: int) -> None:
        known = self._masks.get(descriptor, 0)
        if mask == known:
            return
        if not known:
            self._epoll.register(descriptor, mask)
        elif mask:
            self._epoll.modify(descriptor, mask)
        else:
            self._epoll.unregister(descriptor)  # with an empty mask it would still report a hang-up
        if mask:
            self._masks[descriptor] = mask
        else:
            del self._masks[descriptor]


_IN = select.EPOLLIN | select.EPOLLPRI


def _mask(one: Pollable) -> int:
    mask = _IN if one.readable() else 0
    return mask | select.EPOLLOUT if one.writable() and not one.accepting else mask
