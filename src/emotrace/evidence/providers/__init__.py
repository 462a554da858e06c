"""Who can be asked about a clip. One method, `Provider.ask(request) -> Reply`; each provider in its own file."""
