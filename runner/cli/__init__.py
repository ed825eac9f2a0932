"""Floor 6: the command line. Commands parse arguments, call a lower floor and render; they decide nothing."""
