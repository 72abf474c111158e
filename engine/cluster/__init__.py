"""A run comes in and is computed on a node of a Ray cluster; its events and files come back to the data folder of this
machine. It imports `engine/execution` and the rooms below it. Ray is imported in `gateway.py` and `ray_worker.py`
alone, whose processes are not the server's."""
