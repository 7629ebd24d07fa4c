// Package planner turns files into work units. It is pure: no files, no
// network, no clock, no goroutines, no locks.
//
//	[1] Add: a file whose bytes are wanted joins the end of the line
//	[2] Next: whoever is free takes the next unit: one range of a large file,
//	    or a bundle of small ones; never more than one slot holds
//	[3] AddGradual, Extend, End: a file of which only so much may be handed out, in order,
//	    or whose size is not known before its end
//	[4] GiveBack: a range that was taken but not carried goes to the head of the line
//
// Every byte of every file added (of what is missing of it, if that is said) is handed out exactly once, plus once for each
// time it was given back. The same calls in the same order give the same units.
// Memory grows with the files waiting, which the caller's window bounds.
package planner
