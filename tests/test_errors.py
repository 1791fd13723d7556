"""Why something failed, in words that stand inside a sentence."""

from __future__ import annotations

from pathlib import Path
from urllib.error import URLError

import pytest

from workbench.errors import reason


def raised(action) -> Exception:
    with pytest.raises((OSError, UnicodeDecodeError)) as caught:
        action()
    return caught.value


def test_an_error_of_the_system_is_told_without_number_and_path(tmp_path: Path) -> None:
    assert reason(raised((tmp_path / "away.json").read_text)) == "No such file or directory"
    (tmp_path / "file").touch()
    assert reason(raised((tmp_path / "file" / "x").mkdir)) == "Not a directory"


def test_text_that_is_none_is_told_without_bytes(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_bytes(b"\xff\xfe")
    assert reason(raised(lambda: (tmp_path / "r.json").read_text(encoding="utf-8"))) == "it is not text in UTF-8"


def test_a_download_that_finds_no_server_says_so() -> None:
    told = "its server cannot be reached: Name or service not known"
    error = URLError(OSError(-2, "Name or service not known"))
    assert reason(error) == told
    # torchvision puts the words of several servers into one error
    assert reason(RuntimeError(f"Error downloading x.gz:\nTried https://a.example, got:\n{error}\n")) == told
    assert reason(URLError("unknown url type: x")) == "its server cannot be reached: unknown url type: x"


def test_other_words_stay_as_they_are() -> None:
    assert reason(RuntimeError("invalid hash value")) == "invalid hash value"
    assert reason(TimeoutError()) == "TimeoutError"
