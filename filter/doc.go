// Package filter says which entries of a tree are left out of a transfer, by the rules of
// rsync(1), "PATTERN MATCHING RULES". Pure.
//
// Rules are tried in their order, and the first whose pattern matches decides; what none
// matches is included. What is below an excluded directory is never looked at.
//
//	foo        an entry named foo, at any depth
//	/foo       an entry foo at the root of the transfer, which is where SRC lies, or SRC
//	           itself where its contents are copied
//	a/foo      an entry whose path ends in a/foo
//	foo/       a directory
//	*  ?       any bytes, one byte; but no slash
//	**         any bytes
//	[a-z]      one byte of these; [!a-z] or [^a-z] of none of these; never a slash
//	foo/***    a directory foo, and everything in it
//	\*         the asterisk itself, in patterns that have some of the above
//
// Not there are rsync's modifiers (as in "-s,! foo"), merge files and per-directory rules.
package filter
