""".NET patterns on RE2: what is rewritten, what is refused, groups and replacements."""

import pytest

from muster.expression.patterns import MAX_PATTERN, PatternError, compile_pattern, expand_template


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"\w+", "José_1"),
        (r"[\w-]+", "Zoë-Ann"),
        (r"\d+", "١٢"),
        (r"\D+", "ab"),
        (r"[\D]+", "ab"),
        (r"[^\W\d]+", "éa"),
        (r"\s\S", "\u00a0x"),
        (r"[\s]+", "\u2003 "),
        (r"[\S]+", "aé!"),
        (r"[^\S]+", " \t"),
        (r"\u00e9", "é"),
        (r"\x41\e\a\v", "A\x1b\x07\x0b"),
        (r"[\b]", "\x08"),
        (r"a\Z", "a"),
        (r"(?'n'x)y", "xy"),
        (r"(?P<n>x)y", "xy"),
        (r"(?#comment)x", "x"),
        (r"(?i:ABC)d", "abcd"),
        (r"(?i)ABC", "abc"),
        (r"(?i-s)ABC", "abc"),
        (r"(?:a|b)+?", "ab"),
        (r"[]a]+", "]a"),
        (r"[^]a]+", "xy"),
        (r"[[a]+", "[a"),
        (r"\é", "é"),
        (r"a\+\+b", "a++b"),
        (r"[a+]+", "a+"),
    ],
)
def test_a_dotnet_pattern_matches(pattern: str, text: str) -> None:
    assert compile_pattern(pattern).matches_whole(text)


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("(?=x)", "a look-ahead"),
        ("(?!x)", "a negative look-ahead"),
        ("(?<=x)", "a look-behind"),
        ("(?<!x)", "a negative look-behind"),
        ("(?>x)", "an atomic group"),
        ("(?(x)a|b)", "a conditional group"),
        (r"(x)\1", "a back-reference"),
        (r"(?<n>x)\k<n>", "a back-reference"),
        (r"\G", "the anchor"),
        ("a++", "possessive repetition"),
        ("[a-z-[aeiou]]", "subtraction of classes"),
        ("(?x) a", "the option"),
        ("(?in)a", "the option"),
        ("(", "cannot be read"),
        ("(?#x", "a comment that does not end"),
        ("(?'n", "cannot be read"),
        ("(?i", "cannot be read"),
        (r"\u12", "without four hexadecimal digits"),
        (r"\u12zz", "without four hexadecimal digits"),
        ("a\\", "ends in a single backslash"),
        ("a" * (MAX_PATTERN + 1), "at most 2,000 characters"),
        ("a{2000}", "cannot be read"),
    ],
)
def test_what_re2_has_not_is_refused_by_name(pattern: str, told: str) -> None:
    with pytest.raises(PatternError, match=told):
        compile_pattern(pattern)


def test_case_can_be_ignored() -> None:
    assert compile_pattern("abc", ignore_case=True).matches_whole("ABC")
    assert not compile_pattern("abc").matches_whole("ABC")


def test_unnamed_groups_come_before_named_ones() -> None:
    pattern = compile_pattern("(?<n>a)(b)")
    assert [pattern.group(name) for name in ("0", "1", "2", "n")] == [0, 2, 1, 1]
    assert [pattern.group(name) for name in ("3", "m", "", "0000", "²")] == [None] * 5


def test_empty_matches_count_like_in_dotnet() -> None:
    spans = [match.span() for match in compile_pattern("x*").find_all("abéxd")]
    assert spans == [(0, 0), (1, 1), (2, 2), (3, 4), (4, 4), (5, 5)]


def test_a_replacement_without_groups_keeps_its_text() -> None:
    pattern = compile_pattern("b")
    match = pattern.search("abc")
    assert "".join(expand_template("[$+$x$1${]", pattern, match, "abc")) == "[b$x$1${]"


def test_a_hostile_pattern_runs_in_linear_time() -> None:
    assert compile_pattern("(a+)+$").search("a" * 20_000 + "b") is None
