"""Every strategy at several values of its main parameter, chosen on one half of the held-out documents and reported on
the other: `runs.py` trains and keeps a small file of numbers a run, `lines.py` chooses and tests, `document.py` and
`figure.py` write what stands in `docs/methods.md`."""
