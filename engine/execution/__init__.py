"""One run of an experiment comes in and its events go out, computed in this process or in one of its own. It imports
the rooms up to `engine/training` and what forecasts a run, and knows no store."""
