"""Numbers as people read them, in one format: for pages, figures and reports, never for files that programs read.

Thousands have a comma, decimals a point, and a thin space that breaks no line (U+202F) stands before a unit. Up to
9,999 a count is written in full; a larger one may be shortened with k, M or G where its last digits say nothing.
"""

MINUS = "\u2212"
THIN = "\u202f"
NOTHING = "–"
"""What stands where there is no number."""
_COUNTS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_BYTES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_SPANS = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s"))
_ROUNDED_TO = ((86_400, 3_600), (600, 60), (0, 1))


def written(value: float, form: str) -> str:
    """`format(value, form)` with a true minus sign (U+2212), which is as wide as a plus and no hyphen, and a thin space
    before a percent sign.

    >>> written(-0.25, "+.1f"), written(1 / 3, ".1%").replace(THIN, " ")
    ('−0.2', '33.3 %')
    """
    return format(value, form).replace("-", MINUS).replace("%", f"{THIN}%")


def exact(number: float) -> str:
    """A count of anything in full, rounded to a whole number, with a comma at each thousand; a dash for none.

    >>> exact(950), exact(159_234), exact(-1200.4), exact(float("nan"))
    ('950', '159,234', '−1,200', '–')
    """
    return NOTHING if number != number else written(round(number), ",d")


def count(number: float) -> str:
    """A count of anything where its size matters: in full up to 9,999, from there three digits and k, M, G or T.

    A number with decimals below ten thousand keeps three digits.

    >>> [count(n) for n in (0, 950, 1_234, 9_999)], count(12.34)
    (['0', '950', '1,234', '9,999'], '12.3')
    >>> [count(n).replace(THIN, " ") for n in (12_345, 159_000, 4_100_000)]
    ['12.3 k', '159 k', '4.1 M']
    """
    if number != number:
        return NOTHING
    if abs(number) < 9_999.5:
        return exact(number) if number == round(number) else decimal(number)
    size, unit = next((each for each in _COUNTS if abs(number) >= 0.9995 * each[0]), _COUNTS[-1])
    return f"{written(number / size, '.3g')}{THIN}{unit}"


def amount(number: float, one: str, many: str | None = None) -> str:
    """A `count` with the name of what is counted.

    >>> amount(1, "token"), amount(159_000, "token").replace(THIN, " "), amount(2, "query", "queries")
    ('1 token', '159 k tokens', '2 queries')
    """
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def plural(number: int, one: str, many: str | None = None) -> str:
    """The same with the count in full.

    >>> plural(1, "run"), plural(12_345, "run")
    ('1 run', '12,345 runs')
    """
    return f"{exact(number)} {one if number == 1 else many or one + 's'}"


def decimal(value: float) -> str:
    """A measured number without a unit: three digits, and as many decimals as that leaves; a dash for none.

    >>> [decimal(v) for v in (0.01234, 1.234, 12.34, 123.4, 1234.0, -0.5, 0)]
    ['0.0123', '1.23', '12.3', '123', '1,234', '−0.5', '0']
    >>> decimal(0.0000123)
    '1.23e−5'
    """
    if value != value:
        return NOTHING
    if abs(value) >= 999.5:
        return exact(value) if abs(value) < 1e9 else setting(float(f"{value:.3g}"))
    return setting(float(f"{value:.3g}"))


def setting(value: float) -> str:
    """A number that somebody has chosen, with all the digits that it was given, up to six.

    >>> [setting(v) for v in (1.0, 0.0005, 1e-05, 200, 100000.0, 1e7)]
    ['1', '0.0005', '1e−5', '200', '100,000', '1e7']
    """
    if abs(value) < 1e6 and value == round(value):
        return exact(value)
    mantissa, is_power, power = f"{value:g}".partition("e")
    return (mantissa + (f"e{int(power)}" if is_power else "")).replace("-", MINUS)


def percent(share: float) -> str:
    """A share from 0 to 1 in percent, whole where it is 1 % or more; a dash for none.

    >>> [percent(s).replace(THIN, " ") for s in (1 / 3, 0.002, 0)]
    ['33 %', '0.2 %', '0 %']
    """
    if share != share:
        return NOTHING
    scaled = 100 * share
    return written(scaled, ".0f" if abs(scaled) >= 1 or not scaled else ".1g") + f"{THIN}%"


def bytes_size(number: float) -> str:
    """Bytes as kB, MB, GB or TB (powers of ten), with a decimal below ten of them.

    >>> [bytes_size(n).replace(THIN, " ") for n in (1, 512, 3_000, 3_240_000_000, 47_100_000)]
    ['1 byte', '512 bytes', '3 kB', '3.2 GB', '47 MB']
    """
    for size, unit in _BYTES:
        if abs(number) >= 0.9995 * size:
            scaled = number / size
            tenths = round(scaled, 1)
            return f"{tenths if tenths < 10 and tenths % 1 else round(scaled):,}{THIN}{unit}"
    return f"{number:.0f}{THIN}{'byte' if number == 1 else 'bytes'}"


def duration(seconds: float) -> str:
    """A time span in its two largest units, without seconds from ten minutes on; a dash for none.

    >>> [duration(s).replace(THIN, " ") for s in (8, 200, 1034, 7500, 273_600)]
    ['8 s', '3 min 20 s', '17 min', '2 h 5 min', '3 d 4 h']
    """
    if seconds != seconds:
        return NOTHING
    step = next(step for least, step in _ROUNDED_TO if max(0, seconds) >= least)
    whole = max(0, step * round(seconds / step))
    for size, unit, small, small_unit in _SPANS:
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size}{THIN}{unit}" + (f" {rest}{THIN}{small_unit}" if rest else "")
    return f"{whole}{THIN}s"
