"""Training of the wells' network: pictures with their truth -> crops -> network -> weights."""
