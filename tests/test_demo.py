"""The demo: every cell as in the article, and a wrong cell is noticed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from click.testing import CliRunner

from webhook import demo as module
from webhook.demo_story import ARTICLE


def test_the_demo_plays_the_article() -> None:
    """The real webhook and the real controller, to the end, with nothing out of order."""
    result = CliRunner().invoke(module.demo, ["--no-colour"])
    assert result.exit_code == 0, result.output
    assert "0 of the checks failed" in result.output
    assert "[order-in-tenant-band] NetworkPolicy development/too-late has order 6000" in result.output


def test_a_cell_that_is_not_the_articles_fails_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of expectations that nothing could contradict would show nothing."""
    wrong = (replace(ARTICLE[0], cells=("timed out", "reaches", "reaches")), *ARTICLE[1:])
    monkeypatch.setattr(module, "ARTICLE", wrong)
    result = CliRunner().invoke(module.demo, ["--no-colour"])
    assert result.exit_code == 1
    assert "from development it is `reaches`, should be `timed out`" in result.output
