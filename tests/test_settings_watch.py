"""The settings in force: read again when the file changes, and never worse than the last good ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from webhook.policy.objects import InvalidObject
from webhook.policy.settings import Settings
from webhook.settings_watch import SettingsWatch

HEAD = "apiVersion: isolation-baseline.io/v1\nkind: Settings\n"
ONE = f"{HEAD}environmentLabel: one\n"
TWO = f"{HEAD}environmentLabel: two\n"
BAD = f"{HEAD}environmentLabel: 3\n"


class Mounted:
    """A settings file as the kubelet mounts a ConfigMap: a link to a link to a folder that is changed as a whole."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.versions = folder, 0
        self.write(ONE)
        self.path = folder / "settings.yaml"
        self.path.symlink_to(folder / "..data" / "settings.yaml")

    def write(self, text: str) -> None:
        self.versions += 1
        target = self.folder / f"v{self.versions}"
        target.mkdir()
        (target / "settings.yaml").write_text(text)
        (self.folder / "new").symlink_to(target)
        os.replace(self.folder / "new", self.folder / "..data")


@pytest.fixture
def mounted(tmp_path: Path) -> Mounted:
    return Mounted(tmp_path)


@pytest.fixture
def watch(mounted: Mounted) -> SettingsWatch:
    return SettingsWatch(mounted.path)


def test_nothing_is_read_again_while_nothing_changes(watch: SettingsWatch) -> None:
    before = watch.settings
    assert not watch.check()
    assert watch.settings is before


def test_a_change_is_in_force_and_told_once(mounted: Mounted, watch: SettingsWatch) -> None:
    told: list[Settings] = []
    watch.subscribe(told.append)
    mounted.write(TWO)
    assert watch.check()
    assert not watch.check()
    assert [settings.environment_label for settings in told] == ["two"]
    assert watch.settings.environment_label == "two"


def test_the_same_text_in_a_new_file_is_no_change(mounted: Mounted, watch: SettingsWatch) -> None:
    told: list[Settings] = []
    watch.subscribe(told.append)
    mounted.write(ONE)
    assert not watch.check()
    assert told == []


def test_a_bad_file_leaves_the_last_good_settings_and_says_which_field(
    mounted: Mounted, watch: SettingsWatch, caplog: pytest.LogCaptureFixture
) -> None:
    mounted.write(BAD)
    assert not watch.check()
    assert not watch.check()
    assert watch.settings.environment_label == "one"
    assert watch.error.startswith("environmentLabel:")
    assert caplog.text.count("event=settings-refused path=environmentLabel") == 1
    mounted.write(TWO)
    assert watch.check()
    assert (watch.error, watch.settings.environment_label) == ("", "two")


def test_a_file_that_is_gone_for_a_while_changes_nothing(mounted: Mounted, watch: SettingsWatch) -> None:
    (mounted.folder / "..data").unlink()
    assert not watch.check()
    assert watch.settings.environment_label == "one"
    mounted.write(TWO)
    assert watch.check()


def test_a_bad_file_at_the_start_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(BAD)
    with pytest.raises(InvalidObject):
        SettingsWatch(path)


def test_run_ends_when_stopped(watch: SettingsWatch) -> None:
    watch.stop()
    watch.run()
