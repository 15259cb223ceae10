"""Reading manifests: every object with its place, and every bad file with a clear one."""

from pathlib import Path

import pytest

from webhook.manifests import read
from webhook.policy.objects import InvalidObject

TWO = """\
# a comment
apiVersion: v1
kind: Namespace
metadata: {name: a}
---
---
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: Namespace, metadata: {name: b}}
  - {apiVersion: v1, kind: Pod, metadata: {name: c}}
"""

BAD = [
    ("a: [1, ]\nb: {", ":", "expected YAML"),
    ("- 1\n", ":1", "expected an object with apiVersion and kind"),
    ("\n\nkind: Pod\n", ":3", "expected an object with apiVersion and kind"),
    ("kind: 3\napiVersion: v1\n", ":1", "expected an object with apiVersion and kind"),
    ("a: !!python/object:os.system {}\n", ":1", "expected YAML"),
    ("[" * 3000, "", "expected YAML"),
]


def test_every_object_comes_with_its_place(tmp_path: Path) -> None:
    """Documents, empty documents and lists, in order."""
    file = tmp_path / "two.yaml"
    file.write_text(TWO)
    found = [(s.manifest["metadata"]["name"], s.line) for s in read([str(tmp_path)])]
    assert found == [("a", 2), ("b", 7), ("c", 7)]


@pytest.mark.parametrize(("text", "place", "message"), BAD, ids=[b[0][:20] for b in BAD])
def test_a_bad_file_names_its_place(tmp_path: Path, text: str, place: str, message: str) -> None:
    """File and line first, then what was expected."""
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(InvalidObject) as caught:
        list(read([str(file)]))
    assert caught.value.path.startswith(str(file) + place)
    assert message in caught.value.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """No traceback for a typing mistake."""
    with pytest.raises(InvalidObject, match="found nothing"):
        list(read([str(tmp_path / "nowhere.yaml")]))
