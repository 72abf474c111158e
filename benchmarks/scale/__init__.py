"""Many runs at once into one process that drives them: simulated executors, the driver, and who looks on."""
