"""What programs print that is not the same each time, as generators: of a random source, emulated.

An emulated program is slower, and its addresses are others; all else is drawn in the same way.
"""

from __future__ import annotations

import base64
import hashlib
import json
import string
import uuid
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    Printer = Callable[[Random, bool], str]

_START = datetime(2026, 11, 29, 12, 34, tzinfo=timezone.utc)
_LETTERS = string.ascii_letters + string.digits


def _time(source: Random, form: str) -> str:
    return (_START + timedelta(seconds=source.uniform(0, 200))).strftime(form)


def _slow(source: Random, is_emulated: bool) -> float:
    return source.uniform(0.5, 1.5) * (source.choice([5, 10, 20]) if is_emulated else 1)


def _shuffle(source: Random, items: list[str]) -> list[str]:
    return source.sample(items, len(items))


def _bash_time(source: Random, is_emulated: bool) -> str:
    took = {"real": 0.02, "user": 0.01, "sys": 0.005}
    lines = (f"{n}\t0m{s * _slow(source, is_emulated):.3f}s\n" for n, s in took.items())
    return "".join(lines)


def _go_duration(source: Random, is_emulated: bool) -> str:
    took_s = 0.0004 * _slow(source, is_emulated)
    return f"took {took_s * 1e6:.3f}µs\n" if took_s < 1e-3 else f"took {took_s * 1e3:.6f}ms\n"


def _log_line(source: Random, is_emulated: bool) -> str:
    session = uuid.UUID(int=source.getrandbits(128))
    return (
        f"{_time(source, '%Y-%m-%d %H:%M:%S')} INFO [{source.randrange(99)}] session {session} "
        f"opened in {3 * _slow(source, is_emulated):.2f} ms from 10.0.0.{source.randint(1, 200)}\n"
        "version 1.2.3\n"
    )


def _threads(source: Random, is_emulated: bool) -> str:
    lines = [
        f"[{_time(source, '%H:%M:%S')}] worker-{number} did {100 + number} items "
        f"in {3 * _slow(source, is_emulated):.1f}ms\n"
        for number in range(4)
    ]
    return "start\n" + "".join(_shuffle(source, lines)) + "all done\n"


def _json(source: Random, indent: int | None) -> str:
    document = {"name": "app", "sizes": [1, 2], "inner": {"x": 1}, "none": None}
    keys = _shuffle(source, list(document))
    return json.dumps({key: document[key] for key in keys}, indent=indent) + "\n"


def _draw(source: Random, letters: str, number: int) -> str:
    return "".join(source.choice(letters) for _ in range(number))


PRINTERS: dict[str, Printer] = {
    "a random number": lambda r, _: f"{r.randrange(1 << 31)}\n",
    "a signed number": lambda r, _: f"n={r.randint(-(1 << 31), (1 << 31) - 1)}\n",
    "numbers in a row": lambda r, _: f"{r.randrange(32768)} {r.randrange(32768)}\n",
    "fractions": lambda r, _: f"{r.random():.6f} {r.random()!r}\n",
    "a mean": lambda r, _: f"mean {r.gauss(0, 1):.4g}\n",
    "a time": lambda r, _: f"started {_time(r, '%Y-%m-%d %H:%M:%S')}\nok\n",
    "microseconds": lambda r, _: f"{_time(r, '%Y-%m-%dT%H:%M:%S.%f')}Z start\n",
    "date": lambda r, _: _time(r, "%a %b %d %H:%M:%S UTC %Y") + "\n",
    "syslog": lambda r, _: f"{_time(r, '%b %d %H:%M:%S')} host app[{r.randrange(7, 4000)}]: up\n",
    "access log": lambda r, _: f'1 [{_time(r, "%d/%b/%Y:%H:%M:%S +0000")}] "GET / HTTP/1.1"\n',
    "seconds since 1970": lambda r, _: f"{1764405999 + r.randrange(10**6)}\n",
    "nanoseconds": lambda r, _: f"{1764405999000000000 + r.randrange(10**11)}\n",
    "milliseconds it took": lambda r, e: f"done in {1200 * _slow(r, e):.0f} ms\n",
    "seconds it took": lambda r, e: f"elapsed: {0.5 * _slow(r, e):.3f}\n",
    "bash's time": _bash_time,
    "Go's duration": _go_duration,
    "a rate": lambda r, e: f"throughput: {120 / _slow(r, e):.1f} MB/s\n",
    "a pid": lambda r, _: f"pid {r.randrange(7, 30000)}\n",
    "a temporary file": lambda r, _: f"/tmp/tmp.{_draw(r, _LETTERS, 10)}\n",
    "Python's temporary file": lambda r, _: f"/tmp/tmp{_draw(r, _LETTERS[:26] + '_', 8)}/x\n",
    "a UUID": lambda r, _: f"{uuid.UUID(int=r.getrandbits(128))}\n",
    "a padded id": lambda r, _: f"id={r.getrandbits(64):016x}\n",
    "an id": lambda r, _: f"id={r.getrandbits(32):x}\n",
    "a digest": lambda r, _: f"{hashlib.sha256(r.randbytes(8)).hexdigest()}  -\n",
    "Base64": lambda r, _: f"token: {base64.b64encode(r.randbytes(16)).decode()}\n",
    "Base64 for URLs": lambda r, _: f"{base64.urlsafe_b64encode(r.randbytes(24)).decode()}\n",
    "a password": lambda r, _: _draw(r, _LETTERS + string.punctuation, 16) + "\n",
    "an address": lambda r, e: (
        f"object at 0x{(0x40008 if e else 0x7F00) << 32 | r.getrandbits(32):x}\n"
    ),
    "words in any order": lambda r, _: " ".join(_shuffle(r, ["a=1", "b=2", "c=3", "d=4"])) + "\n",
    "a set": lambda r, _: "{" + ", ".join(_shuffle(r, ["'fig'", "'pear'", "'kiwi'"])) + "}\n",
    "lines in any order": lambda r, _: "".join(_shuffle(r, [f"{n} done\n" for n in range(4)])),
    "threads": _threads,
    "JSON": lambda r, _: _json(r, None),
    "JSON in lines": lambda r, _: _json(r, 2),
    "polling": lambda r, e: "waiting for db...\n" * r.randint(1, 9 if e else 4) + "ready\n",
    "dots": lambda r, e: "." * r.randint(3, 19 if e else 9) + " ok\n",
    "a column": lambda r, _: f"MemFree: {r.randrange(10**6, 4 * 10**6):>10} kB\n",
    "processes": lambda r, _: f"PID CMD\n{r.randrange(1, 3000):>5} app\n",
    "a name": lambda r, _: f"worker {r.getrandbits(48):012x} joined\n",
    "a port": lambda r, _: f"listening on 127.0.0.1:{r.randint(32768, 60999)}\n",
    "a size": lambda r, _: f"{r.randint(800, 1300) / 1000:.1f}K\n",
    "bytes": lambda r, _: r.randbytes(32).decode("utf-8", "surrogateescape"),
    "a line of a log": _log_line,
}
"""Printers of noise, by what they print."""
