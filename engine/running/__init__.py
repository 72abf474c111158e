"""An experiment comes in, is checked and run (by a page's queue, the command line or a notebook), and its events go
into the store. It imports every room below it."""
