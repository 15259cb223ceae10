"""The pure core: what is isolated, what undercuts it, what is missing. Nothing here opens, logs, sleeps or reads the clock."""
