"""An experiment comes in, is checked and queued (by a page, the command line or a notebook), and the events of its runs
go into the store. It imports every room below it."""
