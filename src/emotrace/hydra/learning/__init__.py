"""How a policy learns the protocol: cases, demonstrations, the questions they become, supervised and by reward."""
