import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.errors import ConfigError
from engine.common.parameters import Parameter, parameters_of
from engine.experiments.training import Training
from engine.strategies import parts_of, registry
from ui.widgets.forms import as_text, parse_seeds, parse_values, slider_stops
from ui.widgets.text import bytes_size, count, duration, plain

DECLARED = {p.name: p for part in parts_of("replay+ewc") for p in parameters_of(part)} | {
    p.name: p for p in parameters_of(Training)
}
SLID = [
    p
    for cls in (*registry().values(), Training)
    for p in parameters_of(cls)
    if p.low is not None and p.high is not None and p.type in (int, float)
]


def test_values_may_be_separated_by_commas_semicolons_or_spaces() -> None:
    assert parse_values(DECLARED["replay_weight"], " 0.5, 1;2  4 ") == [0.5, 1.0, 2.0, 4.0]


def test_values_given_twice_count_once() -> None:
    assert parse_values(DECLARED["ewc_lambda"], "10, 1e1, 10.0") == [10.0]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("replay_weight", "", "at least one"),
        ("replay_weight", "1, two", "'two' is not a number"),
        ("replay_weight", "-1", "below 0"),
        ("ewc_lambda", "nan", "not a number"),
        ("ewc_lambda", "1e400", "not a number"),
        ("memory_size", "2.5", "not a whole number"),
        ("memory_size", "2000000", "above 1e+06"),
        ("accumulation", "exact, both", "none of exact, online"),
    ],
)
def test_a_value_that_does_not_fit_gets_one_sentence_that_names_it(name: str, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{DECLARED[name].label}: .*") as caught:
        parse_values(DECLARED[name], text)
    assert says in str(caught.value)


@given(st.lists(st.floats(min_value=0, max_value=1000), min_size=1, unique=True))
def test_values_written_as_text_read_back(values: list[float]) -> None:
    read = parse_values(DECLARED["replay_weight"], as_text(values))
    assert set(read) == {float(f"{value:.12g}") for value in values}


def test_seeds_are_whole_numbers_each_once() -> None:
    assert parse_seeds("0, 1,2") == (0, 1, 2)
    for text, says in (("", "at least one"), ("1, 1", "twice"), ("-1", "'-1'"), ("a", "'a'")):
        with pytest.raises(ConfigError, match=f"^Seeds: .*{says}"):
            parse_seeds(text)


def test_a_logarithmic_slider_offers_one_two_three_and_five_of_each_power_of_ten() -> None:
    stops = slider_stops(DECLARED["ewc_lambda"])
    assert stops[:6] == [0.0, 0.1, 0.2, 0.3, 0.5, 1.0]
    assert stops[-1] == 1e5


@pytest.mark.parametrize("parameter", [p for p in DECLARED.values() if p.low is not None], ids=lambda p: p.name)
def test_every_slider_offers_valid_values_of_the_right_type_in_order(parameter: Parameter) -> None:
    if parameter.high is None:
        return
    stops = slider_stops(parameter)
    assert stops == sorted(set(stops))
    assert all(type(stop) is parameter.type for stop in stops)
    assert parameter.minimum is None or stops[0] >= parameter.minimum
    assert parameter.maximum is None or stops[-1] <= parameter.maximum
    assert len(stops) <= 201


@pytest.mark.parametrize("parameter", SLID, ids=lambda p: p.name)
def test_a_slider_stops_at_its_ends_and_at_the_default(parameter: Parameter) -> None:
    stops = slider_stops(parameter)
    assert stops[-1] == parameter.high
    assert parameter.low in stops
    assert parameter.default is None or parameter.default in stops
    assert stops == sorted(set(stops))


def test_what_a_user_types_stays_text_in_markdown() -> None:
    assert plain("a*b_c") == r"a\*b\_c"
    assert plain("[x](y) :red[z] $1$ <b>") == r"\[x\]\(y\) \:red\[z\] \$1\$ \<b\>"
    assert plain("two\n lines\u2028") == "two lines"
    assert plain("4.58\u202fkB") == "4.58\u202fkB".replace(".", r"\.")
    assert ":\u2060smile" in plain(":smile:").replace("\\", "")


def test_numbers_read_as_people_say_them() -> None:
    assert (count(950), count(12_345), count(2_620_000)) == ("950", "12.3\u202fk", "2.62\u202fM")
    assert (duration(8), duration(200), duration(7_500)) == ("8\u202fs", "3\u202fmin 20\u202fs", "2\u202fh 5\u202fmin")
    assert bytes_size(921_000_000) == "921\u202fMB"
