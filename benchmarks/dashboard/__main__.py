"""`python -m benchmarks.dashboard`: what the dashboard costs on this machine."""

import argparse
import asyncio
import tempfile
from pathlib import Path

from benchmarks.dashboard.pages import browser_pages, light_pages
from benchmarks.dashboard.refreshes import measure_refreshes
from benchmarks.dashboard.training import measure_training, summary

_QUIET_CORES = 0.15


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        if options.what == "refresh":
            asyncio.run(measure_refreshes(Path(folder), options.steps, options.watchers))
            return
        if options.what == "load":
            from benchmarks.dashboard.load import load_summary, measure_load

            load = asyncio.run(measure_load(Path(folder), options.sessions, options.minutes, options.browser))
            print(load_summary(load, options.minutes, options.sessions))
            return
        if options.what == "endurance":
            from benchmarks.dashboard.endurance import endurance_summary, measure_endurance

            print(endurance_summary(asyncio.run(measure_endurance(Path(folder), options.steps, options.minutes))))
            return
        pages = browser_pages if options.browser else light_pages
        counts = [0, *options.watchers]
        windows = asyncio.run(measure_training(Path(folder), counts, options.rounds, options.seconds, pages))
        print(summary(windows, float("inf") if options.browser else _QUIET_CORES))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=__doc__)
    parser.add_argument("what", choices=["refresh", "training", "load", "endurance"])
    parser.add_argument("--watchers", type=int, nargs="+", default=[1, 10], help="how many watch, in turn")
    parser.add_argument("--steps", type=int, default=2_000, help="refresh, endurance: steps of the run")
    parser.add_argument(
        "--rounds", type=int, default=5, help="training: how often every number of watchers has its turn"
    )
    parser.add_argument("--seconds", type=float, default=15, help="training: of each turn")
    parser.add_argument("--minutes", type=float, default=15, help="load, endurance: how long at most")
    parser.add_argument("--sessions", type=int, default=25, help="load: how many visitors at once")
    parser.add_argument("--browser", action="store_true", help="training, load: Chromium's pages, no light watchers")
    return parser.parse_args()


if __name__ == "__main__":
    main()
