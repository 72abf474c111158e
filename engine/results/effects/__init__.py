"""What an experiment varies beside the strategy, told apart from it. It imports `engine/results`."""
