"""The name of a model comes in, a checked and loaded model goes out; token blocks come in, log-likelihoods go out. It
imports `tokens`, `tasks` and `common`."""
