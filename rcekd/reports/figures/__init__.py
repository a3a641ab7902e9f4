"""The figures of an experiment, one file for each kind; `drawing` knows them all, `style` how they look."""
