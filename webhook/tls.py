"""TLS: the server's side of it, with certificates that are exchanged while it runs."""

import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """A certificate chain and its key, both PEM."""

    cert: Path
    key: Path


_Stamp = tuple[tuple[int, int, int], ...]


class ServerContext:
    """
    The SSL context for new connections, made anew when the files change.

    A context per connection, as gunicorn makes them, more than doubles what a handshake costs.
    """

    def __init__(self, files: TlsFiles, warn: Callable[[str], None]) -> None:
        """Raises OSError (ssl.SSLError is one) when the files cannot be served with."""
        self._files = files
        self._warn = warn
        self._stamp = _stamp(files)
        self._bad: _Stamp = ()
        self._context = _load(files)

    def current(self) -> ssl.SSLContext:
        """The context of the newest files that could be loaded: a pair half exchanged is no reason to stop serving."""
        stamp: _Stamp = ((0, 0, 0),)
        try:
            stamp = _stamp(self._files)
            if stamp != self._stamp:
                self._context = _load(self._files)
                self._stamp = stamp
        except OSError as e:
            if stamp != self._bad:
                self._bad = stamp
                self._warn(f"the certificate cannot be loaded, the one before stays in use: {e}")
        return self._context


def _stamp(files: TlsFiles) -> _Stamp:
    """What changes with the content: the inode where links or files are swapped, the time where they are rewritten."""
    stats = (os.stat(files.cert), os.stat(files.key))
    return tuple((stat.st_mtime_ns, stat.st_ino, stat.st_size) for stat in stats)


def _load(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    # Forward secret and authenticated only; the names of TLS 1.3 are OpenSSL's own and all of that kind.
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    # One HTTP/2 connection would carry all reviews of an API server to one worker.
    context.set_alpn_protocols(["http/1.1"])
    # API servers do not resume sessions; each ticket costs as much as a small answer.
    context.num_tickets = 0
    context.load_cert_chain(files.cert, files.key, password=_no_password)
    return context


def _no_password() -> str:
    # Without this OpenSSL asks the terminal for the password of an encrypted key, and waits.
    raise ssl.SSLError("the key is encrypted")
