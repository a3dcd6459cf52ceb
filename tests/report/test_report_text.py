"""Numbers as a physicist writes them."""

import math

import pytest

from lamppost.report.text import count, escape, number, percent, plus_minus, probability, table

NB, NARROW = "\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.5, "0.5"),
        (0.0123, "0.012"),
        (2.34e-7, f"2.3{NB}×{NB}10⁻⁷"),
        (9.99e-13, f"1.0{NB}×{NB}10⁻¹²"),
        (0.0, "0"),
        (1.0, "1"),
        (None, "–"),
        (math.nan, "–"),
    ],
)
def test_probability(p: float | None, text: str) -> None:
    assert probability(p) == text


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (123.4, 16.2, f"123{NB}±{NB}16"),
        (12.34, 1.62, f"12.3{NB}±{NB}1.6"),
        (-0.1234, 0.0162, f"−0.123{NB}±{NB}0.016"),
        (12.34, None, "12.34"),
        (None, 1.0, f"–{NB}±{NB}1.0"),
        (12.34, 0.0, "12.34"),
        (12.34, math.inf, "12.34"),
    ],
)
def test_errors_set_the_digits(value: float | None, error: float | None, text: str) -> None:
    assert plus_minus(value, error) == text


def test_counts_and_percentages() -> None:
    assert count(150000) == f"150{NARROW}000"
    assert count(1234.56) == f"1{NARROW}234.6"
    assert count(None) == "–"
    assert count(math.inf) == "∞"
    assert percent(0.001) == "0.1%"
    assert percent(None) == "–"
    assert number(-math.inf) == "−∞"


def test_everything_is_escaped() -> None:
    assert escape('<a b="c">\'&\x00') == "&lt;a b=&quot;c&quot;&gt;&#x27;&amp;\N{REPLACEMENT CHARACTER}"
    assert escape(None) == "–"
    assert escape(True) == "True"
    assert escape("two\nlines\tkept") == "two\nlines\tkept"


def test_table_marks_rows() -> None:
    html = table(["a", "b"], [["1", "2"], ["3", "4"]], classes=["best"], caption="c")
    assert '<tr class="best"><th scope="row">1</th><td>2</td></tr><tr><th scope="row">3</th>' in html
    assert "<caption>c</caption>" in html
