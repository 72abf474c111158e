"""What people do with experiments and runs, from every page that shows them.

A choice of experiments and runs comes in; names, tags, notes, the archive and the bin change. It imports `server`,
`widgets` and the engine below.
"""
