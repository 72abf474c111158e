"""The formats of all numbers that pages and figures show. They stand in `engine.common.numerals`, so that the engine's
own sentences write numbers the same way."""

from engine.common.numerals import NOTHING as NOTHING
from engine.common.numerals import amount as amount
from engine.common.numerals import bytes_size as bytes_size
from engine.common.numerals import count as count
from engine.common.numerals import decimal as decimal
from engine.common.numerals import duration as duration
from engine.common.numerals import exact as exact
from engine.common.numerals import percent as percent
from engine.common.numerals import plural as plural
from engine.common.numerals import setting as setting
from engine.common.numerals import written as written
