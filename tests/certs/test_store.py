"""Certificates as files: kept while good, replaced when not, whole at every moment, and secret."""

import datetime as dt
import multiprocessing
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from certs import pki, store

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
NAMES = ("webhook.isolation.svc", "127.0.0.1")


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.name != ".lock"}


def assert_is_good(at: store.Files, names: tuple[str, ...], now: dt.datetime) -> None:
    serving = pki.Issued(at.certificate.read_bytes(), at.key.read_bytes())
    assert pki.serving_faults(serving, at.authority.read_bytes(), names, now=now) == ()


def test_an_empty_directory_is_filled_and_a_second_call_changes_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "certs"
    at = store.ensure(directory, NAMES, now=NOW)
    before = contents(directory)
    assert before.keys() == {"ca.crt", "ca.key", "tls.crt", "tls.key"}
    assert_is_good(at, NAMES, NOW)
    assert store.ensure(directory, NAMES, now=NOW + DAY) == at
    assert contents(directory) == before


def test_keys_and_the_directory_are_for_their_owner_alone(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        at = store.ensure(tmp_path / "certs", NAMES, now=NOW)
    finally:
        os.umask(previous)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "certs", at.key, at.authority_key)}
    assert modes == {"certs": 0o700, "tls.key": 0o600, "ca.key": 0o600}


def _open_key(at: store.Files) -> None:
    at.key.chmod(0o644)


def _lose_certificate(at: store.Files) -> None:
    at.certificate.unlink()


def _swap_key(at: store.Files) -> None:
    at.key.write_bytes(at.authority_key.read_bytes())


def _garble(at: store.Files) -> None:
    at.certificate.write_bytes(b"-----BEGIN CERTIFICATE-----\n")


@pytest.mark.parametrize("harm", [_open_key, _lose_certificate, _swap_key, _garble])
def test_a_bad_serving_certificate_is_replaced_under_the_same_authority(
    harm: Callable[[store.Files], None], tmp_path: Path
) -> None:
    at = store.ensure(tmp_path, NAMES, now=NOW)
    authority, key = at.authority.read_bytes(), at.key.read_bytes()
    harm(at)
    store.ensure(tmp_path, NAMES, now=NOW)
    assert_is_good(at, NAMES, NOW)
    assert at.authority.read_bytes() == authority
    assert at.key.read_bytes() != key


def test_another_name_and_a_great_age_make_a_new_serving_certificate(tmp_path: Path) -> None:
    at = store.ensure(tmp_path, NAMES, now=NOW)
    authority = at.authority.read_bytes()
    store.ensure(tmp_path, (*NAMES, "10.0.0.1"), now=NOW)
    assert_is_good(at, (*NAMES, "10.0.0.1"), NOW)
    store.ensure(tmp_path, NAMES, now=NOW + 80 * DAY)
    assert_is_good(at, NAMES, NOW + 80 * DAY)
    assert at.authority.read_bytes() == authority


def test_a_replaced_authority_stays_trusted_until_it_expires(tmp_path: Path) -> None:
    at = store.ensure(tmp_path, NAMES, now=NOW)
    old = at.authority.read_bytes()
    later = NOW + pki.AUTHORITY_LIFE * 0.7
    store.ensure(tmp_path, NAMES, now=later)
    assert_is_good(at, NAMES, later)
    trusted = at.authority.read_bytes()
    assert trusted.endswith(old)
    assert len(pki.load_all(trusted)) == 2
    much_later = later + pki.AUTHORITY_LIFE * 0.7
    store.ensure(tmp_path, NAMES, now=much_later)
    assert len(pki.load_all(at.authority.read_bytes())) == 2
    assert old not in at.authority.read_bytes()


def test_a_garbled_authority_is_replaced_with_all_it_issued(tmp_path: Path) -> None:
    at = store.ensure(tmp_path, NAMES, now=NOW)
    at.authority.write_bytes(b"")
    store.ensure(tmp_path, NAMES, now=NOW)
    assert_is_good(at, NAMES, NOW)


def test_a_writer_that_dies_half_way_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = store.ensure(tmp_path, NAMES, now=NOW)
    before = contents(tmp_path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.ensure(tmp_path, (*NAMES, "new.svc"), now=NOW)
    assert contents(tmp_path) == before
    assert_is_good(at, NAMES, NOW)


def _ensure_many(directory: Path, seed: int) -> None:
    for turn in range(6):
        store.ensure(directory, (*NAMES, f"name-{seed}-{turn}"), now=NOW)


def test_writers_that_disagree_never_leave_a_pair_that_does_not_match(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_ensure_many, args=(tmp_path, seed)) for seed in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=30)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert contents(tmp_path).keys() == {"ca.crt", "ca.key", "tls.crt", "tls.key"}
    assert_is_good(store.files(tmp_path), NAMES, NOW)
