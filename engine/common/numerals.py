"""Numbers as people read them. It needs nothing and is all that `figures/` takes from the engine."""

MINUS = "\u2212"


def written(value: float, form: str) -> str:
    """`format(value, form)` with a true minus sign (U+2212), which is as wide as a plus and no hyphen; for pages,
    figures and reports, never for files that programs read."""
    return format(value, form).replace("-", MINUS)


def percent(share: float) -> str:
    """A share from 0 to 1 in percent, whole where it is 1 % or more: "33 %", "0.2 %"."""
    scaled = 100 * share
    return f"{scaled:.0f}\u202f%" if scaled >= 1 or not scaled else f"{scaled:.1g}\u202f%"
