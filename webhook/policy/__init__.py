"""The pure core: what is isolated, what undercuts it, what is missing; no file, socket, log or clock."""
