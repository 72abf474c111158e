"""What the Experiment page says of its estimate."""

ASK_ESTIMATE = "Estimate time and disk"
HELP_ASK_ESTIMATE = "Loads the chosen model, times a few training steps on this machine and works out the rest."
ABOUT_ASKING = "The estimate loads the model and times a few steps; a model of the hub is downloaded first."
