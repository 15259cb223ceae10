"""Store: certificates as files, written whole or not at all, and kept while they are good; no serving, no cluster."""

import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from certs import pki

PRIVATE = 0o600
PUBLIC = 0o644


@dataclass(frozen=True, slots=True)
class Files:
    """Where the certificates lie. `authority` is the bundle that clients trust; its first certificate issues."""

    authority: Path
    authority_key: Path
    certificate: Path
    key: Path


def files(directory: Path) -> Files:
    return Files(directory / "ca.crt", directory / "ca.key", directory / "tls.crt", directory / "tls.key")


def ensure(directory: Path, names: Sequence[str], *, now: datetime) -> Files:
    """
    Make sure that a directory holds a good authority and a good serving certificate for these names.

    What is still good stays as it is, so a second call changes nothing. An authority that is replaced stays trusted
    until it expires. Any number of processes may call this at once.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    at = files(directory)
    with _locked(directory):
        authority = _read(at.authority, at.authority_key)
        if authority is None or pki.authority_faults(authority, now=now):
            previous = _trusted(at.authority)
            authority = pki.issue_authority(now=now)
            _write(at.authority_key, authority.key, PRIVATE)
            trusted = pki.bundle([authority.certificate, *previous], now=now)
            _write(at.authority, trusted, PUBLIC)
        serving = _read(at.certificate, at.key)
        if serving is None or pki.serving_faults(serving, authority.certificate, names, now=now):
            serving = pki.issue_serving(authority, names, now=now)
            # The key first: whoever reads in between sees a pair that does not match, as it would the other way
            # round, and keeps what it had; and the certificate's change is what tells a server to look again.
            _write(at.key, serving.key, PRIVATE)
            _write(at.certificate, serving.certificate, PUBLIC)
    return at


def _read(certificate: Path, key: Path) -> pki.Issued | None:
    try:
        # A key that others may read is no secret any more: it is replaced, not repaired.
        if key.stat().st_mode & 0o077:
            return None
        return pki.Issued(certificate.read_bytes(), key.read_bytes())
    except FileNotFoundError:
        return None


def _trusted(authority: Path) -> list[bytes]:
    try:
        pem = authority.read_bytes()
        pki.load_all(pem)
    except (FileNotFoundError, pki.InvalidCertificate):
        return []
    return [pem]


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """One writer at a time; the lock goes with the process, so nobody can leave it behind."""
    lock = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Replace a file in one step: a reader sees the old content or the new one, and its mode from the first byte on."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
