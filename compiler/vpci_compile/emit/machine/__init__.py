"""A whole machine as outputs: the tables and numbers of every VMM, and the command line of each."""
