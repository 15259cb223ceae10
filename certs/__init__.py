"""Certificates of the webhook: keys and chains as pure functions of state and time, and the files that hold them."""
