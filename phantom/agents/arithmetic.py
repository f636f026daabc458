"""A small, bounded calculator for the offline agent: numbers, + - * / // % ** and brackets; no names, no calls.

Python's own parser reads the text; only the listed nodes are evaluated, so nothing in a chat message can run code or
keep the process busy.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable

Number = int | float

_MAX_CHARS = 200
_MAX_DIGITS = 300
_MAX_POWER = 1000

_BINARY: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


class NotArithmetic(ValueError):
    """The text is not a calculation this calculator does; the message says why, fit for chat."""


def calculate(text: str) -> str:
    """The value of `text` as short text. Raises `NotArithmetic`."""
    if len(text) > _MAX_CHARS:
        raise NotArithmetic("that is too long for me")
    source = text.replace("×", "*").replace("÷", "/").replace("−", "-").replace("^", "**")
    try:
        tree = ast.parse(source.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise NotArithmetic("that does not read like a calculation") from error
    try:
        return _shown(_value(tree.body))
    except ZeroDivisionError as error:
        raise NotArithmetic("dividing by zero has no answer") from error
    except (OverflowError, RecursionError) as error:
        raise NotArithmetic("the result is too large for me") from error


def looks_like_arithmetic(text: str) -> bool:
    """Whether `text` has digits and an operator and nothing but what a calculation is made of."""
    stripped = text.strip()
    return (
        0 < len(stripped) <= _MAX_CHARS
        and any(c.isdigit() for c in stripped)
        and any(c in "+*/%^×÷−" or (c == "-" and i > 0) for i, c in enumerate(stripped))
        and all(c.isdigit() or c in " .+-*/%^()×÷−" for c in stripped)
    )


def _value(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=bool()):
            raise NotArithmetic("I only know numbers")
        case ast.Constant(value=int() | float() as number):
            return _bounded(number)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(_value(left), _value(right))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _bounded(_BINARY[type(op)](_value(left), _value(right)))
    raise NotArithmetic("I only know numbers, + - * / // % ** and brackets")


def _power(base: Number, exponent: Number) -> Number:
    if abs(exponent) > _MAX_POWER:
        raise NotArithmetic("the result is too large for me")
    result = base**exponent
    if isinstance(result, complex):
        raise NotArithmetic("that has no real answer")
    return _bounded(result)


def _bounded(number: Number) -> Number:
    if isinstance(number, int):
        if number.bit_length() > _MAX_DIGITS * 4:
            raise NotArithmetic("the result is too large for me")
    elif not math.isfinite(number):
        raise NotArithmetic("the result is too large for me")
    return number


def _shown(number: Number) -> str:
    if isinstance(number, float):
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else f"{number:.12g}"
    return str(number)
