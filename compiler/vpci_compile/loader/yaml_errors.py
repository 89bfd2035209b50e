"""What PyYAML says of a broken text, in words for people and with the place that they have to change."""

from __future__ import annotations

import yaml

from ..diagnostics import Failed, Source, Span, failure

_INDENT = "indent with spaces; keys of one mapping begin in the same column"
_QUOTE = "put the text in quotes"
_WORDS = (  # part of PyYAML's text (of libyaml, of its Python twin), ours, the way out
    ("tab character", "a tab where only spaces can be", _INDENT),
    ("cannot start any token", "{character} cannot begin a value", _QUOTE),
    ("could not find expected ':'", "a line of a mapping without ':'", "write 'key: value'"),
    ("mapping values are not allowed", "a ':' where no key can be", f"{_QUOTE} if it has ': ' in it; {_INDENT}"),
    ("did not find expected ',' or", "{closing} is missing before this", ""),
    ("expected ',' or", "{closing} is missing before this", ""),
    ("did not find expected key", "this does not belong to the mapping around it", _INDENT),
    ("expected <block end>", "this does not belong to the list or mapping around it", _INDENT),
    ("did not find expected '-' indicator", "an entry of the list without '-'", _INDENT),
    ("end of stream", "a quote that is never closed", "close it in the same line"),
    ("did not find expected node content", "{character} cannot begin a value", _QUOTE),
    ("unknown escape character", "an escape that YAML does not know", "in 'single quotes' a backslash is itself"),
)
_AT_CONTEXT = ("could not find expected ':'", "end of stream")  # the mistake is where PyYAML began to look
_OPENED = ("did not find expected ',' or", "expected ',' or", "did not find expected key", "expected <block end>")


def not_yaml(source: Source, error: yaml.YAMLError) -> Failed:
    """The failure (VPCI1002) for what PyYAML says of `source`."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return _not_text(source, error)
    problem, context = error.problem or "", error.context or ""
    place, before = _span(source, error.problem_mark), _span(source, error.context_mark)
    message, way_out = ", ".join(part for part in (context, problem) if part), ""
    for part, words, help_text in _WORDS:
        if part in problem:
            text = source.line(place.line)[place.col - 1 :]
            if text.startswith("\t"):
                words, help_text = _WORDS[0][1:]
            closing = "',' or '}'" if "}" in problem else "',' or ']'"
            message, way_out = words.format(character=f"'{text[:1]}'", closing=closing), help_text
            break
    if before.width and any(part in problem for part in _AT_CONTEXT):
        place = before
    labels = []
    if before.width and before != place and any(part in problem for part in _OPENED):
        labels.append((before, "begun here"))
    return failure("VPCI1002", place, message, labels=labels, help=way_out or ())


def _span(source: Source, mark: yaml.Mark | None) -> Span:
    return Span(source, mark.line + 1, mark.column + 1) if mark else Span(source, 1, 1, 0)


def _not_text(source: Source, error: yaml.YAMLError) -> Failed:
    """A character that no YAML text may have: PyYAML gives no line for it."""
    if not isinstance(error, yaml.reader.ReaderError):
        return failure("VPCI1002", Span(source, 1, 1, 0), str(error).partition("\n")[0] or "not YAML")
    number = error.character if isinstance(error.character, int) else ord(str(error.character)[:1])
    lines = f"{source.text.partition(chr(number))[0]}.".splitlines()
    return failure(
        "VPCI1002",
        Span(source, len(lines), len(lines[-1])),
        f"character U+{number:04X} is not allowed in YAML",
        help="a layout is a text file; captures go to 'vpci-compile import'" if number == 0 else "take it out",
    )
